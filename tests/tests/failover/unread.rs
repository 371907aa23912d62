//! A pivotd whose log nobody reads: its standard error is a pipe that is full, as when journald hangs.

use std::fs::File;
use std::io::{self, Read as _};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use lb_userspace::core::view::Status;
use lb_userspace::core::vrrp::advert::{self, Advert, GROUP4, Shape, Version};
use pivot_tests::lab::capture::Capture;
use pivot_tests::lab::craft::{Packet, multicast_mac};
use pivot_tests::lab::frame::Frame;
use pivot_tests::lab::{Cluster, Load, Pivotd, Topology, VIP, wait_until};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::Signal;

/// Ten adverts in a second, of virtual router 51.
const FAST: &str = "advert = \"100ms\"";
const ROUTER: u8 = 51;
/// Adverts within which whoever wanted to take over would have.
const MANY: u64 = 15;
/// Virtual routers that nobody here has: a line in the log for each.
const STRANGE: std::ops::RangeInclusive<u8> = 100..=250;
const AMPLE: Duration = Duration::from_secs(20);

/// A cluster whose first host holds the VIP and logs into a pipe, and the way to that.
fn unread() -> (Cluster, PathBuf) {
    let mut cluster = Cluster::build(Topology::default(), |config| config.elected(FAST)).unwrap();
    cluster.daemon_mut("c1").stop().unwrap();
    let pipe = cluster.lab.directory().join("log");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let config = std::fs::read_to_string(cluster.lab.directory().join("c1.toml")).unwrap();
    // Opened for both, it needs no reader to be opened, and has none but its writer.
    let into_pipe = ["/bin/sh", "-c", "exec \"$@\" 2<>\"$0\"", pipe.to_str().unwrap()];
    let pivotd = cluster.lab.start_pivotd_under(&into_pipe, "c1", config).unwrap();
    cluster.daemons.insert("c1".to_owned(), pivotd);
    cluster.daemon_mut("c1").await_answer().unwrap();
    cluster.await_holder("c1").unwrap();
    (cluster, pipe)
}

fn status(pivotd: &Pivotd) -> Result<Status, String> {
    pivotd.status().map_err(|error| format!("{error:#}"))
}

/// Has it log until no line finds room any more, with a file of this text.
fn fill(pivotd: &mut Pivotd) {
    pivotd.write_config("no configuration").unwrap();
    let before = pivotd.status().unwrap().log.lines_lost;
    wait_until(Duration::from_secs(60), "lines to be lost", || {
        for _ in 0..500 {
            pivotd.process().signal(Signal::HUP).map_err(|error| format!("{error:#}"))?;
            // Signals that are not taken in yet are one.
            std::thread::yield_now();
        }
        let log = status(pivotd)?.log;
        if log.lines_lost > before && log.lately { Ok(()) } else { Err(format!("{log:?}")) }
    })
    .unwrap();
}

/// Reads a pipe until a line contains this.
fn read_until(pipe: &Path, text: &str) {
    let mut file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(pipe).unwrap();
    let (mut read, mut chunk) = (String::new(), [0; 1 << 16]);
    wait_until(AMPLE, &format!("{text:?} in the log"), || {
        loop {
            match file.read(&mut chunk) {
                Ok(0) => return Err("nobody writes".to_owned()),
                Ok(length) => read += &String::from_utf8_lossy(&chunk[..length]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.to_string()),
            }
        }
        let line = read.lines().rfind(|line| line.contains(text));
        line.map(drop).ok_or_else(|| read.lines().last().unwrap_or_default().to_owned())
    })
    .unwrap();
}

/// Adverts of virtual routers that nobody has, from a client.
fn strange_adverts(cluster: &Cluster) -> Vec<Vec<u8>> {
    let client = cluster.client();
    let source: IpAddr = client.address.into();
    let advert = |vrid| {
        let (interval, addresses) = (Duration::from_secs(1), vec![VIP.into()]);
        let advert = Advert { version: Version::V3, vrid, priority: 254, interval, addresses };
        let payload = advert::encode(&advert, Shape { password: None, pseudo_header: true }, source, GROUP4.into());
        let packet = Packet { source, target: GROUP4.into(), hops: 255, protocol: 112, payload: &payload };
        packet.frame(client.mac, multicast_mac(GROUP4.into()))
    };
    STRANGE.map(advert).collect()
}

#[test]
fn a_log_that_nobody_reads_costs_lines_and_nothing_else() {
    let (mut cluster, pipe) = unread();
    fill(cluster.daemon_mut("c1"));

    // The election logs as well, and goes on.
    let is_ours = |frame: &Frame| frame.vrrp().is_some_and(|(_, advert)| advert.get(1) == Some(&ROUTER));
    let adverts = Capture::start(cluster.lab.switch(), "client", is_ours).unwrap();
    let strange = strange_adverts(&cluster);
    cluster.client().send_frames(&strange).unwrap();
    let heard = |pivotd: &Pivotd| pivotd.vips().map_err(|error| format!("{error:#}"));
    let ignored = wait_until(AMPLE, "all strange adverts to be ignored", || {
        let ignored = heard(&cluster.daemons["c1"])?.ignored;
        if ignored.total >= strange.len() as u64 { Ok(ignored) } else { Err(format!("{ignored:?}")) }
    });
    assert_eq!(ignored.unwrap().kinds["unknown_id"], strange.len() as u64);
    let received =
        |cluster: &Cluster| Ok::<_, String>(heard(&cluster.daemons["c2"])?.groups[0].counters.adverts_received);
    let before = received(&cluster).unwrap();
    wait_until(AMPLE, "more adverts", || match received(&cluster)? - before {
        more if more >= MANY => Ok(()),
        more => Err(format!("{more}")),
    })
    .unwrap();
    let adverts = adverts.stop().unwrap();
    let holder = cluster.lab.node("c1").mac;
    assert!(adverts.iter().all(|advert| advert.source() == Some(holder)), "another host took over");
    assert!(adverts.len() as u64 >= MANY, "{} adverts", adverts.len());
    cluster.await_holder("c1").unwrap();
    let report = cluster.client().load(Load::to(cluster.vip()).requests(100)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    let page = cluster.daemons["c1"].pivot(&["status"]).unwrap();
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    assert!(page.contains("pivotd's log loses lines"), "{page}");

    // Whoever reads again is told, and an end takes no reader.
    read_until(&pipe, "lines of this log were lost since pivotd began");
    fill(cluster.daemon_mut("c1"));
    cluster.daemon_mut("c1").stop().unwrap();
    cluster.await_holder("c2").unwrap();
}
