//! What an operator is shown of elections: who holds which group of VIPs, since when and why (`pivot vips`), and what an
//! order to hand one over did.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::VipView;
use super::hooks::HooksView;
use crate::core::election::Role;

/// `pivot vips`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VipsView {
    /// This host's name in the configuration.
    pub host: String,
    /// Groups whose holder the hosts elect, in the order of the configuration.
    pub groups: Vec<GroupView>,
    /// VIPs whose holder the configuration names.
    #[serde(rename = "static")]
    pub fixed: Vec<VipView>,
    /// Messages that were ignored, of all groups and of none.
    pub ignored: IgnoredView,
}

/// One group, as this host sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupView {
    /// Name.
    pub name: String,
    /// Its VIPs, in the order of the configuration.
    pub vips: Vec<GroupVipView>,
    /// Interface by which its hosts speak.
    pub interface: String,
    /// `VRRP 3`.
    pub protocol: String,
    /// Number of the virtual router.
    pub id: u8,
    /// What this host is.
    pub role: Role,
    /// Why.
    pub why: String,
    /// Seconds since it is that.
    pub since_s: u64,
    /// Whether this host's operator holds it back: it takes no part.
    pub held_back: bool,
    /// Whether its operator had it yield: it takes over only from a host that is gone.
    pub yielded: bool,
    /// What it is to learn before it takes over from a host that is there; `None`: nothing.
    pub learns: Option<String>,
    /// Host that holds it, if it is known; an address if that is of no host of the configuration.
    pub holder: Option<String>,
    /// This host's priority now.
    pub priority: u8,
    /// The same as configured.
    pub configured_priority: u8,
    /// The other hosts, the one that is next if this one hands over first.
    pub line: Vec<CandidateView>,
    /// Milliseconds between this host's adverts while it holds the group.
    pub advert_ms: u64,
    /// Milliseconds for which one is good for serving.
    pub lease_ms: u64,
    /// Milliseconds for which this host still serves if it sends no other; `None` unless it is the holder.
    pub lease_left_ms: Option<u64>,
    /// Milliseconds after which it takes over if nothing is heard; `None` unless it is a backup.
    pub takes_over_in_ms: Option<u64>,
    /// Who was heard.
    pub peers: Vec<PeerView>,
    /// The last changes of this host's role, the latest first.
    pub transitions: Vec<TransitionView>,
    /// What was run for them.
    pub hooks: HooksView,
    /// What was counted.
    pub counters: ElectionCounters,
}

/// One VIP of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupVipView {
    /// Name.
    pub name: String,
    /// Address.
    pub address: IpAddr,
    /// Interface that carries it.
    pub interface: String,
}

/// A host that may hold a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CandidateView {
    /// Its name.
    pub host: String,
    /// Its configured priority.
    pub priority: u8,
}

/// A router that was heard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerView {
    /// Address that it spoke from.
    pub address: IpAddr,
    /// Host of the configuration that has it.
    pub host: Option<String>,
    /// Priority in its last message; 0: it gave the group up.
    pub priority: u8,
    /// Interval in its last message, in milliseconds.
    pub advert_ms: u64,
    /// How long ago that was, in milliseconds.
    pub heard_ms_ago: u64,
    /// Messages that were listened to.
    pub messages: u64,
}

/// A change of this host's role.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransitionView {
    /// When, in milliseconds since the beginning of 1970 (UTC).
    pub date_ms: u64,
    /// How long ago, in seconds.
    pub ago_s: u64,
    /// What it was from then on.
    pub role: Role,
    /// Why.
    pub why: String,
}

/// What is counted of a group's election, since this host takes part in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ElectionCounters {
    /// Messages that left: to several hosts one by one, each counts.
    pub adverts_sent: u64,
    /// Messages that were listened to.
    pub adverts_received: u64,
    /// Messages that were ignored.
    pub adverts_ignored: u64,
    /// Messages that could not be sent.
    pub send_errors: u64,
    /// Times the VIPs were announced on the segment.
    pub announcements: u64,
    /// Times this host became the holder.
    pub takeovers: u64,
    /// Times it ceased to be.
    pub releases: u64,
}

/// Messages that were ignored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredView {
    /// All of them.
    pub total: u64,
    /// How many were of each kind.
    pub kinds: BTreeMap<String, u64>,
    /// The last senders, the latest first; an older one made room.
    pub senders: Vec<IgnoredSender>,
}

/// Messages of one kind from one sender that were ignored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IgnoredSender {
    /// Sender.
    pub source: IpAddr,
    /// What is wrong with them, in a word.
    pub kind: String,
    /// Group that they were for, if they were for one.
    pub group: Option<String>,
    /// Their number.
    pub messages: u64,
    /// Seconds since the last one.
    pub ago_s: u64,
    /// What was wrong with that, in words.
    pub why: String,
}

/// What an order did (`pivot failover`, `hold`, `release`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandOverView {
    /// Every group that was meant, at least one.
    pub groups: Vec<HandedView>,
}

/// One group that such an order named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandedView {
    /// Its name.
    pub group: String,
    /// Names of its VIPs.
    pub vips: Vec<String>,
    /// `false` if it was as ordered already.
    pub changed: bool,
    /// What this host is now.
    pub role: Role,
    /// Whether this host is held back.
    pub held_back: bool,
    /// Host that holds the group, if it is known.
    pub holder: Option<String>,
    /// Milliseconds from the order until another host was heard to hold it; `None` if this host did not hold it.
    pub took_ms: Option<u64>,
}
