//! What an operator must know before anything else: read off a status, worst first.

use std::collections::BTreeSet;

use crate::core::election::Role;
use crate::core::view::{BackendState, BackendView, BelowView, FlowTableView, ServiceView, Status};

use super::human::{duration, millis, plural};

/// Seconds after the start by which controllers have heard each other.
const SETTLED_S: u64 = 10;

/// How much it matters. In this order they are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Clients are refused.
    Critical,
    /// They are served, with less behind it than configured.
    Warning,
}

/// One thing to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// How much it matters.
    pub severity: Severity,
    /// Names the thing, and says what comes of it.
    pub text: String,
}

/// Everything to warn of in a status. Empty: the host is healthy. A backend that is drained or in maintenance is as ordered, or as
/// its agent says, and no warning unless that agent is silent.
pub fn warnings(status: &Status) -> Vec<Warning> {
    let mut all: Vec<Warning> = attachment(status).into_iter().chain(of_services(&status.services)).collect();
    all.extend(apart(status));
    all.extend(full(status));
    all.extend(silent(status));
    all.extend(slow(status));
    all.extend(unread(status));
    all.sort_by_key(|warning| warning.severity);
    all
}

/// The part of it that concerns services and their backends.
pub fn of_services(services: &[ServiceView]) -> Vec<Warning> {
    services.iter().flat_map(|service| unserved(service).into_iter().chain(weakened(service))).collect()
}

/// No interface: whatever the tables say, no packet meets them.
fn attachment(status: &Status) -> Option<Warning> {
    let text = "no interface carries pivot's programs: this host forwards nothing".to_owned();
    status.interfaces.is_empty().then_some(Warning { severity: Severity::Critical, text })
}

/// Groups that this host takes no part in.
fn apart(status: &Status) -> impl Iterator<Item = Warning> + '_ {
    let mut groups = BTreeSet::new();
    status.vips.iter().filter_map(move |vip| {
        let group = vip.group.as_deref().filter(|group| groups.insert(*group))?;
        let text = match (vip.held_back, vip.role, &vip.why) {
            (true, _, _) => {
                format!("group {group}: this host is HELD BACK by its operator; 'pivot release {group}' ends that")
            }
            (false, Some(Role::Fault), Some(why)) => format!("group {group}: this host cannot hold it: {why}"),
            _ => return None,
        };
        Some(Warning { severity: Severity::Warning, text })
    })
}

/// A flow table that gets full.
fn full(status: &Status) -> impl Iterator<Item = Warning> + '_ {
    let lines = status.flow_tables.iter().filter_map(FlowTableView::warning);
    lines.map(|text| Warning { severity: Severity::Warning, text })
}

/// Controllers that hear of no flows, once they had the time to answer.
fn silent(status: &Status) -> impl Iterator<Item = Warning> + '_ {
    let peers = status.sync.iter().filter(|_| status.uptime_s >= SETTLED_S).flat_map(|sync| &sync.peers);
    peers.filter(|peer| !peer.there).map(|peer| {
        let heard = peer.heard_ms.map_or_else(|| "never heard".to_owned(), |ago| format!("heard {} ago", millis(ago)));
        let text = format!("{} is silent about flows ({heard}): a VIP that moves to it may cut connections", peer.host);
        Warning { severity: Severity::Warning, text }
    })
}

/// Interfaces whose packets become socket buffers first.
fn slow(status: &Status) -> impl Iterator<Item = Warning> + '_ {
    let generic = status.interfaces.iter().filter(|interface| interface.xdp == "generic");
    generic.map(|interface| Warning {
        severity: Severity::Warning,
        text: format!("{}: XDP in generic mode, as its driver has none: several times slower", interface.name),
    })
}

/// A log that nobody reads: what happens now is told nowhere else.
fn unread(status: &Status) -> Option<Warning> {
    let lost = status.log.lines_lost;
    let text = format!("pivotd's log loses lines, {lost} so far: nobody reads its standard error (is journald well?)");
    status.log.lately.then_some(Warning { severity: Severity::Warning, text })
}

/// A service whose new connections nobody takes.
fn unserved(service: &ServiceView) -> Option<Warning> {
    if let Some(BelowView { healthy, min_healthy, below_min }) = &service.below
        && (below_min == "keep" || *healthy > 0)
    {
        let now = match below_min.as_str() {
            "keep" => "new connections go to those that were in use before, down or not",
            _ => "new connections are reset",
        };
        let of = plural(*healthy, "healthy backend");
        let text = format!("{}: {of}, fewer than min_healthy = {min_healthy}: {now}", service.name);
        return Some(Warning { severity: Severity::Critical, text });
    }
    if service.backends.iter().any(takes_new_flows) {
        return None;
    }
    let number = |state| service.backends.iter().filter(|backend| backend.state == state).count();
    let states =
        [(BackendState::Down, "down"), (BackendState::Drain, "drained"), (BackendState::Maint, "in maintenance")];
    let numbers = states.map(|(state, word)| (number(state), word)).into_iter().filter(|(number, _)| *number > 0);
    let why = numbers.map(|(number, word)| format!("{number} {word}")).collect::<Vec<_>>().join(", ");
    let why = if why.is_empty() { "all backends have weight 0".to_owned() } else { why };
    let text = format!("{}: no backend takes new connections ({why}): clients are reset", service.name);
    Some(Warning { severity: Severity::Critical, text })
}

