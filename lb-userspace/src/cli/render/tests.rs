//! The pages against golden copies: `tests/golden`, made from the views in `tests/fixtures`.

use std::net::IpAddr;

use crate::core::election::Role;
use crate::core::view::vips::{HandOverView, HandedView, VipsView};
use crate::core::view::{
    AgentView, BackendState, BackendView, EventView, ExplainView, FlowView, MapEntry, MapView, OrderView, OrderedView,
    ReloadView, Status,
};

use super::super::text::Paint;
use crate::core::doctor::interface::{Attached, Driver, DriverXdp, Interface, Queues};
use crate::core::doctor::{Finding, Level, Report};
use crate::core::features::{Feature, ProgramReport, State};

macro_rules! fixture {
    ($name:literal) => {
        serde_json::from_str(include_str!(concat!("../../../tests/fixtures/", $name, ".json"))).unwrap()
    };
}

macro_rules! golden {
    ($name:literal) => {
        include_str!(concat!("../../../tests/golden/", $name, ".txt"))
    };
}

fn status() -> Status {
    fixture!("status")
}

fn backends() -> Vec<BackendView> {
    status().services.into_iter().flat_map(|service| service.backends).collect()
}

fn finding(level: Level, name: &str, found: &str, remedy: Option<&str>) -> Finding {
    Finding { name: name.into(), level, found: found.into(), remedy: remedy.map(str::to_owned) }
}

fn diagnosis() -> Report {
    let feature = |name, state, detail: &str, instead| Feature { name, state, detail: detail.into(), instead };
    let program = |name, loads: bool, instructions| {
        let error = (!loads).then(|| "invalid stack off".to_owned());
        ProgramReport { name, loads, instructions, limit: 1_000_000, error }
    };
    let driver = Driver { name: "ice".into(), version: "6.1.0".into(), firmware: "4.40".into() };
    let foreign = Attached { mode: "native", id: 12, name: Some("xdp_filter".into()), instance: None };
    let card = Interface {
        name: "eth0".into(),
        mtu: 9000,
        driver: Some(driver),
        queues: Some(Queues { rx: 8, tx: 8, most: 16, combined: true }),
        xdp: Some(DriverXdp { native: true, redirect: true, target: true, several_buffers: true }),
        programs: vec![foreign],
        ..Interface::default()
    };
    let tagged = Interface { name: "eth0.7".into(), kind: Some("vlan".into()), mtu: 1500, ..Interface::default() };
    let long = "xdp_filter (id 12, native) is attached, and an interface has room for one: pivotd is refused";
    Report {
        kernel: "6.1.0-56-amd64".into(),
        programs: vec![program("pivot_xdp", true, Some(21_004)), program("pivot_long6", false, None)],
        features: vec![
            feature("XDP", State::Yes, "forwarding", None),
            feature("TCX", State::No, "TC programs by links", Some("clsact filters")),
            feature("sk_lookup", State::No, "steering", None),
            feature("BTF", State::Unknown, "needs root", None),
        ],
        interfaces: vec![card, tagged],
        findings: vec![
            finding(
                Level::Problem,
                "eth0 XDP program",
                long,
                Some(
                    "`bpftool net` and `bpftool link` tell whose it is; `ip link set eth0 xdp off` removes it unless a link holds it",
                ),
            ),
            finding(Level::Warning, "eth0 lro", "on: it merges frames", Some("ethtool -K eth0 lro off")),
            finding(Level::Note, "eth0.7 queues", "one receive queue", None),
            finding(Level::Ok, "bpffs", "mounted at /sys/fs/bpf", None),
        ],
    }
}

/// Shows both whole pages if they differ.
#[track_caller]
fn same(page: &str, golden: &str) {
    assert!(page == golden, "the page is\n{page}\nand should be\n{golden}");
}

#[test]
fn status_begins_with_what_is_wrong() {
    same(&super::status(&status(), Paint::Plain), golden!("status"));
}

#[test]
fn status_of_a_healthy_host_says_so() {
    let mut status = status();
    status.services.truncate(1);
    status.adopted = false;
    status.interfaces.truncate(1);
    status.flow_tables[0].percent = 1.5;
    status.verdicts.clear();
    let sync = status.sync.as_mut().unwrap();
    sync.peers.truncate(1);
    sync.unsent = 0;
    same(&super::status(&status, Paint::Plain), golden!("status_healthy"));
}

