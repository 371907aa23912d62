//! The TOML tree to a draft: groups of VIPs that move together, and how the hosts elect who holds them.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::draft::{Draft, HolderDraft, VipDraft};
use super::duration;
use super::hook;
use super::model::{Group, Hooks};
use super::names::is_called;
use super::parse::titled;
use super::reader::{Entry, Table};
use super::report::{At, Problem, Report};
use super::source::Span;
use super::suggest::quote;
use super::track::{self, TrackDraft};
use super::values;
use crate::core::vrrp::advert::{Password, Version};

const KEYS: [&str; 20] = [
    "name",
    "id",
    "interface",
    "version",
    "advert",
    "lease",
    "priority",
    "preempt",
    "preempt_delay",
    "unicast",
    "signed",
    "password",
    "pseudo_header",
    "announce_again",
    "announce_every",
    "duplicate_check",
    "track",
    "on_holder",
    "on_backup",
    "on_fault",
];

/// Longest password of version 2, in bytes.
const PASSWORD_MAX: usize = 8;
/// Priority of the first host of the file, unless given; each one after it has less by the step.
const FIRST_PRIORITY: u8 = 250;
const PRIORITY_STEP: u8 = 10;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
/// What the 12 bits of version 3 hold, in hundredths of a second.
const ADVERTS3: RangeInclusive<Duration> = Duration::from_millis(10)..=Duration::from_millis(40_950);
/// What the byte of version 2 holds.
const ADVERTS2: RangeInclusive<Duration> = SECOND..=Duration::from_secs(255);

/// A group as it was read; what the file leaves out is filled in, but for what others say.
#[derive(Debug)]
pub(super) struct GroupDraft {
    /// What errors call it: "group `control`".
    pub(super) title: String,
    /// Its header.
    pub(super) span: Span,
    pub(super) name: Option<At<String>>,
    pub(super) id: Option<At<u8>>,
    /// As given; `Err` if the file leaves it out: that of the group's first VIP is meant.
    pub(super) interface: Result<Option<At<String>>, Absent>,
    pub(super) version: Option<At<Version>>,
    pub(super) advert: Duration,
    pub(super) lease: Duration,
    /// Of hosts by name.
    pub(super) priorities: Vec<(At<String>, At<u8>)>,
    pub(super) unicast: bool,
    /// Where the file says that messages are to be sealed.
    pub(super) signed: Option<Span>,
    pub(super) tracks: Vec<TrackDraft>,
    hooks: Hooks,
    preempt: bool,
    preempt_delay: Duration,
    password: Option<Password>,
    pseudo_header: bool,
    announce_again: Duration,
    announce_every: Duration,
    duplicate_check: Duration,
}

/// The file says nothing.
#[derive(Debug)]
pub(super) struct Absent;

/// Reads one `[[group]]`.
pub(super) fn group(entry: Entry<'_>, report: &mut Report<'_>) -> Option<GroupDraft> {
    let table = entry.table(titled("group", entry), &KEYS, report)?;
    let version = table.optional("version").and_then(|e| values::vrrp_version(e, report));
    let spoken = version.as_ref().map_or(Version::V3, |version| version.value);
    let advert = table.optional("advert").and_then(|e| advert(e, spoken, report)).unwrap_or(SECOND);
    let mut flag = |key: &str, otherwise| table.optional(key).and_then(|e| e.boolean(report)).unwrap_or(otherwise);
    let (preempt, unicast, pseudo_header) =
        (flag("preempt", true), flag("unicast", false), flag("pseudo_header", true));
    let signed = table.optional("signed").and_then(|e| e.boolean(report).filter(|signed| *signed).map(|_| e.span()));
    let mut time = |key: &str, most, otherwise| {
        let given = table.optional(key).and_then(|e| values::duration(e, Duration::ZERO..=most, report));
        given.map_or(otherwise, |given| given.value)
    };
    let preempt_delay = time("preempt_delay", 24 * HOUR, Duration::ZERO);
    let announce_again = time("announce_again", 24 * HOUR, 5 * SECOND);
    let announce_every = time("announce_every", 24 * HOUR, 60 * SECOND);
    let duplicate_check = time("duplicate_check", 5 * SECOND, Duration::from_millis(200));
    Some(GroupDraft {
        name: table.required("name", "\"control\"", report).and_then(|e| values::name(e, report)),
        id: table.required("id", "51", report).and_then(|e| e.integer(1..=255, report)),
        interface: table.optional("interface").map(|e| values::interface(e, report)).ok_or(Absent),
        lease: lease(&table, advert, report),
        priorities: table.optional("priority").map(|e| priorities(e, report)).unwrap_or_default(),
        password: table.optional("password").and_then(|e| password(e, spoken, report)),
        tracks: track::tracks(&table, report),
        hooks: hook::hooks(&table, report),
        span: table.span.clone(),
        title: table.owner,
        version,
        advert,
        unicast,
        signed,
        preempt,
        preempt_delay,
        pseudo_header,
        announce_again,
        announce_every,
        duplicate_check,
    })
}

