//! When agents are asked.

use std::time::Duration;

use super::super::{Rig, asks, backend, node, outline, passed, probes};
use super::{INTERVAL, watched};
use crate::core::agent::words::Heard;
use crate::core::config::model::Agent;
use crate::core::event::{Event, Now};
use crate::core::view::BackendState;

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

#[test]
fn after_a_cut_agents_are_asked_at_once() {
    let mut rig = Rig::watched();
    let soon = |rig: &Rig| rig.agent("keystone/c2").next_s.is_some_and(|next| next <= 0.5);
    assert!(!soon(&rig));
    rig.handle(Event::Recheck);
    assert!(soon(&rig));
}
