//! Which messages a virtual router listens to (RFC 9568 section 7.1, RFC 3768 section 7.1).
//!
//! In: a datagram and the routers of this host. Out: the one it is for and what it says, or why it is ignored. Every packet
//! is hostile: nothing is believed before all of it was looked at.

use std::net::IpAddr;

use super::advert::{self, Advert, HOPS, Malformed, Password, Version};
use super::{Instance, Member, seal};
use crate::core::election::Datagram;

/// Why a message is ignored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// It is none.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// No router of this number on that interface.
    #[error("no virtual router {0} of this host is on interface {1}")]
    Unknown(u8, String),
    /// It came through a router.
    #[error("it came with a TTL or hop limit of {0}, not 255: somebody sends from afar")]
    Hops(u8),
    /// The other version.
    #[error("it speaks version {}, this host {}", .0.number(), .1.number())]
    Version(Version, Version),
    /// To a group of hosts where single ones are meant, or the reverse.
    #[error("it was sent to {0}, which is not how this group is told")]
    Destination(IpAddr),
    /// Not one of the configured ones.
    #[error("its sender is not one of the configured peers")]
    Stranger,
    /// Version 2 wants the same everywhere.
    #[error("it says one advert every {theirs} s, this host every {ours} s; version 2 wants the same on every host")]
    Interval {
        /// Theirs, in seconds.
        theirs: u64,
        /// Ours, in seconds.
        ours: u64,
    },
    /// None, another one, or one where none is wanted.
    #[error("its password is not this host's")]
    Password,
    /// Another cluster uses the same number.
    #[error(
        "it is about {theirs}, this host's group about {ours}: another cluster uses the same virtual router number"
    )]
    Addresses {
        /// Theirs.
        theirs: String,
        /// Ours.
        ours: String,
    },
    /// It has the password, and is from none of those who have it: a message of theirs, sent again.
    #[error(
        "its sender is not one of the configured hosts, and a password is for them alone; if it is one, write a [[host]] for it"
    )]
    Replayed,
    /// It lacks the seal of the cluster's key, or has another.
    #[error("it is not sealed by the key of [cluster]; is that the same on every host, and `signed` too?")]
    Unsealed,
    /// It was heard before, or is older than what was.
    #[error(
        "it was sent before: somebody repeats what this network carried, or the sender's clock was set back while its pivotd was started anew"
    )]
    Repeated,
    /// This host's own message came back.
    #[error("it comes from this host's own address: two hosts have it, or the network sends frames back")]
    Own,
}

impl Ignored {
    /// In a word, by which such messages are counted.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Malformed(Malformed::Checksum) => "checksum",
            Self::Malformed(_) => "malformed",
            Self::Unknown(..) => "unknown_id",
            Self::Hops(_) => "hops",
            Self::Version(..) => "version",
            Self::Destination(_) => "destination",
            Self::Stranger => "stranger",
            Self::Interval { .. } => "interval",
            Self::Password => "password",
            Self::Addresses { .. } => "addresses",
            Self::Replayed | Self::Repeated => "replayed",
            Self::Unsealed => "signature",
            Self::Own => "own_address",
        }
    }
}

/// The member that a datagram is for, by its place among `members`, and what it says.
///
/// # Errors
/// The member if there is one, and why it does not listen.
pub(super) fn check(members: &[Member], datagram: &Datagram<'_>) -> Result<Believed, (Option<usize>, Ignored)> {
    let Datagram { interface, source, destination, hops, payload, at: _ } = *datagram;
    // The number stands in the same place in both versions.
    let vrid = payload.get(1).copied();
    let is_meant = |instance: &Instance| {
        Some(instance.vrid) == vrid
            && instance.interface == interface
            && instance.rules.own.is_ipv4() == source.is_ipv4()
    };
    let index = members.iter().position(|member| is_meant(&member.instance));
    let member = index.and_then(|index| members.get(index));
    let (message, sequence) = match member.and_then(|member| member.instance.key.as_ref()) {
        Some(key) => {
            let opened = seal::open(payload, key, source, destination);
            let (message, sequence) = opened.ok_or((index, Ignored::Unsealed))?;
            (message, Some(sequence))
        }
        None => (payload, None),
    };
    let (advert, password) = advert::decode(message, source, destination).map_err(|why| (None, why.into()))?;
    let (Some(index), Some(member)) = (index, member) else {
        return Err((None, Ignored::Unknown(advert.vrid, interface.to_owned())));
    };
    if sequence.is_some_and(|sequence| member.sequences.get(&source).is_some_and(|last| sequence <= *last)) {
        return Err((Some(index), Ignored::Repeated));
    }
    match judge(&member.instance, &advert, password, source, destination, hops) {
        Ok(()) => Ok(Believed { index, advert, sequence }),
        Err(why) => Err((Some(index), why)),
    }
}

/// A message that is listened to.
pub(super) struct Believed {
    /// The member it is for, by its place.
    pub(super) index: usize,
    /// What it says.
    pub(super) advert: Advert,
    /// Its sequence, if it was sealed.
    pub(super) sequence: Option<u64>,
}

fn judge(
    instance: &Instance,
    advert: &Advert,
    password: Option<Password>,
    source: IpAddr,
    destination: IpAddr,
    hops: u8,
) -> Result<(), Ignored> {
    let rules = &instance.rules;
    if source == rules.own {
        return Err(Ignored::Own);
    }
    if advert.version != rules.version {
        return Err(Ignored::Version(advert.version, rules.version));
    }
    if instance.peers.is_empty() {
        if destination != instance.group() {
            return Err(Ignored::Destination(destination));
        }
        if hops != HOPS {
            return Err(Ignored::Hops(hops));
        }
    } else {
        if destination != rules.own {
            return Err(Ignored::Destination(destination));
        }
        if !instance.peers.contains(&source) {
            return Err(Ignored::Stranger);
        }
    }
    if rules.version == Version::V2 {
        if advert.interval != rules.interval {
            return Err(Ignored::Interval { theirs: advert.interval.as_secs(), ours: rules.interval.as_secs() });
        }
        if password != instance.shape.password {
            return Err(Ignored::Password);
        }
    }
    let sorted = |addresses: &[IpAddr]| {
        let mut sorted = addresses.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        sorted
    };
    if sorted(&advert.addresses) != sorted(&instance.addresses) {
        let (theirs, ours) = (list(&advert.addresses), list(&instance.addresses));
        return Err(Ignored::Addresses { theirs, ours });
    }
    // Anyone on the segment can read a password and send it again.
    if password.is_some() && !rules.is_of_rival(source) {
        return Err(Ignored::Replayed);
    }
    Ok(())
}

/// Addresses for a message; a forged one may name 255 of them.
fn list(addresses: &[IpAddr]) -> String {
    const SHOWN: usize = 8;
    let shown = addresses.iter().take(SHOWN).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match addresses.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
