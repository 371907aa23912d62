//! Agents through reloads and restarts: whose words stand, and until when.

use std::time::Duration;

use super::super::{AdoptedBackend, Rig, VIP, config, node, outline, passed, refused};
use super::{INTERVAL, LONG, watched};
use crate::core::command::Level;
use crate::core::config::model::{Agent, Protocol};
use crate::core::view::BackendState;

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
