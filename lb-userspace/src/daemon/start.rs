//! From options to a running daemon: everything is checked before anything is touched.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Instant;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};

use super::behind::Behind;
use super::error::DaemonError;
use super::execute::Executor;
use super::fill::Fill;
use super::hooks::Hooks;
use super::idle::Idle;
use super::loss::Loss;
use super::tracking::Tracking;
use super::ways::Way;
use super::{Daemon, Options};
use crate::core::command::Command;
use crate::core::config::model::{Holder, Track};
use crate::core::config::{self, Config};
use crate::core::controller::{AdoptedBackend, Controller};
use crate::core::event::{Event, NextHop, Now};
use crate::core::features::State;
use crate::io::check::Prober;
use crate::io::datapath::Datapath;
use crate::io::descriptors;
use crate::io::holds::Holds;
use crate::io::instance::Instance;
use crate::io::log::Lost;
use crate::io::netlink::{Link, Netlink, NetlinkError};
use crate::io::orders::OrderFile;
use crate::io::refusals::Refusals;
use crate::io::{features, preflight};
use crate::tables::sizes::Sizes;
use crate::tables::writer::Adopted;

/// Starts pivotd.
///
/// # Errors
/// [`DaemonError`]; see [`super::run`].
pub async fn start(options: Options, lost: Lost) -> Result<Daemon, DaemonError> {
    let config = read_config(&options.config)?;
    let host = match &options.host {
        Some(host) => host.clone(),
        None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    check_host(&config, &host)?;
    preflight::check().map_err(DaemonError::Preflight)?;
    for missing in features::decisive().iter().filter(|feature| feature.state == State::No) {
        tracing::info!("{}", missing.alternative());
    }
    let netlink = Netlink::connect()?;
    check(&config, &host, &netlink).await?;
    if let Err(error) = check_tracks(&config, &netlink).await {
        tracing::warn!("{error}");
    }

    let instance = Instance::claim(&options.instance, &options.run_root, &options.bpffs)?;
    let cpus = possible_cpus().map_err(DaemonError::Unfit)?;
    let datapath = match Datapath::open(instance.pin_dir(), &Sizes::of(&config.tables, cpus)) {
        Ok(datapath) => datapath,
        Err(error) => return Err(abandon(instance, error.into())),
    };
    let refusals = match Refusals::open(instance.pin_dir()) {
        Ok(refusals) => refusals,
        Err(source) => return Err(abandon(instance, DaemonError::Refusals { source })),
    };
    let holds = match Holds::load(&options.state_root, &options.instance) {
        Ok(holds) => holds,
        Err(error) => return Err(abandon(instance, error.into())),
    };
    let remembered = OrderFile::load(&options.state_root, &options.instance);
    remembered.trouble.iter().for_each(|trouble| tracing::error!("{trouble}"));
    let changes = netlink.changes()?;
    let (resolver, neighbours) = netlink.neighbours()?;
    let (end_sender, ends) = mpsc::unbounded_channel();
    let own_address = config.hosts.iter().find(|h| h.name == host).and_then(|h| h.addresses.first().copied());
    let adopted = datapath.adopted.clone();
    if adopted.is_some() && datapath.sizes != Sizes::of(&config.tables, cpus) {
        tracing::warn!("[tables] differs from the pinned maps that were taken over: it applies after a clean stop");
    }
    let known = known(adopted.as_deref().unwrap_or_default(), &netlink).await;
    let seed = RandomState::new().hash_one(&host);
    let hooks = Hooks::new(host.clone());
    let prober = Prober::new(host.clone()).within(descriptors::raise());
    let controller = Controller::new(host.clone(), known, seed).with_controllers(datapath.writer().controllers());
    let controller = match remembered.orders {
        Some(orders) => controller.with_orders(orders),
        None => controller,
    };
    let mut daemon = Daemon {
        controller,
        executor: Executor::new(datapath, netlink, resolver, end_sender, prober, own_address),
        options,
        host,
        instance,
        began: Instant::now(),
        adopted: adopted.is_some(),
        ends,
        neighbours,
        changes,
        refusals,
        fill: Fill::default(),
        lost,
        loss: Loss::default(),
        elections: None,
        seats: Vec::new(),
        behind: Behind::default(),
        tracking: Tracking::default(),
        hooks,
        syncer: None,
        idle: Idle::default(),
        standings: watch::Sender::default(),
        holds,
        orders: remembered.file,
    };
    match daemon.configure(config).await {
        Ok(()) => {
            daemon.warn_of_holds();
            Ok(daemon)
        }
        Err(error) if daemon.adopted => Err(error),
        Err(error) => {
            // What was begun is undone; the first error is the one to report.
            if let Err(stop) = daemon.stop().await {
                tracing::error!("{stop}");
            }
            Err(error)
        }
    }
}

impl Daemon {
    async fn configure(&mut self, config: Config) -> Result<(), DaemonError> {
        let not_held: Vec<Command> = config
            .vips
            .iter()
            .filter(|vip| vip.holder != Holder::Host(self.host.clone()))
            .map(|vip| Command::RemoveAddress {
                interface: vip.interface.clone(),
                address: vip.address,
                prefix: vip.prefix,
            })
            .collect();
        let (configured, adopted): (Vec<IpAddr>, _) =
            (config.vips.iter().map(|vip| vip.address).collect(), self.executor.datapath.writer().vips());
        let new_flows = config.tables.new_flows;
        let joining = self.prepare_cluster(&config)?;
        let commands = self.controller.handle(Event::Configure(Box::new(config)), Now::default());
        self.executor.check(&commands)?;
        self.executor.datapath.limit_new_flows(new_flows);
        self.executor.try_all(commands).await?;
        self.remember_orders();
        // A pivotd that was killed may have left them.
        self.executor.execute_all(not_held).await;
        self.executor.remove_strangers(&configured, &adopted).await;
        self.join_cluster(joining);
        self.seat().await
    }
}

/// Reads and checks the configuration file.
///
/// # Errors
/// [`DaemonError::ConfigFile`] or [`DaemonError::Config`].
pub fn read_config(path: &Path) -> Result<Config, DaemonError> {
    let read = |source| DaemonError::ConfigFile { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(read)?;
    config::parse(&text, &path.display().to_string()).map_err(DaemonError::Config)
}

/// Whether a checked configuration fits this host: its interfaces exist, and its `l2` backends are on segments of this
/// host.
///
/// # Errors
/// [`DaemonError`] naming the VIP or the backend.
pub async fn check(config: &Config, host: &str, netlink: &Netlink) -> Result<(), DaemonError> {
    check_host(config, host)?;
    let mut carriers: BTreeMap<&str, Link> = BTreeMap::new();
    for vip in &config.vips {
        carriers.insert(&vip.interface, netlink.link(&vip.interface).await?);
    }
    let mut unreachable = Vec::new();
    let mut judged: HashMap<IpAddr, Option<String>> = HashMap::new();
    for service in &config.services {
        for backend in service.backends.iter().filter(|backend| backend.host != host) {
            let address = backend.address;
            if let Entry::Vacant(entry) = judged.entry(address) {
                entry.insert(out_of_reach(address, carriers.values(), netlink).await?);
            }
            if let Some(why) = judged.get(&address).into_iter().flatten().next() {
                unreachable.push(format!("backend {}/{} at {address} {why}", service.name, backend.name));
            }
        }
    }
    if unreachable.is_empty() { Ok(()) } else { Err(DaemonError::Unfit(unreachable.join("\n"))) }
}

/// Whether the interfaces that groups track exist. At a start one that is not there may just have failed, which is what it is
/// tracked for; in a file that was changed it is a mistake.
///
/// # Errors
/// [`DaemonError::Unfit`] naming the group.
pub async fn check_tracks(config: &Config, netlink: &Netlink) -> Result<(), DaemonError> {
    for group in &config.groups {
        for name in group.track.iter().filter_map(Track::interface) {
            let unfit = |error| DaemonError::Unfit(format!("a `track` of group {}: {error}", group.name));
            netlink.link(name).await.map_err(unfit)?;
        }
    }
    Ok(())
}

/// Why an address is on no Ethernet segment of this host; `None` if it is on one.
async fn out_of_reach(
    address: IpAddr,
    carriers: impl Iterator<Item = &Link>,
    netlink: &Netlink,
) -> Result<Option<String>, NetlinkError> {
    let way = Way::from(netlink.route_to(address).await?);
    if let Way::Neighbour { index } = way {
        return match netlink.link_at(index).await {
            Ok(_) => Ok(None),
            Err(error @ NetlinkError::NotEthernet { .. }) => Ok(Some(format!("cannot be sent frames: {error}"))),
            Err(error) => Err(error),
        };
    }
    // An interface without a carrier has no routes yet.
    for link in carriers {
        if netlink.on_link(link.index, address).await? {
            return Ok(None);
        }
    }
    Ok(Some(way.to_string()))
}

/// Opens the API's socket, for root and its group.
///
/// # Errors
/// [`DaemonError::Socket`].
pub fn listen(instance: &Instance) -> Result<UnixListener, DaemonError> {
    let path = instance.socket();
    let failed = |source| DaemonError::Socket { path: path.clone(), source };
    let listener = UnixListener::bind(&path).map_err(failed)?;
    fs::set_permissions(&path, fs::Permissions::from_mode(0o660)).map_err(failed)?;
    Ok(listener)
}

fn check_host(config: &Config, host: &str) -> Result<(), DaemonError> {
    if config.hosts.iter().any(|h| h.name == host) {
        return Ok(());
    }
    let known = config.hosts.iter().map(|h| h.name.as_str()).collect::<Vec<_>>().join(", ");
    Err(DaemonError::Host { host: host.to_owned(), known })
}

/// Hands an instance back after a failed start, unless it has an earlier pivotd's work in it.
fn abandon(instance: Instance, error: DaemonError) -> DaemonError {
    let untouched = fs::read_dir(instance.pin_dir()).is_ok_and(|mut pins| pins.next().is_none());
    if untouched && let Err(release) = instance.release() {
        tracing::error!("{release}");
    }
    error
}

/// What an earlier pivotd left, with the names of its interfaces.
async fn known(adopted: &[Adopted], netlink: &Netlink) -> Vec<AdoptedBackend> {
    let mut names = HashMap::new();
    for (index, _) in adopted.iter().filter_map(|backend| backend.next_hop) {
        if let Entry::Vacant(name) = names.entry(index) {
            // An interface that is gone leads nowhere: its backends are looked for anew.
            name.insert(netlink.link_at(index).await.ok().map(|link| link.name));
        }
    }
    adopted.iter().filter_map(|backend| known_backend(backend, &names)).collect()
}

fn known_backend(adopted: &Adopted, names: &HashMap<u32, Option<String>>) -> Option<AdoptedBackend> {
    let (vip, service_port, protocol) = adopted.service;
    let (address, port) = (adopted.bound.ip(), adopted.bound.port());
    let (state, drained) = (adopted.state?, adopted.drained);
    let named = |(index, mac)| Some(NextHop { interface: names.get(&index)?.clone()?, mac });
    let next_hop = adopted.next_hop.and_then(named);
    Some(AdoptedBackend { vip, service_port, protocol, address, port, state, drained, next_hop })
}

fn possible_cpus() -> Result<u32, String> {
    aya::util::nr_cpus().map(|cpus| cpus as u32).map_err(|(what, error)| format!("{what}: {error}"))
}
