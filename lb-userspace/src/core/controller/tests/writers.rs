//! Services with one writer: what becomes of it when backends, VIPs, hosts and files change.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Rig, VIP, backend, config, key, node, passed, refused};
use crate::core::command::Level;
use crate::core::config::Config;
use crate::core::config::model::{Balance, BelowMin, Protocol};
use crate::core::controller::{AdoptedBackend, SwitchError};
use crate::core::event::{DrainTarget, Event, ProbeOutcome};
use crate::core::order::{Change, Weight};
use crate::core::view::{BackendState, WriterView};
use crate::core::writer::{Failback, Statement, Term};

const ENDPOINT: (std::net::IpAddr, u16, Protocol) = (VIP, 3306, Protocol::Tcp);

/// [`config`], in which `mysql` has one writer.
fn single(failback: Failback) -> Config {
    let mut config = config();
    config.services[1].balance = Balance::Single { failback };
    config
}

fn plain() -> Config {
    single(Failback::Never)
}

fn place(host: &str) -> SocketAddr {
    SocketAddr::new(node(host), 13_306)
}

/// Every check passes but those of the backends of `mysql` on these hosts.
fn but(down: &'static [&'static str]) -> impl Fn(&crate::core::event::BackendKey) -> ProbeOutcome {
    move |backend| {
        if backend.service == "mysql" && down.contains(&backend.backend.as_str()) { refused() } else { passed() }
    }
}

impl Rig {
    fn single(config: Config) -> Self {
        let mut rig = Rig::new();
        rig.configure(config);
        rig.run(Duration::from_secs(10), |_| passed());
        rig
    }

    /// What `mysql` is sent: the states of c1, c2, c3.
    fn sent(&self) -> Vec<BackendState> {
        self.service("mysql").backends.iter().map(|backend| backend.state).collect()
    }

    fn writer(&self) -> WriterView {
        let (_, services) = self.controller.view(self.now);
        services[1].writer.clone().expect("a writer")
    }

    /// Its name and epoch, and that nothing else is led to.
    #[track_caller]
    fn has(&self, writer: &str, epoch: u64) {
        let view = self.writer();
        assert_eq!((view.backend.as_deref(), view.epoch), (Some(writer), epoch));
        assert_eq!(self.owners("mysql"), [writer]);
        let up: Vec<_> =
            self.service("mysql").backends.iter().filter(|backend| backend.state != BackendState::Standby).collect();
        assert_eq!(up.iter().map(|backend| backend.key.backend.as_str()).collect::<Vec<_>>(), [writer]);
    }

    fn drained(&mut self, backend: &str, drain: bool) {
        self.ordered(backend, Change::Drain(drain));
    }

    fn ordered(&mut self, backend: &str, change: Change) {
        let (_, commands) = self.controller.order(&DrainTarget::One(key(backend)), change, self.now).unwrap();
        self.take_in(commands);
    }

    pub(super) fn switched(&mut self, backend: &str) -> Result<bool, SwitchError> {
        let (changed, commands) = self.controller.switch(&key(backend), self.now)?;
        self.take_in(commands);
        Ok(changed)
    }

    fn hears(&mut self, from: &str, epoch: u64, writer: &str, holds: bool) {
        let term = Term { epoch, writer: place(writer), by_hand: false };
        let statements = vec![Statement { service: ENDPOINT, term, holds }];
        self.handle(Event::Stated { from: from.to_owned(), statements });
    }
}

#[test]
fn one_backend_has_all_flows_and_the_others_stand_by() {
    let rig = Rig::single(plain());
    rig.has("c1", 1);
    assert!((rig.view("mysql/c1").share - 1.0).abs() < f64::EPSILON);
    assert_eq!((rig.view("mysql/c1").writer, rig.view("mysql/c2").writer), (Some(1), None));
    assert_eq!(rig.view("mysql/c2").state, BackendState::Standby);
    assert!(rig.service("mysql").single && !rig.service("keystone").single);
    assert_eq!(rig.owners("keystone"), ["c1", "c2", "c3"]);
    assert!(rig.logged(Level::Info, "writer of mysql: c1 (epoch 1): it is the first of those that are fit"));
}

#[test]
fn the_next_one_takes_over_and_keeps_the_flows() {
    let mut rig = Rig::single(plain());
    rig.run(Duration::from_secs(20), but(&["c1"]));
    rig.has("c2", 2);
    assert!(rig.logged(Level::Warn, "writer of mysql: c1 -> c2 (epoch 2): c1 is down: connection refused"));
    rig.run(Duration::from_secs(60), |_| passed());
    rig.has("c2", 2);
    assert_eq!(rig.view("mysql/c1").state, BackendState::Standby);
    assert!(!rig.logs.iter().any(|(_, line)| line.contains("no backend for new")), "{:?}", rig.logs);
}

