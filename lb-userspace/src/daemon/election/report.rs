//! What the election's thread says when it is asked how things stand: a copy, made between two of its rounds. Whoever asks
//! waits for it; it waits for nobody.

use std::net::IpAddr;
use std::time::Duration;

use super::ledger::Ledger;
use super::seat::Seat;
use crate::core::election::Role;
use crate::core::event::Now;
use crate::core::view::vips::{ElectionCounters, IgnoredView, PeerView, TransitionView};
use crate::core::vrrp::Member;
use crate::core::vrrp::peers::Peer;
use crate::core::vrrp::state::State;

/// How all groups stand.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// Those that this host takes part in.
    pub(crate) groups: Vec<GroupReport>,
    /// Messages that were ignored.
    pub(crate) ignored: IgnoredView,
}

/// How one group stands.
#[derive(Debug, Clone)]
pub(crate) struct GroupReport {
    /// Its name.
    pub(crate) name: String,
    /// What this host is.
    pub(crate) role: Role,
    /// Why.
    pub(crate) why: String,
    /// For how long.
    pub(crate) since: Duration,
    /// Who holds it.
    pub(crate) holder: Option<String>,
    /// This host's priority now.
    pub(crate) priority: u8,
    /// Whether it leaves whoever holds it alone.
    pub(crate) yielded: bool,
    /// What is left of the lease, if there is one.
    pub(crate) lease_left: Option<Duration>,
    /// What is left of the wait for the holder's next message, if there is one.
    pub(crate) silence_left: Option<Duration>,
    /// Who was heard.
    pub(crate) peers: Vec<PeerView>,
    /// How the role changed.
    pub(crate) transitions: Vec<TransitionView>,
    /// What was counted.
    pub(crate) counters: ElectionCounters,
}

impl GroupReport {
    /// Of a group as it stands now.
    pub(super) fn of(member: &Member, seat: &Seat, ledger: &Ledger, host: &str, now: Now) -> Self {
        let left = |until: Now| until.0.saturating_sub(now.0);
        let (lease_left, silence_left) = match member.router.state() {
            State::Fault(_) | State::Claim { .. } => (None, None),
            State::Backup { down_at, .. } => (None, Some(left(*down_at))),
            State::Holder { until, .. } => (Some(left(*until)), None),
        };
        let role = member.router.role();
        let transition = |it: &crate::core::election::history::Transition| TransitionView {
            date_ms: millis(it.date),
            ago_s: now.0.saturating_sub(it.at.0).as_secs(),
            role: it.role,
            why: it.why.clone(),
        };
        let received = member.peers.messages();
        Self {
            name: member.instance.group.to_string(),
            role,
            why: why(member, ledger),
            since: now.0.saturating_sub(ledger.since().0),
            holder: match role {
                Role::Holder => Some(host.to_owned()),
                Role::Backup | Role::Fault => member.holder(now).map(|heard| called(seat, heard.from)),
            },
            priority: member.router.priority(),
            yielded: member.router.yielded(),
            lease_left,
            silence_left,
            peers: member.peers.list().into_iter().map(|peer| peer_view(peer, seat, now)).collect(),
            transitions: ledger.history.iter().map(transition).collect(),
            counters: ElectionCounters { adverts_received: received, ..ledger.counters },
        }
    }
}

/// Why this host is what it is for a group.
pub(super) fn why(member: &Member, ledger: &Ledger) -> String {
    match (member.router.state(), ledger.history.last()) {
        (State::Fault(why), _) => why.clone(),
        (_, last) => last.map(|last| last.why.clone()).unwrap_or_default(),
    }
}

/// The host that speaks from an address, or the address if that is of none that is known.
pub(super) fn called(seat: &Seat, from: IpAddr) -> String {
    host_at(seat, from).unwrap_or_else(|| from.to_string())
}

fn host_at(seat: &Seat, from: IpAddr) -> Option<String> {
    seat.hosts.iter().find(|(address, _)| *address == from).map(|(_, name)| name.clone())
}

fn peer_view(peer: &Peer, seat: &Seat, now: Now) -> PeerView {
    PeerView {
        address: peer.heard.from,
        host: host_at(seat, peer.heard.from),
        priority: peer.heard.priority,
        advert_ms: millis(peer.heard.interval),
        heard_ms_ago: millis(now.0.saturating_sub(peer.heard.at.0)),
        messages: peer.messages,
    }
}

pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
