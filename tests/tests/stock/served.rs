//! The usual cluster with services of every kind, and what a client must find there.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use pivot_tests::lab::cluster::{BACKEND_PORT, HOLDER, SERVICE_PORT};
use pivot_tests::lab::patience::eased;
use pivot_tests::lab::udp::Datagrams;
use pivot_tests::lab::{Cluster, ConfigText, Family, Lab, Load, Process};

/// Port of the service of streams, on the VIP.
const STREAMS: u16 = 81;

/// Port that it is bound to.
const STREAMS_BOUND: u16 = BACKEND_PORT + 1;

/// Port of the UDP service, on the VIP and on its hosts.
const ECHO: u16 = 5353;

/// A cluster that serves HTTP, streams and UDP on the VIPs of both families.
pub(crate) struct Served {
    pub(crate) cluster: Cluster,
    _more: Vec<Process>,
}

/// Where the streams are of a family.
pub(crate) fn streams(family: Family) -> SocketAddr {
    (family.vip(), STREAMS).into()
}

/// Where HTTP is of a family.
pub(crate) fn web(family: Family) -> SocketAddr {
    (family.vip(), SERVICE_PORT).into()
}

/// Where UDP is of a family.
pub(crate) fn echo(family: Family) -> SocketAddr {
    (family.vip(), ECHO).into()
}

impl Served {
    /// Starts the services and pivotd on every controller of the lab.
    pub(crate) fn start(lab: Lab, adjust: impl Fn(ConfigText) -> ConfigText) -> Self {
        let hosts: Vec<String> = lab.hosts().map(|host| host.name.clone()).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let mut config = ConfigText::new(&lab, HOLDER);
        for (family, six) in [(Family::V6, "6"), (Family::V4, "")] {
            config = config.of(family);
            config = adjust(config.service(&format!("web{six}"), SERVICE_PORT, BACKEND_PORT, &hosts));
            config = adjust(config.service(&format!("streams{six}"), STREAMS, STREAMS_BOUND, &hosts));
            config = adjust(config.udp_service(&format!("echo{six}"), ECHO, &hosts));
        }
        let more = lab.hosts().flat_map(|host| [host.serve_stream(STREAMS_BOUND), host.serve_udp(ECHO)]);
        let more = more.collect::<Result<_, _>>().unwrap();
        Self { cluster: Cluster::start(lab, config, |host| host.serve_http(BACKEND_PORT)).unwrap(), _more: more }
    }

    /// Asks everything of either family: all is answered, by every backend, whole, as the VIP, with the client seen.
    pub(crate) fn assert_serves(&self) {
        for family in Family::ALL {
            self.assert_serves_web(family);
            self.assert_moves_bytes(family, eased(16 << 20));
            self.assert_echoes(family, 60);
        }
    }

    /// Short connections.
    pub(crate) fn assert_serves_web(&self, family: Family) {
        let client = self.cluster.client();
        // Where nothing is answered, that need not be found out 150 times.
        let first = client.load(Load::to(web(family)).requests(8)).unwrap();
        assert_eq!(first.failed(), 0, "{family}: {}{}", first.summary(), self.verdicts());
        let report = client.load(Load::to(web(family)).requests(150).padded(3000)).unwrap();
        assert_eq!((report.requests(), report.failed()), (150, 0), "{family}: {}{}", report.summary(), self.verdicts());
        assert_eq!(report.backends().len(), 3, "{family}: {}{}", report.summary(), self.verdicts());
        assert!(report.client_seen_as(client.address_in(family)), "{family}");
        assert!(report.answers().all(|answer| answer.local == Some(web(family))), "{family}");
    }

    /// Transfers in both directions, until every backend had one of each.
    pub(crate) fn assert_moves_bytes(&self, family: Family, bytes: u64) {
        let client = self.cluster.client();
        let mut moved = BTreeMap::<String, [u32; 2]>::new();
        for _ in 0..60 {
            let seen = [client.download(streams(family), bytes), client.upload(streams(family), bytes)];
            for (direction, answer) in seen.into_iter().enumerate() {
                let answer = answer.unwrap_or_else(|error| panic!("{family}: {error:#}{}", self.verdicts()));
                assert_eq!(answer.client.ip(), client.address_in(family));
                moved.entry(answer.name).or_default()[direction] += 1;
            }
            if moved.len() == 3 && moved.values().flatten().all(|&times| times > 0) {
                return;
            }
        }
        panic!("{family}: 60 transfers each way, and not one each way with every backend: {moved:?}");
    }

    /// Datagrams, some of them in fragments.
    pub(crate) fn assert_echoes(&self, family: Family, count: usize) {
        let client = self.cluster.client();
        for size in [64, 4000] {
            let answers = client.ask_udp(Datagrams::to(echo(family), count).sized(size)).unwrap();
            let failed = (answers.lost, answers.refused, answers.wrong.len());
            assert_eq!(failed, (0, 0, 0), "{family}, {size} bytes: {:?}{}", answers.wrong, self.verdicts());
            assert_eq!(answers.backends().len(), 3, "{family}: {:?}", answers.backends());
        }
    }

    /// How XDP runs on the holder's interfaces.
    pub(crate) fn interfaces(&self) -> BTreeMap<String, String> {
        let status = self.cluster.holder().status().unwrap();
        status.interfaces.into_iter().map(|interface| (interface.name, interface.xdp)).collect()
    }

    /// Packets that ended so on the holder.
    pub(crate) fn count(&self, verdict: &str) -> u64 {
        let status = self.cluster.holder().status().unwrap();
        status.verdicts.iter().find(|view| view.verdict == verdict).map_or(0, |view| view.packets)
    }

    /// What became of packets on every controller, for the message of a failure.
    pub(crate) fn verdicts(&self) -> String {
        let of = |daemon: &pivot_tests::lab::Pivotd| match daemon.status() {
            Ok(status) => format!("{:?} {:?}{}", status.interfaces, status.verdicts, daemon.log()),
            Err(error) => format!("{error:#}"),
        };
        self.cluster.daemons.iter().map(|(host, daemon)| format!("\n  {host}: {}", of(daemon))).collect()
    }

    /// Asserts that the holder warned of generic XDP on an interface.
    pub(crate) fn assert_warned_of_generic(&mut self, interface: &str) {
        let log = self.cluster.holder_mut().process().stderr();
        let about = |line: &&str| line.contains("WARN") && line.contains(interface) && line.contains("generic");
        assert!(log.lines().find(about).is_some(), "{log}");
    }
}