#[test]
fn flows_go_back_when_that_is_configured() {
    let mut rig = Rig::single(single(Failback::After(Duration::from_secs(30))));
    rig.run(Duration::from_secs(20), but(&["c1"]));
    rig.has("c2", 2);
    rig.run(Duration::from_secs(20), |_| passed());
    rig.has("c2", 2);
    rig.run(Duration::from_secs(20), |_| passed());
    rig.has("c1", 3);
}

/// [`plain`], of which so many must be healthy, and what becomes of new flows if they are not.
fn needing(min_healthy: u32, below_min: BelowMin) -> Config {
    let mut config = plain();
    (config.services[1].min_healthy, config.services[1].below_min) = (min_healthy, below_min);
    config
}

#[test]
fn without_a_fit_backend_new_flows_are_refused_or_the_last_writers() {
    let mut rig = Rig::single(plain());
    rig.run(Duration::from_secs(30), but(&["c1", "c2", "c3"]));
    assert!(rig.owners("mysql").is_empty());
    assert_eq!(rig.sent().iter().filter(|state| **state == BackendState::Down).count(), 1);

    let mut rig = Rig::single(needing(1, BelowMin::Keep));
    rig.run(Duration::from_secs(30), but(&["c1", "c2", "c3"]));
    let last = rig.writer().backend.unwrap();
    assert_eq!(rig.owners("mysql"), std::slice::from_ref(&last));
    assert_eq!(rig.view(&format!("mysql/{last}")).state, BackendState::Down, "and is shown as it is");
    rig.run(Duration::from_secs(30), but(&["c1", "c2"]));
    rig.has("c3", rig.writer().epoch);
}

#[test]
fn with_too_few_healthy_ones_the_writer_gets_new_flows_or_not_and_nobody_else_does() {
    let mut rig = Rig::single(needing(2, BelowMin::Reset));
    rig.run(Duration::from_secs(30), but(&["c2", "c3"]));
    assert!(rig.owners("mysql").is_empty());
    assert_eq!(rig.sent(), [BackendState::Up, BackendState::Standby, BackendState::Standby], "it keeps what it has");
    rig.run(Duration::from_secs(30), but(&["c2"]));
    rig.has("c1", 1);

    let mut rig = Rig::single(needing(2, BelowMin::Keep));
    rig.run(Duration::from_secs(30), but(&["c1"]));
    rig.run(Duration::from_secs(30), but(&["c1", "c2"]));
    rig.has("c3", 3);
}

#[test]
fn a_drained_writer_makes_way_at_once_and_keeps_nothing() {
    let mut rig = Rig::single(plain());
    rig.drained("mysql/c1", true);
    rig.has("c2", 2);
    assert!(rig.logged(Level::Warn, "c1 -> c2 (epoch 2): c1 is drained"));
    assert_eq!(rig.view("mysql/c1").state, BackendState::Drain);
    rig.drained("mysql/c3", true);
    rig.drained("mysql/c2", true);
    assert_eq!(rig.sent()[1], BackendState::Drain, "there is nobody else: it keeps what it has");
    assert!(rig.owners("mysql").is_empty());
    rig.drained("mysql/c1", false);
    rig.has("c1", 3);
}

/// It has no flows to keep, whatever else it is.
#[test]
fn one_that_stands_by_is_drained_without_a_word_of_flows() {
    let mut rig = Rig::single(plain());
    rig.run(Duration::from_secs(20), but(&["c2"]));
    rig.drained("mysql/c2", true);
    rig.drained("mysql/c3", true);
    for name in ["c2", "c3"] {
        let line = format!("backend mysql/{name} is drained: another one is the writer");
        assert!(rig.logged(Level::Info, &line), "{:?}", rig.logs);
    }
}

#[test]
fn a_writer_in_maintenance_or_without_a_weight_makes_way() {
    let mut rig = Rig::single(plain());
    rig.ordered("mysql/c1", Change::Maintenance(true));
    assert_eq!((rig.writer().backend.as_deref(), rig.owners("mysql")), (Some("c2"), vec!["c2".to_owned()]));
    assert_eq!(rig.sent(), [BackendState::Maint, BackendState::Up, BackendState::Standby]);
    assert!(rig.logged(Level::Warn, "c1 -> c2 (epoch 2): c1 is in maintenance"));
    rig.ordered("mysql/c2", Change::Weight(Some(Weight::Of(0))));
    assert_eq!(rig.sent(), [BackendState::Maint, BackendState::Standby, BackendState::Up]);
    assert!(rig.logged(Level::Warn, "c2 -> c3 (epoch 3): c2 has weight 0"));
    assert!(rig.switched("mysql/c1").unwrap_err().to_string().contains("is in maintenance"));
}

