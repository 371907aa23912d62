//! Carries out the controller's commands, in order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use tokio::sync::mpsc;

use super::ways::Ways;
use crate::core::command::{Command, Level};
use crate::core::event::{Event, NextHop};
use crate::io::announce::{AnnounceError, Announcer};
use crate::io::check::Prober;
use crate::io::datapath::attach::AttachError;
use crate::io::datapath::{Datapath, InterfaceError};
use crate::io::netlink::{Link, Neighbour, Netlink, NetlinkError, Resolver};
use crate::tables::writer::TableError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// Addresses, routes, links.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// Attaching.
    #[error(transparent)]
    Interface(#[from] InterfaceError),
    /// Detaching.
    #[error(transparent)]
    Detach(#[from] AttachError),
    /// Tables.
    #[error(transparent)]
    Tables(#[from] TableError),
    /// Announcing.
    #[error(transparent)]
    Announce(#[from] AnnounceError),
}

/// How a VIP is on its interface.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) interface: String,
    pub(super) prefix: u8,
    pub(super) label: Option<String>,
}

/// The adapters that commands go to.
pub struct Executor {
    /// Kernel tables and programs.
    pub datapath: Datapath,
    /// Addresses, routes, links.
    pub netlink: Netlink,
    pub(super) resolver: Resolver,
    /// Where ends of checks and answers of agents go.
    ends: mpsc::UnboundedSender<Event>,
    /// Makes checks, and asks agents.
    pub(super) prober: Prober,
    pub(super) own_address: Option<IpAddr>,
    pub(super) announcer: Announcer,
    /// Interfaces that VIPs are on.
    pub(super) carriers: BTreeSet<String>,
    /// VIPs that this host holds.
    pub(super) held: BTreeMap<IpAddr, Held>,
    /// The ways to backends and controllers.
    pub(super) ways: Ways,
}

impl Executor {
    /// Over these adapters; `own_address` is this host's node address.
    #[must_use]
    pub fn new(
        datapath: Datapath,
        netlink: Netlink,
        resolver: Resolver,
        ends: mpsc::UnboundedSender<Event>,
        prober: Prober,
        own_address: Option<IpAddr>,
    ) -> Self {
        let (announcer, carriers, held, ways) = Default::default();
        Self { datapath, netlink, resolver, ends, prober, own_address, announcer, carriers, held, ways }
    }

    /// Carries out commands; one that fails is logged and the others follow.
    pub async fn execute_all(&mut self, commands: Vec<Command>) {
        for command in commands {
            if let Err(error) = self.execute(command).await {
                tracing::error!("{error}");
            }
        }
    }

    /// Whether the tables have room for what commands will write there: all else that can fail is tried in order.
    ///
    /// # Errors
    /// [`ExecuteError::Tables`].
    pub fn check(&self, commands: &[Command]) -> Result<(), ExecuteError> {
        for command in commands {
            if let Command::Tables(image) = command {
                self.datapath.writer().check(image)?;
            }
        }
        Ok(())
    }

    /// Removes what an earlier pivotd added for VIPs that are not configured any more, and programs on their interfaces.
    pub async fn remove_strangers(&self, configured: &[IpAddr], adopted: &[IpAddr]) {
        for vip in adopted.iter().filter(|vip| !configured.contains(vip)) {
            tracing::info!("VIP {vip} of an earlier pivotd is not configured any more: removed");
            let route = self.netlink.remove_local_route(*vip).await;
            let address = self.netlink.remove_address_anywhere(*vip).await;
            for error in [route, address].into_iter().filter_map(Result::err) {
                tracing::error!("{error}");
            }
        }
        self.datapath.detach_strangers();
    }

    /// Carries out commands up to the first that fails.
    ///
    /// # Errors
    /// That command's error. Attaching comes first in the controller's order, and changes nothing when it fails.
    pub async fn try_all(&mut self, commands: Vec<Command>) -> Result<(), ExecuteError> {
        for command in commands {
            self.execute(command).await?;
        }
        Ok(())
    }

    async fn execute(&mut self, command: Command) -> Result<(), ExecuteError> {
        tracing::debug!(?command, "execute");
        match command {
            Command::Tables(image) => self.datapath.apply(&image)?,
            Command::Attach { interface } => {
                let link = self.netlink.link(&interface).await?;
                self.attach(link).await?;
                self.carriers.insert(interface);
                self.find_ways().await;
            }
            Command::Detach { interface } => {
                self.carriers.remove(&interface);
                self.detach_unused()?;
            }
            Command::AddAddress { interface, address, prefix, label } => {
                let held = Held { interface, prefix, label };
                // Whatever fails now is tried again when something changes.
                self.held.insert(address, held.clone());
                let index = self.link(&held.interface).await?.index;
                self.add(index, address, &held).await?;
            }
            Command::RemoveAddress { interface, address, prefix } => {
                self.held.remove(&address);
                let index = self.link(&interface).await?.index;
                self.netlink.remove_address(index, address, prefix).await?;
            }
            Command::AddLocalRoute { address } => self.netlink.add_local_route(address).await?,
            Command::RemoveLocalRoute { address } => self.netlink.remove_local_route(address).await?,
            Command::Announce { interface, address, count } => {
                self.announcer.announce(&self.link(&interface).await?, address, count)?;
            }
            Command::Resolve { addressee, purpose } => self.resolve(&addressee, purpose).await,
            Command::Forget { addressee } => {
                self.forget(&addressee);
                self.detach_unused()?;
            }
            Command::Probe { backend, id, attempt, late } => {
                let (ends, prober, asked) = (self.ends.clone(), self.prober.clone(), Instant::now());
                tokio::spawn(async move {
                    let outcome = prober.judge(&attempt, &backend, late + asked.elapsed()).await;
                    // The daemon is stopping: nobody waits for it.
                    let _ = ends.send(Event::ProbeEnded { id, outcome });
                });
            }
            Command::Ask { id, question } => {
                let (ends, prober) = (self.ends.clone(), self.prober.clone());
                tokio::spawn(async move {
                    let answer = prober.ask(&question).await;
                    let _ = ends.send(Event::AgentAnswered { id, answer });
                });
            }
            Command::Log { level, message } => match level {
                Level::Debug => tracing::debug!("{message}"),
                Level::Info => tracing::info!("{message}"),
                Level::Warn => tracing::warn!("{message}"),
                Level::Error => tracing::error!("{message}"),
            },
        }
        Ok(())
    }

    /// A neighbour on one of the attached interfaces, by the interface's name; `None` if it is not known where it answers.
    pub(super) fn next_hop(&self, neighbour: Neighbour) -> Option<NextHop> {
        let link = self.attached(neighbour.index)?;
        Some(NextHop { interface: link.name.clone(), mac: neighbour.mac? })
    }

    /// Adds a VIP to the interface that it is held on, which has this index.
    pub(super) async fn add(&self, index: u32, vip: IpAddr, held: &Held) -> Result<(), NetlinkError> {
        let label = held.label.as_ref().unwrap_or(&held.interface);
        self.netlink.add_labelled(index, vip, held.prefix, label).await
    }

    /// The interface as it is known if it is attached, or as it is now.
    async fn link(&self, interface: &str) -> Result<Link, ExecuteError> {
        match self.datapath.interfaces().get(interface) {
            Some(interface) => Ok(interface.link.clone()),
            None => Ok(self.netlink.link(interface).await?),
        }
    }
}
