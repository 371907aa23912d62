//! The wire that the virtual machine's two network cards are on: a bridge in a network namespace of its own, in which
//! QEMU runs. Nothing of it is seen outside, and all of it goes with the namespace.
//!
//! Namespaces are named as the lab names its own (`pv-<pid>-<start time>-...`): its sweep takes what a killed run left,
//! and so does ours.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::interrupt::{Guard, Undo};
use crate::command::output;

/// Where ip-netns(8) keeps named namespaces.
const NAMESPACES: &str = "/run/netns";

/// What our names end with, after a number.
const ENDING: &str = "-vm";

/// Pairs of queues of each card: two for the guest's two processors, and two more for their XDP programs to send by.
const QUEUES: u32 = 4;

/// The MACs of the two cards, by which the guest knows them.
pub(super) const MACS: [&str; 2] = ["52:54:00:70:76:01", "52:54:00:70:76:02"];

/// The segment; removed when dropped.
#[derive(Debug)]
pub(super) struct Segment {
    name: String,
    _guard: Guard,
}

impl Segment {
    /// Makes the one of this number, after a sweep.
    pub(super) fn create(number: usize) -> Result<Self> {
        sweep();
        let pid = std::process::id();
        let started = start_time(pid).context("this process has no /proc/self/stat: is /proc mounted?")?;
        let name = format!("pv-{pid}-{started}-{number}{ENDING}");
        let (name, guard) = Guard::make(|| {
            output(Command::new("ip").args(["netns", "add", &name])).context("making a network namespace")?;
            Ok((name.clone(), Undo::Namespace(name)))
        })?;
        let segment = Self { name, _guard: guard };
        segment.build().with_context(|| format!("building the network of {}", segment.name))?;
        Ok(segment)
    }

    /// The path by which nsenter(1) enters it.
    pub(super) fn path(&self) -> String {
        format!("{NAMESPACES}/{}", self.name)
    }

    /// QEMU's arguments for the cards.
    ///
    /// A native XDP program takes frames one by one: nothing is put together or left unfinished for the guest. Without
    /// a ROM nothing boots from them.
    pub(super) fn qemu_arguments() -> Vec<String> {
        let card = |(tap, mac): (String, &str)| {
            let vectors = 2 * QUEUES + 2;
            [
                "-netdev".to_owned(),
                format!("tap,id={tap},ifname={tap},script=no,downscript=no,queues={QUEUES},vhost=off"),
                "-device".to_owned(),
                format!(
                    "virtio-net-pci,netdev={tap},mac={mac},mq=on,vectors={vectors},romfile=,guest_csum=off,\
                     guest_tso4=off,guest_tso6=off,guest_ecn=off,guest_ufo=off"
                ),
            ]
        };
        taps().zip(MACS).flat_map(card).collect()
    }

    fn build(&self) -> Result<()> {
        let ip = |arguments: &str| {
            output(Command::new("ip").args(["-n", &self.name]).args(arguments.split(' ')))
                .with_context(|| format!("ip {arguments}"))
        };
        ip("link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0")?;
        ip("link set br0 addrgenmode none up")?;
        for tap in taps() {
            ip(&format!("tuntap add dev {tap} mode tap multi_queue"))?;
            ip(&format!("link set {tap} addrgenmode none master br0 up"))?;
        }
        // A fresh namespace hands bridged frames to netfilter, if the kernel can at all.
        let settings = "for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $f ] || echo 0 >$f; done";
        output(Command::new("nsenter").arg(format!("--net={}", self.path())).args(["sh", "-c", settings]))?;
        Ok(())
    }
}

/// Names of the ends of the cards.
fn taps() -> impl Iterator<Item = String> {
    (1..=MACS.len()).map(|number| format!("card{number}"))
}

/// Removes the segments whose makers are dead.
fn sweep() {
    let entries = fs::read_dir(NAMESPACES).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_orphan(name)).for_each(|name| {
        remove(&name);
    });
}

/// Kills what still runs in a namespace and removes it. Quiet: an interrupt may have done it already.
pub(super) fn remove(name: &str) {
    if let Ok(namespace) = fs::metadata(Path::new(NAMESPACES).join(name)) {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        let inside =
            |pid: &i32| fs::metadata(format!("/proc/{pid}/ns/net")).is_ok_and(|net| net.ino() == namespace.ino());
        for pid in pids.filter(inside).filter_map(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
    let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
}

/// Whether a namespace is a segment of ours whose maker is dead.
fn is_orphan(name: &str) -> bool {
    let maker = || {
        let mut words = name.strip_prefix("pv-")?.strip_suffix(ENDING)?.split('-');
        let (pid, started, number) = (words.next()?, words.next()?, words.next()?);
        number.parse::<usize>().ok()?;
        Some((pid.parse().ok()?, started.parse::<u64>().ok()?)).filter(|_| words.next().is_none())
    };
    maker().is_some_and(|(pid, started)| start_time(pid) != Some(started))
}

/// When a process was started: clock ticks since boot, field 22 of proc_pid_stat(5).
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the command's name in parentheses, may itself hold blanks and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_of_a_living_process_is_no_orphan() {
        let pid = std::process::id();
        let started = start_time(pid).unwrap();
        for number in [0, 1, 12] {
            assert!(!is_orphan(&format!("pv-{pid}-{started}-{number}-vm")));
            assert!(is_orphan(&format!("pv-{pid}-{}-{number}-vm", started + 1)));
        }
    }

    #[test]
    fn namespaces_of_others_are_left_alone() {
        for name in ["pv-1-2-0-c1", "pv-1-2-0-switch", "pv-a-2-0-vm", "pv-1-2-vm", "pv-1-2-c-0-vm", "0-vm", "vm"] {
            assert!(!is_orphan(name), "{name}");
        }
    }

    #[test]
    fn each_card_has_a_tap_a_mac_and_queues_of_its_own() {
        let arguments = Segment::qemu_arguments();
        assert_eq!(arguments.len(), 8);
        assert!(arguments[1].starts_with("tap,id=card1,ifname=card1,") && arguments[1].contains("queues=4"));
        assert!(arguments[3].contains("mac=52:54:00:70:76:01,mq=on,vectors=10"), "{}", arguments[3]);
        assert!(arguments[7].contains("netdev=card2,mac=52:54:00:70:76:02"), "{}", arguments[7]);
    }
}
