//! Clients whose neighbour cache is stale: what they send to a host that does not hold the VIP goes on to the one that does, and
//! they notice nothing. A host that has lost its lease serves nobody.

use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lb_common::path::verdict::Verdict;
use lb_userspace::core::event::Mac;
use lb_userspace::core::view::ExplainView;
use pivot_tests::lab::capture::Capture;
use pivot_tests::lab::cluster::SERVICE_PORT;
use pivot_tests::lab::frame::Frame;
use pivot_tests::lab::patience::patient;
use pivot_tests::lab::{Cluster, Family, Load, Pivotd, Segment, Topology, wait_until};
use rustix::process::Signal;

/// Ten adverts in a second.
const FAST: &str = "advert = \"100ms\"";

/// One advert in a second, as most have it: the lease ends after two and a half, the next host takes over after three.
const SLOW: &str = "advert = \"1s\"";
const LEASE: Duration = Duration::from_millis(2500);

/// How late a frame may be noticed on a busy machine.
const LATE: Duration = Duration::from_millis(100);

/// The client sends what is for the VIP to this host, whatever anybody announces.
fn believe(cluster: &Cluster, host: &str) {
    let (vip, mac) = (cluster.vip().ip(), cluster.lab.node(host).mac);
    let client = cluster.client();
    client.netns().ip(&format!("neighbour replace {vip} lladdr {mac} dev {} nud permanent", client.interface)).unwrap();
}

/// Waits until a host says to whom it passes packets on.
fn await_told(cluster: &Cluster, host: &str, holder: &str) {
    let told = format!("passed on to {holder} ");
    wait_until(Duration::from_secs(10), &format!("{host} to know that {holder} holds the VIP"), || {
        let view = explain(cluster, host)?;
        let says = view.stages.iter().find(|stage| stage.stage == "vip").map(|stage| stage.says.clone());
        if says.as_ref().is_some_and(|says| says.contains(&told)) { Ok(()) } else { Err(format!("{says:?}")) }
    })
    .unwrap();
}

/// What a host would do with a client's packet to the VIP.
fn explain(cluster: &Cluster, host: &str) -> Result<ExplainView, String> {
    let source = SocketAddr::new(cluster.client_address(), 40_000).to_string();
    let destination = cluster.vip().to_string();
    let asked = cluster.daemons[host].pivot_json(&["explain", "--src", &source, "--dst", &destination]);
    asked.map_err(|error| format!("{error:#}"))
}

/// Waits until a host knows where the holder is.
fn await_way(cluster: &Cluster, host: &str, verdict: Verdict) {
    wait_until(Duration::from_secs(10), &format!("{host} to know the holder"), || {
        let view = explain(cluster, host)?;
        if view.verdict == verdict.name() { Ok(()) } else { Err(format!("{view:?}")) }
    })
    .unwrap();
}

fn counted(daemon: &Pivotd, verdict: Verdict) -> u64 {
    let verdicts = daemon.status().unwrap().verdicts;
    verdicts.iter().find(|view| view.verdict == verdict.name()).map_or(0, |view| view.packets)
}

/// Whether a frame is of a connection to the VIP, on the way there.
fn is_request(frame: &Frame) -> bool {
    frame.tcp().is_some_and(|(_, [_, to])| to == SERVICE_PORT)
}

fn sent_by(frames: &[Frame], mac: Mac) -> usize {
    frames.iter().filter(|frame| frame.source() == Some(mac)).count()
}

