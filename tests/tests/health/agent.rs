//! Agents beside backends: what they announce over HTTP moves connections as orders do, and the operator's orders win.

use std::collections::BTreeMap;
use std::time::Duration;

use lb_userspace::core::view::{BackendState, BackendView, EventView, OrderView};
use pivot_tests::lab::cluster::{BACKEND_PORT, HOLDER, web_config};
use pivot_tests::lab::patience::patient;
use pivot_tests::lab::request::is_reset;
use pivot_tests::lab::teller::Teller;
use pivot_tests::lab::{Cluster, ConfigText, Lab, Load, Pivotd, wait_until};

const PORT: u16 = 9999;
const PATIENCE: Duration = Duration::from_secs(10);
/// Enough that a third and a fifth of them are told apart.
const REQUESTS: usize = 400;

/// `web` with an agent beside each backend, all of which say `up`.
fn watched(configure: impl FnOnce(ConfigText) -> ConfigText) -> (Cluster, BTreeMap<String, Teller>) {
    let lab = Lab::new().unwrap();
    let tellers = lab.hosts().map(|host| (host.name.clone(), host.serve_agent(PORT, "up\n").unwrap())).collect();
    let [interval, timeout] = [100, 500].map(|ms| patient(Duration::from_millis(ms)).as_millis());
    let agent = format!(
        "agent = {{ port = {PORT}, path = \"/agent\", interval = \"{interval}ms\", timeout = \"{timeout}ms\" }}"
    );
    let config = configure(web_config(&lab).with(&agent));
    let cluster = Cluster::start(lab, config, |host| host.serve_http(BACKEND_PORT)).unwrap();
    (cluster, tellers)
}

fn shown(pivotd: &Pivotd, id: &str) -> BackendView {
    let backends: Vec<BackendView> = pivotd.pivot_json(&["backends"]).unwrap();
    backends.into_iter().find(|backend| backend.id == id).unwrap()
}

fn page(pivotd: &Pivotd) -> String {
    String::from_utf8_lossy(&pivotd.pivot(&["backends"]).unwrap().stdout).into_owned()
}

/// Waits until the holder shows this of web/c3.
fn await_shown(cluster: &Cluster, what: &str, is_so: impl Fn(&BackendView) -> bool) {
    wait_until(PATIENCE, what, || {
        let view = shown(cluster.holder(), "web/c3");
        if is_so(&view) { Ok(()) } else { Err(format!("{view:?}")) }
    })
    .unwrap();
}

/// Has the agent of c3 say this, and waits until the holder has heard it.
fn say(cluster: &Cluster, tellers: &BTreeMap<String, Teller>, says: &str, heard: &str) {
    tellers["c3"].say(says).unwrap();
    await_shown(cluster, &format!("the agent to have said {says:?}"), |view| {
        view.agent.as_ref().is_some_and(|agent| agent.says.as_deref() == Some(heard))
    });
}

/// How many of the requests that begin now go to c3; none may fail.
fn share(cluster: &Cluster) -> usize {
    let summary = cluster.client().load(Load::to(cluster.vip()).requests(REQUESTS)).unwrap().summary();
    assert_eq!(summary.failed, 0, "{summary}");
    summary.backends.get("c3").copied().unwrap_or_default()
}

fn last_reason(cluster: &Cluster) -> String {
    let events: Vec<EventView> = cluster.holder().pivot_json(&["events"]).unwrap();
    events.last().map(|event| event.reason.clone()).unwrap_or_default()
}

#[test]
fn a_backend_that_its_agent_drains_keeps_its_connections_and_gets_no_others() {
    let (cluster, tellers) = watched(|config| config);
    let mut open = cluster.client().open_to_backend(cluster.vip(), "c3").unwrap();
    let load = cluster.client().start_load(cluster.gentle_load()).unwrap();
    say(&cluster, &tellers, "drain # kernel update", "drain");
    assert_eq!(shown(cluster.holder(), "web/c3").state, BackendState::Drain);
    assert_eq!(share(&cluster), 0);
    assert_eq!(open.ask().unwrap().name, "c3");
    assert_eq!(last_reason(&cluster), "its agent says: drain");
    // It stands until the agent says otherwise, whatever else it says.
    say(&cluster, &tellers, "up, 100%\n", "up, 100%");
    assert_eq!(share(&cluster), 0);
    let page = page(cluster.holder());
    assert!(page.contains("http://10.77.0.13:9999/agent  drain, 100%"), "{page}");
    say(&cluster, &tellers, "ready", "ready");
    assert_eq!(shown(cluster.holder(), "web/c3").state, BackendState::Up);
    assert!(share(&cluster) > 0);
    assert_eq!(open.ask().unwrap().name, "c3");
    let report = load.stop().unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    let log = cluster.holder().whole_log();
    let line = "backend web/c3 is drained: it keeps its flows and takes no new ones (its agent says: drain); 2 of 3";
    assert!(log.contains(line), "{log}");
}

#[test]
fn half_of_the_weight_is_about_half_of_the_connections() {
    let (cluster, tellers) = watched(|config| config);
    let whole = share(&cluster);
    say(&cluster, &tellers, "50%", "50%");
    let view = shown(cluster.holder(), "web/c3");
    assert_eq!((view.state, view.weight, view.weight_now), (BackendState::Up, 100, Some(50)));
    assert!((view.share - 0.2).abs() < 0.01, "{}", view.share);
    // A third of 400 and a fifth, each give or take four standard deviations.
    let half = share(&cluster);
    assert!((95..=171).contains(&whole) && (48..=112).contains(&half) && half < whole, "{whole}, then {half}");
    say(&cluster, &tellers, "0%", "0%");
    assert_eq!((share(&cluster), shown(cluster.holder(), "web/c3").state), (0, BackendState::Up));
    say(&cluster, &tellers, "100%", "100%");
    assert!((95..=171).contains(&share(&cluster)));
}

