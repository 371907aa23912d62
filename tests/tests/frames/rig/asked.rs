//! Which flows the shared table is asked for, told from what came before: frames and changes of the tables go in, whether
//! the next frame's flow is recalled comes out. Knows nothing of sets, epochs or any other way the cache goes about it.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use lb_userspace::core::plan::Image;
use lb_userspace::core::view::BackendState;

use super::expect::Expect;
use super::observed::{FlowName, Observed};
use super::scene::bound;
use super::segment::{Frame, Parties};

/// The flows for which a CPU takes its own word.
#[derive(Debug, Default)]
pub(crate) struct Asked {
    /// Those that went to a backend that takes new flows since the tables last changed.
    confirmed: BTreeSet<FlowName>,
    /// What is in the tables.
    tables: Option<Image>,
}

impl Asked {
    /// The tables were brought to this: if that is anything new, no flow is confirmed.
    pub(crate) fn configured(&mut self, image: Image) {
        if self.tables.as_ref() != Some(&image) {
            self.confirmed.clear();
        }
        self.tables = Some(image);
    }

    /// The cache has lost every flow.
    pub(crate) fn forgotten(&mut self) {
        self.confirmed.clear();
    }

    /// The cache has lost one flow, or holds it from before the tables changed.
    pub(crate) fn doubted(&mut self, parties: &Parties) {
        self.confirmed.remove(&name_of(parties));
    }

    /// Whether a frame's flow is found in the shared table: it is asked, and knows it.
    pub(crate) fn recalls(&self, before: &Observed, parties: &Parties) -> bool {
        let flow = name_of(parties);
        before.flows.contains_key(&flow) && !self.confirmed.contains(&flow)
    }

    /// A frame met what was expected of it.
    pub(crate) fn met(&mut self, frame: &Frame, expect: &Expect) {
        let (Some(parties), Some(backend)) = (frame.parties, expect.backend) else { return };
        if !self.is_up(backend) {
            return;
        }
        // A backend chosen for a reset is not remembered.
        if !(expect.chosen && parties.resets) {
            self.confirmed.insert(name_of(&parties));
        }
    }
}

impl Asked {
    /// Whether a backend of this name takes new flows, in whatever service.
    fn is_up(&self, backend: &str) -> bool {
        let backends = self.tables.iter().flat_map(|image| &image.services).flat_map(|service| &service.backends);
        let place = bound(backend);
        backends
            .filter(|image| SocketAddr::new(image.address, image.port) == place)
            .any(|image| image.state == BackendState::Up)
    }
}

/// How [`Observed`] names the flow.
pub(crate) fn name_of(parties: &Parties) -> FlowName {
    (parties.service.to_string(), parties.client)
}
