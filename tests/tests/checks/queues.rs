//! A RabbitMQ cluster behind pivot, with clients that stay: whatever becomes of a broker, whoever was connected to it is connected to another
//! one within a second of losing it, and no message that was confirmed is lost.

use std::collections::BTreeSet;
use std::time::Duration;

use lb_userspace::core::view::BackendState;
use pivot_tests::lab::patience::patient;
use pivot_tests::lab::{ConfigText, Family, Lab, Pivotd, Topology, wait_until};
use pivot_tests::real::broker::PORT;
use pivot_tests::real::diary::now;
use pivot_tests::real::rabbitmq::RabbitMq;
use pivot_tests::real::stayers::{Role, Stayer};
use rustix::process::Signal;

/// Longest between a connection and the next.
const RECONNECT: Duration = Duration::from_secs(1);
/// Longest until a broker that hangs is found out: an interval, a short one, two timeouts, jitter of a tenth.
const OUT: Duration = Duration::from_millis(550 + 500 + 220 + 500);
/// Longest until clients that wait for it are told.
const TOLD: Duration = Duration::from_secs(1);
/// Longest that a queue without a leader, or a cluster without a member, takes to go on.
const MOVED: Duration = Duration::from_secs(30);
/// Clients of each kind: some are connected to each broker.
const CLIENTS: usize = 4;
/// Messages of a publisher.
const NUMBERS: usize = 1_000_000;

struct Scene {
    publishers: Vec<Stayer>,
    consumers: Vec<Stayer>,
    daemons: Vec<Pivotd>,
    brokers: RabbitMq,
    lab: Lab,
}

impl Scene {
    fn begin() -> Self {
        let lab = Lab::build(Topology::default()).unwrap();
        let brokers = RabbitMq::start(&lab).unwrap();
        let mut config = ConfigText::new(&lab, "c1").service("rabbitmq", PORT, PORT, &["c1", "c2", "c3"]);
        let [interval, fast, timeout] = [500, 200, 500].map(|ms| patient(Duration::from_millis(ms)).as_millis());
        config.services[0].check = format!(
            "{{ type = \"amqp\", interval = \"{interval}ms\", fast_interval = \"{fast}ms\", down_interval = \"{interval}ms\", \
             timeout = \"{timeout}ms\", rise = 2, fall = 2 }}"
        );
        let daemons = lab.pivotd_everywhere(config).unwrap();
        daemons[0].await_all_up().unwrap();
        let start = |role| Stayer::start(lab.node("client"), Family::V4.vip(), role).unwrap();
        let consumers: Vec<Stayer> = (0..CLIENTS).map(|_| start(Role::Consume)).collect();
        let publishers: Vec<Stayer> = (0..CLIENTS).map(|client| start(Role::Publish(client * NUMBERS))).collect();
        let scene = Self { publishers, consumers, daemons, brokers, lab };
        scene.await_more_messages();
        scene
    }

    fn clients(&self) -> impl Iterator<Item = &Stayer> {
        self.publishers.iter().chain(&self.consumers)
    }

    /// Connections to a host's broker, as the holder has them.
    fn connected_to(&self, host: &str) -> usize {
        let backend = format!("rabbitmq/{host}");
        let flows = self.daemons[0].flows().unwrap();
        flows.iter().filter(|flow| flow.backend == backend && flow.stage == "established").count()
    }

    /// Waits until each publisher has had some more messages confirmed.
    fn await_more_messages(&self) {
        let before: Vec<usize> = self.publishers.iter().map(|publisher| publisher.messages().len()).collect();
        wait_until(MOVED, "each publisher to go on", || {
            let more: Vec<usize> =
                self.publishers.iter().zip(&before).map(|(it, before)| it.messages().len() - before).collect();
            if more.iter().all(|more| *more >= 10) { Ok(()) } else { Err(format!("{more:?}")) }
        })
        .unwrap();
    }

    /// Has something become of a broker, and looks at what clients had of it: those that were connected to it know within this time, and have
    /// another connection soon after.
    fn trouble(&mut self, host: &str, within: Duration, trouble: impl FnOnce(&mut RabbitMq)) {
        let connected = self.connected_to(host);
        assert!(connected > 0, "nobody is connected to {host}: the test shows nothing");
        let began = now();
        trouble(&mut self.brokers);
        wait_until(within + RECONNECT, "those who have lost their connection to have another", || {
            let gaps: Vec<_> = self.clients().flat_map(|client| client.gaps(began)).collect();
            let lost = gaps.len() >= connected && gaps.iter().all(|gap| gap.lasted.is_some());
            if lost { Ok(()) } else { Err(format!("{connected} were connected to {host}: {gaps:?}")) }
        })
        .unwrap();
        let gaps: Vec<_> = self.clients().flat_map(|client| client.gaps(began)).collect();
        let longest = gaps.iter().filter_map(|gap| gap.lasted).max().unwrap();
        let latest = gaps.iter().map(|gap| gap.lost - began).max().unwrap();
        eprintln!("{host}: {} connections lost within {latest:?}, others had within {longest:?}", gaps.len());
        assert!(longest <= patient(RECONNECT), "{gaps:?}");
        assert!(latest <= patient(within), "{gaps:?}");
        self.await_more_messages();
    }

    fn await_up(&self, host: &str) {
        wait_until(MOVED, &format!("{host} to be up"), || match self.daemons[0].state_of(host) {
            Ok(BackendState::Up) => Ok(()),
            other => Err(format!("{other:?}")),
        })
        .unwrap();
    }

    /// Starts consumers until some are connected to this host's broker.
    fn await_somebody_on(&mut self, host: &str) {
        while self.connected_to(host) == 0 {
            assert!(self.consumers.len() < 30, "no connection goes to {host}");
            self.consumers.push(Stayer::start(self.lab.node("client"), Family::V4.vip(), Role::Consume).unwrap());
        }
    }

    /// Ends the publishers, and waits until all that was confirmed was consumed.
    fn end(mut self) {
        self.publishers.iter_mut().for_each(|publisher| publisher.stop().unwrap());
        let confirmed: BTreeSet<usize> = self.publishers.iter().flat_map(Stayer::messages).collect();
        wait_until(MOVED, "every confirmed message to be consumed", || {
            let consumed: BTreeSet<usize> = self.consumers.iter().flat_map(Stayer::messages).collect();
            let lost: Vec<&usize> = confirmed.difference(&consumed).collect();
            if lost.is_empty() { Ok(()) } else { Err(format!("{} of {}: {lost:?}", lost.len(), confirmed.len())) }
        })
        .unwrap();
        eprintln!("{} messages were confirmed, all were consumed", confirmed.len());
    }
}

#[test]
fn no_confirmed_message_is_lost_and_clients_are_back_within_a_second() {
    let mut scene = Scene::begin();

    scene.await_somebody_on("c2");
    scene.trouble("c2", MOVED, |brokers| brokers.on("c2").unwrap().order(&["stop_app"]).unwrap());
    scene.brokers.on("c2").unwrap().order(&["start_app"]).unwrap();
    scene.await_up("c2");

    scene.await_somebody_on("c2");
    scene.trouble("c2", OUT + TOLD, |brokers| brokers.on("c2").unwrap().signal(Signal::STOP).unwrap());
    scene.brokers.on("c2").unwrap().signal(Signal::CONT).unwrap();
    scene.await_up("c2");

    scene.await_somebody_on("c3");
    scene.trouble("c3", TOLD, |brokers| brokers.on("c3").unwrap().kill().unwrap());
    scene.end();
}
