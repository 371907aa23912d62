//! What a case expects of a frame: where it goes, what it looks like, what is counted and what is remembered.

use lb_common::path::verdict::{Action, Verdict};

use super::model::flow_of;
use super::observed::Name;
use super::reading::Frame;

/// What is expected of one frame.
#[derive(Debug, Clone)]
pub(crate) struct Expect {
    pub(crate) action: Action,
    /// The verdict that is counted; `None`: none is.
    pub(crate) verdict: Option<Verdict>,
    pub(crate) leaves: Leaves,
    /// Whether it counts as a packet of its service.
    pub(crate) balanced: bool,
    /// The backend that it counts for.
    pub(crate) backend: Option<&'static str>,
    /// That backend's service, if not the one that the frame names.
    pub(crate) of_service: Option<String>,
    /// Whether a backend was chosen for its flow.
    pub(crate) chosen: bool,
    /// What becomes of the new flow in the flow table.
    pub(crate) fate: Fate,
    /// The backend that its flow is given instead of another one.
    pub(crate) instead: Option<&'static str>,
}

/// What the frame looks like afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// As it came.
    Unchanged,
    /// From this host's MAC to that of this backend, the rest as it came.
    To(&'static str),
    /// From this host's MAC on the other interface to that of this backend, the rest as it came.
    Beyond(&'static str),
    /// From this host's MAC to that of the host that holds the VIP, the rest as it came.
    ToHolder,
    /// The same from this host's MAC on the other interface.
    ToHolderBeyond,
    /// As IP again, which it was handed back as something else, the rest as it came.
    Restored,
    /// The same from this host's MAC to that of this backend.
    Again(&'static str),
    /// The same from this host's MAC on the other interface.
    AgainBeyond(&'static str),
    /// Back to who sent it, as something else than IP.
    HandedBack,
    /// As the reset that answers it.
    Reset { sequence: u32, acknowledgment: Option<u32> },
    /// As the ICMP port unreachable that answers it.
    Unreachable,
    /// As these bytes.
    As(Vec<u8>),
}

/// What becomes of a new flow in the flow table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is remembered.
    Kept,
    /// It is, in place of this one that still counted.
    Evicting(Name),
    /// It is not: there is no place.
    Crowded,
    /// It is not: too many came at once.
    Limited,
}

/// Goes up the stack.
pub(crate) fn passes(verdict: Verdict) -> Expect {
    unchanged(Action::Pass, Some(verdict))
}

/// Goes on, and no verdict is counted.
pub(crate) fn passes_unseen() -> Expect {
    unchanged(Action::Pass, None)
}

/// Goes nowhere.
pub(crate) fn dropped(verdict: Verdict) -> Expect {
    unchanged(Action::Drop, Some(verdict))
}

/// Finds a table that contradicts another, before it has a backend or on the way to one.
pub(crate) fn aborted(backend: Option<&'static str>) -> Expect {
    balanced(Action::Abort, Verdict::TableTorn, backend)
}

/// Goes on with these bytes.
pub(crate) fn passes_as(verdict: Verdict, bytes: Vec<u8>) -> Expect {
    Expect { leaves: Leaves::As(bytes), ..passes(verdict) }
}

/// Goes to a backend on another host.
pub(crate) fn forwarded_to(backend: &'static str) -> Expect {
    Expect { leaves: Leaves::To(backend), ..balanced(Action::Transmit, Verdict::Forwarded, Some(backend)) }
}

/// Goes to a backend behind the other interface.
pub(crate) fn redirected_to(backend: &'static str) -> Expect {
    Expect { leaves: Leaves::Beyond(backend), ..balanced(Action::Redirect, Verdict::Redirected, Some(backend)) }
}

/// Goes on to the host that holds the VIP: it counts for nobody.
pub(crate) fn passed_on() -> Expect {
    Expect { leaves: Leaves::ToHolder, ..unchanged(Action::Transmit, Some(Verdict::PassedOn)) }
}

/// The same behind the other interface.
pub(crate) fn passed_on_beyond() -> Expect {
    Expect { leaves: Leaves::ToHolderBeyond, ..unchanged(Action::Redirect, Some(Verdict::PassedOnBeyond)) }
}

/// Goes up the stack to a backend on this host.
pub(crate) fn local_to(backend: &'static str) -> Expect {
    balanced(Action::Pass, Verdict::Local, Some(backend))
}

/// Nobody took it where it was sent; goes to another backend, which its flow is given.
pub(crate) fn second_to(backend: &'static str) -> Expect {
    let leaves = Leaves::Again(backend);
    Expect { leaves, instead: Some(backend), ..unchanged(Action::Transmit, Some(Verdict::SecondChoice)) }
}

/// The same to a backend behind the other interface.
pub(crate) fn second_beyond_to(backend: &'static str) -> Expect {
    let (leaves, verdict) = (Leaves::AgainBeyond(backend), Verdict::SecondChoiceBeyond);
    Expect { leaves, instead: Some(backend), ..unchanged(Action::Redirect, Some(verdict)) }
}

/// The same to a backend on this host.
pub(crate) fn second_local_to(backend: &'static str) -> Expect {
    let (leaves, verdict) = (Leaves::Restored, Verdict::SecondChoiceLocal);
    Expect { leaves, instead: Some(backend), ..unchanged(Action::Pass, Some(verdict)) }
}

/// The same after all of them: this host's stack refuses it.
pub(crate) fn no_choice_left() -> Expect {
    Expect { leaves: Leaves::Restored, ..unchanged(Action::Pass, Some(Verdict::NoChoiceLeft)) }
}

/// Nobody takes it on this host: back to who sent it.
pub(crate) fn handed_back() -> Expect {
    Expect { leaves: Leaves::HandedBack, ..unchanged(Action::Redirect, Some(Verdict::HandedBack)) }
}

/// Would go to a backend whose MAC is not known.
pub(crate) fn stuck_before(backend: &'static str) -> Expect {
    balanced(Action::Drop, Verdict::Unresolved, Some(backend))
}

/// A control message that goes to a backend on another host: it counts for nobody.
pub(crate) fn told(backend: &'static str) -> Expect {
    Expect { leaves: Leaves::To(backend), ..unchanged(Action::Transmit, Some(Verdict::ErrorForwarded)) }
}

/// A reset that there is nobody to tell of.
pub(crate) fn unheard() -> Expect {
    unanswered(Verdict::ResetUnheard)
}

/// A packet of a service that is dropped without an answer, as no backend can have it.
pub(crate) fn unanswered(verdict: Verdict) -> Expect {
    balanced(Action::Drop, verdict, None)
}

/// Answered with `<SEQ=sequence><CTL=RST>`: the segment had an ACK.
pub(crate) fn reset_at(verdict: Verdict, sequence: u32) -> Expect {
    let leaves = Leaves::Reset { sequence, acknowledgment: None };
    Expect { leaves, ..balanced(Action::Transmit, verdict, None) }
}

/// Answered with `<SEQ=0><ACK=acknowledgment><CTL=RST,ACK>`: the segment had no ACK.
pub(crate) fn reset_acknowledging(verdict: Verdict, acknowledgment: u32) -> Expect {
    let leaves = Leaves::Reset { sequence: 0, acknowledgment: Some(acknowledgment) };
    Expect { leaves, ..balanced(Action::Transmit, verdict, None) }
}

/// A datagram that is answered with ICMP port unreachable.
pub(crate) fn unreachable() -> Expect {
    let leaves = Leaves::Unreachable;
    Expect { leaves, ..balanced(Action::Transmit, Verdict::UnreachableNoBackend, None) }
}

impl Expect {
    /// Seen where frames that leave by one interface cannot be told from those that leave by another.
    pub(crate) fn at_tc(self) -> Self {
        Self { action: Action::Redirect, ..self }
    }

    /// Its flow has that backend already.
    pub(crate) fn already(self) -> Self {
        Self { instead: None, ..self }
    }

    /// The flow was in no table, or could not stay where it was: a backend is chosen.
    pub(crate) fn chosen(self) -> Self {
        Self { chosen: true, ..self }
    }

    /// A fragment without ports: it counts for the backend of the first one, of this service, and for no service.
    pub(crate) fn following(self, service: &str) -> Self {
        Self { balanced: false, of_service: Some(service.to_owned()), ..self }
    }

    /// The new flow is remembered in place of another packet's.
    pub(crate) fn evicting(self, victim: impl Into<Frame>) -> Self {
        let victim = victim.into().reading.expect("an IP packet");
        Self { fate: Fate::Evicting(flow_of(&victim)), ..self.chosen() }
    }

    /// The new flow finds no place.
    pub(crate) fn crowded(self) -> Self {
        Self { fate: Fate::Crowded, ..self.chosen() }
    }

    /// The new flow is one too many.
    pub(crate) fn limited(self) -> Self {
        Self { fate: Fate::Limited, ..self.chosen() }
    }
}

fn balanced(action: Action, verdict: Verdict, backend: Option<&'static str>) -> Expect {
    Expect { balanced: true, backend, ..unchanged(action, Some(verdict)) }
}

fn unchanged(action: Action, verdict: Option<Verdict>) -> Expect {
    Expect {
        action,
        verdict,
        leaves: Leaves::Unchanged,
        balanced: false,
        backend: None,
        of_service: None,
        chosen: false,
        fate: Fate::Kept,
        instead: None,
    }
}
