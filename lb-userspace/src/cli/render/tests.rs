//! The pages against golden copies: `tests/golden`, made from the views in `tests/fixtures`.

use std::net::IpAddr;

use crate::core::view::{
    BackendState, BackendView, DrainView, DrainedView, ExplainView, FlowView, MapEntry, MapView, ReloadView, Status,
};

use super::super::text::Paint;

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
    let maps: Vec<MapView> = fixture!("maps");
    same(&super::maps(&maps, Paint::Plain), golden!("maps"));
    let entries: Vec<MapEntry> = fixture!("entries");
    same(&super::map_entries(&entries, 100, Paint::Plain), golden!("entries"));
}

#[test]
fn every_page_fits_100_columns() {
    let pages = [
        super::status(&status(), Paint::Plain),
        super::services(&status().services, Paint::Plain),
        super::backends(&backends(), Paint::Plain),
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
fn a_drain_shows_what_it_changed() {
    let drained = |id: &str, changed| DrainedView { id: id.into(), state: BackendState::Drain, changed };
    let view = DrainView { backends: vec![drained("keystone/c3", true), drained("mysql/c3", false)] };
    let expected = "BACKEND      STATE\nkeystone/c3  drain\nmysql/c3     drain  (no change)\n";
    same(&super::drain(&view, Paint::Plain), expected);
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