#[test]
fn maintenance_and_down_cut_connections_until_the_agent_ends_them() {
    let (cluster, tellers) = watched(|config| config);
    for (says, heard, state, back) in [
        ("maint", "maint", BackendState::Maint, "ready"),
        ("down # disk is full", "down (disk is full)", BackendState::Down, "up"),
        ("stopped", "stopped", BackendState::Down, "up"),
    ] {
        let mut open = cluster.client().open_to_backend(cluster.vip(), "c3").unwrap();
        let mut other = cluster.client().open_to_backend(cluster.vip(), "c2").unwrap();
        say(&cluster, &tellers, says, heard);
        assert_eq!(shown(cluster.holder(), "web/c3").state, state, "{says}");
        assert_eq!(last_reason(&cluster), format!("its agent says: {heard}"));
        let error = open.ask().unwrap_err();
        assert!(is_reset(&error), "{error:#}");
        assert_eq!((other.ask().unwrap().name.as_str(), share(&cluster)), ("c2", 0), "{says}");
        // The agent goes on being asked, or nothing would end it.
        say(&cluster, &tellers, back, back);
        await_shown(&cluster, "c3 to be up", |view| view.state == BackendState::Up);
        assert!(share(&cluster) > 0);
    }
}

#[test]
fn an_agent_that_is_killed_or_not_understood_changes_nothing_and_is_shown() {
    let (mut cluster, mut tellers) = watched(|config| config);
    say(&cluster, &tellers, "drain", "drain");
    let error = |view: &BackendView| view.agent.as_ref().and_then(|agent| agent.error.clone()).unwrap_or_default();
    for (says, shows) in [("", "HTTP 503, expected 2xx"), ("dreary", "it says \"dreary\"")] {
        tellers["c3"].say(says).unwrap();
        await_shown(&cluster, shows, |view| error(view).starts_with(shows) && view.state == BackendState::Drain);
    }
    tellers.get_mut("c3").unwrap().process.kill().unwrap();
    await_shown(&cluster, "a refusal", |view| error(view) == "connection refused" && view.state == BackendState::Drain);
    assert_eq!(share(&cluster), 0);
    let page = page(cluster.holder());
    assert!(page.contains("connection refused") && page.contains("http://10.77.0.13:9999/agent  drain"), "{page}");
    let log = cluster.holder().whole_log();
    let told = log.lines().filter(|line| line.contains("the agent of web/c3 (http://10.77.0.13:9999/agent)")).count();
    assert_eq!(told, 1, "{log}");

    // What it said is not remembered over a restart: it is asked, and is not there.
    cluster.holder_mut().kill9().unwrap();
    cluster.holder_mut().restart().unwrap();
    cluster.holder().await_state("c3", BackendState::Up).unwrap();
    // One that is there is heard before long.
    let teller = cluster.lab.node("c3").serve_agent(PORT, "drain").unwrap();
    tellers.insert("c3".to_owned(), teller);
    cluster.holder().await_state("c3", BackendState::Drain).unwrap();
}

#[test]
fn the_operators_orders_win_over_the_agent() {
    let (cluster, tellers) = watched(|config| config);
    let order = |arguments: &[&str]| -> OrderView { cluster.holder().pivot_json(arguments).unwrap() };
    order(&["drain", "web/c3"]);
    say(&cluster, &tellers, "ready up", "ready, up");
    assert_eq!((shown(cluster.holder(), "web/c3").state, share(&cluster)), (BackendState::Drain, 0));
    order(&["undrain", "web/c3"]);
    order(&["weight", "web/c3", "200%"]);
    say(&cluster, &tellers, "10%", "10%");
    assert_eq!(shown(cluster.holder(), "web/c3").weight_now, Some(200));
    order(&["weight", "web/c3", "reset"]);
    assert_eq!(shown(cluster.holder(), "web/c3").weight_now, Some(10));
    // An order that is undone leaves what the agent says, and says so.
    say(&cluster, &tellers, "drain", "drain");
    let ordered = order(&["undrain", "web/c3"]).backends;
    assert_eq!((ordered[0].state, ordered[0].changed), (BackendState::Drain, false));
    assert_eq!(ordered[0].agent.as_deref(), Some("drain, 10%"));
    order(&["maintenance", "web/c3"]);
    say(&cluster, &tellers, "ready 100%", "ready, 100%");
    assert_eq!(shown(cluster.holder(), "web/c3").state, BackendState::Maint);
    order(&["ready", "web/c3"]);
    await_shown(&cluster, "c3 to be up", |view| view.state == BackendState::Up);
}

#[test]
fn a_writer_that_its_agent_drains_hands_over() {
    let (cluster, tellers) = watched(|config| config.elected("advert = \"100ms\"").with("balance = \"single\""));
    cluster.await_holder(HOLDER).unwrap();
    let only = |cluster: &Cluster| {
        let report = cluster.client().load(Load::to(cluster.vip()).requests(50)).unwrap();
        assert_eq!(report.failed(), 0, "{}", report.summary());
        report.backends().into_keys().collect::<Vec<_>>()
    };
    assert_eq!(only(&cluster), [HOLDER]);
    tellers[HOLDER].say("drain").unwrap();
    wait_until(PATIENCE, "another writer", || {
        let status = cluster.holder().status().map_err(|error| format!("{error:#}"))?;
        let writer = status.services[0].writer.clone().ok_or("none")?;
        if writer.backend.as_deref() == Some("c2") { Ok(()) } else { Err(format!("{writer:?}")) }
    })
    .unwrap();
    assert_eq!(only(&cluster), ["c2"]);
}
