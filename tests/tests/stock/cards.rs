//! Network cards with several queues: the director on a virtio-net card, everybody else behind another one.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lb_userspace::core::view::MapEntry;
use pivot_tests::lab::cluster::HOLDER;
use pivot_tests::lab::udp::Datagrams;
use pivot_tests::lab::{Device, Family, Lab, Topology};

use crate::served::{Served, echo};

/// Datagrams of each family, each from a port of its own.
const DATAGRAMS: usize = 400;

/// There is one pair of cards.
static CARDS: Mutex<()> = Mutex::new(());

/// Queues in use, as many as there are processors; the card has as many again, by which XDP sends.
///
/// No more: with fewer to spare than processors, and more in use than processors, Linux from 5.13 on (6.12 at least) sends
/// by a queue that is not there, and panics (`virtnet_xdp_get_sq`).
const QUEUES: &str = "2";

fn start() -> (Served, MutexGuard<'static, ()>) {
    let cards = CARDS.lock().unwrap_or_else(PoisonError::into_inner);
    let lab = Lab::build(Topology { device: Device::Nic, ..Topology::default() }).unwrap();
    let card = lab.node(HOLDER).netns();
    card.output("ethtool", &["-L", "eth0", "combined", QUEUES])
        .unwrap_or_else(|error| panic!("{error:#}{}", says(&lab)));
    (Served::start(lab, |config| config), cards)
}

#[test]
fn a_card_with_several_queues_is_served_natively_and_what_all_of_them_took_is_counted() {
    let (served, _cards) = start();
    let native = [("eth0".to_owned(), "native".to_owned())].into();
    assert_eq!(served.interfaces(), native, "{}", says(&served.cluster.lab));
    served.assert_serves();
    assert_counts(&served);
}

/// What was sent is what all CPUs together have counted, for each backend what it has answered; several queues took part.
fn assert_counts(served: &Served) {
    let lab = &served.cluster.lab;
    let queues = frames_by_queue(lab);
    for family in Family::ALL {
        let before = sent_to(served, family);
        let answers = served.cluster.client().ask_udp(Datagrams::to(echo(family), DATAGRAMS)).unwrap();
        assert_eq!(answers.failed(), 0, "{family}: {:?}{}", answers.wrong, says(lab));
        let after = sent_to(served, family);
        let counted: BTreeMap<&str, u64> = after
            .iter()
            .map(|(backend, by_cpu)| {
                (backend.as_str(), by_cpu.iter().sum::<u64>() - before[backend].iter().sum::<u64>())
            })
            .collect();
        let answered: BTreeMap<&str, u64> =
            answers.backends().into_iter().map(|(backend, answers)| (backend, answers as u64)).collect();
        assert_eq!(counted, answered, "{family}: {before:?} {after:?}{}", says(lab));
        println!("{family}: by CPU {before:?} -> {after:?}");
    }
    let by_queue: Vec<u64> = frames_by_queue(lab).iter().zip(queues).map(|(after, before)| after - before).collect();
    assert!(by_queue.iter().filter(|frames| **frames > 0).count() > 1, "one queue had all: {by_queue:?}{}", says(lab));
    println!("by queue: {by_queue:?}");
}

/// Packets that the holder has sent to each backend of the UDP service, by CPU.
fn sent_to(served: &Served, family: Family) -> BTreeMap<String, Vec<u64>> {
    let service = if family == Family::V4 { "echo/" } else { "echo6/" };
    let entries: Vec<MapEntry> = served.cluster.holder().pivot_json(&["maps", "dump", "BACKEND_COUNTERS"]).unwrap();
    let mut sent = BTreeMap::<String, Vec<u64>>::new();
    for entry in entries {
        let Some((backend, _cpu)) = entry.key.strip_prefix(service).and_then(|key| key.split_once(" cpu ")) else {
            continue;
        };
        let ways = ["forwarded", "local", "redirected"];
        let packets = ways.iter().map(|way| entry.value[way].as_u64().unwrap_or_else(|| panic!("{entry:?}"))).sum();
        sent.entry(backend.to_owned()).or_default().push(packets);
    }
    sent
}

/// Frames that each receive queue of the holder's card has shown to XDP: `rx2_xdp_packets`, or `rx_queue_2_xdp_packets`
/// before Linux 6.9.
fn frames_by_queue(lab: &Lab) -> Vec<u64> {
    let statistics = lab.node(HOLDER).netns().output("ethtool", &["-S", "eth0"]).unwrap();
    let packets = |line: &str| {
        let (name, count) = line.trim().split_once(": ")?;
        let queue = name.strip_prefix("rx")?.strip_suffix("_xdp_packets")?.trim_start_matches("_queue_");
        let _number: u32 = queue.parse().ok()?;
        count.parse().ok()
    };
    statistics.lines().filter_map(packets).collect()
}

/// What the driver of the holder's card says of itself, for the message of a failure.
fn says(lab: &Lab) -> String {
    let ask = |option: &str| lab.node(HOLDER).netns().output("ethtool", &[option, "eth0"]);
    let told = ["-i", "-l", "-S"].map(|option| ask(option).unwrap_or_else(|error| format!("{error:#}")));
    let log = std::process::Command::new("dmesg").output().map(|output| output.stdout).unwrap_or_default();
    let log = String::from_utf8_lossy(&log).into_owned();
    let of_driver = log.lines().filter(|line| line.contains("virtio") || line.contains("XDP"));
    format!("\n{}\n{}", told.join("\n"), of_driver.collect::<Vec<_>>().join("\n"))
}
