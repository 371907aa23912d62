//! Whether another machine has the addresses already (RFC 5227 section 2.1, RFC 4862 section 5.4): asked before this host
//! takes over what nobody was heard to hold.
//!
//! In: that the wait for other hosts is over, and who answers. Out: when to ask, and why this host does not take over.
//!
//! - It is asked *before* the others are told of a claim: one that is taken back would make the next in line a successor,
//!   who takes over without asking.
//! - What a host was heard to hold, this one or another, is not asked about any more. The machine of a killed holder may go
//!   on answering, and its successor must not wait.
//! - Questions of others are no answers, though RFC 5227 section 2.1.1 has a probe of another machine count as a conflict:
//!   hosts that are started at once all ask, and which one takes over is what their claims settle.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use crate::core::election::InUse;
use crate::core::event::Mac;

/// How often it is asked, over the time that is given (PROBE_NUM of RFC 5227 section 1.1).
const QUESTIONS: u32 = 3;
/// How long a host waits before it asks again, once somebody answered.
pub(super) const RETRY: Duration = Duration::from_secs(10);
/// Most answers that are told: whoever sends under ever new MACs must not fill memory.
const MOST: usize = 32;

/// What is known of one router's addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Duplicate {
    /// A host was heard to hold them, or this one did.
    settled: bool,
    stage: Stage,
    /// Who was told to have which.
    told: BTreeSet<(IpAddr, Mac)>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Stage {
    /// Nobody is asked.
    #[default]
    Idle,
    /// So many questions are asked.
    Asking(u32),
    /// Somebody answered.
    InUse,
}

impl Duplicate {
    /// This host is about to take over, and may ask for so long: how long an answer to its next question is waited for, or
    /// `None` if it has none left.
    pub(super) fn ask(&mut self, over: Duration) -> Option<Duration> {
        let asked = match self.stage {
            Stage::Asking(asked) => asked,
            Stage::Idle | Stage::InUse => 0,
        };
        if self.settled || over.is_zero() || asked == QUESTIONS {
            self.stage = Stage::Idle;
            return None;
        }
        self.stage = Stage::Asking(asked + 1);
        Some(over / QUESTIONS)
    }

    /// Whether answers are waited for.
    pub(super) fn asks(&self) -> bool {
        matches!(self.stage, Stage::Asking(_))
    }

    /// Takes in an answer: `None` if nothing was asked; else why this host does not take over, if that is not told yet.
    pub(super) fn answered(&mut self, answer: &InUse) -> Option<Option<String>> {
        if !self.asks() {
            return None;
        }
        self.stage = Stage::InUse;
        let InUse { vip, mac, interface } = answer;
        let new = self.told.len() < MOST && self.told.insert((*vip, *mac));
        let why = || {
            format!(
                "{vip} is in use by {mac} on {interface}, though no host was heard to hold it: another machine has this address, \
                 or its messages do not arrive here; this host asks again every {} s",
                RETRY.as_secs()
            )
        };
        Some(new.then(why))
    }

    /// Somebody holds the addresses: nobody is asked from now on. Whether this host had put its taking over off.
    pub(super) fn settle(&mut self) -> bool {
        self.settled = true;
        std::mem::take(&mut self.stage) != Stage::Idle
    }

    /// This host is a backup anew.
    pub(super) fn begin_anew(&mut self) {
        self.stage = Stage::Idle;
        self.told.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVER: Duration = Duration::from_millis(300);

    fn answer(last: u8) -> InUse {
        InUse { vip: [10, 0, 0, 100].into(), mac: Mac([2, 0, 0, 0, 0, last]), interface: "eth1".to_owned() }
    }

    #[test]
    fn three_questions_share_the_time_and_then_there_is_none_left() {
        let mut duplicate = Duplicate::default();
        let pauses: Vec<_> = std::iter::from_fn(|| duplicate.ask(OVER)).collect();
        assert_eq!(pauses, [OVER / 3; 3]);
        assert!(!duplicate.asks());
    }

    #[test]
    fn nothing_is_asked_without_time_or_once_a_holder_is_known() {
        assert_eq!(Duplicate::default().ask(Duration::ZERO), None);
        let mut settled = Duplicate::default();
        assert!(!settled.settle(), "nothing was put off");
        assert_eq!((settled.ask(OVER), settled.asks()), (None, false));
    }

    #[test]
    fn who_answers_is_told_once_and_asked_again_from_the_beginning() {
        let mut duplicate = Duplicate::default();
        assert_eq!(duplicate.answered(&answer(9)), None, "nothing was asked");
        assert!(duplicate.ask(OVER).is_some());
        let why = duplicate.answered(&answer(9)).flatten().unwrap();
        assert!(why.starts_with("10.0.0.100 is in use by 02:00:00:00:00:09 on eth1, though no host"), "{why}");
        assert!(why.ends_with("this host asks again every 10 s"), "{why}");
        assert_eq!(duplicate.answered(&answer(8)), None, "nothing is asked any more");
        assert!(duplicate.ask(OVER).is_some());
        assert_eq!(duplicate.answered(&answer(9)), Some(None), "told already");
        assert!(duplicate.ask(OVER).is_some());
        assert!(duplicate.answered(&answer(8)).flatten().is_some(), "another machine");
        assert_eq!(std::iter::from_fn(|| duplicate.ask(OVER)).count(), 3);
        duplicate.begin_anew();
        assert!(duplicate.ask(OVER).is_some());
        assert!(duplicate.answered(&answer(9)).flatten().is_some(), "a backup anew tells it anew");
    }

    #[test]
    fn a_holder_that_is_heard_ends_what_was_put_off() {
        let mut duplicate = Duplicate::default();
        let _ = duplicate.ask(OVER);
        assert!(duplicate.settle() && !duplicate.settle());
        assert_eq!(duplicate.ask(OVER), None);
    }

    #[test]
    fn ever_new_machines_are_not_told_for_ever() {
        let mut duplicate = Duplicate::default();
        let told = (0..100).filter(|last| {
            assert!(duplicate.ask(OVER).is_some());
            duplicate.answered(&answer(*last)).flatten().is_some()
        });
        assert_eq!(told.count(), MOST);
    }
}