#[test]
fn tables_are_as_agreed() {
    same(&super::services(&status().services, Paint::Plain), golden!("services"));
    same(&super::backends(&backends(), Paint::Plain), golden!("backends"));
    let flows: Vec<FlowView> = fixture!("flows");
    same(&super::flows(&flows, 100, Paint::Plain), golden!("flows"));
    let explained: ExplainView = fixture!("explain");
    same(&super::explain(&explained, Paint::Plain), golden!("explain"));
    let vips: VipsView = fixture!("vips");
    same(&super::vips(&vips, Paint::Plain), golden!("vips"));
    let maps: Vec<MapView> = fixture!("maps");
    same(&super::maps(&maps, Paint::Plain), golden!("maps"));
    let entries: Vec<MapEntry> = fixture!("entries");
    same(&super::map_entries(&entries, 100, Paint::Plain), golden!("entries"));
}

#[test]
fn a_diagnosis_begins_with_what_is_to_be_done() {
    same(&super::doctor(&diagnosis(), Paint::Plain), golden!("doctor"));
}

#[test]
fn a_diagnosis_without_anything_to_do_says_so() {
    let mut well = diagnosis();
    well.findings.retain(|finding| finding.level == Level::Ok);
    well.programs.clear();
    let page = super::doctor(&well, Paint::Plain);
    assert!(page.starts_with("kernel 6.1.0-56-amd64: nothing to do\n\nINTERFACES\n"), "{page}");
    assert!(page.contains("\nPROGRAMS\n  none was looked at\n"), "{page}");
}