/// A load of a client that believes another host to hold the VIP than `c1`, which does.
fn assert_passed_on(cluster: &Cluster, stale: &str, verdict: Verdict) {
    await_way(cluster, stale, verdict);
    believe(cluster, stale);
    let port = |host: &str| Capture::start(cluster.lab.switch(), host, is_request).unwrap();
    let captures = ["c1", "c2", "c3"].map(|host| (host, port(host)));
    let before = counted(&cluster.daemons[stale], verdict);
    let report = cluster.client().load(Load::to(cluster.vip()).requests(300)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    assert_eq!(report.backends().len(), 3, "{}", report.summary());
    assert!(report.client_seen_as(cluster.client_address()));
    assert_eq!(cluster.client().ping(cluster.vip().ip(), 5).unwrap(), 5, "echo requests go on, too");

    // A SYN, an acknowledgement, a request and the end of each connection; and the echo requests.
    let passed = counted(&cluster.daemons[stale], verdict) - before;
    assert!(passed >= 4 * 300 + 5, "{passed} packets passed on");
    assert_eq!(counted(&cluster.daemons["c1"], Verdict::HolderUnknown), 0);
    let client = cluster.client().mac;
    for (host, capture) in captures {
        let frames = capture.stop().unwrap();
        let (came, left) = (sent_by(&frames, client), sent_by(&frames, cluster.lab.node(host).mac));
        match host {
            // On the first segment it sends nothing if the way to the holder is another one.
            _ if host == stale => assert!(came >= 4 * 300 && left <= came, "{came} came to {host}, {left} left"),
            // The director sends each on to its backend, once.
            "c1" => assert!(came == 0 && left <= passed as usize, "{came} came to {host}, {left} left"),
            _ => assert_eq!((came, left), (0, 0), "{host} has nothing to do with it"),
        }
    }
}

#[test]
fn a_client_that_takes_another_host_for_the_holder_notices_nothing() {
    let cluster = Cluster::web().unwrap();
    assert_passed_on(&cluster, "c2", Verdict::PassedOn);
    await_told(&cluster, "c3", "c1");
}

#[test]
fn a_client_that_takes_another_host_for_the_holder_over_ipv6_notices_nothing() {
    assert_passed_on(&Cluster::web_in(Family::V6).unwrap(), "c3", Verdict::PassedOn);
}

#[test]
fn nor_does_one_if_the_hosts_know_each_other_on_another_segment() {
    for family in Family::ALL {
        let topology = Topology { second_segment: true, ..Topology::default() };
        let cluster = Cluster::build_in(family, topology, |config| config.hosts_on(Segment::Second)).unwrap();
        assert_passed_on(&cluster, "c2", Verdict::PassedOnBeyond);
    }
}

fn elected(family: Family) -> Cluster {
    let cluster = Cluster::build_in(family, Topology::default(), |config| config.elected(FAST)).unwrap();
    await_holder(&cluster, "c1");
    cluster
}

fn await_holder(cluster: &Cluster, host: &str) {
    wait_until(Duration::from_secs(10), &format!("{host} to hold the VIP"), || {
        let status = cluster.daemons[host].status().map_err(|error| format!("{error:#}"))?;
        if status.vips.iter().all(|vip| vip.held) { Ok(()) } else { Err(format!("{:?}", status.vips)) }
    })
    .unwrap();
}

#[test]
fn an_elected_holder_is_passed_on_to() {
    assert_passed_on(&elected(Family::V4), "c3", Verdict::PassedOn);
}

/// It speaks from a link-local address, which no configuration knows.
#[test]
fn an_elected_holder_of_ipv6_is_passed_on_to_and_named() {
    let cluster = elected(Family::V6);
    assert_passed_on(&cluster, "c2", Verdict::PassedOn);
    let holder = cluster.daemons["c2"].status().unwrap().vips[0].holder.clone();
    assert_eq!(holder.as_deref(), Some("c1"));
}

#[test]
fn packets_follow_the_vip_to_whoever_holds_it() {
    for family in Family::ALL {
        let mut cluster = elected(family);
        believe(&cluster, "c3");
        for holder in ["c2", "c1"] {
            match holder {
                "c2" => cluster.daemon_mut("c1").kill9().unwrap(),
                _ => cluster.daemon_mut("c1").restart().unwrap(),
            }
            await_holder(&cluster, holder);
            await_told(&cluster, "c3", holder);
            let before = counted(&cluster.daemons["c3"], Verdict::PassedOn);
            let report = cluster.client().load(Load::to(cluster.vip()).requests(200)).unwrap();
            assert_eq!(report.failed(), 0, "{}", report.summary());
            let passed = counted(&cluster.daemons["c3"], Verdict::PassedOn) - before;
            assert!(passed >= 4 * 200, "{passed} packets passed on to {holder}");
        }
    }
}

/// Its pivotd does nothing any more, but its agent in the kernel would, and so would its stack.
#[test]
fn a_host_that_hangs_serves_no_client_once_its_lease_has_run_out() {
    for family in Family::ALL {
        let mut cluster = elected(family);
        believe(&cluster, "c1");
        let vip = cluster.vip();
        let connect = |cluster: &Cluster| {
            let attempt = move || TcpStream::connect_timeout(&vip, patient(Duration::from_millis(300)));
            cluster.client().run(attempt).unwrap()
        };
        connect(&cluster).unwrap();
        cluster.daemon_mut("c1").process().signal(Signal::STOP).unwrap();
        await_holder(&cluster, "c2");
        for _ in 0..5 {
            let error = connect(&cluster).expect_err("served by a host that hangs");
            assert_eq!(error.kind(), std::io::ErrorKind::TimedOut, "{error}");
        }
        cluster.daemon_mut("c1").process().signal(Signal::CONT).unwrap();
        await_holder(&cluster, "c1");
        assert!(counted(&cluster.daemons["c1"], Verdict::HolderUnknown) >= 5);
        connect(&cluster).unwrap();
    }
}

/// Frames on a port of the switch, and when each was noticed.
struct Timed {
    /// Ends with it.
    _capture: Capture,
    frames: Arc<Mutex<Vec<(Instant, Frame)>>>,
}

impl Timed {
    fn start(cluster: &Cluster, port: &str) -> Self {
        let frames = Arc::<Mutex<Vec<_>>>::default();
        let seen = Arc::clone(&frames);
        let notice = move |frame: &Frame| {
            if is_request(frame) || frame.vrrp().is_some() {
                seen.lock().unwrap().push((Instant::now(), frame.clone()));
            }
            false
        };
        Self { _capture: Capture::start(cluster.lab.switch(), port, notice).unwrap(), frames }
    }

    /// What a host has sent so far, if it is wanted.
    fn times(&self, from: Mac, wanted: impl Fn(&Frame) -> bool) -> Vec<Instant> {
        let frames = self.frames.lock().unwrap();
        let sent = frames.iter().filter(|(_, frame)| frame.source() == Some(from) && wanted(frame));
        sent.map(|(time, _)| *time).collect()
    }
}

/// Between the end of the old holder's lease and the next one's claim nobody serves: what looks like a director's frame to the
/// old holder's agent must not come to it from a third host.
#[test]
fn nothing_is_passed_on_to_a_host_whose_lease_has_run_out() {
    for family in Family::ALL {
        let mut cluster = Cluster::build_in(family, Topology::default(), |config| config.elected(SLOW)).unwrap();
        await_holder(&cluster, "c1");
        await_told(&cluster, "c3", "c1");
        believe(&cluster, "c3");
        let [client, c1, c2, c3] = ["client", "c1", "c2", "c3"].map(|node| cluster.lab.node(node).mac);
        let (old, third) = (Timed::start(&cluster, "c1"), Timed::start(&cluster, "c3"));
        let is_advert = |frame: &Frame| frame.vrrp().is_some();
        let prober = cluster.client().probe(cluster.vip());
        wait_until(Duration::from_secs(10), "c3 to pass packets on to c1", || {
            let seen = (old.times(c3, is_request).len(), old.times(c1, is_advert).len());
            if seen.0 > 100 && seen.1 > 0 { Ok(()) } else { Err(format!("{seen:?} packets and adverts")) }
        })
        .unwrap();
        cluster.daemon_mut("c1").process().signal(Signal::STOP).unwrap();
        await_holder(&cluster, "c2");
        prober.stop().unwrap();
        cluster.daemon_mut("c1").process().signal(Signal::CONT).unwrap();

        let claim = old.times(c2, is_advert)[0];
        let adverts = old.times(c1, is_advert);
        let last = adverts.into_iter().filter(|advert| *advert < claim).max().unwrap();
        let within = |times: Vec<Instant>, [from, to]: [Instant; 2]| {
            times.into_iter().filter(|time| (from..to).contains(time)).count()
        };
        let (held, nobody) = ([last, last + LEASE / 2], [last + LEASE + LATE, claim]);
        let sent = |time| within(third.times(client, is_request), time);
        let passed = |time| within(old.times(c3, is_request), time);
        assert!(passed(held) > 50, "{} passed on while it was heard, {family:?}", passed(held));
        assert!(sent(nobody) > 20, "{} sent in {:?}, {family:?}", sent(nobody), claim - last);
        assert_eq!(passed(nobody), 0, "passed on to a host without a lease, of {} sent, {family:?}", sent(nobody));
    }
}
