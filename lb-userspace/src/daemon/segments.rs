//! The interfaces of this host as they come, change and go: which carry our programs, and which lead to backends and to other
//! controllers.
//!
//! Programs are attached where a VIP is, and where a backend is: frames leave there, and this host must be silent about
//! VIPs that it does not hold on every segment that it speaks on.

use std::net::IpAddr;

use super::execute::{ExecuteError, Executor};
use super::ways::Way;
use crate::core::command::Purpose;
use crate::core::event::Addressee;
use crate::io::datapath::{Interface, Kin};
use crate::io::netlink::{Change, Link, NetlinkError};

/// Announcements of the VIPs on an interface that is back, or has another MAC.
const ANNOUNCEMENTS: u32 = 5;

impl Executor {
    /// Attaches the programs to an interface.
    pub(super) async fn attach(&mut self, link: Link) -> Result<(), ExecuteError> {
        let address = self.own_address_on(&link).await?;
        self.datapath.attach(link.clone(), address)?;
        self.relate(&link).await
    }

    /// Tells the packet path what is new about an interface that programs are attached to.
    async fn tell(&mut self, link: Link) -> Result<(), ExecuteError> {
        let address = self.own_address_on(&link).await?;
        self.datapath.tell(link.clone(), address)?;
        self.relate(&link).await
    }

    /// Tells the packet path what an interface has to do with others.
    async fn relate(&mut self, link: &Link) -> Result<(), ExecuteError> {
        let kin = match link.kind.as_deref() {
            Some("bond") => Kin { legs: self.netlink.parts_of(link.index).await?, ..Kin::default() },
            Some("vlan") => Kin { below: self.netlink.below(link).await?, ..Kin::default() },
            _ => return Ok(()),
        };
        Ok(self.datapath.relate(&link.name, kin)?)
    }

    /// What this host may call itself in ARP on an interface.
    async fn own_address_on(&self, link: &Link) -> Result<Option<IpAddr>, ExecuteError> {
        Ok(match self.own_address {
            Some(address) if self.netlink.on_link(link.index, address).await? => Some(address),
            _ => {
                let vips = self.datapath.writer().vips();
                self.netlink.own_addresses(link.index, &vips).await?.into_iter().find(IpAddr::is_ipv4)
            }
        })
    }

    /// Keeps an address resolved from now on. A failure is told, and tried again when routes change: until then nothing
    /// can be sent there, which the status shows.
    pub(super) async fn resolve(&mut self, addressee: &Addressee, purpose: Purpose) {
        let attached = self.datapath.interfaces().len();
        self.ways.want(addressee, purpose);
        self.find_way(addressee).await;
        if self.datapath.interfaces().len() > attached {
            // It may be one that controllers are on.
            self.find_ways().await;
        }
    }

    /// Stops doing so.
    pub(super) fn forget(&mut self, addressee: &Addressee) {
        if let Some(Way::Neighbour { index }) = self.ways.forget(addressee) {
            self.resolver.forget(index, addressee.address);
        }
    }

    /// Follows a change of routes or interfaces.
    pub(super) async fn follow(&mut self, change: Change) {
        match change {
            Change::Routes => self.follow_routes().await,
            Change::Link(link) => {
                self.follow_leg(link.index, link.master).await;
                self.follow_link(link).await;
            }
            Change::LinkGone { index } => {
                self.follow_leg(index, None).await;
                self.lose(index, "is gone");
            }
        }
    }

    /// Follows an interface into a bond that programs are attached to, or out of it.
    async fn follow_leg(&mut self, index: u32, master: Option<u32>) {
        let other = |bond: &&Interface| bond.kin.legs.contains(&index) != (master == Some(bond.link.index));
        let bonds = self.datapath.interfaces().values().filter(|interface| interface.link.is_bond());
        let bonds: Vec<Link> = bonds.filter(other).map(|bond| bond.link.clone()).collect();
        for bond in bonds {
            match self.relate(&bond).await {
                Ok(()) => tracing::info!(interface = bond.name, leg = index, "the bond has other legs"),
                Err(error) => tracing::error!("{error}"),
            }
        }
    }

    /// Addresses, too: this host may call itself otherwise than before, or lack a VIP.
    async fn follow_routes(&mut self) {
        self.repair().await;
        let interfaces = self.datapath.interfaces().values();
        for link in interfaces.map(|interface| interface.link.clone()).collect::<Vec<_>>() {
            if let Err(error) = self.tell(link).await {
                tracing::error!("{error}");
            }
        }
        self.find_ways().await;
        if let Err(error) = self.detach_unused() {
            tracing::error!("{error}");
        }
    }

    /// Looks up all ways again.
    pub(super) async fn find_ways(&mut self) {
        for addressee in self.ways.all() {
            self.find_way(&addressee).await;
        }
    }

