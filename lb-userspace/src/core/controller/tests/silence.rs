//! Hosts that are not heard any more, and their backends.

use super::*;
use crate::core::config::model::{CheckKind, Cluster, MysqlCheck};
use crate::core::event::Silent;
use crate::core::sync::message::Key;
use crate::core::view::BackendState::{self, Down, Up};

const WITHIN: Duration = Duration::from_millis(200);

fn silent(host: &str, alone: bool) -> Event {
    let silence = Duration::from_millis(350);
    Event::HostSilent(Silent { host: host.to_owned(), silence, within: WITHIN, alone })
}

fn heard(host: &str) -> Event {
    Event::HostHeard { host: host.to_owned() }
}

/// Everything is up and sure of it.
fn settled(config: Config) -> Rig {
    let mut rig = Rig::new();
    rig.configure(Config {
        cluster: Some(Cluster { key: Key::new(&[7; 16]), port: 7112, heartbeat: Duration::from_millis(100) }),
        ..config
    });
    rig.run(Duration::from_secs(10), |_| passed());
    rig.logs.clear();
    rig
}

/// The example with a service more, which is not checked.
fn with_unchecked(backends: &[&str]) -> Config {
    let mut config = config();
    let check = Check { kind: CheckKind::None, ..Check::default() };
    let listed = backends.iter().map(|host| backend(host, 53)).collect();
    config.services.push(Service { check, backends: listed, ..service("dns", 53) });
    config
}

/// A host falls silent, and its questions end so.
fn falls_silent(rig: &mut Rig, host: &str, answer: impl Fn(&BackendKey) -> ProbeOutcome) {
    let questions = probes(&rig.handle(silent(host, false)));
    rig.now.0 += WITHIN;
    for (backend, id) in questions {
        let outcome = answer(&backend);
        rig.handle(Event::ProbeEnded { id, outcome });
    }
}

fn mute() -> ProbeOutcome {
    ProbeOutcome::failed("timed out after 200 ms while connecting", WITHIN)
}

fn states(rig: &Rig, host: &str) -> Vec<BackendState> {
    let (_, services) = rig.controller.view(rig.now);
    let backends = services.into_iter().flat_map(|service| service.backends);
    backends.filter(|backend| backend.host == host).map(|backend| backend.state).collect()
}

#[test]
fn a_silent_host_that_does_not_answer_loses_all_its_backends_at_once() {
    let mut rig = settled(config());
    falls_silent(&mut rig, "c2", |_| mute());
    assert_eq!(
        (states(&rig, "c1"), states(&rig, "c2"), states(&rig, "c3")),
        ([Up; 2].into(), [Down; 2].into(), [Up; 2].into())
    );
    assert_eq!(
        (rig.owners("keystone"), rig.owners("mysql")),
        (vec!["c1".into(), "c3".into()], vec!["c1".into(), "c3".into()])
    );
    assert!(rig.logged(Level::Warn, "host c2 is silent for 350 ms, and nothing there answers"), "{:?}", rig.logs);
    assert!(
        rig.logged(Level::Warn, "host c2 is silent, and timed out after 200 ms while connecting"),
        "{:?}",
        rig.logs
    );
}

#[test]
fn its_backends_go_in_one_step_however_many_they_are() {
    let mut rig = settled(config());
    let questions = probes(&rig.handle(silent("c2", false)));
    assert_eq!(questions.len(), 2);
    let tables = |commands: &[Command]| commands.iter().filter(|it| matches!(it, Command::Tables(_))).count();
    let ends: Vec<usize> =
        questions.into_iter().map(|(_, id)| tables(&rig.handle(Event::ProbeEnded { id, outcome: mute() }))).collect();
    assert_eq!(ends, [0, 1]);
}

#[test]
fn whether_the_host_lives_is_asked_and_not_whether_the_service_is_well() {
    let mut config = config();
    config.services[0].check.kind = CheckKind::Mysql(MysqlCheck::default());
    let mut rig = settled(config);
    for command in rig.handle(silent("c2", false)) {
        if let Command::Probe { attempt, .. } = command {
            assert_eq!((&attempt.kind, attempt.timeout), (&CheckKind::Tcp, WITHIN));
        }
    }
}

