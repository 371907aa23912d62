use std::time::Duration;

use super::orders::one;
use super::{AdoptedBackend, Rig, VIP, asks, backend, config, node, outline, passed, probes, refused};
use crate::core::agent::words::Heard;
use crate::core::command::Level;
use crate::core::config::Config;
use crate::core::config::model::{Agent, Balance, BelowMin, CheckKind, Protocol};
use crate::core::event::{Event, Now};
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
fn questions_come_one_interval_after_the_last_answer_and_at_once_at_the_start() {
    let mut rig = Rig::new();
    rig.configure(watched());
    let begun = rig.now;
    let mut times = Vec::new();
    while times.len() < 4 {
        rig.now = rig.controller.deadline().expect("something is due");
        let commands = rig.handle(Event::Tick);
        for (_, id) in probes(&commands) {
            rig.handle(Event::ProbeEnded { id, outcome: passed() });
        }
        for (target, id) in asks(&commands) {
            if target.ip() == node("c2") {
                times.push(rig.now);
                // It takes its time.
                rig.now = Now(rig.now.0 + Duration::from_millis(300));
            }
            rig.handle(Event::AgentAnswered { id, answer: Heard::read(b"up") });
        }
    }
    assert!(times[0].0 - begun.0 <= Duration::from_millis(500));
    for pair in times.windows(2) {
        let pause = pair[1].0 - pair[0].0 - Duration::from_millis(300);
        assert!((INTERVAL * 9 / 10..=INTERVAL * 11 / 10).contains(&pause), "{pause:?}");
    }
}

#[test]
fn an_answer_that_comes_too_late_says_nothing() {
    let mut rig = Rig::watched();
    rig.says.clear();
    rig.now = rig.controller.deadline().unwrap();
    let mut late = None;
    while late.is_none() {
        rig.now = rig.controller.deadline().unwrap();
        let commands = rig.handle(Event::Tick);
        late = asks(&commands).iter().find(|(target, _)| target.ip() == node("c2")).map(|(_, id)| *id);
    }
    rig.run(Duration::from_secs(3), |_| passed());
    let answer = Heard::read(b"maint");
    assert_eq!(rig.handle(Event::AgentAnswered { id: late.unwrap(), answer }), []);
    assert_eq!(rig.state("keystone/c2"), BackendState::Up);
}

#[test]
fn an_agent_that_several_services_name_is_asked_once() {
    let mut shared = watched();
    shared.services[1].agent = shared.services[0].agent.clone();
    shared.services[1].backends = ["c1", "c2", "c3"].map(|host| backend(host, 13306)).into();
    let mut rig = Rig::new();
    rig.configure(shared.clone());
    rig.now = Now(rig.now.0 + Duration::from_secs(1));
    let questions = asks(&rig.handle(Event::Tick));
    assert_eq!(questions.len(), 3);
    let (_, id) = *questions.iter().find(|(target, _)| target.ip() == node("c2")).unwrap();
    let commands = rig.handle(Event::AgentAnswered { id, answer: Heard::read(b"drain") });
    assert_eq!(outline(&commands), ["tables"], "for both at once");
    assert_eq!([rig.state("keystone/c2"), rig.state("mysql/c2")], [BackendState::Drain; 2]);
    // One that asks for something else is another one.
    shared.services[1].agent = Some(Agent { path: "/mysql".into(), ..Agent::at(9999) });
    rig.configure(shared);
    rig.said("c1", "up");
    assert_eq!([rig.state("keystone/c2"), rig.state("mysql/c2")], [BackendState::Drain, BackendState::Drain]);
    rig.said("c2", "up");
    assert_eq!([rig.state("keystone/c2"), rig.state("mysql/c2")], [BackendState::Drain, BackendState::Up]);
}

/// A drain does not end for the moment that it takes another path to answer; what that one says then counts alone.
#[test]
fn what_stands_is_kept_until_another_agent_answers() {
    let mut rig = Rig::watched();
    rig.said("c2", "drain 50%");
    let mut elsewhere = watched();
    elsewhere.services[0].agent = Some(Agent { interval: INTERVAL, path: "/new".into(), ..Agent::at(9999) });
    let events = rig.controller.events(None, 100, rig.now).len();
    assert_eq!(outline(&rig.configure(elsewhere.clone())), Vec::<String>::new());
    rig.fail("c2", "HTTP 404, expected 2xx");
    assert_eq!(outline(&rig.configure(elsewhere)), Vec::<String>::new());
    let shown = rig.agent("keystone/c2");
    assert_eq!((shown.in_force.as_deref(), shown.says), (Some("drain, 50%"), None));
    assert!(rig.logged(Level::Warn, "HTTP 404, expected 2xx; what it said before stands: drain, 50%"));
    assert_eq!(rig.controller.events(None, 100, rig.now).len(), events);
    rig.said("c2", "up");
    assert_eq!((rig.state("keystone/c2"), rig.view("keystone/c2").weight_now), (BackendState::Up, None));
    assert_eq!(rig.last_reason(), "its agent says: up");
}

/// One that others go by is known.
#[test]
fn who_comes_to_an_agent_that_has_answered_goes_by_that_at_once() {
    let mut config = watched();
    let rarely = Agent { interval: Duration::from_secs(3600), path: "/mysql".into(), ..Agent::at(9999) };
    config.services[1].agent = Some(rarely);
    let mut rig = Rig::new();
    rig.say("c2", "drain");
    rig.configure(config.clone());
    rig.run(LONG, |_| passed());
    rig.said("c2", "ready");
    assert_eq!([rig.state("keystone/c2"), rig.state("mysql/c2")], [BackendState::Up, BackendState::Drain]);
    config.services[1].agent = config.services[0].agent.clone();
    rig.configure(config);
    assert_eq!(rig.state("mysql/c2"), BackendState::Up);
    assert_eq!(rig.last_reason(), "its agent says: ready");
}

