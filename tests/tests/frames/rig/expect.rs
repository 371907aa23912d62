//! What a case expects of a frame: where it goes, what it looks like, what is counted and what is remembered.

use lb_common::path::verdict::{Action, Verdict};

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
    /// Whether a backend was chosen for its flow.
    pub(crate) chosen: bool,
    /// Whether the case is about its flow being found in the shared table, not in the CPU's cache. Whether it is follows
    /// from what came before, see [`super::asked`]; that must say so too.
    pub(crate) recalled: bool,
    /// Whether the shared table, which had lost the flow, is told of it by the CPU that knows it.
    pub(crate) told_again: bool,
}

/// What the frame looks like afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// As it came.
    Unchanged,
    /// From this host's MAC to the backend's, the rest as it came.
    ToBackend,
    /// As the reset that answers it.
    Reset { sequence: u32, acknowledgment: Option<u32> },
    /// As these bytes.
    As(Vec<u8>),
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
    Expect { leaves: Leaves::ToBackend, ..balanced(Action::Transmit, Verdict::Forwarded, Some(backend)) }
}

/// Goes up the stack to a backend on this host.
pub(crate) fn local_to(backend: &'static str) -> Expect {
    balanced(Action::Pass, Verdict::Local, Some(backend))
}

/// Would go to a backend whose MAC is not known.
pub(crate) fn stuck_before(backend: &'static str) -> Expect {
    balanced(Action::Drop, Verdict::Unresolved, Some(backend))
}

/// A reset that there is nobody to tell of.
pub(crate) fn unheard() -> Expect {
    balanced(Action::Drop, Verdict::ResetUnheard, None)
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

impl Expect {
    /// The flow was in no table, or could not stay where it was: a backend is chosen.
    pub(crate) fn chosen(self) -> Self {
        Self { chosen: true, ..self }
    }

    /// The flow is found in the shared table: the cache does not know it, or is not believed.
    pub(crate) fn recalled(self) -> Self {
        Self { recalled: true, ..self }
    }

    /// The shared table had lost the flow; the CPU that knows it tells it again.
    pub(crate) fn told_again(self) -> Self {
        Self { told_again: true, ..self }
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
        chosen: false,
        recalled: false,
        told_again: false,
    }
}
