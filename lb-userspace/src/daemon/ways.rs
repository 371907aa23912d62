//! Which way leads to each address that is to be kept resolved: the kernel's answers in, what is new about them out. No
//! I/O.
//!
//! A frame reaches a backend by rewrite of its MAC alone, so only a neighbour can be reached: behind a router, the frame
//! would come to one that has no business with it.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use crate::core::command::Purpose;
use crate::core::event::Addressee;
use crate::io::netlink::Route;

/// Where an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// On the segment of the interface of this index.
    Neighbour {
        /// The interface.
        index: u32,
    },
    /// Behind a router.
    Router {
        /// The router.
        gateway: IpAddr,
    },
    /// Nowhere that this host knows of, or on this host.
    Nowhere,
}

impl From<Option<Route>> for Way {
    fn from(route: Option<Route>) -> Self {
        match route {
            Some(Route { index, gateway: None }) => Self::Neighbour { index },
            Some(Route { gateway: Some(gateway), .. }) => Self::Router { gateway },
            None => Self::Nowhere,
        }
    }
}

/// Why an address cannot be reached by mode `l2`, and what to do; nothing for a neighbour.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const WAY_OUT: &str = "mode \"l2\" reaches neighbours only: give the backend an address on a segment of this \
                               host, or an interface of this host one in the backend's network";
        match self {
            Self::Neighbour { .. } => Ok(()),
            Self::Router { gateway } => write!(f, "is behind the router {gateway}; {WAY_OUT}"),
            Self::Nowhere => write!(f, "is not on any segment that this host has a route to; {WAY_OUT}"),
        }
    }
}

/// The addresses, what each is wanted for, and the way to it as last seen.
#[derive(Debug, Default)]
pub(super) struct Ways {
    wanted: BTreeMap<Addressee, (Purpose, Option<Way>)>,
}

impl Ways {
    /// Wants an address for something from now on.
    pub(super) fn want(&mut self, addressee: &Addressee, purpose: Purpose) {
        self.wanted.entry(addressee.clone()).or_insert((purpose, None)).0 = purpose;
    }

    /// Does not want it any more; returns the way that led there.
    pub(super) fn forget(&mut self, addressee: &Addressee) -> Option<Way> {
        self.wanted.remove(addressee).and_then(|(_, way)| way)
    }

    /// All that are wanted, those first that programs are attached for.
    pub(super) fn all(&self) -> Vec<Addressee> {
        let of = |purpose| self.wanted.iter().filter(move |(_, (wanted, _))| *wanted == purpose);
        of(Purpose::Backend).chain(of(Purpose::Controller)).map(|(addressee, _)| addressee.clone()).collect()
    }

    /// What an address is wanted for.
    pub(super) fn purpose(&self, addressee: &Addressee) -> Option<Purpose> {
        self.wanted.get(addressee).map(|(purpose, _)| *purpose)
    }

    /// Takes in which way leads to an address. `None` if that is nothing new or nobody's wish; else the way before.
    pub(super) fn turn(&mut self, addressee: &Addressee, way: Way) -> Option<Option<Way>> {
        let (_, known) = self.wanted.get_mut(addressee)?;
        (*known != Some(way)).then(|| known.replace(way))
    }

    /// Takes in that nothing is known of an address any more: whatever comes next is new.
    pub(super) fn doubt(&mut self, addressee: &Addressee) {
        if let Some((_, known)) = self.wanted.get_mut(addressee) {
            *known = None;
        }
    }

    /// The addresses that are neighbours, as far as is known.
    pub(super) fn neighbours(&self) -> impl Iterator<Item = &Addressee> {
        let neighbour = |way: &Option<Way>| matches!(way, Some(Way::Neighbour { .. }));
        self.wanted.iter().filter(move |(_, (_, way))| neighbour(way)).map(|(addressee, _)| addressee)
    }

    /// The addresses that an interface leads to.
    pub(super) fn by(&self, index: u32) -> Vec<Addressee> {
        let way = Some(Way::Neighbour { index });
        self.wanted.iter().filter(|(_, (_, known))| *known == way).map(|(addressee, _)| addressee.clone()).collect()
    }

    /// Whether an interface leads to a backend.
    pub(super) fn leads_to_backend(&self, index: u32) -> bool {
        self.wanted.values().any(|known| *known == (Purpose::Backend, Some(Way::Neighbour { index })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const ETH0: Way = Way::Neighbour { index: 2 };
    const ETH1: Way = Way::Neighbour { index: 3 };

    #[test]
    fn only_what_is_new_is_a_turn() {
        let (mut ways, a) = (Ways::default(), Addressee::from(A));
        assert_eq!(ways.turn(&a, ETH0), None, "nobody wants it");
        ways.want(&a, Purpose::Backend);
        assert_eq!(ways.turn(&a, ETH0), Some(None));
        assert_eq!(ways.turn(&a, ETH0), None);
        ways.want(&a, Purpose::Backend);
        assert_eq!(ways.turn(&a, ETH0), None, "wanted twice, known once");
        assert_eq!(ways.turn(&a, ETH1), Some(Some(ETH0)));
        assert_eq!((ways.by(2), ways.by(3)), (vec![], vec![a.clone()]));
        ways.doubt(&a);
        assert_eq!(ways.turn(&a, ETH1), Some(None));
        assert_eq!((ways.forget(&a), ways.forget(&a)), (Some(ETH1), None));
        assert!(ways.all().is_empty());
    }

    #[test]
    fn programs_are_attached_for_backends_alone() {
        let (mut ways, a) = (Ways::default(), Addressee::from(A));
        let local = Addressee::by("eth0", "fe80::1".parse().unwrap());
        ways.want(&a, Purpose::Controller);
        ways.want(&local, Purpose::Backend);
        ways.turn(&a, ETH0);
        assert!(!ways.leads_to_backend(2) && ways.by(2) == [a.clone()]);
        assert_eq!(ways.all(), [local, a.clone()], "what has programs attached comes first");
        ways.want(&a, Purpose::Backend);
        assert!(ways.leads_to_backend(2), "the way is known already");
    }

    #[test]
    fn a_gateway_is_no_neighbour() {
        let gateway: IpAddr = "fe80::1".parse().unwrap();
        assert_eq!(Way::from(Some(Route { index: 2, gateway: None })), ETH0);
        assert_eq!(Way::from(None), Way::Nowhere);
        let way = Way::from(Some(Route { index: 2, gateway: Some(gateway) }));
        assert!(way.to_string().starts_with("is behind the router fe80::1; mode \"l2\""), "{way}");
    }
}