#[test]
fn the_operator_switches_the_writer() {
    let mut rig = Rig::single(single(Failback::After(Duration::ZERO)));
    assert_eq!(rig.switched("mysql/c3"), Ok(true));
    rig.has("c3", 2);
    assert!(rig.writer().by_hand && rig.logged(Level::Warn, "c1 -> c3 (epoch 2): its operator wants it"));
    assert_eq!(rig.switched("mysql/c3"), Ok(false));
    rig.run(Duration::from_secs(60), |_| passed());
    rig.has("c3", 2);
    rig.drained("mysql/c2", true);
    let error = |rig: &mut Rig, backend| rig.switched(backend).unwrap_err().to_string();
    assert_eq!(error(&mut rig, "mysql/c2"), "backend `mysql/c2` is drained: it cannot be the writer");
    assert!(error(&mut rig, "keystone/c2").starts_with("service `keystone` has no writer"));
    assert!(error(&mut rig, "mysql/c9").contains("its backends are: c1, c2, c3"));
    rig.has("c3", 2);
}

#[test]
fn a_host_without_the_vip_has_the_same_writer_and_says_who_decides() {
    let mut rig = Rig::on("c2", Vec::new());
    rig.configure(plain());
    rig.run(Duration::from_secs(10), |_| passed());
    assert!(rig.controller.statements().is_empty(), "nobody has decided");
    rig.hears("c1", 7, "c3", true);
    rig.has("c3", 7);
    assert!(!rig.writer().decided_here);
    assert!(rig.logged(Level::Warn, "writer of mysql: c1 -> c3 (epoch 7): as c1 says"));
    let statements = rig.controller.statements();
    assert_eq!(statements.len(), 1);
    assert!(statements[0].term.epoch == 7 && !statements[0].holds);
    rig.run(Duration::from_secs(20), but(&["c3"]));
    assert_eq!(
        (rig.writer().backend.as_deref(), rig.writer().epoch),
        (Some("c3"), 7),
        "it is not this host's to decide"
    );
    let error = rig.switched("mysql/c1").unwrap_err().to_string();
    assert!(error.ends_with("c1 holds it, switch there"), "{error}");
}

#[test]
fn what_is_stated_is_told_on_only_when_it_changes() {
    let mut rig = Rig::single(plain());
    let before = rig.controller.statements();
    rig.run(Duration::from_secs(30), |_| passed());
    assert!(std::sync::Arc::ptr_eq(&before, &rig.controller.statements()));
    rig.hears("c2", 4, "c1", false);
    assert_eq!(rig.controller.statements()[0].term.epoch, 4);
}

#[test]
fn a_pivotd_that_takes_over_keeps_the_writer() {
    let left = |host: &str, state| AdoptedBackend {
        vip: VIP,
        service_port: 3306,
        protocol: Protocol::Tcp,
        address: node(host),
        port: 13_306,
        state,
        drained: false,
        next_hop: None,
    };
    let adopted = vec![left("c1", BackendState::Down), left("c2", BackendState::Up), left("c3", BackendState::Down)];
    let mut rig = Rig::on("c1", adopted);
    rig.configure(plain());
    rig.has("c2", 1);
    assert_eq!(rig.view("mysql/c1").state, BackendState::Standby, "it had no flows: that says nothing of its health");
    rig.hears("c3", 7, "c2", false);
    rig.has("c2", 7);
}

#[test]
fn reloads_begin_keep_and_end_it() {
    let mut rig = Rig::new();
    rig.configure(config());
    rig.run(Duration::from_secs(10), |_| passed());
    assert_eq!(rig.owners("mysql"), ["c1", "c2", "c3"]);
    rig.configure(plain());
    rig.has("c1", 1);
    rig.switched("mysql/c2").unwrap();

    let mut other = plain();
    other.services[1].backends.reverse();
    other.services[0].port = 5001;
    rig.configure(other);
    rig.has("c2", 2);

    let mut without = plain();
    without.services[1].backends.remove(1);
    rig.configure(without);
    rig.has("c1", 3);
    assert!(rig.logged(Level::Warn, "10.0.0.2:13306 -> c1 (epoch 3): 10.0.0.2:13306 is not configured any more"));

    let mut alone = plain();
    alone.services[1].backends = vec![backend("c3", 13_306)];
    rig.configure(alone);
    rig.has("c3", 4);
    rig.configure(config());
    assert_eq!(rig.owners("mysql"), ["c1", "c2", "c3"]);
    assert!(rig.controller.view(rig.now).1[1].writer.is_none());
}

#[test]
fn a_backend_of_weight_zero_is_no_writer() {
    let mut config = plain();
    config.services[1].backends[0].weight = 0;
    let mut rig = Rig::single(config);
    rig.has("c2", 1);
    assert!(rig.switched("mysql/c1").unwrap_err().to_string().contains("has weight 0"));
}