/// Checks that a reload changes at the same time have the last word, if that is what it comes to.
#[test]
fn words_that_end_when_a_check_fails_are_not_the_reason() {
    let mut rig = Rig::watched();
    rig.said("c2", "drain");
    // The other service's check of the same backends has found what is wrong.
    let mut both = watched();
    both.services[1].backends = both.services[0].backends.clone();
    both.services[1].check.interval = Duration::from_secs(1);
    rig.configure(both.clone());
    rig.run(LONG, |backend| if backend.to_string() == "mysql/c2" { refused() } else { passed() });
    assert_eq!([rig.state("keystone/c2"), rig.state("mysql/c2")], [BackendState::Drain, BackendState::Down]);
    both.services[0].agent = None;
    both.services[0].check = both.services[1].check.clone();
    rig.configure(both);
    assert_eq!(rig.state("keystone/c2"), BackendState::Down);
    assert_eq!(rig.last_reason(), "connection refused");
    assert!(rig.logged(Level::Warn, "backend keystone/c2 is down (connection refused)"), "{:?}", rig.logs);
}

#[test]
fn a_reload_keeps_the_words_of_an_agent_that_is_asked_the_same() {
    let mut rig = Rig::watched();
    rig.said("c2", "drain");
    let events = rig.controller.events(None, 100, rig.now).len();
    assert_eq!(outline(&rig.configure(watched())), Vec::<String>::new());
    let mut slower = watched();
    slower.services[0].agent = Some(Agent { interval: Duration::from_secs(60), ..Agent::at(9999) });
    rig.configure(slower);
    assert_eq!(rig.state("keystone/c2"), BackendState::Drain);
    assert!(rig.agent("keystone/c2").next_s.is_some_and(|next| next <= 0.5), "{:?}", rig.agent("keystone/c2"));
    assert_eq!(rig.controller.events(None, 100, rig.now).len(), events);
}

/// Of two that are asked the same at another pace, the one that was heard last knows.
#[test]
fn another_pace_goes_on_from_what_was_heard_last() {
    let mut config = watched();
    config.services[1].agent = Some(Agent { interval: Duration::from_secs(3600), ..Agent::at(9999) });
    let mut rig = Rig::new();
    ["c1", "c2", "c3"].iter().for_each(|host| rig.say(host, "drain"));
    rig.configure(config.clone());
    rig.run(LONG, |_| passed());
    rig.said("c2", "ready");
    assert_eq!([rig.state("keystone/c2"), rig.state("mysql/c2")], [BackendState::Up, BackendState::Drain]);
    config.services[0].agent = Some(Agent { interval: INTERVAL * 2, ..Agent::at(9999) });
    rig.configure(config);
    assert_eq!([rig.state("keystone/c2"), rig.state("mysql/c2")], [BackendState::Up, BackendState::Drain]);
}

#[test]
fn words_end_with_the_agent() {
    for (says, state) in [("drain", BackendState::Up), ("down", BackendState::Up), ("maint", BackendState::Down)] {
        let mut rig = Rig::watched();
        rig.said("c2", says);
        rig.configure(config());
        assert_eq!((rig.state("keystone/c2"), rig.view("keystone/c2").agent), (state, None), "{says}");
        assert_eq!(rig.last_reason(), "its agent is not asked any more");
        assert_eq!(rig.view("keystone/c2").since_s, 0);
        rig.run(LONG, |_| passed());
        assert_eq!(rig.owners("keystone").len(), 3);
        assert!(rig.logged(Level::Info, "(its agent is not asked any more)"));
    }
}

#[test]
fn a_service_that_comes_to_an_agent_goes_by_what_stands() {
    let mut rig = Rig::watched();
    rig.said("c2", "drain");
    let mut both = watched();
    both.services[1].agent = both.services[0].agent.clone();
    rig.configure(both);
    assert_eq!((rig.state("mysql/c2"), rig.owners("mysql")), (BackendState::Drain, vec!["c1".into(), "c3".into()]));
    assert_eq!(rig.last_reason(), "its agent says: drain");
}

/// What an agent said is not remembered: it is asked, and until then the checks say what there is to say. What an operator ordered
/// is, whether there is an agent or not.
#[test]
fn a_restart_asks_anew() {
    let left = |host, service_port, drained| AdoptedBackend {
        vip: VIP,
        service_port,
        protocol: Protocol::Tcp,
        address: node(host),
        port: service_port + 10_000,
        state: BackendState::Drain,
        drained,
        next_hop: None,
    };
    // The agent may have been taken out of the file meanwhile.
    for config in [watched(), config()] {
        let adopted = vec![left("c1", 5000, true), left("c2", 5000, false), left("c2", 3306, true)];
        let mut rig = Rig::on("c1", adopted);
        rig.configure(config.clone());
        let states = ["keystone/c1", "keystone/c2", "mysql/c2"].map(|name| rig.state(name));
        assert_eq!(states, [BackendState::Drain, BackendState::Up, BackendState::Drain]);
        assert_eq!(rig.controller.orders().len(), 2);
        rig.say("c2", "drain");
        rig.run(Duration::from_secs(1), |_| passed());
        assert_eq!(rig.state("keystone/c2") == BackendState::Drain, config == watched());
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

#[test]
fn after_a_cut_agents_are_asked_at_once() {
    let mut rig = Rig::watched();
    let soon = |rig: &Rig| rig.agent("keystone/c2").next_s.is_some_and(|next| next <= 0.5);
    assert!(!soon(&rig));
    rig.handle(Event::Recheck);
    assert!(soon(&rig));
}
