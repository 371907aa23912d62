//! What single values may be: names, addresses, interfaces, ports, durations, commands, and the choices of this version.
//!
//! As in `reader`, `None` means that the error has been reported.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::duration::{self, DurationError};
use super::model::{BelowMin, Mode, OnDown, Protocol};
use super::reader::Entry;
use super::report::{At, Problem, Report};
use super::suggest::{list, nearest, quote};
use crate::core::vrrp::advert::Version;

/// Longest name, in characters; that of a DNS label.
const NAME_MAX: usize = 63;
/// Longest interface name, in bytes: the kernel's IFNAMSIZ less its NUL.
const INTERFACE_MAX: usize = 15;

/// A name of a host, VIP, service or backend.
pub(super) fn name(entry: Entry<'_>, report: &mut Report<'_>) -> Option<At<String>> {
    let text = entry.string(report)?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let fault = match text.value {
        "" => "is empty".to_owned(),
        long if long.chars().count() > NAME_MAX => format!("has {} characters", long.chars().count()),
        odd => match odd.chars().find(|c| !allowed(*c)) {
            Some(character) => format!("contains {}", quote(&character.to_string())),
            None => return Some(At::new(text.value.to_owned(), text.span)),
        },
    };
    let help = format!("a name is 1 to {NAME_MAX} of the characters A-Z a-z 0-9 . _ -");
    report.add(Problem::at(&text.span, format!("{} {fault}", entry.label())).help(help));
    None
}

/// An address that packets from other hosts can be sent to.
pub(super) fn address(entry: Entry<'_>, report: &mut Report<'_>) -> Option<At<IpAddr>> {
    let text = entry.string(report)?;
    let said = format!("{} is {}", entry.label(), quote(text.value));
    let problem = match text.value.parse() {
        Ok(address) => match implausible(address) {
            None => return Some(At::new(address, text.span)),
            Some((class, help)) => Problem::at(&text.span, format!("{said}, {class}")).help(help),
        },
        Err(_) => Problem::at(&text.span, format!("{said}, which is not an IP address")).help(malformed(text.value)),
    };
    report.add(problem);
    None
}

/// One address, or one of each family.
pub(super) fn addresses(entry: Entry<'_>, report: &mut Report<'_>) -> Option<Vec<At<IpAddr>>> {
    if entry.is_string() {
        return Some(vec![address(entry, report)?]);
    }
    if !entry.is_array() {
        let help = "write it as in `\"10.0.0.11\"`, or one of each family as in `[\"10.0.0.11\", \"fd00::11\"]`";
        return entry.wrong_type("an address or an array of addresses", help, report);
    }
    let items = entry.array(report)?;
    if items.is_empty() {
        report
            .add(Problem::at(&entry.span(), format!("{} is empty", entry.label())).help("write at least one address"));
        return None;
    }
    let count = items.len();
    let addresses: Vec<At<IpAddr>> = items.into_iter().filter_map(|item| address(item, report)).collect();
    for (position, again) in addresses.iter().enumerate() {
        let family = |address: &&At<IpAddr>| address.value.is_ipv4() == again.value.is_ipv4();
        if let Some(first) = addresses.iter().take(position).find(family) {
            let message = format!("{} has two {} addresses", entry.label(), family_name(again.value));
            let help = "keep one of each family; a backend of a service may have an `address` of its own";
            report.add(Problem::at(&again.span, message).see(&first.span, "the first").help(help));
            return None;
        }
    }
    (addresses.len() == count).then_some(addresses)
}

/// The family of an address as people call it.
pub(super) fn family_name(address: IpAddr) -> &'static str {
    if address.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// Why packets from other hosts cannot be sent to an address, and what to write instead.
fn implausible(address: IpAddr) -> Option<(&'static str, String)> {
    let (class, help) = match address {
        IpAddr::V4(address) => (implausible4(address)?, "the other hosts and the clients can reach"),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(inner) => {
                return Some(("an IPv4-mapped address", format!("write the IPv4 address, `{inner}`")));
            }
            None => (implausible6(address)?, "the other hosts and the clients can reach, global or unique-local"),
        },
    };
    Some((class, format!("write a unicast address that {help}")))
}

fn implausible4(address: Ipv4Addr) -> Option<&'static str> {
    match address {
        a if a.octets()[0] == 0 => Some("an unspecified address"),
        a if a.is_loopback() => Some("a loopback address"),
        a if a.is_multicast() => Some("a multicast address"),
        a if a.is_broadcast() => Some("the broadcast address"),
        _ => None,
    }
}

