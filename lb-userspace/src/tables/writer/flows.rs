//! Flows by names that other hosts know, too.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use super::{Writer, protocol_of};
use crate::core::sync::record::Record;
use crate::tables::exceptions::fade;
use crate::tables::exceptions::take::{self, Taken};
use crate::tables::exceptions::walk::Service;

impl Writer {
    /// How often the tables were changed: what the tables lead elsewhere may be another set of flows each time.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// The services of VIPs, by their indexes.
    #[must_use]
    pub fn services_of(&self, vips: &BTreeSet<IpAddr>) -> HashMap<u16, Service> {
        let service = |(index, record): (&u16, &super::books::ServiceRecord)| {
            let key = &record.key;
            let vip = Some(IpAddr::from(key.address)).filter(|vip| vips.contains(vip))?;
            let endpoint = (vip, u16::from_be(key.l4 as u16), protocol_of(key)?);
            let backends = record.backends.iter().map(|(bound, backend)| (backend.index, *bound)).collect();
            Some((*index, Service { endpoint, hash: key.hash(), backends }))
        };
        self.books.services.iter().filter_map(service).collect()
    }

    /// Takes in what another host tells of a flow, on a host that has the VIP or not; `None` if the tables have no such
    /// service or backend.
    #[must_use]
    pub fn take_flow(&self, record: &Record, held: bool) -> Option<Taken> {
        let service = self.service_index(&record.service)?;
        let backend = self.backend_index(service, record.backend)?;
        take::take(&self.memory, self.clock, record, (service, backend), held)
    }

    /// Has what is known of flows to VIPs count for `at_most` from now: another host forwards them.
    pub fn fade_flows(&self, vips: &BTreeSet<IpAddr>, at_most: Duration) {
        let services = self.books.services.iter();
        let theirs = services.filter(|(_, record)| vips.contains(&IpAddr::from(record.key.address)));
        let services = theirs.map(|(index, _)| *index).collect();
        fade::fade(&self.memory.flows, self.clock, &services, at_most);
    }
}
