//! `pivot vips`: who holds what, and why; what was heard, and what was not listened to.

use std::fmt::Write as _;

use crate::core::election::Role;
use crate::core::view::VipView;
use crate::core::view::vips::{CandidateView, GroupView, IgnoredView, PeerView, TransitionView, VipsView};

use super::super::human;
use super::super::text::{Cell, Paint, Table, Tone, numbers, printable, words};
use super::hooks::hooks;

/// The whole page.
pub fn vips(view: &VipsView, paint: Paint) -> String {
    let mut page = String::new();
    for group in &view.groups {
        page += &self::group(group, &view.host, paint);
        page.push('\n');
    }
    if !view.fixed.is_empty() {
        page += &fixed(&view.fixed, paint);
        page.push('\n');
    }
    if view.groups.is_empty() && view.fixed.is_empty() {
        page += "no VIPs are configured\n\n";
    }
    page += &ignored(&view.ignored, paint);
    page
}

/// What this host is for a group.
pub(super) fn role(role: Role, held_back: bool) -> Cell {
    match role {
        _ if held_back => Cell::new(Tone::Bad, "HELD BACK"),
        Role::Holder => Cell::new(Tone::Good, "holder"),
        Role::Backup => "backup".into(),
        Role::Fault => Cell::new(Tone::Bad, "FAULT"),
    }
}

/// Who holds something, seen from a host.
pub(super) fn holder(holder: Option<&str>, held: bool) -> Cell {
    match holder {
        Some(holder) if held => Cell::new(Tone::Good, format!("{holder} (this host)")),
        Some(holder) => holder.into(),
        None => Cell::new(Tone::Bad, "unknown"),
    }
}

fn group(group: &GroupView, host: &str, paint: Paint) -> String {
    let mut page = format!(
        "{}  this host is {} for {}: {}\n",
        paint.apply(Tone::Heading, &printable(&group.name)),
        role(group.role, group.held_back).render(paint),
        human::duration(group.since_s),
        printable(&group.why),
    );
    let mut facts = Table::new(2, &[words(""), words("")]);
    for vip in &group.vips {
        facts.row([
            Cell::new(Tone::Heading, "VIP"),
            format!("{} {} on {}", vip.name, vip.address, vip.interface).into(),
        ]);
    }
    let held = group.holder.as_deref() == Some(host);
    facts.row([Cell::new(Tone::Heading, "HELD BY"), holder(group.holder.as_deref(), held)]);
    facts.row([Cell::new(Tone::Heading, "PRIORITY"), priority(group)]);
    let (advert, lease) = (human::millis(group.advert_ms), human::millis(group.lease_ms));
    let spoken = format!("{}, id {} on {}, an advert every {advert}", group.protocol, group.id, group.interface);
    facts.row([Cell::new(Tone::Heading, "PROTOCOL"), spoken.into()]);
    if let Some(left) = group.lease_left_ms {
        let lease = format!("{} of {lease} left", human::millis(left));
        facts.row([Cell::new(Tone::Heading, "LEASE"), lease.into()]);
    }
    if let Some(left) = group.takes_over_in_ms {
        let left = format!("takes over in {} if nothing is heard", human::millis(left));
        facts.row([Cell::new(Tone::Heading, "SILENCE"), left.into()]);
    }
    facts.row([Cell::new(Tone::Heading, "OTHERS"), line(&group.line).into()]);
    let [adverts, changes] = counted(group);
    facts.row([Cell::new(Tone::Heading, "ADVERTS"), adverts.into()]);
    facts.row([Cell::new(Tone::Heading, "CHANGES"), changes.into()]);
    page += &facts.render_rows(paint);
    page += &peers(&group.peers, paint);
    page += &transitions(&group.transitions, paint);
    page + &hooks(&group.hooks, paint)
}

/// This host's priority, and what it does with it.
fn priority(group: &GroupView) -> Cell {
    let GroupView { priority, configured_priority, .. } = group;
    let mut text = priority.to_string();
    if priority != configured_priority {
        let _ = write!(text, " (configured: {configured_priority})");
    }
    match &group.learns {
        _ if group.yielded => {
            Cell::new(Tone::Notable, text + "; it handed over, and takes over only from a host that is gone")
        }
        Some(what) => Cell::new(
            Tone::Notable,
            format!("{text}; until it knows {what} it takes over only from a host that is gone"),
        ),
        None => text.into(),
    }
}