#[test]
fn every_page_fits_100_columns() {
    let pages = [
        super::status(&status(), Paint::Plain),
        super::services(&status().services, Paint::Plain),
        super::backends(&backends(), Paint::Plain),
        super::doctor(&diagnosis(), Paint::Plain),
        super::vips(&fixture!("vips"), Paint::Plain),
    ];
    for line in pages.iter().flat_map(|page| page.lines()) {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn colour_adds_nothing_but_colour() {
    let coloured = super::status(&status(), Paint::Colour);
    assert!(coloured.contains("\x1b[1;31mDOWN\x1b[0m"), "{coloured}");
    let mut plain = coloured;
    for code in ["0", "1", "1;31", "32", "33"] {
        plain = plain.replace(&format!("\x1b[{code}m"), "");
    }
    same(&plain, golden!("status"));
}

#[test]
fn a_list_cut_at_its_limit_says_so() {
    let flow: Vec<FlowView> = fixture!("flows");
    let page = super::flows(&flow, 3, Paint::Plain);
    assert!(page.ends_with("\nthe first 3; there may be more flows: see --limit\n"), "{page}");
    assert!(super::flows(&[], 3, Paint::Plain).ends_with("\n0 flows\n"));
}

#[test]
fn events_are_lines_with_their_reasons() {
    let event = |number, date_ms, from, to, reason: &str| EventView {
        number,
        date_ms,
        ago_ms: 0,
        backend: "mysql/c2".into(),
        service: "mysql".into(),
        from,
        to,
        reason: reason.into(),
    };
    let events = [
        event(1, 1_772_337_906_789, BackendState::Up, BackendState::Down, "wsrep_ready is OFF"),
        event(2, 1_772_337_909_001, BackendState::Down, BackendState::Starting, "its checks pass"),
    ];
    let expected = "\
TIME (UTC)               BACKEND   WAS   IS        REASON
2026-03-01 04:05:06.789  mysql/c2  up    DOWN      wsrep_ready is OFF
2026-03-01 04:05:09.001  mysql/c2  DOWN  starting  its checks pass
";
    same(&super::events(&events, Paint::Plain), expected);
    assert!(super::events(&[], Paint::Plain).starts_with("nothing has become of any backend"));
}

#[test]
fn an_order_shows_what_it_changed() {
    let ordered = |id: &str, weight_now, changed| OrderedView {
        id: id.into(),
        state: BackendState::Drain,
        weight: 100,
        weight_now,
        agent: None,
        changed,
    };
    let kept = |id: &str, changed| OrderedView { agent: Some("drain, 50%".into()), ..ordered(id, Some(50), changed) };
    let plain = vec![ordered("keystone/c3", None, true), ordered("mysql/c3", Some(50), false)];
    let view = OrderView { backends: [plain, vec![kept("web/c1", true), kept("web/c2", false)]].concat() };
    let expected = "\
BACKEND      STATE  WEIGHT
keystone/c3  drain     100
mysql/c3     drain  50/100  (no change)
web/c1       drain  50/100  (its agent says: drain, 50%)
web/c2       drain  50/100  (no change; its agent says: drain, 50%)
";
    same(&super::ordered(&view, Paint::Plain), expected);
}

#[test]
fn what_agents_say_is_shown_with_the_backends() {
    let mut backends = backends();
    backends.truncate(3);
    assert!(!super::backends(&backends, Paint::Plain).contains("AGENT"));
    let quiet = AgentView {
        url: "http://10.0.0.11:9999/".into(),
        in_force: None,
        down: None,
        says: None,
        said_s: None,
        ignored: None,
        error: Some("connection refused".into()),
        next_s: Some(1.0),
    };
    backends[1].agent = Some(AgentView {
        in_force: Some("drain, 50%".into()),
        says: Some("up, 50%".into()),
        said_s: Some(3.04),
        ignored: Some("maxconn:30".into()),
        error: None,
        ..quiet.clone()
    });
    backends[0].agent = Some(quiet);
    let page = super::backends(&backends, Paint::Plain);
    let expected = "
BACKEND      AGENT                   IN FORCE     ANSWERED  LAST ANSWER                      ERROR
keystone/c1  http://10.0.0.11:9999/  nothing             -  -                                connection refused
keystone/c2  http://10.0.0.11:9999/  drain, 50%  3.0 s ago  up, 50% (maxconn:30 is ignored)  -
";
    assert!(page.ends_with(expected), "{page}");
}

#[test]
fn orders_in_force_are_shown_with_the_backends() {
    let mut backends = backends();
    backends.truncate(2);
    assert!(!super::backends(&backends, Paint::Plain).contains("ORDERED"));
    (backends[1].state, backends[1].weight_now) = (BackendState::Maint, Some(50));
    backends[1].ordered = Some("maintenance, weight 50%".to_owned());
    let page = super::backends(&backends, Paint::Plain);
    assert!(page.contains("\nkeystone/c2  10.0.0.12:5001  maint  3 d 4 h     4/4  50/100"), "{page}");
    assert!(page.ends_with("\nBACKEND      ORDERED\nkeystone/c2  maintenance, weight 50%\n"), "{page}");
}

#[test]
fn an_order_to_hand_over_shows_who_holds_what_now() {
    let handed = |group: &str, role, held_back, holder: Option<&str>, took_ms: Option<u64>| HandedView {
        group: group.into(),
        vips: vec!["internal".into(), "metrics".into()],
        changed: took_ms.is_some(),
        role,
        held_back,
        holder: holder.map(str::to_owned),
        took_ms,
    };
    let groups = vec![
        handed("control", Role::Backup, false, Some("c2"), Some(6)),
        handed("edge", Role::Fault, true, None, None),
    ];
    let expected = "\
GROUP    VIPS               THIS HOST  HELD BY  TOOK
control  internal, metrics  backup     c2       6 ms
edge     internal, metrics  HELD BACK  unknown        (no change)
";
    same(&super::handed_over(&HandOverView { groups }, Paint::Plain), expected);
}

#[test]
fn a_host_without_vips_says_so() {
    let view = VipsView { host: "c1".into(), groups: vec![], fixed: vec![], ignored: Default::default() };
    same(&super::vips(&view, Paint::Plain), "no VIPs are configured\n\nIGNORED MESSAGES\n  none\n");
}

#[test]
fn a_reload_shows_its_changes() {
    let view = ReloadView { changes: vec!["+ service glance".into(), "- backend keystone/c3".into()] };
    same(&super::reload(&view, Paint::Plain), "reloaded:\n+ service glance\n- backend keystone/c3\n");
    let none = ReloadView { changes: Vec::new() };
    same(&super::reload(&none, Paint::Plain), "reloaded: nothing has changed\n");
}

#[test]
fn text_from_a_peer_cannot_steer_the_terminal() {
    let mut status = status();
    status.services[0].backends[2].last_check = "5xx \x1b]0;owned\x07\x1b[2J".into();
    status.services[1].backends[0].last_check = "\x1b[2J".into();
    assert!(!super::status(&status, Paint::Plain).contains('\x1b'));
}

#[test]
fn addresses_of_ipv6_have_brackets() {
    let mut backends = backends();
    backends[0].address = "2001:db8::11".parse::<IpAddr>().unwrap();
    assert!(super::backends(&backends, Paint::Plain).contains("[2001:db8::11]:5001"));
}
