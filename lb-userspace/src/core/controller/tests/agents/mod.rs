//! What agents say, and what becomes of backends by it.

mod questions;
mod reloads;

use std::time::Duration;

use super::orders::one;
use super::{Rig, config, node, passed, refused};
use crate::core::agent::words::Heard;
use crate::core::command::Level;
use crate::core::config::Config;
use crate::core::config::model::{Agent, Balance, BelowMin, CheckKind, Protocol};
use crate::core::order::Change;
use crate::core::view::{AgentView, BackendState};
use crate::core::writer::Failback;

const LONG: Duration = Duration::from_secs(20);
const INTERVAL: Duration = Duration::from_secs(5);

/// [`config`] with an agent beside every backend of keystone.
fn watched() -> Config {
    let mut config = config();
    config.services[0].agent = Some(Agent { interval: INTERVAL, ..Agent::at(9999) });
    config
}

impl Rig {
    /// Host `c1`, running [`watched`], all of whose agents say `up`.
    fn watched() -> Self {
        Self::with(watched())
    }

    fn with(config: Config) -> Self {
        let mut rig = Self::new();
        ["c1", "c2", "c3"].iter().for_each(|host| rig.say(host, "up"));
        rig.configure(config);
        rig.run(LONG, |_| passed());
        rig
    }

    /// From now on the agent on a host says this.
    fn say(&mut self, host: &str, body: &str) {
        self.says.insert(node(host), Heard::read(body.as_bytes()));
    }

    /// The same, and it is asked; all checks pass.
    fn said(&mut self, host: &str, body: &str) {
        self.say(host, body);
        self.run(INTERVAL * 2, |_| passed());
    }

    fn fail(&mut self, host: &str, why: &str) {
        self.says.insert(node(host), Err(why.to_owned()));
        self.run(INTERVAL * 2, |_| passed());
    }

    fn state(&self, name: &str) -> BackendState {
        self.view(name).state
    }

    fn agent(&self, name: &str) -> AgentView {
        self.view(name).agent.expect("it has an agent")
    }

    fn last_reason(&self) -> String {
        self.controller.events(None, 1, self.now).first().map(|event| event.reason.clone()).unwrap_or_default()
    }
}

#[test]
fn a_backend_is_what_its_agent_says() {
    for (says, state, owners) in [
        ("drain", BackendState::Drain, &["c1", "c3"][..]),
        ("maint", BackendState::Maint, &["c1", "c3"]),
        ("down # disk is full", BackendState::Down, &["c1", "c3"]),
        ("stopped", BackendState::Down, &["c1", "c3"]),
        ("0%", BackendState::Up, &["c1", "c3"]),
        ("50%", BackendState::Up, &["c1", "c2", "c3"]),
        ("up ready 100%", BackendState::Up, &["c1", "c2", "c3"]),
    ] {
        let mut rig = Rig::watched();
        rig.said("c2", says);
        assert_eq!(
            (rig.state("keystone/c2"), rig.owners("keystone")),
            (state, owners.iter().map(ToString::to_string).collect()),
            "{says}"
        );
        assert_eq!(rig.service("keystone").backends[1].state, state);
        assert_eq!(rig.owners("mysql").len(), 3, "whose agent is not asked");
        assert_eq!(rig.view("keystone/c2").ordered, None);
        rig.said("c2", "ready up 100%");
        assert_eq!((rig.state("keystone/c2"), rig.owners("keystone").len()), (BackendState::Up, 3), "{says}");
    }
}

#[test]
fn half_of_the_weight_is_half_of_the_share() {
    let mut rig = Rig::watched();
    rig.said("c2", "50%");
    let view = rig.view("keystone/c2");
    assert_eq!((view.weight, view.weight_now), (100, Some(50)));
    assert!((view.share - 0.2).abs() < 0.01, "{}", view.share);
    assert!(
        rig.logged(Level::Debug, "keystone/c2 is up, and has weight 50, not 100 as configured (its agent says: 50%)")
    );
}

