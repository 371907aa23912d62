//! A SYN flood from addresses that do not exist: who is there already notices nothing, who comes is let in, and nothing grows.

use std::thread;
use std::time::{Duration, Instant};

use lb_userspace::core::view::BackendState;
use pivot_tests::lab::cluster::{BACKEND_PORT, web_config_in};
use pivot_tests::lab::flood::Flood;
use pivot_tests::lab::patience::eased;
use pivot_tests::lab::{Cluster, Family, Lab, Load, Process, Topology};

/// Port of the service of streams on the VIP.
const STREAMS: u16 = 81;

/// Segments of the flood in a second on a usual machine: twenty times as many as are let into the flow table.
const RATE: u64 = 20_000;

/// New flows in a second that are let into the flow table, likewise.
const NEW_FLOWS: u64 = 1000;

/// How long it lasts.
const FLOOD: Duration = Duration::from_secs(20);

/// Honest connections spread over it on a usual machine.
const HONEST: u64 = 1000;

/// By which pivotd's own memory may have grown: what a reader of its status leaves behind.
const LEEWAY: u64 = 4 << 20;

/// Segments of the flood in a second: fewer where the machine is slow, and fewer still than it is slower, as it has to
/// forward and to answer each of them, which is what emulated ones are worst at. They remain more than are let in.
fn rate() -> u64 {
    match eased(RATE) {
        RATE => RATE,
        eased => eased / 4,
    }
}

#[test]
fn a_syn_flood_breaks_nothing_and_nothing_grows() {
    flooded(Family::V4);
}

#[test]
fn a_syn_flood_over_ipv6_breaks_nothing_and_nothing_grows() {
    flooded(Family::V6);
}

fn flooded(family: Family) {
    let (mut cluster, _streams) = flooded_cluster(family);
    let lab = &cluster.lab;
    let talks = lab.node("client").talk((family.vip(), STREAMS), 100).unwrap();
    // From now on only the flow table knows where c3's connections belong: were they pushed out, they would break.
    assert!(cluster.holder().pivot(&["drain", "streams/c3"]).unwrap().status.success());
    cluster.holder().await_state("streams/c3", BackendState::Drain).unwrap();
    let before = cluster.holder_mut().memory().unwrap();

    let (client, lab) = (cluster.client(), &cluster.lab);
    let (router, holder) = (lab.node("router"), lab.node("c1"));
    let flood = Flood { target: cluster.vip(), next_hop: holder.mac, rate: Some(rate()) };
    let (start, flood) = (Instant::now(), router.start_flood(flood).unwrap());
    // Four clients, each of which rests for so long that all of them need the time of the flood.
    let requests = eased(HONEST) as usize;
    let pause = FLOOD * 4 / requests as u32;
    let honest = client.load(Load { concurrency: 4, pause, ..Load::to(cluster.vip()).requests(requests) }).unwrap();
    thread::sleep(FLOOD.saturating_sub(start.elapsed()));
    let sent = flood.stop().unwrap();
    let after = cluster.holder_mut().memory().unwrap();
    let talks = talks.stop().unwrap();

    assert!(sent >= rate() * FLOOD.as_secs() / 2, "only {sent} segments were sent");
    let broken: Vec<_> = talks.iter().filter(|talk| talk.broken.is_some()).collect();
    assert!(broken.is_empty(), "{broken:?}");
    assert!(talks.iter().filter(|talk| talk.name == "c3").count() > 10, "{talks:?}");
    assert!(honest.failed() * 100 <= requests, "{}", honest.summary());
    assert_eq!(after.bpf, before.bpf);
    assert!(after.resident <= before.resident + LEEWAY, "{before:?} {after:?}");
}

/// A cluster behind a router with room for few flows, and a service of streams beside the usual one.
fn flooded_cluster(family: Family) -> (Cluster, Vec<Process>) {
    let lab = Lab::build(Topology::routed()).unwrap();
    let port = BACKEND_PORT + 1;
    let streams = lab.hosts().map(|host| host.serve_stream(port).unwrap()).collect();
    let config = web_config_in(&lab, family).service("streams", STREAMS, port, &["c1", "c2", "c3"]);
    let config = config.table("flows = 65536").table(&format!("new_flows = {}", eased(NEW_FLOWS)));
    (Cluster::start(lab, config, |host| host.serve_http(BACKEND_PORT)).unwrap(), streams)
}
