//! Which messages a virtual router listens to (RFC 9568 section 7.1, RFC 3768 section 7.1).
//!
//! In: a datagram and the routers of this host. Out: the one it is for and what it says, or why it is ignored. Every packet
//! is hostile: nothing is believed before all of it was looked at.

use std::net::IpAddr;

use super::advert::{self, Advert, HOPS, Malformed, Password, Version};
use super::{Instance, Member};
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
    /// This host's own message came back.
    #[error("it comes from this host's own address: two hosts have it, or the network sends frames back")]
    Own,
}

/// The member that a datagram is for, by its place among `members`, and what it says.
///
/// # Errors
/// The member if there is one, and why it does not listen.
pub(super) fn check(members: &[Member], datagram: &Datagram<'_>) -> Result<(usize, Advert), (Option<usize>, Ignored)> {
    let Datagram { interface, source, destination, hops, payload, at: _ } = *datagram;
    let (advert, password) = advert::decode(payload, source, destination).map_err(|why| (None, why.into()))?;
    let is_meant = |instance: &Instance| {
        instance.vrid == advert.vrid
            && instance.interface == interface
            && instance.rules.own.is_ipv4() == source.is_ipv4()
    };
    let Some(index) = members.iter().position(|member| is_meant(&member.instance)) else {
        return Err((None, Ignored::Unknown(advert.vrid, interface.to_owned())));
    };
    match judge(&members[index].instance, &advert, password, source, destination, hops) {
        Ok(()) => Ok((index, advert)),
        Err(why) => Err((Some(index), why)),
    }
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