#[test]
fn a_transition_has_the_agents_words_for_its_reason() {
    let mut rig = Rig::watched();
    for (says, reason) in [
        ("drain 50%", "its agent says: drain, 50%"),
        ("ready", "its agent says: ready"),
        ("down # disk is full", "its agent says: down (disk is full)"),
        ("up", "its agent says: up"),
        ("maint", "its agent says: maint"),
    ] {
        rig.said("c2", says);
        assert_eq!(rig.last_reason(), reason);
        assert!(rig.logs.iter().any(|(_, line)| line.contains("keystone/c2") && line.contains(&format!("({reason})"))));
    }
    assert!(rig.logged(Level::Warn, "keystone/c2 is down (its agent says: down (disk is full)); 2 of 3 backends"));
}

#[test]
fn words_stand_until_others_are_said_and_nothing_is_told_twice() {
    let mut rig = Rig::watched();
    rig.said("c2", "drain");
    let logs = rig.logs.len();
    for says in ["drain", "up", "100%", "drain,up"] {
        rig.say("c2", says);
        rig.run(LONG, |_| passed());
        assert_eq!(rig.state("keystone/c2"), BackendState::Drain, "{says}");
    }
    assert_eq!(rig.logs.len(), logs + 1, "the weight: {:?}", rig.logs);
}

/// Who says nothing, or nothing that is understood, changes nothing, and that is told once.
#[test]
fn an_agent_that_fails_changes_nothing() {
    let mut rig = Rig::watched();
    rig.said("c2", "drain");
    let before = rig.image.clone();
    rig.fail("c2", "connection refused");
    rig.fail("c2", "HTTP 503, expected 2xx");
    rig.said("c2", "dreary");
    assert_eq!((rig.state("keystone/c2"), &rig.image), (BackendState::Drain, &before));
    let shown = rig.agent("keystone/c2");
    assert_eq!((shown.in_force.as_deref(), shown.says.as_deref()), (Some("drain"), Some("drain")));
    assert!(shown.error.is_some_and(|error| error.contains("\"dreary\"")) && shown.said_s.is_some_and(|s| s > 20.0));
    let told = |rig: &Rig, part: &str| rig.logs.iter().filter(|(_, line)| line.contains(part)).count();
    let line =
        "the agent of keystone/c2 (http://10.0.0.2:9999/): connection refused; what it said before stands: drain";
    assert_eq!((told(&rig, line), told(&rig, "the agent of")), (1, 1), "{:?}", rig.logs);
    rig.said("c2", "drain");
    assert_eq!(told(&rig, "the agent of keystone/c2 (http://10.0.0.2:9999/) answers again: drain"), 1);
    assert_eq!(rig.agent("keystone/c2").error, None);
}

#[test]
fn one_that_never_answered_is_shown_so() {
    let mut rig = Rig::new();
    rig.configure(watched());
    rig.run(LONG, |_| passed());
    let shown = rig.agent("keystone/c1");
    assert_eq!((shown.url.as_str(), shown.in_force, shown.says), ("http://10.0.0.1:9999/", None, None));
    assert_eq!(shown.error.as_deref(), Some("nothing was heard of the question for 2s"));
    assert_eq!((rig.state("keystone/c1"), rig.view("mysql/c1").agent), (BackendState::Up, None));
}

#[test]
fn what_is_ignored_is_shown_and_told_once() {
    let mut rig = Rig::watched();
    rig.said("c2", "up maxconn:30");
    rig.said("c2", "up maxconn:40");
    assert_eq!(rig.agent("keystone/c2").ignored.as_deref(), Some("maxconn:40"));
    assert_eq!(rig.logs.iter().filter(|(_, line)| line.contains("maxconn")).count(), 1, "{:?}", rig.logs);
}

/// What is said behind the sharp, or varies from one answer to the next, is shown, and is nothing to tell each time.
#[test]
fn what_makes_nothing_else_of_a_backend_is_not_told() {
    let mut rig = Rig::watched();
    rig.said("c2", "down # load 12.31");
    let (logs, before) = (rig.logs.len(), rig.image.clone());
    rig.said("c2", "down # load 12.29");
    assert_eq!(rig.agent("keystone/c2").down.as_deref(), Some("down (load 12.29)"));
    assert_eq!((rig.logs.len(), &rig.image), (logs, &before), "{:?}", rig.logs);
    rig.said("c2", "up maxconn:30");
    let logs = rig.logs.len();
    for says in ["up", "up maxconn:30", "up", "up maxconn:40"] {
        rig.said("c2", says);
    }
    assert_eq!(rig.logs.len(), logs, "{:?}", rig.logs);
}