fn weakened(service: &ServiceView) -> Vec<Warning> {
    let warning = |text| Warning { severity: Severity::Warning, text };
    let down = |backend: &BackendView| {
        let since = duration(backend.since_s);
        let why = match backend.agent.as_ref().and_then(|agent| agent.down.as_ref()) {
            Some(words) => format!(": its agent says: {words}"),
            None => format!(", last check: {}", backend.last_check),
        };
        warning(format!("{} down for {since}{why}", backend.id))
    };
    let silent = |backend: &BackendView| {
        let agent = backend.agent.as_ref()?;
        let (stands, error, url) = (agent.in_force.as_ref()?, agent.error.as_ref()?, &agent.url);
        let id = &backend.id;
        Some(warning(format!("{id}: its agent ({url}) fails, so what it said stands ({stands}): {error}")))
    };
    let unresolved = |backend: &BackendView| {
        let (id, address) = (&backend.id, backend.address);
        warning(format!("{id}: the MAC of {address} is not resolved, so nothing can be sent to it"))
    };
    let mut found = Vec::new();
    found.extend(service.backends.iter().filter(|backend| backend.state == BackendState::Down).map(down));
    found.extend(service.backends.iter().filter_map(silent));
    found.extend(service.backends.iter().filter(|backend| is_unresolved(backend)).map(unresolved));
    found
}

fn takes_new_flows(backend: &BackendView) -> bool {
    backend.state.takes_flows() && backend.weight_in_force() > 0
}

/// A backend on another host that is to be sent packets, and cannot be.
pub(super) fn is_unresolved(backend: &BackendView) -> bool {
    !matches!(backend.state, BackendState::Down | BackendState::Maint) && !backend.local && backend.mac.is_none()
}

/// How many of a service's backends take new flows: `2 of 3 up`.
pub(super) fn standing(service: &ServiceView) -> String {
    let is_up = |backend: &&BackendView| backend.state.takes_flows() || backend.state == BackendState::Standby;
    let up = service.backends.iter().filter(is_up).count();
    format!("{up} of {} up", plural(service.backends.len(), "backend"))
}

#[cfg(test)]
mod tests {
    use crate::core::view::VipView;

    use super::*;

    fn status() -> Status {
        serde_json::from_str(include_str!("../../tests/fixtures/status.json")).unwrap()
    }

    /// The first service of the fixture on a host that is otherwise well.
    fn well() -> Status {
        let mut status = status();
        status.services.truncate(1);
        status.interfaces.truncate(1);
        status.flow_tables.clear();
        status.sync = None;
        status
    }

    fn texts(status: &Status) -> Vec<String> {
        warnings(status).into_iter().map(|warning| warning.text).collect()
    }

    #[test]
    fn a_service_that_nobody_serves_comes_first() {
        let all = warnings(&status());
        assert_eq!(all[0].severity, Severity::Critical);
        assert_eq!(all[0].text, "horizon: no backend takes new connections (2 down): clients are reset");
        assert!(all[1..].iter().all(|warning| warning.severity == Severity::Warning));
    }

    #[test]
    fn what_is_down_by_its_agent_is_said_to_be() {
        let mut status = well();
        let backend = &mut status.services[0].backends[1];
        backend.state = BackendState::Down;
        let agent =
            serde_json::json!({ "url": "http://10.0.0.12:9999/", "in_force": "drain, stopped", "down": "stopped" });
        backend.agent = Some(serde_json::from_value(agent).unwrap());
        assert_eq!(texts(&status), ["keystone/c2 down for 3 d 4 h: its agent says: stopped"]);
    }

    /// It drained its backend, and was stopped: nobody ends that.
    #[test]
    fn an_agent_that_is_silent_while_its_words_stand_is_warned_of() {
        let mut status = well();
        let said = |in_force: Option<&str>, error: Option<&str>| {
            let agent = serde_json::json!({ "url": "http://10.0.0.12:9999/", "in_force": in_force, "error": error });
            Some(serde_json::from_value(agent).unwrap())
        };
        for (in_force, error) in [(Some("drain"), None), (None, Some("connection refused"))] {
            status.services[0].backends[1].agent = said(in_force, error);
            assert!(warnings(&status).is_empty(), "{in_force:?} {error:?}");
        }
        status.services[0].backends[1].agent = said(Some("drain, 50%"), Some("connection refused"));
        let expected = "keystone/c2: its agent (http://10.0.0.12:9999/) fails, so what it said stands (drain, 50%): \
                        connection refused";
        assert_eq!(texts(&status), [expected]);
    }

