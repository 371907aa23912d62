//! The data path taken over from a pivotd that was killed, at any time. In a network and a mount namespace of the
//! test's own, which vanish with its thread. Needs root (CAP_BPF, CAP_NET_ADMIN, CAP_SYS_ADMIN) and `ip`; fails without.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use aya::maps::MapData;
use lb_common::wire::control::Control;
use lb_userspace::core::config::model::TableSizes;
use lb_userspace::io::datapath::Datapath;
use lb_userspace::io::instance::Instance;
use lb_userspace::io::netlink::{Link, Netlink};
use lb_userspace::tables::region::Region;
use lb_userspace::tables::sizes::Sizes;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::UnshareFlags;

#[test]
fn what_is_whole_is_taken_over_and_what_is_not_is_made_anew() {
    in_namespaces(|pins| {
        assert!(open(pins).adopted.is_none());
        assert!(open(pins).adopted.is_some());

        fs::remove_file(pins.join("MAGLEV")).unwrap();
        assert!(open(pins).adopted.is_none(), "killed while it removed the maps");
        assert!(open(pins).adopted.is_some());

        let map = MapData::from_pin(pins.join("CONTROL")).unwrap();
        let mut control = Region::<Control>::mapped(&map.fd(), 1).unwrap();
        control.write(0, Control::default());
        assert!(open(pins).adopted.is_none(), "killed while it made the maps");

        fs::remove_file(pins.join("CONTROL")).unwrap();
        assert!(open(pins).adopted.is_none());
        assert!(open(pins).adopted.is_some());
    });
}

#[test]
fn programs_follow_an_interface_that_was_made_anew() {
    in_namespaces(|pins| {
        let mut first = open(pins);
        first.attach(link(), None).unwrap();
        assert!(has_xdp());
        drop(first);
        assert!(has_xdp(), "the programs outlive their pivotd");

        make_interface_anew();
        let mut second = open(pins);
        second.attach(link(), None).unwrap();
        assert!(has_xdp());

        make_interface_anew();
        second.attach(link(), None).unwrap();
        assert!(has_xdp());
        second.detach("eth0").unwrap();
        wait_until_detached();
        assert_eq!(links(pins), ["pivot_listen"], "what is attached to the namespace stays");
    });
}

#[test]
fn an_attachment_that_fails_leaves_that_of_an_earlier_pivotd_at_work() {
    in_namespaces(|pins| {
        let other_pins = pins.with_file_name("other");
        open(pins).attach(link(), None).unwrap();
        fs::remove_file(pins.join("links/eth0-pivot_xdp")).unwrap();
        wait_until_detached();
        let mut other = open(&other_pins);
        other.attach(link(), None).unwrap();

        let error = open(pins).attach(link(), None).unwrap_err().to_string();
        assert!(error.contains("pivot_xdp"), "{error}");
        assert_eq!(links(pins), ["eth0-pivot_egress", "eth0-pivot_steer", "pivot_listen"]);
    });
}

fn open(pins: &Path) -> Datapath {
    let tables = TableSizes { services: 8, backends: 16, flows: 1024, new_flows: 0, maglev: 251 };
    Datapath::open(pins, &Sizes::of(&tables, aya::util::nr_cpus().unwrap() as u32)).unwrap()
}

fn link() -> Link {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { Netlink::connect().unwrap().link("eth0").await.unwrap() })
}

/// What is attached.
fn links(pins: &Path) -> Vec<String> {
    let pins = fs::read_dir(pins.join("links")).unwrap();
    let mut names: Vec<String> = pins.map(|pin| pin.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn make_interface_anew() {
    ip("link del eth0");
    make_interface();
}

fn make_interface() {
    ip("link add eth0 type veth peer name peer0");
    ip("link set eth0 up");
}

fn has_xdp() -> bool {
    ip("-d link show eth0").contains("prog/xdp")
}

/// The kernel detaches what is no longer pinned a little later.
fn wait_until_detached() {
    let deadline = Instant::now() + Duration::from_secs(20);
    while has_xdp() {
        assert!(Instant::now() < deadline, "still attached");
    }
}

fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a test with an interface `eth0` and a directory for pins.
fn in_namespaces(test: impl FnOnce(&Path) + Send) {
    assert!(rustix::process::geteuid().is_root(), "this test loads BPF programs: run it as root");
    let root = tempfile::tempdir().unwrap();
    let inside = || {
        // SAFETY: CLONE_NEWNS takes this thread's working directory and umask along, which it shares with nobody then.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS | UnshareFlags::NEWNET) }.unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        make_interface();
        let (run, bpffs) = (root.path().join("run"), root.path().join("bpf"));
        fs::create_dir(&bpffs).unwrap();
        let instance = Instance::claim("c1", &run, &bpffs).unwrap();
        test(instance.pin_dir());
        instance.release().unwrap();
    };
    let ended = std::thread::scope(|scope| scope.spawn(inside).join());
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}