#[test]
fn a_weight_that_varies_is_no_news_but_one_that_takes_or_gives_back_all_is() {
    let mut rig = Rig::watched();
    for (says, level) in [("50%", Level::Debug), ("60%", Level::Debug), ("0%", Level::Info), ("70%", Level::Info)] {
        rig.said("c2", says);
        assert!(rig.logged(level, &format!("(its agent says: {says})")), "{says}: {:?}", rig.logs);
    }
}

/// In maintenance its checks rest; its agent is what ends that.
#[test]
fn in_maintenance_the_agent_goes_on_being_asked_and_the_checks_rest() {
    let mut rig = Rig::watched();
    rig.said("c2", "maint");
    rig.run(LONG, |backend| {
        assert_ne!(backend.to_string(), "keystone/c2");
        passed()
    });
    assert!(rig.agent("keystone/c2").said_s.is_some_and(|ago| ago < 6.0));
    assert_eq!(rig.view("keystone/c2").next_check_s, None);
    rig.say("c2", "ready");
    rig.run(LONG, |backend| if backend.to_string() == "keystone/c2" { refused() } else { passed() });
    assert_eq!(rig.state("keystone/c2"), BackendState::Down, "it is to pass a check first");
    rig.run(LONG, |_| passed());
    assert_eq!(rig.state("keystone/c2"), BackendState::Up);
}

#[test]
fn the_operators_orders_win() {
    let mut rig = Rig::watched();
    rig.order(&one("keystone/c2"), Change::Drain(true)).unwrap();
    rig.said("c2", "ready up");
    assert_eq!(rig.state("keystone/c2"), BackendState::Drain);
    rig.order(&one("keystone/c2"), Change::Weight(Some("10".parse().unwrap()))).unwrap();
    rig.said("c2", "50%");
    assert_eq!(rig.view("keystone/c2").weight_now, Some(10));
    rig.order(&one("keystone/c2"), Change::Weight(None)).unwrap();
    assert_eq!(rig.view("keystone/c2").weight_now, Some(50));
    assert!(rig.logged(Level::Info, "has weight 50 again, 50% as its agent says"));
    rig.order(&one("keystone/c2"), Change::Drain(false)).unwrap();
    rig.order(&one("keystone/c2"), Change::Maintenance(true)).unwrap();
    rig.said("c2", "ready");
    assert_eq!(rig.state("keystone/c2"), BackendState::Maint);
}

/// What both say ends when both have ended it.
#[test]
fn an_undone_order_leaves_what_the_agent_says() {
    let mut rig = Rig::watched();
    rig.said("c2", "drain");
    rig.order(&one("keystone/c2"), Change::Drain(true)).unwrap();
    rig.order(&one("keystone/c2"), Change::Drain(false)).unwrap();
    assert_eq!(rig.state("keystone/c2"), BackendState::Drain);
    assert!(rig.logged(Level::Info, "keystone/c2 is drained by its agent alone"));
    rig.said("c2", "maint");
    rig.order(&one("keystone/c2"), Change::Maintenance(true)).unwrap();
    rig.order(&one("keystone/c2"), Change::Maintenance(false)).unwrap();
    assert_eq!(rig.state("keystone/c2"), BackendState::Maint);
    assert!(rig.logged(Level::Info, "keystone/c2 is in maintenance by its agent alone"));
    // Only what the operator ordered is remembered.
    assert!(rig.controller.orders().is_empty());
    assert!(!rig.service("keystone").backends[1].drained);
}