    #[test]
    fn drained_and_weightless_backends_take_no_new_connections() {
        let mut status = well();
        assert!(warnings(&status).is_empty());
        status.services[0].backends.iter_mut().for_each(|backend| backend.state = BackendState::Drain);
        assert_eq!(texts(&status), ["keystone: no backend takes new connections (3 drained): clients are reset"]);
        status.services[0].backends[0].state = BackendState::Maint;
        assert!(texts(&status)[0].contains("(2 drained, 1 in maintenance)"));
        for backend in &mut status.services[0].backends {
            (backend.state, backend.weight_now) = (BackendState::Up, Some(0));
        }
        assert!(texts(&status)[0].contains("(all backends have weight 0)"));
    }

    #[test]
    fn a_service_below_its_minimum_is_told_with_what_becomes_of_new_connections() {
        let mut status = well();
        let below =
            |healthy, below_min: &str| Some(BelowView { healthy, min_healthy: 2, below_min: below_min.to_owned() });
        status.services[0].below = below(1, "reset");
        assert_eq!(
            texts(&status),
            ["keystone: 1 healthy backend, fewer than min_healthy = 2: new connections are reset"]
        );
        status.services[0].below = below(0, "keep");
        let expected = "keystone: 0 healthy backends, fewer than min_healthy = 2: new connections go to those that were in \
                        use before, down or not";
        assert_eq!(texts(&status), [expected]);
        assert_eq!(warnings(&status)[0].severity, Severity::Critical);
    }

    #[test]
    fn an_unresolved_backend_is_warned_of_unless_it_is_down_or_local() {
        let mut status = well();
        status.services[0].backends[1].mac = None;
        let expected = "keystone/c2: the MAC of 10.0.0.12 is not resolved, so nothing can be sent to it";
        assert_eq!(texts(&status), [expected]);
        status.services[0].backends[1].local = true;
        assert!(warnings(&status).is_empty());
    }

    #[test]
    fn a_group_that_this_host_takes_no_part_in_is_warned_of_once() {
        let mut status = well();
        let grouped = |vip: &VipView| VipView {
            group: Some("control".to_owned()),
            role: Some(Role::Fault),
            why: Some("eth0 has no carrier".to_owned()),
            ..vip.clone()
        };
        status.vips = vec![grouped(&status.vips[0]), grouped(&status.vips[0])];
        assert_eq!(texts(&status), ["group control: this host cannot hold it: eth0 has no carrier"]);
        status.vips.iter_mut().for_each(|vip| vip.held_back = true);
        let expected = "group control: this host is HELD BACK by its operator; 'pivot release control' ends that";
        assert_eq!(texts(&status), [expected]);
        status.vips.iter_mut().for_each(|vip| (vip.held_back, vip.role) = (false, Some(Role::Backup)));
        assert!(warnings(&status).is_empty());
    }

    #[test]
    fn a_silent_controller_is_warned_of_once_it_had_the_time_to_answer() {
        let sync = status().sync;
        let mut status = Status { sync, ..well() };
        for peer in &mut status.sync.as_mut().unwrap().peers {
            peer.heard_ms = None;
        }
        assert_eq!(
            texts(&status),
            ["c3 is silent about flows (never heard): a VIP that moves to it may cut connections"]
        );
        status.uptime_s = 9;
        assert!(warnings(&status).is_empty());
    }

    #[test]
    fn a_log_that_lost_lines_is_warned_of_while_that_is_new() {
        let mut status = well();
        status.log.lines_lost = 17;
        assert!(warnings(&status).is_empty());
        status.log.lately = true;
        let expected = "pivotd's log loses lines, 17 so far: nobody reads its standard error (is journald well?)";
        assert_eq!(texts(&status), [expected]);
    }

    #[test]
    fn a_host_without_programs_forwards_nothing() {
        let mut status = well();
        status.services.clear();
        status.interfaces.clear();
        assert_eq!(texts(&status), ["no interface carries pivot's programs: this host forwards nothing"]);
    }

    #[test]
    fn what_slows_a_host_or_fills_its_table_is_named_with_the_way_out() {
        let mut status = status();
        status.services.truncate(1);
        let found = texts(&status);
        assert!(found[0].starts_with("the IPv4 flow table is 85.1 % full"), "{found:?}");
        assert!(found[0].ends_with("set tables.flows to 2097152 and restart pivotd"), "{found:?}");
        assert!(found[1].starts_with("c3 is silent about flows (heard 3 m 12 s ago)"), "{found:?}");
        assert!(found[2].starts_with("eth1: XDP in generic mode"), "{found:?}");
        status.flow_tables[0].room = 1 << 26;
        assert!(texts(&status)[0].ends_with("shorten the idle timeouts of the services"));
    }
}