    /// Looks up which way leads to an address, and goes it if it is another one than before.
    async fn find_way(&mut self, addressee: &Addressee) {
        let Some(purpose) = self.ways.purpose(addressee) else { return };
        let way = match self.way_to(addressee).await {
            Ok(Way::Neighbour { index }) if purpose == Purpose::Controller && self.attached(index).is_none() => {
                Way::Nowhere
            }
            Ok(way) => way,
            Err(error) => return tracing::error!("address {addressee}: {error}"),
        };
        let Some(before) = self.ways.turn(addressee, way) else { return };
        if let Some(Way::Neighbour { index }) = before {
            self.resolver.forget(index, addressee.address);
        }
        let Way::Neighbour { index } = way else {
            if purpose == Purpose::Backend {
                tracing::warn!("backend address {addressee} {way}");
            }
            return;
        };
        match self.open(index).await {
            Ok(()) => self.resolver.resolve(index, addressee.address),
            Err(error) => {
                self.ways.doubt(addressee);
                tracing::error!("backend address {addressee}: {error}");
            }
        }
    }

    async fn way_to(&self, addressee: &Addressee) -> Result<Way, NetlinkError> {
        Ok(match &addressee.interface {
            Some(interface) => {
                let link = self.datapath.interfaces().get(interface).map(|interface| &interface.link);
                link.map_or(Way::Nowhere, |link| Way::Neighbour { index: link.index })
            }
            None => Way::from(self.netlink.route_to(addressee.address).await?),
        })
    }

    /// Has frames leave by an interface.
    async fn open(&mut self, index: u32) -> Result<(), ExecuteError> {
        if self.attached(index).is_some() {
            return Ok(());
        }
        let link = self.netlink.link_at(index).await?;
        self.attach(link).await
    }

    /// Detaches from interfaces that neither carry a VIP nor lead to a backend.
    pub(super) fn detach_unused(&mut self) -> Result<(), ExecuteError> {
        let unused = |link: &Link| !self.carriers.contains(&link.name) && !self.ways.leads_to_backend(link.index);
        let interfaces = self.datapath.interfaces().values().map(|interface| &interface.link);
        let unused: Vec<Link> = interfaces.filter(|link| unused(link)).cloned().collect();
        unused.iter().try_for_each(|link| {
            self.stop_resolving(link.index);
            Ok(self.datapath.detach(&link.name)?)
        })
    }

    async fn follow_link(&mut self, link: Link) {
        if self.attached(link.index).is_some_and(|known| known.name != link.name) {
            self.lose(link.index, &format!("is called {} now", link.name));
        }
        let known = self.datapath.interfaces().get(&link.name).map(|interface| interface.link.clone());
        let (index, mac) = (link.index, link.mac);
        let (done, restore) = match known {
            Some(known) if known.index == link.index => {
                if known.mac != mac {
                    tracing::info!(interface = link.name, index, %mac, "the interface has another MAC");
                }
                (self.tell(link.clone()).await, known.mac != mac || !known.up)
            }
            Some(known) => {
                self.lose(known.index, "is another one now");
                (self.attach(link.clone()).await, true)
            }
            None if self.carriers.contains(&link.name) => {
                tracing::info!(interface = link.name, index, %mac, "the interface is back");
                (self.attach(link.clone()).await, true)
            }
            None => return,
        };
        match done {
            Ok(()) if restore => self.restore(&link).await,
            Ok(()) => {}
            Err(error) => tracing::error!("{error}"),
        }
    }

    /// Puts the VIPs that this host holds on an interface back there, and says where they are.
    async fn restore(&self, link: &Link) {
        for (address, held) in self.held.iter().filter(|(_, held)| held.interface == link.name) {
            if let Err(error) = self.add(link.index, *address, held).await {
                tracing::error!("{error}");
            } else if link.up
                && let Err(error) = self.announcer.announce(link, *address, ANNOUNCEMENTS)
            {
                tracing::error!("{error}");
            }
        }
    }

    /// Puts back the VIPs that this host holds and that somebody took off their interfaces, and says where they are.
    async fn repair(&self) {
        for (address, held) in &self.held {
            let interface = &held.interface;
            let Some(link) = self.datapath.interfaces().get(interface).map(|interface| &interface.link) else {
                continue;
            };
            let repaired = match self.netlink.has_address(link.index, *address).await {
                Ok(true) => continue,
                Ok(false) => {
                    tracing::warn!(
                        interface,
                        "somebody removed VIP {address}, which this host holds: it is added again"
                    );
                    self.add(link.index, *address, held).await
                }
                Err(error) => Err(error),
            };
            match repaired {
                Err(error) => tracing::error!("{error}"),
                Ok(()) => {
                    if let Err(error) = self.announcer.announce(link, *address, ANNOUNCEMENTS) {
                        tracing::error!("{error}");
                    }
                }
            }
        }
    }

    /// Takes in that an interface is not there any more.
    fn lose(&mut self, index: u32, what: &str) {
        self.stop_resolving(index);
        let Some(name) = self.attached(index).map(|link| link.name.clone()) else { return };
        tracing::warn!(
            interface = name,
            "the interface {what}: nothing comes or leaves by it until there is one of that name"
        );
        if let Err(error) = self.datapath.detach(&name) {
            tracing::error!("{error}");
        }
    }

    /// Stops resolving what an interface leads to, until another look is taken at the ways.
    fn stop_resolving(&mut self, index: u32) {
        for addressee in self.ways.by(index) {
            self.resolver.forget(index, addressee.address);
            self.ways.doubt(&addressee);
        }
    }

    /// The interface of this index, if programs are attached to it.
    pub(super) fn attached(&self, index: u32) -> Option<&Link> {
        self.datapath.interfaces().values().map(|interface| &interface.link).find(|link| link.index == index)
    }
}
