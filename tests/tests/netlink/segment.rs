//! The segment that the adapters are tested on: two hosts, each a network namespace, and what tests ask of their kernels.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use lb_userspace::core::event::Mac;
use lb_userspace::io::netlink::{Neighbour, Netlink, Resolver};
use rustix::net::{AddressFamily, Protocol, RecvFlags, SocketFlags, SocketType};
use rustix::thread::LinkNameSpaceType;
use serde_json::Value;
use tokio::sync::mpsc::UnboundedReceiver;

pub(crate) const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100));
pub(crate) const VIP6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 0x100));
pub(crate) const HOST_MAC: Mac = Mac([2, 0, 0, 0, 0, 1]);
pub(crate) const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
pub(crate) const PEER6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2));
pub(crate) const PEER_MAC: Mac = Mac([2, 0, 0, 0, 0, 2]);

/// Long enough for a refresh of the neighbour watch (5 s) on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A connection to the namespace's kernel.
pub(crate) fn netlink() -> Netlink {
    Netlink::connect().unwrap()
}

/// A neighbour watch of `eth0`.
pub(crate) struct Watch {
    pub(crate) index: u32,
    pub(crate) resolver: Resolver,
    pub(crate) changes: UnboundedReceiver<Neighbour>,
}

impl Watch {
    pub(crate) async fn start() -> Self {
        let netlink = netlink();
        let index = netlink.link("eth0").await.unwrap().index;
        let (resolver, changes) = netlink.neighbours().unwrap();
        Self { index, resolver, changes }
    }

    /// Asks for an address of the peer, and waits for its MAC.
    pub(crate) async fn resolve(&mut self, address: IpAddr) {
        self.resolver.resolve(self.index, address);
        assert_eq!(self.next().await, self.neighbour(address, Some(PEER_MAC)));
    }

    pub(crate) async fn next(&mut self) -> Neighbour {
        let change = tokio::time::timeout(PATIENCE, self.changes.recv()).await;
        change.expect("no change of a neighbour was reported").expect("the watch ended")
    }

    pub(crate) fn neighbour(&self, address: IpAddr, mac: Option<Mac>) -> Neighbour {
        Neighbour { index: self.index, address, mac }
    }
}

/// Two namespaces, `eth0` of each joined by a cable: the host's is 10.0.0.1, fd00::1 and fe80::1, the peer's 10.0.0.2,
/// fd00::2 and fe80::2.
/// They go with this value, also when a test fails.
pub(crate) struct Lab {
    pub(crate) host: String,
    pub(crate) peer: String,
}

impl Lab {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        assert!(rustix::process::geteuid().is_root(), "this test makes network namespaces: run it as root");
        let unique = format!("pivot-net-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let lab = Self { host: format!("{unique}-a"), peer: format!("{unique}-b") };
        run(&format!("ip netns add {}", lab.host));
        run(&format!("ip netns add {}", lab.peer));
        run(&format!("ip -n {} link add eth0 type veth peer name eth0 netns {}", lab.host, lab.peer));
        for (namespace, n) in [(&lab.host, 1), (&lab.peer, 2)] {
            run(&format!("ip -n {namespace} link set lo up"));
            // No address that the kernel makes up, and would not use for a second or two.
            run(&format!("ip -n {namespace} link set eth0 addrgenmode none address 02:00:00:00:00:0{n}"));
            run(&format!("ip -n {namespace} link set eth0 up"));
            run(&format!("ip -n {namespace} address add 10.0.0.{n}/24 dev eth0"));
            run(&format!("ip -n {namespace} address add fd00::{n}/64 dev eth0 nodad"));
            run(&format!("ip -n {namespace} address add fe80::{n}/64 dev eth0 nodad"));
        }
        lab
    }

