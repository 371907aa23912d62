//! The kernel's half of pivot: programs loaded and attached, maps pinned and mapped.
//!
//! - [`programs`]: the BPF object and what is in it.
//! - [`load`]: makes the maps or adopts pinned ones, loads the programs over them.
//! - [`attach`]: pinned links, replaced in place when a new daemon takes over.
//! - [`grace`]: waits until no packet under way can still see what was replaced.
//! - [`verify`]: what the kernel's verifier says of each program.
//! - [`inspect`]: what is in the maps, decoded for people.
//! - [`flows`]: the flow table, decoded for people.

pub mod attach;
mod exits;
pub mod flows;
pub mod grace;
pub mod inspect;
pub mod load;
pub mod programs;
pub mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::maps::xdp::XdpMapError;
use aya::maps::{DevMap, MapData};

use self::attach::{AttachError, Attached, XdpKind};
use self::exits::Facts;
use self::load::LoadError;
use self::programs::Buffers;
use super::netlink::Link;
use crate::core::plan::Image;
use crate::tables::clock::Clock;
use crate::tables::sizes::Sizes;
use crate::tables::writer::{Adopted, TableError, Writer};

/// Loaded programs, written tables, attached interfaces. Dropping it leaves everything pinned and at work.
pub struct Datapath {
    programs: Ebpf,
    buffers: Buffers,
    pins: PathBuf,
    attached: BTreeMap<String, Interface>,
    /// Interfaces that are to run XDP in generic mode, and the one on whose account.
    held_back: BTreeMap<String, String>,
    /// Whether connections to VIPs are handed to listeners of this namespace.
    listening: bool,
    writer: Writer,
    egress: DevMap<MapData>,
    /// Sizes of the maps that are there.
    pub sizes: Sizes,
    /// What an earlier pivotd left in the pinned maps; `None` if there were none.
    pub adopted: Option<Vec<Adopted>>,
}

/// An interface with programs attached.
#[derive(Debug)]
pub struct Interface {
    /// What the kernel says of it.
    pub link: Link,
    /// How XDP runs there.
    pub xdp: XdpKind,
    /// What it has to do with other interfaces.
    pub kin: Kin,
    attached: Attached,
}

/// What an interface has to do with others, by their indexes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kin {
    /// Legs, if it is a bond.
    pub legs: Vec<u32>,
    /// What is below it, if it is a VLAN device: the interface whose tagged frames it gets, and what is below that.
    pub below: Vec<u32>,
}

/// Why an interface cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum InterfaceError {
    /// Programs cannot be attached.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// The packet path cannot be told of it.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The kernel does not let frames leave by it.
    #[error("map EGRESS: port {port} for {interface}: {message}")]
    Egress {
        /// The interface.
        interface: String,
        /// Its port.
        port: u8,
        /// Why.
        message: String,
    },
}

impl Datapath {
    /// Makes the data path, or takes over the one that an earlier pivotd pinned in `pins`.
    ///
    /// # Errors
    /// [`LoadError`]; nothing is left behind that was not there before.
    pub fn open(pins: &Path, wanted: &Sizes) -> Result<Self, LoadError> {
        grace::wait().map_err(LoadError::Grace)?;
        let clock = Clock::of_kernel();
        let loaded = load::load(pins, wanted, clock)?;
        let (writer, adopted) = if loaded.adopted {
            let (writer, adopted) = Writer::adopt(loaded.memory, clock, Box::new(grace::wait));
            (writer, Some(adopted))
        } else {
            (Writer::new(loaded.memory, clock, Box::new(grace::wait)), None)
        };
        Ok(Self {
            programs: loaded.programs,
            buffers: loaded.buffers,
            pins: pins.to_owned(),
            attached: BTreeMap::new(),
            held_back: BTreeMap::new(),
            listening: false,
            writer,
            egress: loaded.egress,
            sizes: loaded.sizes,
            adopted,
        })
    }

