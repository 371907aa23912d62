//! HTTP services that take connections and do not do their work: each is taken out in the configured time, for the reason that
//! it has.

use std::time::Duration;

use lb_userspace::core::view::{BackendState, BackendView};
use pivot_tests::lab::cluster::{BACKEND_PORT, SERVICE_PORT};
use pivot_tests::lab::moody::{HEALTH, Mood, Moody, Scope};
use pivot_tests::lab::patience::patient;
use pivot_tests::lab::{ConfigText, Lab, Load, Pivotd, Topology, wait_until};

/// `interval`, the checks' own time, `fast_interval` and again that, with jitter of a tenth: two failures take a backend out.
const OUT: Duration = Duration::from_millis(220 + 300 + 110 + 300);
/// What it takes to ask pivotd.
const ASKING: Duration = Duration::from_millis(300);

struct Web {
    /// On every host: backends take connections to the VIP by it.
    daemons: Vec<Pivotd>,
    services: Vec<Moody>,
    lab: Lab,
}

/// Services on all hosts, checked by HTTP.
fn web(on_down: &str) -> Web {
    let lab = Lab::build(Topology::default()).unwrap();
    let services = lab.hosts().map(|host| host.serve_moody(BACKEND_PORT).unwrap()).collect();
    let [interval, fast, timeout] = [200, 100, 300].map(|ms| patient(Duration::from_millis(ms)).as_millis());
    let mut config = ConfigText::new(&lab, "c1").service("web", SERVICE_PORT, BACKEND_PORT, &["c1", "c2", "c3"]);
    config.services[0].check = format!(
        "{{ type = \"http\", path = \"{HEALTH}\", interval = \"{interval}ms\", fast_interval = \"{fast}ms\", \
         down_interval = \"{interval}ms\", timeout = \"{timeout}ms\", rise = 2, fall = 2 }}"
    );
    let daemons = lab.pivotd_everywhere(config.with(&format!("on_down = {on_down:?}"))).unwrap();
    daemons[0].await_all_up().unwrap();
    Web { daemons, services, lab }
}

impl Web {
    /// Waits, no longer than configured, until c2's service is in this state; what its last check said.
    fn await_second(&self, state: BackendState) -> String {
        wait_until(OUT + ASKING, &format!("web/c2 to be {state:?}"), || {
            let backends: Vec<BackendView> =
                self.daemons[0].pivot_json(&["backends"]).map_err(|error| format!("{error:#}"))?;
            let backend = backends.into_iter().find(|backend| backend.name == "c2").ok_or("no such backend")?;
            let (seen, said) = (backend.state, backend.last_check);
            if seen == state { Ok(said) } else { Err(format!("{seen:?}: {said}")) }
        })
        .unwrap()
    }
}

#[test]
fn a_service_that_does_not_answer_as_it_should_is_taken_out_in_the_configured_time() {
    let web = web("reset");
    let moods = [
        (Mood::Unavailable, "HTTP 503, expected 2xx or 3xx"),
        (Mood::Hanging, "timed out after"),
        (Mood::Cut, "the server closed the connection while the body was waited for"),
    ];
    for (mood, reason) in moods {
        web.services[1].set(Scope::All, mood).unwrap();
        let said = web.await_second(BackendState::Down);
        assert!(said.starts_with(reason), "{mood:?}: {said}");
        let report = web.lab.node("client").load(Load::gently_to(vip()).requests(200)).unwrap();
        assert_eq!(report.failed(), 0, "{mood:?}: {:?}", report.summary());
        web.services[1].set(Scope::All, Mood::Well).unwrap();
        web.await_second(BackendState::Up);
    }
}

/// What an administrator does who takes a host out of service by its health page.
#[test]
fn nobody_notices_a_service_that_fails_for_checks_alone() {
    let web = web("keep");
    let load = web.lab.node("client").start_load(Load::to(vip())).unwrap();
    for _ in 0..3 {
        load.await_more(200).unwrap();
        web.services[1].set(Scope::Checks, Mood::Unavailable).unwrap();
        let said = web.await_second(BackendState::Down);
        assert!(said.starts_with("HTTP 503"), "{said}");
        load.await_more(200).unwrap();
        web.services[1].set(Scope::Checks, Mood::Well).unwrap();
        web.await_second(BackendState::Up);
    }
    let report = load.stop().unwrap();
    assert_eq!(report.failed(), 0, "{:?}", report.summary());
}

fn vip() -> std::net::SocketAddr {
    (pivot_tests::lab::Family::V4.vip(), SERVICE_PORT).into()
}
