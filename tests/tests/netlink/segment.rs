//! The segment that the adapters are tested on: two hosts, each a network namespace, and what tests ask of their kernels.

use std::future::Future;
use std::net::{IpAddr, Ipv4Addr};
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

    pub(crate) async fn next(&mut self) -> Neighbour {
        let change = tokio::time::timeout(PATIENCE, self.changes.recv()).await;
        change.expect("no change of a neighbour was reported").expect("the watch ended")
    }

    pub(crate) fn neighbour(&self, address: IpAddr, mac: Option<Mac>) -> Neighbour {
        Neighbour { index: self.index, address, mac }
    }
}

/// Two namespaces, `eth0` of each joined by a cable: the host's is 10.0.0.1 and fd00::1, the peer's 10.0.0.2 and fd00::2.
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
            run(&format!("ip -n {namespace} link set eth0 address 02:00:00:00:00:0{n} up"));
            run(&format!("ip -n {namespace} address add 10.0.0.{n}/24 dev eth0"));
            run(&format!("ip -n {namespace} address add fd00::{n}/64 dev eth0 nodad"));
        }
        lab
    }

    /// A packet socket that hears the ARP frames which reach the peer.
    pub(crate) fn listen_at_the_peer(&self) -> OwnedFd {
        let peer = self.peer.clone();
        let listen = move || {
            enter(&peer);
            let arp = Protocol::from_raw(std::num::NonZero::new(0x0806_u32.to_be() >> 16).unwrap());
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, Some(arp)).unwrap()
        };
        std::thread::spawn(listen).join().unwrap()
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

/// The ARP frames for `target` that have arrived so far.
pub(crate) fn frames_for(ears: &OwnedFd, target: Ipv4Addr) -> Vec<Vec<u8>> {
    let mut buffer = [0; 64];
    let frames = std::iter::from_fn(|| {
        let (length, _) = rustix::net::recv(ears, &mut buffer, RecvFlags::empty()).ok()?;
        Some(buffer[..length].to_vec())
    });
    frames.filter(|frame| frame.get(38..42) == Some(&target.octets())).collect()
}

/// Sets a neighbour parameter of `eth0` in the calling thread's namespace.
pub(crate) fn set_neighbour(name: &str, value: u32) {
    std::fs::write(format!("/proc/sys/net/ipv4/neigh/eth0/{name}"), value.to_string()).unwrap();
}

pub(crate) fn addresses_of(interface: &str) -> Vec<Value> {
    json(&format!("ip -j address show dev {interface}"))[0]["addr_info"].as_array().unwrap().clone()
}

/// Waits until the local routes for an address have these `proto`s, in the order in which the kernel prefers them
/// (it adds its own route for an IPv6 address some time after the address).
pub(crate) async fn expect_local_routes(address: IpAddr, expected: &[&str]) {
    let family = if address.is_ipv4() { "-4" } else { "-6" };
    let deadline = Instant::now() + PATIENCE;
    loop {
        let routes = json(&format!("ip -j {family} route show table local exact {address}"));
        let protocols: Vec<&str> = routes.as_array().unwrap().iter().filter_map(|it| it["protocol"].as_str()).collect();
        if protocols == expected {
            return;
        }
        assert!(Instant::now() < deadline, "{address}: expected routes of {expected:?}, there are {routes}");
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