/// RFC 4291, section 2.4; IPv4-mapped addresses aside.
fn implausible6(address: Ipv6Addr) -> Option<&'static str> {
    match address {
        a if a.is_unspecified() => Some("the unspecified address"),
        a if a.is_loopback() => Some("the loopback address"),
        a if a.is_multicast() => Some("a multicast address"),
        a if a.is_unicast_link_local() => Some("a link-local address, which means something on one interface only"),
        a if a.segments()[0] & 0xffc0 == 0xfec0 => Some("a site-local address, which no longer exist (RFC 3879)"),
        a if a.segments()[..6] == [0; 6] => Some("an IPv4-compatible address, which no longer exist (RFC 4291)"),
        _ => None,
    }
}

/// How to write what was meant as an address.
fn malformed(text: &str) -> &'static str {
    if text.contains('/') {
        "write the address alone; a VIP's prefix length goes into its key `prefix`"
    } else if text.contains('%') {
        "write the address without a zone; it must be global or unique-local"
    } else if text.starts_with('[') {
        "write the address alone, without brackets; a port goes into its own key"
    } else {
        "write it as in `10.0.0.11` or `fd00::11`; names are not resolved"
    }
}

/// A name that the kernel accepts for an interface (`dev_valid_name`).
pub(super) fn interface(entry: Entry<'_>, report: &mut Report<'_>) -> Option<At<String>> {
    let text = entry.string(report)?;
    let odd = |c: char| c == '/' || c == ':' || c.is_whitespace() || c.is_control();
    let fault = match text.value {
        "" => "is empty".to_owned(),
        long if long.len() > INTERFACE_MAX => format!("is {}, {} bytes long", quote(long), long.len()),
        "." | ".." => format!("is {}, which no interface is called", quote(text.value)),
        other => match other.chars().find(|c| odd(*c)) {
            Some(character) => format!("is {}, which contains {}", quote(other), quote(&character.to_string())),
            None => return Some(At::new(text.value.to_owned(), text.span)),
        },
    };
    let help = format!("an interface name is 1 to {INTERFACE_MAX} bytes without `/`, `:` or spaces; see `ip -br link`");
    report.add(Problem::at(&text.span, format!("{} {fault}", entry.label())).help(help));
    None
}

/// What an address on an interface is labelled with: as long as an interface's name (IFA_LABEL).
pub(super) fn label(entry: Entry<'_>, report: &mut Report<'_>) -> Option<At<String>> {
    let text = entry.string(report)?;
    let odd = |c: char| c.is_whitespace() || c.is_control();
    let fault = match text.value {
        "" => "is empty".to_owned(),
        long if long.len() > INTERFACE_MAX => format!("is {}, {} bytes long", quote(long), long.len()),
        other => match other.chars().find(|c| odd(*c)) {
            Some(character) => format!("is {}, which contains {}", quote(other), quote(&character.to_string())),
            None => return Some(At::new(text.value.to_owned(), text.span)),
        },
    };
    let help = format!("a label is 1 to {INTERFACE_MAX} bytes without spaces, as in `eth0:vip`");
    report.add(Problem::at(&text.span, format!("{} {fault}", entry.label())).help(help));
    None
}

/// A TCP or UDP port.
pub(super) fn port(entry: Entry<'_>, report: &mut Report<'_>) -> Option<At<u16>> {
    entry.integer(1..=u16::MAX, report)
}

/// A duration within bounds.
pub(super) fn duration(
    entry: Entry<'_>,
    range: RangeInclusive<Duration>,
    report: &mut Report<'_>,
) -> Option<At<Duration>> {
    if !entry.is_string() {
        return entry.wrong_type("a string with a unit", "write it as in `\"2s\"` or `\"500ms\"`", report);
    }
    let text = entry.string(report)?;
    let said = format!("{} is {}", entry.label(), quote(text.value));
    let problem = match duration::parse(text.value) {
        Ok(value) if range.contains(&value) => return Some(At::new(value, text.span)),
        Ok(_) | Err(DurationError::TooLarge) => {
            let (low, high) = (duration::format(*range.start()), duration::format(*range.end()));
            Problem::at(&text.span, format!("{said}, out of range")).help(format!("it may be {low} to {high}"))
        }
        Err(error @ (DurationError::NoUnit | DurationError::Malformed)) => {
            Problem::at(&text.span, format!("{said}, which {error}"))
                .help("write a whole number and one of the units ms, s, m, h, d, as in `\"500ms\"`")
        }
    };
    report.add(problem);
    None
}

