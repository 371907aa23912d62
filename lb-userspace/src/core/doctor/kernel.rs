//! The kernel's features, and whether its verifier takes pivot's programs. Only what is not there makes a finding.

use super::facts::Facts;
use super::finding::Finding;
use crate::core::features::{Feature, ProgramReport, State};

/// A program that takes more than this part of what the verifier looks at is near the limit.
const NEAR: (u64, u64) = (4, 5);

/// Everything about the kernel.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let (features, programs) = (&facts.features.features, &facts.features.programs);
    let mut found: Vec<Finding> = features.iter().filter_map(missing).collect();
    let untried: Vec<&str> = features.iter().filter(|one| one.state == State::Unknown).map(|one| one.name).collect();
    if !untried.is_empty() && facts.process.missing.is_empty() {
        let names = untried.join(", ");
        let note = Finding::note("kernel features", format!("could not be tried: {names}"));
        found.push(note.remedy("see the table of features for the reason of each"));
    }
    found.extend(programs.iter().filter_map(refused));
    found
}

fn missing(feature: &Feature) -> Option<Finding> {
    let Feature { name, state, detail, instead } = feature;
    if *state != State::No {
        return None;
    }
    let name = format!("kernel {name}");
    Some(match instead {
        Some(instead) => Finding::note(name, format!("not in this kernel; instead: {instead}")),
        None => Finding::problem(name, format!("not in this kernel: {detail}")).remedy("boot a newer kernel"),
    })
}

fn refused(program: &ProgramReport) -> Option<Finding> {
    let ProgramReport { name, loads, instructions, limit, error } = program;
    let name = format!("program {name}");
    if !loads {
        let why = error.as_deref().unwrap_or("without a reason");
        let last = why.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or(why);
        let problem = Finding::problem(name, format!("refused by this kernel: {}", last.trim()));
        return Some(problem.remedy("boot a newer kernel, or report this with `pivot doctor --json`"));
    }
    let instructions = (*instructions)?;
    let near = u64::from(instructions) * NEAR.1 > u64::from(*limit) * NEAR.0;
    near.then(|| Finding::note(name, format!("takes {instructions} of the {limit} instructions that are looked at")))
}
