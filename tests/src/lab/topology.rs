//! A lab from its plan: namespaces, switch, addresses, routes, and the settings that make veth behave like wire.

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lb_userspace::core::event::Mac;

use super::name;
use super::netns::Namespace;
use super::node::{INTERFACE, Node};
use super::pass;
use super::wait::wait_until;

/// What a lab is to consist of.
#[derive(Debug, Clone, Copy)]
pub struct Topology {
    /// Number of controllers, 1..=9: c1, c2, ...
    pub hosts: u8,
    /// Whether the client sits behind a router, on a segment of its own.
    pub routed: bool,
}

impl Default for Topology {
    fn default() -> Self {
        Self { hosts: 3, routed: false }
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
        let switch = Namespace::create(format!("{}-switch", files.lab))?;
        build_switch(&switch)?;
        let mut lab = Self { nodes: BTreeMap::new(), pass: Vec::new(), switch, files };
        for number in 1..=topology.hosts {
            lab.add_host(&format!("c{number}"), 10 + number)?;
        }
        if topology.routed {
            lab.add_router_and_client()?;
        } else {
            lab.add_host("client", CLIENT)?;
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

    /// A host on the switch's segment, with address 10.77.0.`octet`/24.
    fn add_host(&mut self, name: &str, octet: u8) -> Result<()> {
        let address = Ipv4Addr::new(10, 77, 0, octet);
        let mac = Mac([0x02, 0, 10, 77, 0, octet]);
        let netns = Namespace::create(format!("{}-{name}", self.files.lab))?;
        self.switch.ip(&format!(
            "link add {name} type veth peer name {INTERFACE} address {mac} netns {}\n\
             link set {name} addrgenmode none master br0 up",
            netns.name()
        ))?;
        let pass = self.switch.run(|| pass::attach(name))?;
        self.pass.push(pass.with_context(|| format!("attaching XDP to port {name} of the switch"))?);
        configure_host(&netns, INTERFACE, address)?;
        self.insert(name, address, mac, netns);
        Ok(())
    }

    /// The router (10.77.0.1, 10.78.0.1) and the client behind it.
    fn add_router_and_client(&mut self) -> Result<()> {
        self.add_host("router", ROUTER)?;
        let router = self.node("router");
        let client = Namespace::create(format!("{}-client", self.files.lab))?;
        let address = Ipv4Addr::new(10, 78, 0, CLIENT);
        let mac = Mac([0x02, 0, 10, 78, 0, CLIENT]);
        router
            .netns
            .ip(&format!("link add eth1 type veth peer name {INTERFACE} address {mac} netns {}", client.name()))?;
        configure_host(&router.netns, "eth1", Ipv4Addr::new(10, 78, 0, ROUTER))?;
        configure_host(&client, INTERFACE, address)?;
        router.netns.sysctl(&[("ipv4/ip_forward", "1"), ("ipv4/conf/all/send_redirects", "0")])?;
        client.ip("route add default via 10.78.0.1")?;
        for host in self.hosts() {
            host.netns.ip(&format!("route add default via {}", router.address))?;
        }
        self.insert("client", address, mac, client);
        Ok(())
    }

    fn insert(&mut self, name: &str, address: Ipv4Addr, mac: Mac, netns: Namespace) {
        let directory = Arc::clone(&self.files.path);
        let node = Node { name: name.to_owned(), address, mac, netns: Arc::new(netns), directory };
        self.nodes.insert(name.to_owned(), node);
    }

    /// A port on which nothing listens refuses: then the way there and back is open.
    fn await_reachable(&self) -> Result<()> {
        let hosts: Vec<&Node> = self.hosts().collect();
        self.run_in("client", || {
            hosts.iter().try_for_each(|host| {
                let target = SocketAddr::from((host.address, 1));
                wait_until(Duration::from_secs(10), &format!("the client to reach {}", host.name), || {
                    match TcpStream::connect_timeout(&target, Duration::from_secs(1)) {
                        Err(error) if error.kind() == ErrorKind::ConnectionRefused => Ok(()),
                        other => Err(format!("{other:?} from {target}")),
                    }
                })
            })
        })?
    }
}

/// Last octet of the client's address.
const CLIENT: u8 = 200;

/// Of the router's addresses.
const ROUTER: u8 = 1;

fn build_switch(switch: &Namespace) -> Result<()> {
    switch.sysctl(&[("ipv6/conf/all/disable_ipv6", "1"), ("ipv6/conf/default/disable_ipv6", "1")])?;
    switch.ip("link set lo up\n\
         link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0\n\
         link set br0 addrgenmode none up")?;
    // A fresh namespace hands bridged frames to netfilter, if the kernel can at all.
    for table in ["arptables", "iptables", "ip6tables"] {
        let path = format!("bridge/bridge-nf-call-{table}");
        if Path::new("/proc/sys/net/bridge").exists() {
            switch.sysctl(&[(&path, "0")])?;
        }
    }
    Ok(())
}

/// Addresses and settings of one interface of a host, as on a Debian host on a real wire.
fn configure_host(netns: &Namespace, interface: &str, address: Ipv4Addr) -> Result<()> {
    let of_interface = |setting: &str| format!("conf/{interface}/{setting}");
    netns.sysctl(&[
        (&format!("ipv6/{}", of_interface("accept_dad")), "0"),
        // linux-sysctl-defaults(7): loose reverse path filtering.
        (&format!("ipv4/{}", of_interface("rp_filter")), "2"),
    ])?;
    // Frames on a wire carry complete checksums and are no longer than the MTU; on veth only if the sender makes them so.
    netns.output("ethtool", &["-K", interface, "tx", "off"])?;
    netns.ip(&format!(
        "link set lo up\n\
         address add {address}/24 dev {interface}\n\
         link set {interface} up"
    ))
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
