//! Backends whose flows were cut: those that may be sent nothing any more, and could before.

use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, SocketAddr};

use lb_common::wire::backend::{Hop, Identity};

use super::{Writer, protocol_of};
use crate::core::config::model::Protocol;
use crate::tables::fallen::Fallen;

impl Writer {
    /// Backends whose flows were cut since this was asked last, by their indexes.
    #[must_use]
    pub fn take_cut(&mut self) -> BTreeSet<u16> {
        std::mem::take(&mut self.cut)
    }

    /// Every backend of services on these VIPs whose flows are cut.
    #[must_use]
    pub fn cut_on(&self, vips: &BTreeSet<IpAddr>) -> BTreeSet<u16> {
        let theirs = self.books.services.values().filter(|record| vips.contains(&IpAddr::from(record.key.address)));
        let backends = theirs.flat_map(|record| record.backends.values());
        backends.filter(|backend| backend.hop.state().cuts_flows()).map(|backend| backend.index).collect()
    }

    /// What is to be known of such backends to find their connections: of those of TCP services on these VIPs that are
    /// still cut.
    #[must_use]
    pub fn fallen(&self, backends: &BTreeSet<u16>, vips: &BTreeSet<IpAddr>) -> HashMap<u16, Fallen> {
        let fallen = |index: &u16| {
            let record = self.memory.backends.get(usize::from(*index))?;
            let identity = Identity::unpack(record.identity.get());
            let key = self.books.services.get(&identity.service)?.key;
            let vip = Some(IpAddr::from(key.address)).filter(|vip| vips.contains(vip))?;
            let is_cut = Hop::from_word(record.hop.get()).state().cuts_flows();
            (is_cut && protocol_of(&key) == Some(Protocol::Tcp)).then(|| {
                let vip = SocketAddr::new(vip, u16::from_be(key.l4 as u16));
                let (generation, service) = (identity.generation, identity.service);
                (*index, Fallen { generation, service, vip, hash: key.hash() })
            })
        };
        backends.iter().filter_map(fallen).collect()
    }
}