/// The interval between messages, in the units of the version.
fn advert(entry: Entry<'_>, version: Version, report: &mut Report<'_>) -> Option<Duration> {
    let (range, unit, units) = match version {
        Version::V2 => (ADVERTS2, SECOND, "whole seconds, which is all that version 2 can say"),
        Version::V3 => (ADVERTS3, Duration::from_millis(10), "hundredths of a second, which is all that VRRP can say"),
    };
    let given = values::duration(entry, range, report)?;
    if given.value.as_millis().is_multiple_of(unit.as_millis()) {
        return Some(given.value);
    }
    let message = format!("{} is {}, not {units}", entry.label(), quote(&duration::format(given.value)));
    report.add(Problem::at(&given.span, message).help(format!("write a multiple of {}", duration::format(unit))));
    None
}

/// How long the holder serves after a message: two intervals and a half unless given. If it were no longer than one, every
/// message that is a little late would interrupt the service; after three, a backup may have taken over.
fn lease(table: &Table<'_>, advert: Duration, report: &mut Report<'_>) -> Duration {
    let otherwise = advert * 5 / 2;
    let given = table.optional("lease").and_then(|entry| {
        let given = values::duration(entry, Duration::from_millis(1)..=HOUR, report)?;
        if given.value > advert && given.value < advert * 3 {
            return Some(given.value);
        }
        let [said, low, high] = [given.value, advert, advert * 3].map(duration::format);
        let message = format!("{} is {}, with an advert every {low}", entry.label(), quote(&said));
        let help = format!(
            "it must be more than {low}, or a late message interrupts the service, and less than {high}, or two hosts serve"
        );
        report.add(Problem::at(&given.span, message).help(help));
        None
    });
    given.unwrap_or(otherwise)
}

fn priorities(entry: Entry<'_>, report: &mut Report<'_>) -> Vec<(At<String>, At<u8>)> {
    let pairs = entry.pairs("write `{ c1 = 150, c2 = 100 }`, with the names of hosts", report).unwrap_or_default();
    let priority = |(host, entry): (At<&str>, Entry<'_>)| {
        Some((At::new(host.value.to_owned(), host.span), entry.integer(1..=255, report)?))
    };
    pairs.into_iter().filter_map(priority).collect()
}

fn password(entry: Entry<'_>, version: Version, report: &mut Report<'_>) -> Option<Password> {
    let text = entry.string(report)?;
    let mut add = |fault: &str, help: &str| {
        report.add(Problem::at(&text.span, format!("{} {fault}", entry.label())).help(help));
        None
    };
    if version != Version::V2 {
        return add("is for version 2 alone", "leave it out: version 3 has no passwords, or write `version = 2`");
    }
    if !(1..=PASSWORD_MAX).contains(&text.value.len()) {
        let fault = format!("has {} bytes", text.value.len());
        return add(&fault, "write 1 to 8 bytes; routers that take longer ones send the first eight");
    }
    let mut password = [0; PASSWORD_MAX];
    password.iter_mut().zip(text.value.bytes()).for_each(|(to, from)| *to = from);
    Some(Password(password))
}

impl GroupDraft {
    /// Its VIPs, in the order of the file.
    pub(super) fn vips<'d>(&'d self, draft: &'d Draft) -> impl Iterator<Item = &'d VipDraft> {
        draft.vips.iter().filter(|vip| match &vip.holder {
            Some(HolderDraft::Group(group)) => is_called(self.name.as_ref(), &group.value),
            _ => false,
        })
    }

    /// The interface by which its hosts speak.
    pub(super) fn interface<'d>(&'d self, draft: &'d Draft) -> Option<&'d At<String>> {
        match &self.interface {
            Ok(given) => given.as_ref(),
            Err(Absent) => self.vips(draft).next()?.interface.as_ref(),
        }
    }

    /// An address of the family by which its hosts speak: that of its first VIP.
    pub(super) fn family(&self, draft: &Draft) -> Option<IpAddr> {
        Some(self.vips(draft).next()?.address.as_ref()?.value)
    }

    /// The version that its hosts speak.
    pub(super) fn spoken(&self) -> Version {
        self.version.as_ref().map_or(Version::V3, |version| version.value)
    }

    /// The group, if it and what it refers to have no holes.
    pub(super) fn to_group(&self, draft: &Draft) -> Option<Group> {
        let priority = |(place, host): (usize, &super::draft::HostDraft)| {
            let given = self.priorities.iter().find(|(name, _)| is_called(host.name.as_ref(), &name.value));
            let otherwise = FIRST_PRIORITY.saturating_sub(PRIORITY_STEP.saturating_mul(place.min(255) as u8)).max(1);
            given.map_or(otherwise, |(_, priority)| priority.value)
        };
        Some(Group {
            name: self.name.as_ref()?.value.clone(),
            id: self.id.as_ref()?.value,
            interface: self.interface(draft)?.value.clone(),
            version: self.spoken(),
            advert: self.advert,
            lease: self.lease,
            priorities: draft.hosts.iter().enumerate().map(priority).collect(),
            preempt: self.preempt,
            preempt_delay: self.preempt_delay,
            unicast: self.unicast,
            signed: self.signed.is_some(),
            password: self.password,
            pseudo_header: self.pseudo_header,
            announce_again: self.announce_again,
            announce_every: self.announce_every,
            duplicate_check: self.duplicate_check,
            track: self.tracks.iter().map(TrackDraft::to_track).collect(),
            hooks: self.hooks.clone(),
        })
    }
}