/// A program and its arguments, as they are: no shell takes them apart, no `PATH` is searched.
pub(super) fn argv(entry: Entry<'_>, report: &mut Report<'_>) -> Option<At<Vec<String>>> {
    let help =
        "write `[\"/usr/bin/check\", \"-x\"]`: the whole path of a program, and its arguments; there is no shell";
    if !entry.is_array() {
        return entry.wrong_type("an array of strings", help, report);
    }
    let items = entry.array(report)?;
    let count = items.len();
    let words: Vec<At<&str>> = items.into_iter().filter_map(|item| item.string(report)).collect();
    if words.len() < count {
        return None;
    }
    let fault = match words.first() {
        None => Some((entry.span(), "is empty".to_owned())),
        Some(program) if !program.value.starts_with('/') => {
            Some((program.span.clone(), format!("begins with {}, which is no whole path", quote(program.value))))
        }
        Some(_) => {
            let odd = words.iter().find(|word| word.value.contains('\0'));
            odd.map(|word| (word.span.clone(), "contains a NUL, at which it would end".to_owned()))
        }
    };
    if let Some((span, fault)) = fault {
        report.add(Problem::at(&span, format!("{} {fault}", entry.label())).help(help));
        return None;
    }
    Some(At::new(words.into_iter().map(|word| word.value.to_owned()).collect(), entry.span()))
}

pub(super) fn mode(entry: Entry<'_>, report: &mut Report<'_>) -> Option<At<Mode>> {
    let help = "leave `mode` out, or write `mode = \"l2\"` and run pivotd on every backend's host";
    choice(entry, &[("l2", Mode::L2)], &["nat", "tunnel"], help, report)
}

pub(super) fn on_down(entry: Entry<'_>, report: &mut Report<'_>) -> Option<At<OnDown>> {
    choice(entry, &[("reset", OnDown::Reset), ("keep", OnDown::Keep)], &[], "", report)
}

pub(super) fn below_min(entry: Entry<'_>, report: &mut Report<'_>) -> Option<At<BelowMin>> {
    choice(entry, &[("reset", BelowMin::Reset), ("keep", BelowMin::Keep)], &[], "", report)
}

pub(super) fn protocol(entry: Entry<'_>, report: &mut Report<'_>) -> Option<At<Protocol>> {
    choice(entry, &[("tcp", Protocol::Tcp), ("udp", Protocol::Udp)], &[], "", report)
}

/// A file by its whole path.
pub(super) fn path(entry: Entry<'_>, report: &mut Report<'_>) -> Option<PathBuf> {
    let text = entry.string(report)?;
    if text.value.starts_with('/') && !text.value.contains('\0') {
        return Some(PathBuf::from(text.value));
    }
    let message = format!("{} is {}, which is no whole path", entry.label(), quote(text.value));
    report.add(Problem::at(&text.span, message).help("write the whole path of a file, as in `/etc/pivot/secret`"));
    None
}

pub(super) fn vrrp_version(entry: Entry<'_>, report: &mut Report<'_>) -> Option<At<Version>> {
    let number: At<u8> = entry.integer(2..=3, report)?;
    let version = if number.value == 2 { Version::V2 } else { Version::V3 };
    Some(At::new(version, number.span))
}

/// One of a few words. `later` are words of which the documents speak, but which this version does not know yet.
pub(super) fn choice<T: Clone>(
    entry: Entry<'_>,
    known: &[(&str, T)],
    later: &[&str],
    help: &str,
    report: &mut Report<'_>,
) -> Option<At<T>> {
    let text = entry.string(report)?;
    if let Some((_, value)) = known.iter().find(|(word, _)| *word == text.value) {
        return Some(At::new(value.clone(), text.span));
    }
    let said = format!("{} is {}", entry.label(), quote(text.value));
    let words = known.iter().map(|(word, _)| *word);
    report.add(if later.contains(&text.value) {
        Problem::at(&text.span, format!("{said}, which is not available in this version")).help(help)
    } else if let Some(meant) = nearest(text.value, words.clone()) {
        Problem::at(&text.span, format!("{said}, which is unknown")).help(format!("did you mean \"{meant}\"?"))
    } else {
        Problem::at(&text.span, format!("{said}, which is unknown")).help(format!("it may be {}", list(words)))
    });
    None
}
