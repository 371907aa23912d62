//! A lab from its plan: which hosts there are, how they are joined, and their end.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use lb_userspace::core::event::Mac;

pub use super::device::Device;
use super::family::Segment;
use super::name;
use super::netns::Namespace;
use super::nic;
use super::node::{self, Node, SECOND_INTERFACE};
use super::pass;
use super::wire::{self, CLIENT, Plug, ROUTER};

/// What a lab is to consist of.
#[derive(Debug, Clone, Copy)]
pub struct Topology {
    /// Number of controllers, 1..=9: c1, c2, ...
    pub hosts: u8,
    /// Whether the client sits behind a router, on a segment of its own.
    pub routed: bool,
    /// MTU of every interface, in bytes; at most 9000.
    pub mtu: u32,
    /// MTU of the router's interface towards the client. The client sends no more than that, but says when it connects
    /// that it takes in `mtu`: who sends to it has to learn the path's MTU from the router. Only if `routed`.
    pub path_mtu: u32,
    /// Whether the controllers have a second interface, `eth1`, on a segment of their own.
    pub second_segment: bool,
    /// What the controllers' interface is.
    pub device: Device,
}

impl Default for Topology {
    fn default() -> Self {
        Self { hosts: 3, routed: false, mtu: 1500, path_mtu: 1500, second_segment: false, device: Device::Veth }
    }
}

impl Topology {
    /// The usual one with the client behind a router.
    pub fn routed() -> Self {
        Self { routed: true, ..Self::default() }
    }
}

/// A running lab. Dropping it removes everything it made.
#[derive(Debug)]
pub struct Lab {
    // Dropped in this order: hosts with their processes, the programs on the switch's ports, the switch, the files.
    nodes: BTreeMap<String, Node>,
    pass: Vec<OwnedFd>,
    switch: Namespace,
    files: Files,
    topology: Topology,
}

/// One host's place in a lab.
struct Place<'a> {
    name: &'a str,
    number: u8,
    second: bool,
    interface: &'static str,
    mac: Mac,
}

/// The lab's directory, removed when dropped.
#[derive(Debug)]
struct Files {
    lab: String,
    path: Arc<Path>,
}

impl Lab {
    /// A lab of three controllers and a client on one segment.
    pub fn new() -> Result<Self> {
        Self::build(Topology::default())
    }

    /// Builds a lab, and returns once the client reaches every host.
    pub fn build(topology: Topology) -> Result<Self> {
        if !(1..=9).contains(&topology.hosts) {
            bail!("a lab of {} hosts: 1 to 9 have addresses", topology.hosts);
        }
        if !rustix::process::geteuid().is_root() {
            bail!("a lab needs root: it makes network namespaces");
        }
        let files = Files::create(name::unique()?)?;
        topology.device.require()?;
        let switch = Namespace::create(format!("{}-switch", files.lab))?;
        wire::build_switch(&switch)?;
        if topology.device == Device::Nic {
            wire::uplink(&switch)?;
        }
        let mut lab = Self { nodes: BTreeMap::new(), pass: Vec::new(), switch, files, topology };
        for number in 1..=topology.hosts {
            lab.add_host(&format!("c{number}"), 10 + number)?;
        }
        if topology.routed {
            lab.add_router_and_client()?;
        } else {
            lab.add_host(CLIENT_NAME, CLIENT)?;
        }
        for host in lab.hosts() {
            wire::route_outside(host.netns(), topology.routed)?;
        }
        lab.await_reachable()?;
        Ok(lab)
    }

    /// Its unique name; names of its namespaces begin with it.
    pub fn name(&self) -> &str {
        &self.files.lab
    }

    /// Its directory, for logs and configuration; removed with the lab.
    pub fn directory(&self) -> &Path {
        &self.files.path
    }

    /// Where pivotds of this lab keep sockets and locks (`--run-root`).
    pub fn run_root(&self) -> PathBuf {
        self.directory().join("run")
    }

    /// The bpffs that pivotds of this lab pin into (`--bpffs`).
    pub fn bpffs(&self) -> PathBuf {
        self.directory().join(name::BPFFS)
    }

    /// A host by its name: `c1`..., `client`, `router`. Panics if there is none: that is a mistake in the test.
    pub fn node(&self, name: &str) -> &Node {
        self.nodes.get(name).unwrap_or_else(|| panic!("no host {name} in this lab: {:?}", self.nodes.keys()))
    }

