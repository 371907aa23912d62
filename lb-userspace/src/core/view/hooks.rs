//! What an operator is shown of hooks (`pivot vips`): what runs, what waits, and how the last ones ended.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::election::Role;
use crate::core::event::Now;
use crate::core::hooks::{self, HookResult, Job, Queue};
use crate::core::run::Ending;

/// The hooks of one group on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HooksView {
    /// What runs now.
    pub running: Option<RunningHook>,
    /// What runs after that, in order, unless this host's role changes first.
    pub waiting: Vec<HookView>,
    /// How the last ones ended since pivotd was started, the latest first.
    pub ended: Vec<EndedHook>,
}

/// One hook, run or to be run for a change of this host's role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HookView {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// What this host had become.
    pub role: Role,
    /// Its place among the hooks of that role, from 1 on.
    pub place: usize,
    /// How many these are.
    pub of: usize,
}

/// A hook that runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningHook {
    /// The hook.
    #[serde(flatten)]
    pub hook: HookView,
    /// When it was started, in milliseconds since the beginning of 1970 (UTC).
    pub date_ms: u64,
    /// For how long it has run, in milliseconds.
    pub for_ms: u64,
    /// When it is killed, counted from its start, in milliseconds.
    pub timeout_ms: u64,
}

/// A hook that has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndedHook {
    /// The hook.
    #[serde(flatten)]
    pub hook: HookView,
    /// When it was started, in milliseconds since the beginning of 1970 (UTC).
    pub date_ms: u64,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How it ended.
    #[serde(flatten)]
    pub ending: EndingView,
    /// The last line that it wrote to stderr, cut if it is long; empty if there is none.
    pub last_line: String,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ending", rename_all = "snake_case")]
pub enum EndingView {
    /// By itself.
    Exited {
        /// Its exit code: 0 if it did what it was to do.
        exit_code: i32,
    },
    /// By a signal that was not pivotd's.
    Killed {
        /// Its number.
        signal: i32,
    },
    /// It was killed as it took too long.
    TimedOut {
        /// How long it was given, in milliseconds.
        timeout_ms: u64,
    },
    /// It never began.
    NotRun {
        /// Why.
        why: String,
    },
}

impl EndingView {
    /// Whether it did what it was to do.
    #[must_use]
    pub fn passed(&self) -> bool {
        matches!(self, Self::Exited { exit_code: 0 })
    }
}

impl fmt::Display for EndingView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited { exit_code } => write!(f, "exit code {exit_code}"),
            Self::Killed { signal } => write!(f, "signal {signal}"),
            Self::TimedOut { .. } => f.write_str("TIMEOUT"),
            Self::NotRun { .. } => f.write_str("NOT RUN"),
        }
    }
}

impl From<&Ending> for EndingView {
    fn from(ending: &Ending) -> Self {
        match ending {
            Ending::Exited(exit_code) => Self::Exited { exit_code: *exit_code },
            Ending::Killed(signal) => Self::Killed { signal: *signal },
            Ending::TimedOut(timeout) => Self::TimedOut { timeout_ms: millis(*timeout) },
            Ending::NotRun(why) => Self::NotRun { why: why.clone() },
        }
    }
}

impl HooksView {
    /// Of a group's hooks as they stand now, at this date since the beginning of 1970.
    #[must_use]
    pub fn of(queue: &Queue, now: Now, date: Duration) -> Self {
        let began = |at: Duration| millis(date.saturating_sub(now.0.saturating_sub(at)));
        let ended = |HookResult { job, run, at }: &HookResult| EndedHook {
            hook: view(job),
            date_ms: began(at.0.saturating_sub(run.took)),
            took_ms: millis(run.took),
            ending: (&run.ending).into(),
            last_line: run.last_line.clone(),
        };
        let running = |(job, since): (&Job, Now)| RunningHook {
            hook: view(job),
            date_ms: began(since.0),
            for_ms: millis(now.0.saturating_sub(since.0)),
            timeout_ms: millis(job.hook.timeout),
        };
        Self {
            running: queue.running().map(running),
            waiting: queue.waiting().map(view).collect(),
            ended: queue.results().map(ended).collect(),
        }
    }
}

fn view(job: &Job) -> HookView {
    let Job { transition, hook, place, of } = job;
    HookView { command: hooks::argv(&hook.deed), role: transition.role, place: *place, of: *of }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::config::model::{Deed, Hook};
    use crate::core::hooks::Transition;
    use crate::core::run::Run;

    fn at(millis: u64) -> Now {
        Now(Duration::from_millis(millis))
    }

    fn turned(queue: &mut Queue, role: Role, deeds: &[Deed]) {
        let (group, why) = ("control".to_owned(), String::new());
        let hook = |deed: &Deed| Hook { deed: deed.clone(), timeout: Duration::from_secs(30) };
        let hooks: Vec<Hook> = deeds.iter().map(hook).collect();
        let _ = queue.turn(Transition { group, role, why, vips: Vec::new() }, &hooks);
    }

    #[test]
    fn what_runs_waits_and_has_ended_is_shown_with_when_and_how() {
        let mut queue = Queue::default();
        let notify = Deed::Command(["/usr/bin/notify", "ops"].map(str::to_owned).into());
        turned(&mut queue, Role::Holder, &[notify, Deed::Start("a.service".into()), Deed::Stop("b.service".into())]);
        queue.start(at(1000)).unwrap();
        let (ending, last_line) = (Ending::Exited(3), "no route".to_owned());
        let _ = queue.ended(Run { ending, took: Duration::from_millis(250), last_line }, at(1250));
        queue.start(at(1300)).unwrap();

        // A date 90 s after the beginning of 1970, when the monotonic clock says 2 s.
        let view = HooksView::of(&queue, at(2000), Duration::from_secs(90));
        let hook = |command: &[&str], place| HookView {
            command: command.iter().map(|&word| word.to_owned()).collect(),
            role: Role::Holder,
            place,
            of: 3,
        };
        let ended = EndedHook {
            hook: hook(&["/usr/bin/notify", "ops"], 1),
            date_ms: 89_000,
            took_ms: 250,
            ending: EndingView::Exited { exit_code: 3 },
            last_line: "no route".to_owned(),
        };
        assert_eq!(view.ended, [ended]);
        let running = view.running.clone().unwrap();
        assert_eq!(running.hook, hook(&["systemctl", "start", "a.service"], 2));
        assert_eq!((running.date_ms, running.for_ms, running.timeout_ms), (89_300, 700, 30_000));
        assert_eq!(view.waiting, [hook(&["systemctl", "stop", "b.service"], 3)]);

        let json = serde_json::to_value(&view).unwrap();
        assert_eq!((&json["ended"][0]["ending"], &json["ended"][0]["exit_code"]), (&"exited".into(), &3.into()));
        assert_eq!(serde_json::from_value::<HooksView>(json).unwrap(), view);
    }

    #[test]
    fn every_ending_is_told_apart() {
        for (ending, words, passed) in [
            (Ending::Exited(0), "exit code 0", true),
            (Ending::Exited(1), "exit code 1", false),
            (Ending::Killed(11), "signal 11", false),
            (Ending::TimedOut(Duration::from_secs(5)), "TIMEOUT", false),
            (Ending::NotRun("no such file".into()), "NOT RUN", false),
        ] {
            let view = EndingView::from(&ending);
            assert_eq!((view.to_string().as_str(), view.passed()), (words, passed));
        }
    }
}