    /// Attaches the programs to an interface on which this host has `address`. Idempotent.
    ///
    /// # Errors
    /// [`InterfaceError`]; then nothing of ours is attached there.
    pub fn attach(&mut self, link: Link, address: Option<IpAddr>) -> Result<(), InterfaceError> {
        let before = self.attached.get(&link.name).map(|known| known.link.index);
        let port = self.writer.set_link(&link.name, link.index, link.mac, address)?;
        if let Some(index) = before.filter(|index| *index != link.index) {
            self.writer.remove_link(index);
        }
        let index = link.index;
        let attached = self.attach_to(link, port);
        if attached.is_err() && before != Some(index) {
            self.writer.remove_link(index);
        }
        attached?;
        Ok(self.tell_kin()?)
    }

    fn attach_to(&mut self, link: Link, port: u8) -> Result<(), InterfaceError> {
        let failed = |source: XdpMapError| InterfaceError::Egress {
            interface: link.name.clone(),
            port,
            message: chain(&source),
        };
        self.egress.set(u32::from(port), link.index, None, 0).map_err(failed)?;
        if let Some(interface) = self.attached.get_mut(&link.name).filter(|known| known.link.index == link.index) {
            interface.link = link;
            return Ok(());
        }
        if !self.listening {
            attach::attach_listen(&mut self.programs, &self.pins)?;
            self.listening = true;
        }
        let attached = self.beneath(link.index, |datapath| {
            attach::attach(&mut datapath.programs, datapath.buffers, &datapath.pins, &link)
        })?;
        let (name, xdp) = (link.name.clone(), attached.xdp);
        self.attached.insert(name.clone(), Interface { xdp, link, kin: Kin::default(), attached });
        if xdp == XdpKind::Generic {
            self.held_back.remove(&name);
        } else if self.held_back.contains_key(&name) {
            self.make_generic(&name)?;
        }
        Ok(())
    }

    /// Attaches to an interface. From Linux 5.15 on an interface below another one that has an XDP program takes none: if
    /// those above are ours, they make way for a moment.
    fn beneath<T>(
        &mut self,
        index: u32,
        mut attach: impl FnMut(&mut Self) -> Result<T, AttachError>,
    ) -> Result<T, AttachError> {
        let first = attach(self);
        let above = self.attached.values().filter(|other| other.kin.below.contains(&index));
        let above: Vec<Link> = above.map(|other| other.link.clone()).collect();
        if above.is_empty() || !first.as_ref().is_err_and(|error| error.occupied) {
            return first;
        }
        for link in &above {
            tracing::warn!(
                interface = link.name,
                "XDP is off for a moment, as the kernel wants it attached below first: connections may be reset"
            );
            attach::take_director_off(&self.pins, link).unwrap_or_else(|error| tracing::error!("{error}"));
        }
        let second = attach(self);
        for link in &above {
            let back = attach::attach_generic(&mut self.programs, self.buffers, &self.pins, link);
            back.unwrap_or_else(|error| tracing::error!("{error}"));
        }
        second
    }

    /// Has an interface run XDP in generic mode that runs it in the driver. Between the two it does not run.
    fn make_generic(&mut self, name: &str) -> Result<(), AttachError> {
        let Some(Interface { link, xdp: XdpKind::Native, .. }) = self.attached.get(name) else { return Ok(()) };
        let link = link.clone();
        attach::take_director_off(&self.pins, &link)?;
        self.beneath(link.index, |datapath| {
            attach::attach_generic(&mut datapath.programs, datapath.buffers, &datapath.pins, &link)
        })?;
        self.attached.get_mut(name).into_iter().for_each(|interface| interface.xdp = XdpKind::Generic);
        Ok(())
    }