    /// The controllers in order.
    pub fn hosts(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|node| node.is_controller())
    }

    /// Every namespace's host, controllers first.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values()
    }

    /// The switch's namespace, where each host's wire ends in a port of the host's name.
    pub fn switch(&self) -> &Namespace {
        &self.switch
    }

    /// Runs a closure on a host; see [`Namespace::run`].
    pub fn run_in<T: Send>(&self, host: &str, work: impl FnOnce() -> T + Send) -> Result<T> {
        self.node(host).run(work)
    }

    /// Takes a host's wire away or gives it back.
    pub fn set_link(&self, host: &str, up: bool) -> Result<()> {
        self.switch.ip(&format!("link set {host} {}", if up { "up" } else { "down" }))
    }

    /// Has hosts no longer hear each other, or hear each other again; everybody else hears them all the time.
    pub fn set_cut(&self, hosts: &[&str], cut: bool) -> Result<()> {
        let set = if cut { "on" } else { "off" };
        let port = |host: &&str| format!("link set {host} type bridge_slave isolated {set}\n");
        self.switch.ip(&hosts.iter().map(port).collect::<String>())
    }

    /// Gives a host's interface another MAC, as a replaced network card does: nobody is told.
    pub fn change_mac(&mut self, host: &str) -> Result<Mac> {
        let node = self.nodes.get_mut(host).with_context(|| format!("no host {host} in this lab"))?;
        node.mac.0[1] ^= 0xff;
        node.netns.ip(&format!("link set {} address {}", node.interface, node.mac))?;
        Ok(node.mac)
    }

    /// A host on the switch's first segment, and on the second if it is a controller and there is one.
    fn add_host(&mut self, name: &str, number: u8) -> Result<()> {
        let netns = Namespace::create(format!("{}-{name}", self.files.lab))?;
        let controller = node::is_controller(name);
        let second = controller && self.topology.second_segment;
        let device = self.topology.device.on(name);
        let mtu = self.topology.mtu;
        let first = Plug { segment: Segment::First, port: name, interface: device.interface(), number, device, mtu };
        self.plug(&netns, first)?;
        if second {
            let (segment, port) = (Segment::Second, second_port(name));
            self.plug(
                &netns,
                Plug { segment, port: &port, interface: SECOND_INTERFACE, device: Device::Veth, ..first },
            )?;
        }
        let mac = if device == Device::Nic { nic::HOST } else { Mac(Segment::First.mac(number)) };
        self.insert(Segment::First, Place { name, number, second, interface: device.interface(), mac }, netns);
        Ok(())
    }

    /// Puts the second segment onto an interface that the controllers have already: the wire below a VLAN device, or a VLAN
    /// device of the test's own.
    pub fn second_segment_on(&mut self, interface: &str) -> Result<()> {
        for node in self.nodes.values_mut().filter(|node| node.is_controller()) {
            wire::configure(&node.netns, interface, Segment::Second, node.number)?;
            node.second = true;
        }
        self.topology.second_segment = true;
        self.await_reachable()
    }

    /// A wire from a port of the switch to an interface of a host.
    fn plug(&mut self, netns: &Namespace, plug: Plug<'_>) -> Result<()> {
        wire::plug(&self.switch, netns, plug)?;
        if !pass::fits(plug.mtu) {
            // Nor does pivot's fit: what it sends in generic mode needs nobody to wake this end.
            return Ok(());
        }
        for port in plug.device.ports(plug.port) {
            let pass = self.switch.run(|| pass::attach(&port))?;
            self.pass.push(pass.with_context(|| format!("attaching XDP to port {port} of the switch"))?);
        }
        Ok(())
    }

    /// The router (`.1` on both its segments) and the client behind it.
    fn add_router_and_client(&mut self) -> Result<()> {
        self.add_host(ROUTER_NAME, ROUTER)?;
        let client = Namespace::create(format!("{}-{CLIENT_NAME}", self.files.lab))?;
        wire::behind_router(&self.node(ROUTER_NAME).netns, &client, self.topology.mtu, self.topology.path_mtu)?;
        let segment = Segment::BehindRouter;
        let (interface, mac) = (Device::Veth.interface(), Mac(segment.mac(CLIENT)));
        self.insert(segment, Place { name: CLIENT_NAME, number: CLIENT, second: false, interface, mac }, client);
        Ok(())
    }

    fn insert(&mut self, segment: Segment, place: Place<'_>, netns: Namespace) {
        let Place { name, number, second, interface, mac } = place;
        let node = Node {
            name: name.to_owned(),
            address: segment.v4(number),
            address6: segment.v6(number),
            interface,
            mac,
            number,
            second,
            netns: Arc::new(netns),
            directory: Arc::clone(&self.files.path),
        };
        self.nodes.insert(name.to_owned(), node);
    }

    fn await_reachable(&self) -> Result<()> {
        let hosts: Vec<&Node> = self.hosts().collect();
        for (from, segment) in [(CLIENT_NAME, Segment::First), ("c1", Segment::Second)] {
            if segment == Segment::First || self.topology.second_segment {
                self.run_in(from, || hosts.iter().try_for_each(|host| wire::await_reachable(host, segment)))??;
            }
        }
        Ok(())
    }
}

const CLIENT_NAME: &str = "client";

const ROUTER_NAME: &str = "router";

/// Name of the switch's port for a host's interface on the second segment.
pub fn second_port(host: &str) -> String {
    format!("{host}-2")
}

impl Files {
    fn create(lab: String) -> Result<Self> {
        let path: Arc<Path> = name::directory(&lab).into();
        let files = Self { lab, path };
        for part in ["run", name::BPFFS] {
            let path = files.path.join(part);
            fs::create_dir_all(&path).with_context(|| format!("making {}", path.display()))?;
        }
        let bpffs = files.path.join(name::BPFFS);
        rustix::mount::mount("bpf", &bpffs, "bpf", rustix::mount::MountFlags::empty(), None)
            .with_context(|| format!("mounting a bpffs at {}", bpffs.display()))?;
        Ok(files)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        name::remove_directory(&self.lab);
    }
}
