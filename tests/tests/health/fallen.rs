//! A service of bytes on c2 and c3 behind the VIP of c1, whose backends go down in one way or the other.

use std::time::{Duration, Instant};

use lb_userspace::core::view::BackendState;
use pivot_tests::lab::cluster::{BACKEND_PORT, SERVICE_PORT};
use pivot_tests::lab::patience::patient;
use pivot_tests::lab::{Cluster, ConfigText, Family, Lab, Process, Topology};

/// What the checks ask: while nobody listens there, a backend is down, though its service is not.
const CHECK_PORT: u16 = 8081;
/// Within which a client learns of it that says nothing.
pub(crate) const SOON: Duration = Duration::from_secs(1);

/// The cluster, and what the checks ask on each backend's host.
pub(crate) struct Scene {
    pub(crate) cluster: Cluster,
    asked: Vec<(String, Process)>,
}

impl Scene {
    /// With these backends; `lines` are of the service.
    pub(crate) fn build(family: Family, topology: Topology, backends: &[&str], lines: &str) -> Self {
        let lab = Lab::build(topology).unwrap();
        let asked = backends.iter().map(|host| (host.to_string(), lab.node(host).serve_stream(CHECK_PORT).unwrap()));
        let asked = asked.collect();
        let config = config(&lab, family, backends, lines);
        let cluster = Cluster::start(lab, config, |host| host.serve_stream(BACKEND_PORT)).unwrap();
        Self { cluster, asked }
    }

    /// Has the checks of a host's backend fail, and waits until it is down; the last moment at which it was up.
    pub(crate) fn fail_checks(&mut self, host: &str) -> Instant {
        let at = self.asked.iter().position(|(name, _)| name == host).unwrap();
        self.asked.remove(at).1.kill().unwrap();
        self.await_down(host)
    }

    /// Has them pass again, and waits until it is up.
    pub(crate) fn pass_checks(&mut self, host: &str) {
        let process = self.cluster.lab.node(host).serve_stream(CHECK_PORT).unwrap();
        self.asked.push((host.to_owned(), process));
        self.cluster.holder().await_state(host, BackendState::Up).unwrap();
    }

    /// Waits until a backend is down; the last moment at which it was up.
    pub(crate) fn await_down(&self, host: &str) -> Instant {
        let deadline = Instant::now() + patient(Duration::from_secs(10));
        loop {
            let looked = Instant::now();
            match self.cluster.holder().state_of(host).unwrap() {
                BackendState::Down => return looked,
                state => assert!(looked < deadline, "{host} is {state:?}"),
            }
        }
    }

    /// Reloads with other lines of the service.
    pub(crate) fn reload(&mut self, family: Family, backends: &[&str], lines: &str) {
        let config = config(&self.cluster.lab, family, backends, lines);
        let holder = self.cluster.holder_mut();
        holder.write_config(config).unwrap();
        holder.reload().unwrap();
    }
}

fn config(lab: &Lab, family: Family, backends: &[&str], lines: &str) -> ConfigText {
    let mut config =
        ConfigText::new(lab, "c1").of(family).service("talk", SERVICE_PORT, BACKEND_PORT, backends).with(lines);
    let check = &mut config.services[0].check;
    *check = check.replacen('{', &format!("{{ port = {CHECK_PORT},"), 1);
    config
}