#[test]
fn a_host_that_answers_has_lost_its_pivotd_alone_and_keeps_its_backends() {
    let mut rig = settled(config());
    let images = rig.image.clone();
    falls_silent(&mut rig, "c2", |_| passed());
    assert_eq!((states(&rig, "c2"), rig.image == images), ([Up; 2].into(), true));
    assert!(
        rig.logged(Level::Warn, "host c2 is silent for 350 ms, but its backends answer: they stay"),
        "{:?}",
        rig.logs
    );
    rig.run(Duration::from_secs(10), |_| passed());
    assert_eq!(states(&rig, "c2"), [Up; 2]);
}

#[test]
fn of_a_host_that_lives_those_go_that_do_not_answer() {
    let mut rig = settled(with_unchecked(&["c2"]));
    falls_silent(&mut rig, "c2", |backend| if backend.service == "mysql" { refused() } else { passed() });
    assert_eq!(states(&rig, "c2"), [Up, Down, Up], "keystone, mysql, and what is not checked");
    assert!(rig.logged(Level::Warn, "some of its backends do not answer"), "{:?}", rig.logs);
}

#[test]
fn the_first_check_that_passes_brings_a_backend_back_and_one_that_fails_does_as_ever() {
    let mut rig = settled(config());
    falls_silent(&mut rig, "c2", |_| mute());
    rig.run(Duration::from_millis(500), |_| passed());
    assert_eq!(states(&rig, "c2"), [Up; 2]);

    falls_silent(&mut rig, "c2", |_| mute());
    rig.run(Duration::from_millis(500), |_| refused());
    let ended = rig.now;
    while states(&rig, "c2") == [Down; 2] && rig.now.0 < ended.0 + Duration::from_secs(20) {
        rig.run(Duration::from_millis(100), |_| passed());
    }
    // A pause of `down_interval`, and two in a row.
    assert!(rig.now.0 - ended.0 > Duration::from_millis(2700), "{:?}", rig.now.0 - ended.0);
}

#[test]
fn a_check_that_began_before_does_not_bring_it_back() {
    let mut rig = settled(config());
    let mut early = Vec::new();
    while early.is_empty() {
        rig.now = rig.controller.deadline().unwrap();
        early = probes(&rig.handle(Event::Tick));
        early.retain(|(backend, _)| backend.backend == "c2");
    }
    falls_silent(&mut rig, "c2", |_| mute());
    for (_, id) in early {
        rig.handle(Event::ProbeEnded { id, outcome: passed() });
    }
    assert_eq!(states(&rig, "c2"), [Down; 2]);
}

#[test]
fn what_is_not_checked_goes_with_a_host_where_nothing_answers_and_comes_back_with_it() {
    let mut rig = settled(with_unchecked(&["c2", "c3"]));
    falls_silent(&mut rig, "c2", |_| mute());
    assert_eq!(states(&rig, "c2"), [Down; 3]);
    assert_eq!(rig.owners("dns"), ["c3"]);
    rig.handle(heard("c2"));
    assert_eq!((states(&rig, "c2"), rig.owners("dns")), ([Down, Down, Up].into(), vec!["c2".into(), "c3".into()]));
}

#[test]
fn what_is_not_checked_stays_where_it_is_refused_and_while_nobody_else_is_heard() {
    let unchecked = || {
        let mut config = with_unchecked(&["c2", "c3"]);
        config.services.drain(..2);
        settled(config)
    };
    let mut rig = unchecked();
    falls_silent(&mut rig, "c2", |_| refused());
    assert_eq!(states(&rig, "c2"), [Up], "who refuses lives");
    let mut rig = unchecked();
    falls_silent(&mut rig, "c2", |_| mute());
    assert_eq!(states(&rig, "c2"), [Down]);

    // It may be this host that is cut off.
    let mut rig = unchecked();
    let questions = [silent("c2", false), silent("c3", true)].map(|event| probes(&rig.handle(event)));
    for (_, id) in questions.concat() {
        rig.handle(Event::ProbeEnded { id, outcome: mute() });
    }
    assert_eq!((states(&rig, "c2"), states(&rig, "c3")), ([Up].into(), [Up].into()));
}

#[test]
fn a_host_whose_unchecked_backends_were_taken_out_is_waited_for() {
    let mut rig = settled(with_unchecked(&["c2"]));
    falls_silent(&mut rig, "c2", |_| mute());
    let since = rig.now;
    rig.run(Duration::from_secs(20), |_| passed());
    assert_eq!(rig.controller.unchecked_since(since), Some(&key("dns/c2")));
    rig.handle(heard("c2"));
    assert_eq!(rig.controller.unchecked_since(since), None);
}

