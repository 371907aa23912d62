//! Which flows in the table the tables alone would lead elsewhere.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use lb_common::path::affinity::Client;
use lb_common::path::family::Family;
use lb_common::path::select;
use lb_common::path::tables::Tables as _;
use lb_common::wire::flow::{Entry, Kind, Owner, Stage};
use lb_common::wire::service::Affinity;

use crate::core::sync::record::{Endpoint, Record, Subject};
use crate::tables::walk::{self, Concern, Flow, Scene};

/// One service, by what its index stands for.
#[derive(Debug, Clone)]
pub struct Service {
    /// VIP, port and protocol.
    pub endpoint: Endpoint,
    /// Hash of its key, which flows' hashes begin with.
    pub hash: u64,
    /// Its backends by their indexes.
    pub backends: HashMap<u16, SocketAddr>,
}

/// A walk for the flows of services, by the services' indexes. If the tables change meanwhile, another one is to follow.
pub type Walk = walk::Walk<Service>;

impl Concern for Service {
    type Finding = Record;

    fn index(owner: Owner, _entry: Entry) -> Option<u16> {
        match owner.kind() {
            Kind::Flow { service } | Kind::Client { service } => Some(service),
            Kind::Fragments { .. } => None,
        }
    }

    fn service_hash(&self) -> u64 {
        self.hash
    }

    fn judge<F: Family>(&self, flow: &Flow, scene: &Scene<'_>) -> Option<Record> {
        let (index, subject) = match flow.owner.kind() {
            Kind::Flow { service } => (service, Subject::Flow(flow.client())),
            Kind::Client { service } => (service, Subject::Client(IpAddr::from(flow.source))),
            Kind::Fragments { .. } => return None,
        };
        let (memory, entry, given) = (scene.memory, flow.entry, flow.given);
        if !is_told(&entry) || (given.generation, given.service) != (entry.generation(), index) {
            return None;
        }
        let service = memory.service(index)?;
        let control = memory.control_record();
        let by = match Affinity::unpack(service.affinity.get()) {
            Some(affinity) => Client::<F>::of(memory, control, affinity, flow.source, index, self.hash).ok()?.hash,
            None => flow.hash,
        };
        if select::choose(memory, service, by).is_ok_and(|chosen| chosen.backend == entry.backend()) {
            return None;
        }
        Some(Record {
            service: self.endpoint,
            subject,
            backend: *self.backends.get(&entry.backend())?,
            closing: entry.tag().stage() == Stage::Closing,
            left: scene.clock.time(entry.tag().until().left(scene.now)),
        })
    }
}

/// Whether others are told of an entry: not of what anyone could make up, which makes way for anything, nor of what was
/// reset.
fn is_told(entry: &Entry) -> bool {
    matches!(entry.tag().stage(), Stage::Established | Stage::Closing)
}
