//! The seam to the daemon: what the API asks, and the one place each answer goes to.

use tokio::sync::oneshot;

use super::error::ApiError;
use crate::core::event::{BackendKey, DrainTarget};
use crate::core::explain::Question;
use crate::core::order::Change;
use crate::core::view::vips::{HandOverView, VipsView};
use crate::core::view::{
    BackendView, CheckView, ExplainView, FlowView, MapEntry, MapView, OrderView, ReloadView, ServiceView, Status,
    SwitchView,
};

/// Where the daemon puts its answer. Sending fails if the asker has gone away, which is the asker's affair: ignore it.
/// Dropping it unanswered tells the asker that the daemon is stopping.
pub type Answer<T> = oneshot::Sender<Result<T, ApiError>>;

/// A question or an order. The type of its answer is part of each.
#[derive(Debug)]
pub enum Request {
    /// Everything an operator reads first.
    Status(Answer<Status>),
    /// Every service with its backends, in the order of the configuration.
    Services(Answer<Vec<ServiceView>>),
    /// Every backend of every service, in the order of the configuration.
    Backends(Answer<Vec<BackendView>>),
    /// Flows of the flow table.
    Flows {
        /// Most flows to list; 1..=[`super::wire::MAX_ENTRIES`].
        limit: usize,
        /// Only those of this service. [`super::error::ErrorKind::NotFound`] if there is none of that name.
        service: Option<String>,
        /// Where the flows go.
        answer: Answer<Vec<FlowView>>,
    },
    /// What would become of a packet.
    Explain {
        /// The packet.
        question: Question,
        /// Where the explanation goes.
        answer: Answer<ExplainView>,
    },
    /// Every map.
    Maps(Answer<Vec<MapView>>),
    /// The entries of one map, decoded.
    MapDump {
        /// Name of the map. [`super::error::ErrorKind::NotFound`] if there is none.
        name: String,
        /// Most entries to list; 1..=[`super::wire::MAX_ENTRIES`].
        limit: usize,
        /// Where the entries go.
        answer: Answer<Vec<MapEntry>>,
    },
    /// Check backends now, for whoever asks: it counts for nothing.
    Check {
        /// Which. [`super::error::ErrorKind::NotFound`] if it names no backend.
        target: DrainTarget,
        /// Where it goes what was found, once all checks have ended.
        answer: Answer<CheckView>,
    },
    /// Order backends to be something, or undo that. [`super::error::ErrorKind::Internal`] if it cannot be remembered: then
    /// nothing has changed.
    Order {
        /// Which. [`super::error::ErrorKind::NotFound`] if it names no backend.
        target: DrainTarget,
        /// What.
        change: Change,
        /// Where the new states go, once the order outlives a crash and the kernel tables carry it.
        answer: Answer<OrderView>,
    },
    /// Make a backend the writer of its service. [`super::error::ErrorKind::Conflict`] if that is not this host's to decide, or the
    /// backend is not fit.
    Switch {
        /// Which. [`super::error::ErrorKind::NotFound`] if there is none.
        backend: BackendKey,
        /// Where it goes who the writer is, once the kernel tables carry it.
        answer: Answer<SwitchView>,
    },
    /// How elections stand.
    Vips(Answer<VipsView>),
    /// Hand over groups of VIPs that this host holds. [`super::error::ErrorKind::Conflict`] if it holds none that is meant, or
    /// no other host takes over.
    Failover {
        /// A group, a VIP or its address; all if there is none. [`super::error::ErrorKind::NotFound`] if it names nothing.
        name: Option<String>,
        /// The only host that may take over.
        to: Option<String>,
        /// Where it goes how the groups stand, once other hosts are heard to hold them.
        answer: Answer<HandOverView>,
    },
    /// Keep this host from holding groups of VIPs, or end that.
    Hold {
        /// As for a failover.
        name: Option<String>,
        /// `true` to hold it back, `false` to release it.
        hold: bool,
        /// Where it goes how the groups stand.
        answer: Answer<HandOverView>,
    },
    /// Read the configuration again and run it. [`super::error::ErrorKind::Invalid`] with the whole error report if it
    /// is not valid: then nothing has changed.
    Reload(Answer<ReloadView>),
}