#[test]
fn down_by_its_agent_is_told_of_its_checks_only_when_the_agent_has_ended_that() {
    let mut rig = Rig::watched();
    rig.said("c2", "down");
    let logs = rig.logs.len();
    for outcome in [refused(), passed(), refused()] {
        rig.run(LONG, |backend| if backend.backend == "c2" { outcome.clone() } else { passed() });
        assert_eq!(rig.state("keystone/c2"), BackendState::Down);
    }
    assert!(!rig.logs[logs..].iter().any(|(_, line)| line.contains("keystone/c2")), "{:?}", &rig.logs[logs..]);
    assert_eq!(rig.controller.healthy("keystone"), Some(2));
    assert_eq!(rig.agent("keystone/c2").down.as_deref(), Some("down"));
    rig.say("c2", "up");
    rig.run(LONG, |backend| if backend.backend == "c2" { refused() } else { passed() });
    assert_eq!(rig.state("keystone/c2"), BackendState::Down, "its checks fail, too");
    assert!(rig.logged(Level::Info, "keystone/c2 is down still"));
    rig.run(LONG, |_| passed());
    assert_eq!(rig.state("keystone/c2"), BackendState::Up);
}

#[test]
fn what_comes_up_by_its_agent_starts_slowly() {
    let mut config = watched();
    config.services[0].slow_start = Duration::from_secs(3600);
    let mut rig = Rig::with(config);
    for gone in ["down", "maint"] {
        rig.said("c2", gone);
        rig.said("c2", "up ready");
        assert_eq!(
            (rig.state("keystone/c2"), rig.view("keystone/c2").weight_now),
            (BackendState::Starting, Some(10)),
            "{gone}"
        );
    }
    rig.said("c2", "drain");
    rig.said("c2", "ready 50%");
    assert_eq!((rig.state("keystone/c2"), rig.view("keystone/c2").weight_now), (BackendState::Starting, Some(5)));
}

#[test]
fn below_its_minimum_an_agents_word_counts_as_an_order_does() {
    let mut config = watched();
    (config.services[0].min_healthy, config.services[0].below_min) = (3, BelowMin::Keep);
    let mut rig = Rig::with(config);
    rig.said("c2", "maint");
    assert_eq!(rig.owners("keystone"), ["c1", "c3"]);
    rig.said("c2", "ready up");
    rig.said("c2", "drain");
    rig.said("c3", "down");
    assert_eq!(
        rig.owners("keystone"),
        ["c1", "c3"],
        "one that is down is kept, whoever says so; one that is drained is not"
    );
    assert!(rig.logged(Level::Error, "fewer than min_healthy = 3"));
}

#[test]
fn the_last_one_is_missed() {
    let mut rig = Rig::watched();
    ["c1", "c2", "c3"].iter().for_each(|host| rig.say(host, "drain"));
    rig.run(INTERVAL * 2, |_| passed());
    assert!(rig.service("keystone").table.is_empty());
    let line = "service keystone takes no new flows, as its backends are down, or kept from them";
    assert!(rig.logged(Level::Warn, line));
    // An order that takes the last one is not all that is to be undone.
    rig.said("c3", "ready");
    let logs = rig.logs.len();
    rig.order(&one("keystone/c3"), Change::Drain(true)).unwrap();
    assert!(rig.logs[logs..].iter().any(|(_, told)| told.starts_with(line)), "{:?}", &rig.logs[logs..]);
}

#[test]
fn a_writer_that_its_agent_drains_hands_over() {
    for says in ["drain", "maint", "0%", "down # disk is full"] {
        let mut config = watched();
        config.services[0].balance = Balance::Single { failback: Failback::Never };
        let mut rig = Rig::with(config);
        assert_eq!(rig.owners("keystone"), ["c1"]);
        rig.said("c1", says);
        assert_eq!(rig.owners("keystone"), ["c2"], "{says}");
        let why = if says.starts_with("down") { "its agent says: down (disk is full)" } else { "c1 " };
        assert!(
            rig.logs.iter().any(|(_, line)| line.starts_with("writer of keystone: c1 -> c2") && line.contains(why))
        );
        rig.said("c1", "ready up 100%");
        assert_eq!(rig.owners("keystone"), ["c2"]);
    }
}

#[test]
fn a_service_without_checks_may_have_an_agent() {
    let mut config = watched();
    config.services[0].check.kind = CheckKind::None;
    config.services[0].protocol = Protocol::Udp;
    let mut rig = Rig::with(config);
    for (says, state) in [
        ("down", BackendState::Down),
        ("up", BackendState::Up),
        ("maint", BackendState::Maint),
        ("ready", BackendState::Up),
    ] {
        rig.said("c2", says);
        assert_eq!(rig.state("keystone/c2"), state, "{says}");
    }
}
