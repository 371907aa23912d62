//! What a host is fit for, judged by what its group tracks.
//!
//! In: what is tracked, and what is known of it. Out: a [`Fitness`], and what fails, in words. Weights are those of
//! keepalived: a negative one counts while the thing fails, a positive one while it does not; without a weight, a host on
//! which it fails is not fit at all.
//!
//! So are beginnings: a host takes no part before each command without a weight has ended once, and a command with a weight
//! changes nothing before that. The first result counts at once, later ones only `rise` or `fall` in a row.

use std::collections::BTreeMap;

use super::config::model::{CommandCheck, Track, Tracked};
use super::election::Fitness;
use super::run::{self, Run};

/// What is known of what is tracked, by name.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Interfaces: whether they have a carrier, and why not, in words an operator knows.
    pub carriers: BTreeMap<String, Result<(), String>>,
    /// Healthy backends of services.
    pub healthy: BTreeMap<String, usize>,
    /// Commands that have ended at least once.
    pub commands: BTreeMap<CommandCheck, Streak>,
}

/// What the results of a command, so far, have made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Streak {
    passes: bool,
    /// Results in a row that say otherwise.
    against: u32,
    /// What the last failure was.
    why: String,
}

/// How fit a host is, and why it is not fitter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// For the election.
    pub fitness: Fitness,
    /// What fails, in words an operator knows.
    pub failing: Vec<String>,
}

impl Known {
    /// Takes in that a command has ended.
    pub fn ended(&mut self, check: &CommandCheck, run: &Run) {
        match self.commands.get_mut(check) {
            Some(streak) => streak.take(check, run),
            None => drop(self.commands.insert(check.clone(), Streak::begin(check, run))),
        }
    }

    /// Why something fails; `None` if it is not known yet whether it does.
    fn look(&self, what: &Tracked) -> Option<Result<(), String>> {
        match what {
            Tracked::Interface(name) => self.carriers.get(name).cloned(),
            Tracked::Service { name, min_healthy } => {
                let healthy = *self.healthy.get(name)?;
                Some(if healthy >= *min_healthy as usize { Ok(()) } else { Err(too_few(name, healthy, *min_healthy)) })
            }
            Tracked::Command(check) => self.commands.get(check).map(Streak::result),
        }
    }
}

impl Streak {
    fn begin(check: &CommandCheck, run: &Run) -> Self {
        Self { passes: run.passed(), against: 0, why: failed(check, run) }
    }

    fn take(&mut self, check: &CommandCheck, run: &Run) {
        let passed = run.passed();
        if !passed {
            self.why = failed(check, run);
        }
        self.against = if passed == self.passes { 0 } else { self.against + 1 };
        let enough = if self.passes { check.fall } else { check.rise };
        if self.against >= enough {
            (self.passes, self.against) = (passed, 0);
        }
    }

    fn result(&self) -> Result<(), String> {
        if self.passes { Ok(()) } else { Err(self.why.clone()) }
    }
}

/// Judges a host: `own` is what the interface by which it speaks says, `tracks` what the group tracks besides. `None` if
/// that is not known yet: then what was judged before stands.
#[must_use]
pub fn judge(own: &Result<(), String>, tracks: &[Track], known: &Known) -> Option<Judgement> {
    let mut faults: Vec<String> = own.as_ref().err().cloned().into_iter().collect();
    let (mut weights, mut failing, mut waits) = (0, Vec::new(), false);
    for Track { what, weight } in tracks {
        match (known.look(what), weight) {
            (Some(Ok(())), Some(weight)) => weights += i32::from((*weight).max(0)),
            (Some(Err(why)), Some(weight)) => {
                weights += i32::from((*weight).min(0));
                failing.push(why);
            }
            (Some(Err(why)), None) => faults.push(why),
            (None, None) => waits = true,
            (Some(Ok(())), None) | (None, Some(_)) => {}
        }
    }
    let fitness = match (faults.is_empty(), waits) {
        (false, _) => Fitness::Fault(faults.join("; ")),
        (true, true) => return None,
        (true, false) => Fitness::Weighted(weights),
    };
    faults.append(&mut failing);
    Some(Judgement { fitness, failing: faults })
}

fn too_few(service: &str, healthy: usize, least: u32) -> String {
    let backends = if healthy == 1 { "backend" } else { "backends" };
    format!("{service} has {healthy} healthy {backends} of the {least} that it must have")
}

fn failed(check: &CommandCheck, run: &Run) -> String {
    format!("{} failed: {run}", run::called(&check.argv))
}

#[cfg(test)]
mod tests;
