//! Judges what the path did with a frame that says to be handed back, by what another parser sees in what it was before.

use lb_common::path::run::Exit;
use lb_common::path::verdict::{Action, Verdict};
use lb_userspace::core::config::model::Protocol;

use super::oracle::{Oracle, Passage, leaves_vlan, own_mac};
use super::scene::{Scene, is_controller};
use super::seen::{self, Carries, Seen};

impl Oracle {
    /// Judges. `restored` is the frame as it was before. A violation is a panic.
    pub(super) fn judge_returned(&mut self, scene: &Scene, passage: &Passage<'_>, restored: &[u8]) {
        let Passage { interface, came, exit, left } = *passage;
        let verdict = exit.verdict;
        let ours = own_mac(interface).is_some_and(|own| came[..6] == own);
        let expected = if !ours {
            Some(Verdict::OtherHost)
        } else if leaves_vlan(scene, passage) {
            Some(Verdict::VlanDevice)
        } else if !is_controller(&came[6..12]) {
            Some(Verdict::ReturnedByStranger)
        } else {
            None
        };
        if let Some(expected) = expected {
            assert_eq!((verdict, left), (expected, came));
            return;
        }
        let syn = seen::look(restored).filter(|seen| opens(scene, seen));
        match verdict {
            Verdict::SecondChoice | Verdict::SecondChoiceBeyond => {
                let seen = syn.expect("only a SYN to a service of this host has a second choice");
                let was = if verdict == Verdict::SecondChoice { Verdict::Forwarded } else { Verdict::Redirected };
                let exit = Exit { verdict: was, ..exit };
                self.forwarded(scene, &Passage { came: restored, exit, ..*passage }, &seen);
            }
            Verdict::SecondChoiceLocal | Verdict::NoChoiceLeft => {
                assert!(syn.is_some(), "only a SYN to a service of this host goes up");
                assert_eq!(left, restored);
            }
            Verdict::ReturnedUnplaced | Verdict::Malformed => {
                assert!(syn.is_none(), "{verdict:?} of {syn:?}");
                assert_eq!(left, came, "{verdict:?} changes the frame");
            }
            other => assert!(self.is_tampered() && other.action() == Action::Abort, "{other:?} of what is handed back"),
        }
    }
}

/// Whether a packet opens a connection to a service whose VIP this host holds.
fn opens(scene: &Scene, seen: &Seen) -> bool {
    let Carries::Message(message) = seen.carries else { return false };
    message.protocol == Protocol::Tcp
        && seen.fragment.is_none()
        && seen.extensions <= 6
        && message.whole
        && message.tcp.opens()
        && scene.vip(seen.destination) == Some(true)
        && scene.service(&(seen.destination, message.destination, message.protocol)).is_some()
}