/// `c2 (240), c3 (230)`, the next one first.
fn line(line: &[CandidateView]) -> String {
    let one = |candidate: &CandidateView| format!("{} ({})", candidate.host, candidate.priority);
    match line {
        [] => "none".to_owned(),
        several => several.iter().map(one).collect::<Vec<_>>().join(", "),
    }
}

/// What was counted of its messages, and of its role.
fn counted(group: &GroupView) -> [String; 2] {
    let counters = group.counters;
    let [sent, failed, received, ignored] =
        [counters.adverts_sent, counters.send_errors, counters.adverts_received, counters.adverts_ignored]
            .map(human::count);
    let [taken, released, announced] =
        [counters.takeovers, counters.releases, counters.announcements].map(human::count);
    [
        format!("{sent} sent, {failed} not sent, {received} received, {ignored} ignored"),
        format!("taken over {taken}, given up {released}, announced {announced} times"),
    ]
}

fn peers(peers: &[PeerView], paint: Paint) -> String {
    if peers.is_empty() {
        return format!("  {}\n", paint.apply(Tone::Notable, "no other router was heard yet"));
    }
    let columns = [
        words("HEARD"),
        words("ADDRESS"),
        numbers("PRIORITY"),
        numbers("INTERVAL"),
        numbers("MESSAGES"),
        words("LAST"),
    ];
    let mut table = Table::new(2, &columns);
    for peer in peers {
        table.row([
            peer.host.as_deref().unwrap_or("-").into(),
            peer.address.to_string().into(),
            peer.priority.to_string().into(),
            human::millis(peer.advert_ms).into(),
            human::count(peer.messages).into(),
            format!("{} ago", human::millis(peer.heard_ms_ago)).into(),
        ]);
    }
    table.render(paint)
}

fn transitions(transitions: &[TransitionView], paint: Paint) -> String {
    if transitions.is_empty() {
        return String::new();
    }
    let mut table = Table::new(2, &[words("CHANGED (UTC)"), words("ROLE"), words("WHY")]);
    for transition in transitions {
        let TransitionView { date_ms, role: was, why, .. } = transition;
        table.row([human::utc(*date_ms).into(), role(*was, false), why.into()]);
    }
    table.render(paint)
}

fn fixed(vips: &[VipView], paint: Paint) -> String {
    let mut table = Table::new(2, &[words("NAME"), words("ADDRESS"), words("INTERFACE"), words("HELD BY")]);
    for vip in vips {
        let holder = holder(vip.holder.as_deref(), vip.held);
        table.row([(&vip.name).into(), vip.address.to_string().into(), (&vip.interface).into(), holder]);
    }
    format!("{}\n{}", paint.apply(Tone::Heading, "HELD AS CONFIGURED"), table.render(paint))
}

fn ignored(ignored: &IgnoredView, paint: Paint) -> String {
    let title = paint.apply(Tone::Heading, "IGNORED MESSAGES");
    if ignored.total == 0 {
        return format!("{title}\n  none\n");
    }
    let kinds: Vec<String> =
        ignored.kinds.iter().map(|(kind, count)| format!("{} {kind}", human::count(*count))).collect();
    let columns = [words("SOURCE"), words("GROUP"), words("KIND"), numbers("MESSAGES"), words("LAST")];
    let mut table = Table::new(2, &columns);
    for sender in &ignored.senders {
        table.row([
            sender.source.to_string().into(),
            sender.group.as_deref().unwrap_or("-").into(),
            (&sender.kind).into(),
            human::count(sender.messages).into(),
            format!("{} ago", human::duration(sender.ago_s)).into(),
        ]);
        table.line(format!("    {}", printable(&sender.why)));
    }
    format!("{title}  {}: {}\n{}", human::count(ignored.total), kinds.join(", "), table.render(paint))
}
