//! What runs next, what is left out, and what is remembered.

use std::time::Duration;

use super::*;
use crate::core::run::Ending;

fn hooks(units: &[&str]) -> Vec<Hook> {
    let hook = |unit: &&str| Hook { deed: Deed::Start((*unit).to_owned()), timeout: Duration::from_secs(30) };
    units.iter().map(hook).collect()
}

fn transition(role: Role) -> Transition {
    let vips = vec!["10.0.0.100".parse().unwrap(), "fd00::100".parse().unwrap()];
    Transition { group: "control".into(), role, why: "c1 is silent".into(), vips }
}

fn exited(code: i32) -> Run {
    Run { ending: Ending::Exited(code), took: Duration::ZERO, last_line: String::new() }
}

fn units(jobs: &[Job]) -> Vec<String> {
    jobs.iter().map(|job| argv(&job.hook.deed).pop().unwrap()).collect()
}

/// Runs whatever is next, to its end.
fn run(queue: &mut Queue, code: i32) -> Option<String> {
    let job = queue.start(Now::default())?;
    assert_eq!(queue.start(Now::default()), None, "one at a time");
    assert_eq!(queue.ended(exited(code), Now::default()).unwrap().job, job);
    units(&[job]).pop()
}

#[test]
fn hooks_run_in_order_and_one_that_fails_does_not_stop_the_others() {
    let mut queue = Queue::default();
    assert!(!queue.is_busy());
    assert_eq!(queue.turn(transition(Role::Holder), &hooks(&["a", "b", "c"])), []);
    assert!(queue.is_busy());
    let ran: Vec<String> = std::iter::from_fn(|| run(&mut queue, 1)).collect();
    assert_eq!(ran, ["a", "b", "c"]);
    assert!(!queue.is_busy());
    assert!(queue.results().all(|result| result.run == exited(1)));
    let places: Vec<_> = queue.results().map(|result| (result.job.place, result.job.of)).collect();
    assert_eq!(places, [(3, 3), (2, 3), (1, 3)], "the latest first");
}

#[test]
fn what_a_host_is_already_runs_nothing() {
    let mut queue = Queue::default();
    let _ = queue.turn(transition(Role::Backup), &hooks(&["a"]));
    assert_eq!(run(&mut queue, 0).as_deref(), Some("a"));
    assert_eq!(queue.turn(transition(Role::Backup), &hooks(&["a"])), []);
    assert_eq!(queue.start(Now::default()), None);
    assert_eq!(queue.role(), Some(Role::Backup));
}

#[test]
fn a_transition_waits_for_what_runs_and_replaces_what_waits() {
    let mut queue = Queue::default();
    let _ = queue.turn(transition(Role::Holder), &hooks(&["a", "b", "c"]));
    let first = queue.start(Now::default()).unwrap();
    assert_eq!(units(&queue.turn(transition(Role::Fault), &hooks(&["x", "y"]))), ["b", "c"]);
    assert_eq!(units(&queue.turn(transition(Role::Backup), &hooks(&["p", "q"]))), ["x", "y"]);
    assert_eq!(queue.start(Now::default()), None, "the first one still runs");
    assert_eq!(queue.ended(exited(0), Now::default()).unwrap().job, first);
    assert_eq!(run(&mut queue, 0).as_deref(), Some("p"));
    assert_eq!(run(&mut queue, 0).as_deref(), Some("q"));
    assert_eq!(run(&mut queue, 0), None);
    let roles: Vec<Role> = queue.results().map(|result| result.job.transition.role).collect();
    assert_eq!(roles, [Role::Backup, Role::Backup, Role::Holder]);
}

#[test]
fn a_transition_without_hooks_still_puts_an_end_to_those_that_wait() {
    let mut queue = Queue::default();
    let _ = queue.turn(transition(Role::Holder), &hooks(&["a", "b"]));
    let _ = queue.start(Now::default());
    assert_eq!(units(&queue.turn(transition(Role::Fault), &[])), ["b"]);
    let _ = queue.ended(exited(0), Now::default());
    assert_eq!(queue.start(Now::default()), None);
    assert_eq!(queue.results().count(), 1);
}

#[test]
fn what_runs_and_what_waits_can_be_seen() {
    let mut queue = Queue::default();
    let _ = queue.turn(transition(Role::Holder), &hooks(&["a", "b", "c"]));
    assert_eq!((queue.running(), queue.waiting().count()), (None, 3));
    let (at, job) = (Now(Duration::from_secs(7)), queue.start(Now(Duration::from_secs(7))).unwrap());
    assert_eq!(queue.running(), Some((&job, at)));
    assert_eq!(units(&queue.waiting().cloned().collect::<Vec<_>>()), ["b", "c"]);
}

#[test]
fn the_last_runs_are_remembered_and_no_more() {
    let mut queue = Queue::default();
    for code in 0..100 {
        let role = if code % 2 == 0 { Role::Holder } else { Role::Backup };
        let _ = queue.turn(transition(role), &hooks(&["a"]));
        run(&mut queue, code).unwrap();
    }
    let codes: Vec<Ending> = queue.results().map(|result| result.run.ending.clone()).collect();
    assert_eq!(codes, [99, 98, 97, 96, 95, 94, 93, 92].map(Ending::Exited));
}

#[test]
fn an_end_of_nothing_is_none() {
    assert_eq!(Queue::default().ended(exited(0), Now::default()), None);
}

#[test]
fn jobs_are_told_of_the_transition() {
    let mut queue = Queue::default();
    let _ = queue.turn(transition(Role::Holder), &hooks(&["haproxy.service"]));
    let job = queue.start(Now::default()).unwrap();
    assert_eq!(job.title(), "hook 1 of 1 of `holder`, `systemctl start haproxy.service`");
    let expected = [
        ("PIVOT_GROUP", "control"),
        ("PIVOT_ROLE", "holder"),
        ("PIVOT_REASON", "c1 is silent"),
        ("PIVOT_VIPS", "10.0.0.100 fd00::100"),
    ];
    assert_eq!(job.environment(), expected.map(|(name, value)| (name, value.to_owned())));
}

#[test]
fn units_are_started_and_stopped_by_systemctl() {
    assert_eq!(argv(&Deed::Start("a.service".into())), ["systemctl", "start", "a.service"]);
    assert_eq!(argv(&Deed::Stop("a.service".into())), ["systemctl", "stop", "a.service"]);
    assert_eq!(argv(&Deed::Command(vec!["/bin/true".into()])), ["/bin/true"]);
}