    /// A packet socket that hears the frames of one ethertype which reach the peer.
    pub(crate) fn listen_at_the_peer(&self, ethertype: u16) -> OwnedFd {
        self.at_the_peer(|| {
            let protocol = Protocol::from_raw(std::num::NonZero::new(u32::from(ethertype.to_be())).unwrap());
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, Some(protocol)).unwrap()
        })
    }

    /// Does something in the peer's namespace.
    pub(crate) fn at_the_peer<Done: Send>(&self, act: impl FnOnce() -> Done + Send) -> Done {
        let inside = || {
            enter(&self.peer);
            act()
        };
        std::thread::scope(|scope| scope.spawn(inside).join().unwrap())
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for namespace in [&self.host, &self.peer] {
            // It may not have been made; a failing test has said why.
            let _ = Command::new("ip").args(["netns", "del", namespace]).stderr(Stdio::null()).status();
        }
    }
}

/// Runs a test on the host of a fresh [`Lab`], on a thread of its own, as pivotd would: one thread, one runtime.
pub(crate) fn on_a_segment<Test, Done>(test: Test)
where
    Test: FnOnce(std::sync::Arc<Lab>) -> Done + Send,
    Done: Future<Output = ()>,
{
    let lab = std::sync::Arc::new(Lab::new());
    let inside = || {
        enter(&lab.host);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(test(std::sync::Arc::clone(&lab)));
    };
    let ended = std::thread::scope(|scope| scope.spawn(inside).join());
    drop(lab);
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

/// Moves the calling thread into a namespace; the processes it starts are there, too.
pub(crate) fn enter(namespace: &str) {
    let file = std::fs::File::open(format!("/run/netns/{namespace}")).unwrap();
    rustix::thread::move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
}

/// The frames that have arrived so far.
pub(crate) fn frames(ears: &OwnedFd) -> Vec<Vec<u8>> {
    let mut buffer = [0; 128];
    let frames = std::iter::from_fn(|| {
        let (length, _) = rustix::net::recv(ears, &mut buffer, RecvFlags::empty()).ok()?;
        Some(buffer[..length].to_vec())
    });
    frames.collect()
}

/// Whether the kernel has dropped netlink messages of the calling thread's namespace because nobody read them.
pub(crate) fn dropped_messages() -> bool {
    let sockets = std::fs::read_to_string("/proc/thread-self/net/netlink").unwrap();
    sockets.lines().skip(1).any(|line| line.split_whitespace().nth(8) != Some("0"))
}

/// Sets a neighbour parameter of `eth0` in the calling thread's namespace, for both families.
pub(crate) fn set_neighbour(name: &str, value: u32) {
    for family in ["ipv4", "ipv6"] {
        std::fs::write(format!("/proc/sys/net/{family}/neigh/eth0/{name}"), value.to_string()).unwrap();
    }
}

pub(crate) fn addresses_of(interface: &str) -> Vec<Value> {
    json(&format!("ip -j address show dev {interface}"))[0]["addr_info"].as_array().unwrap().clone()
}

/// Waits until the local routes for an address have these `proto`s, in the order in which the kernel prefers them
/// (it adds its own route for an IPv6 address some time after the address).
pub(crate) async fn expect_local_routes(address: IpAddr, expected: &[&str]) {
    let family = if address.is_ipv4() { "-4" } else { "-6" };
    eventually(&format!("the local routes for {address} are those of {expected:?}"), || {
        let routes = json(&format!("ip -j {family} route show table local exact {address}"));
        let routes = routes.as_array().unwrap();
        routes.iter().filter_map(|route| route["protocol"].as_str()).eq(expected.iter().copied())
    })
    .await;
}

/// Waits for a condition of the kernel that nothing announces.
pub(crate) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it did not happen that {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(crate) fn json(command: &str) -> Value {
    serde_json::from_str(&run(command)).unwrap_or_else(|error| panic!("{command}: {error}"))
}

pub(crate) fn run(command: &str) -> String {
    run_with_input(command, "")
}

/// Runs a command to its end and returns what it printed.
pub(crate) fn run_with_input(command: &str, input: &str) -> String {
    use std::io::Write as _;
    let mut words = command.split_whitespace();
    let mut child = Command::new(words.next().unwrap())
        .args(words)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command}: {error}; `apt-get install iproute2`"));
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