#[test]
fn a_host_that_is_heard_again_is_checked_at_once() {
    let mut rig = settled(config());
    falls_silent(&mut rig, "c2", |_| mute());
    rig.run(Duration::from_secs(5), |backend| if backend.backend == "c2" { refused() } else { passed() });
    let since = Now(rig.now.0 - Duration::from_secs(4));
    assert_eq!(rig.controller.unchecked_since(since), None, "it is surely down");
    rig.handle(heard("c2"));
    assert!(rig.controller.unchecked_since(since).is_some(), "that was before it was heard");
    let at_once = probes(&rig.handle(Event::Tick));
    let theirs = at_once.iter().filter(|(backend, _)| backend.backend == "c2").count();
    assert_eq!(theirs, 2, "{at_once:?}");
    assert!(rig.logged(Level::Info, "host c2 is heard again"), "{:?}", rig.logs);
}

#[test]
fn a_host_that_is_heard_before_it_was_judged_keeps_its_backends() {
    let mut rig = settled(config());
    let questions = probes(&rig.handle(silent("c2", false)));
    rig.handle(heard("c2"));
    for (_, id) in questions {
        rig.handle(Event::ProbeEnded { id, outcome: mute() });
    }
    assert_eq!(states(&rig, "c2"), [Up; 2]);
}

#[test]
fn a_question_whose_end_is_not_heard_of_has_no_answer() {
    let mut rig = settled(config());
    let (asked, silent_at) = (probes(&rig.handle(silent("c2", false))), rig.now);
    let (_, first) = asked[0].clone();
    rig.handle(Event::ProbeEnded { id: first, outcome: passed() });
    rig.run(WITHIN * 2, |_| passed());
    assert_eq!((states(&rig, "c2"), rig.now), ([Up, Down].into(), Now(silent_at.0 + WITHIN * 2)));
}

#[test]
fn another_configuration_asks_a_silent_host_again_and_forgets_one_that_is_gone() {
    let mut rig = settled(with_unchecked(&["c2"]));
    falls_silent(&mut rig, "c2", |_| mute());
    let (cluster, mut next) = (rig.controller.config().unwrap().cluster.clone(), with_unchecked(&["c2"]));
    next.services.push(service("glance", 9292));
    let commands = rig.configure(Config { cluster: cluster.clone(), ..next.clone() });
    assert_eq!(states(&rig, "c2"), [Down, Down, Down, Up], "nothing is known of the new one");
    let questions = probes(&commands);
    assert_eq!(questions.len(), 1, "of what is up: {questions:?}");
    for (_, id) in questions {
        rig.handle(Event::ProbeEnded { id, outcome: mute() });
    }
    assert_eq!(states(&rig, "c2"), [Down; 4]);
    rig.configure(Config { cluster: None, ..next });
    assert_eq!(states(&rig, "c2"), [Down, Down, Up, Down], "nobody listens, so what is not checked is up");
}

#[test]
fn this_host_and_those_without_backends_are_nothing_to_worry_about() {
    let mut rig = settled(config());
    assert_eq!(rig.handle(silent("c1", false)), []);
    assert_eq!(rig.handle(silent("c9", false)), []);
    assert_eq!(rig.handle(heard("c3")), []);
    assert_eq!(states(&rig, "c1"), [Up; 2]);
}

#[test]
fn what_fails_at_first_on_a_host_that_is_back_is_not_believed() {
    let mut rig = settled(config());
    falls_silent(&mut rig, "c2", |_| mute());
    let fails = |backend: &BackendKey| if backend.backend == "c2" { refused() } else { passed() };
    rig.run(Duration::from_secs(5), fails);
    let since = rig.now;
    rig.handle(heard("c2"));
    rig.run(Duration::from_secs(1), fails);
    assert!(rig.controller.unchecked_since(since).is_some(), "where it is may not be known yet");
    rig.run(Duration::from_secs(1), |_| passed());
    assert_eq!(states(&rig, "c2"), [Up; 2]);

    falls_silent(&mut rig, "c2", |_| mute());
    rig.handle(heard("c2"));
    let since = rig.now;
    rig.run(Duration::from_secs(10), fails);
    assert_eq!((rig.controller.unchecked_since(since), states(&rig, "c2")), (None, [Down; 2].into()));
}