    /// Tells the packet path what is new about an interface that programs are attached to.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn tell(&mut self, link: Link, address: Option<IpAddr>) -> Result<(), TableError> {
        let Some(known) = self.attached.get_mut(&link.name) else { return Ok(()) };
        self.writer.set_link(&link.name, link.index, link.mac, address)?;
        known.link = link;
        Ok(())
    }

    /// Tells the packet path what an interface that programs are attached to has to do with others: what comes in by the
    /// legs of a bond is the bond's, and VLANs below a VLAN device are left to it.
    ///
    /// # Errors
    /// [`TableError`].
    pub fn relate(&mut self, name: &str, kin: Kin) -> Result<(), TableError> {
        let Some(interface) = self.attached.get_mut(name) else { return Ok(()) };
        let before = std::mem::replace(&mut interface.kin, kin);
        before
            .legs
            .iter()
            .filter(|leg| !interface.kin.legs.contains(leg))
            .for_each(|leg| self.writer.remove_link(*leg));
        self.tell_kin()
    }

    fn tell_kin(&mut self) -> Result<(), TableError> {
        for Interface { link, kin, .. } in self.attached.values() {
            let apart = self.attached.values().any(|other| other.kin.below.contains(&link.index));
            self.writer.set_vlans(link.index, apart);
            kin.legs.iter().try_for_each(|leg| self.writer.set_leg(&link.name, *leg, link.index))?;
        }
        Ok(())
    }

    /// Detaches the programs from an interface. Idempotent.
    ///
    /// # Errors
    /// [`InterfaceError`] if a pin cannot be removed.
    pub fn detach(&mut self, interface: &str) -> Result<(), InterfaceError> {
        let Some(mut interface) = self.attached.remove(interface) else { return Ok(()) };
        interface.kin.legs.iter().chain([&interface.link.index]).for_each(|index| self.writer.remove_link(*index));
        interface.attached.detach()?;
        Ok(self.tell_kin()?)
    }

    /// Detaches what an earlier pivotd attached to interfaces that are not ours any more.
    pub fn detach_strangers(&self) {
        let ours: Vec<&str> = self.attached.keys().map(String::as_str).collect();
        for pin in attach::strangers(&self.pins, &ours) {
            match attach::detach_pin(&pin) {
                Ok(()) => tracing::info!("detached what an earlier pivotd had left: {}", pin.display()),
                Err(error) => tracing::error!("pin {}: {error}", pin.display()),
            }
        }
    }

    /// Brings the tables to the image.
    ///
    /// # Errors
    /// [`TableError`]; the tables are as they were.
    pub fn apply(&mut self, image: &Image) -> Result<(), TableError> {
        self.writer.apply(image)?;
        self.hold_back(image);
        Ok(())
    }

    /// Has interfaces run XDP in generic mode from now on if packets for the image's backends, or for another holder
    /// of a VIP, could not leave otherwise.
    fn hold_back(&mut self, image: &Image) {
        for (name, exit) in exits::held_back(image, &self.facts()) {
            self.held_back.insert(name.clone(), exit.clone());
            if !self.attached.contains_key(&name) {
                continue;
            }
            tracing::warn!(
                interface = name,
                "packets have to leave by {exit}, which takes no frames from native XDP: generic mode, several times slower"
            );
            if let Err(error) = self.make_generic(&name) {
                tracing::error!("{error}");
            }
        }
    }

    fn facts(&self) -> BTreeMap<String, Facts<'_>> {
        let mut facts = BTreeMap::new();
        for (name, Interface { link, xdp, kin, .. }) in &self.attached {
            let held_back = self.held_back.contains_key(name);
            facts.insert(name.clone(), Facts { index: link.index, below: &kin.below, xdp: *xdp, held_back });
        }
        facts
    }

    /// Interfaces with programs attached, by name.
    #[must_use]
    pub fn interfaces(&self) -> &BTreeMap<String, Interface> {
        &self.attached
    }

    /// Sets how many new flows each CPU puts into the flow table in a second; 0: any number.
    pub fn limit_new_flows(&mut self, per_second: u32) {
        self.writer.limit_new_flows(per_second);
    }

    /// Backends whose flows were cut since this was asked last, by their indexes.
    #[must_use]
    pub fn take_cut(&mut self) -> BTreeSet<u16> {
        self.writer.take_cut()
    }

    /// The tables and the names of what is in them.
    #[must_use]
    pub fn writer(&self) -> &Writer {
        &self.writer
    }

    /// Where the maps are pinned.
    #[must_use]
    pub fn pins(&self) -> &Path {
        &self.pins
    }
}

/// An error with its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
