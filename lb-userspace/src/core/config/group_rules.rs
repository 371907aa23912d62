//! What groups demand of VIPs, hosts and each other. (For what they track see `track_rules`.)
//!
//! A draft enters; errors leave through the report. Holes in the draft are passed over: they have been reported.

use std::collections::HashMap;

use super::draft::Draft;
use super::group::GroupDraft;
use super::names::{Defined, called};
use super::report::{Problem, Report};
use super::suggest::quote;
use super::track_rules;
use super::values::family_name;
use crate::core::vrrp::advert::Version;
use crate::core::vrrp::rules::OWNER;

/// Checks the groups of a draft.
pub(super) fn check(draft: &Draft, defined: &Defined<'_>, report: &mut Report<'_>) {
    for group in &draft.groups {
        for (host, _) in &group.priorities {
            defined.hosts.refer(host, &format!("a `priority` of {}", group.title), report);
        }
        one_owner(group, report);
        has_vips(group, draft, report);
        speaks(group, draft, report);
        can_sign(group, draft, report);
        track_rules::check(group, draft, defined, report);
    }
    ids_are_unique(draft, report);
}

fn has_vips(group: &GroupDraft, draft: &Draft, report: &mut Report<'_>) {
    let all_are_read = draft.vips_complete && draft.vips.iter().all(|vip| vip.holder.is_some());
    let Some(name) = group.name.as_ref().filter(|_| all_are_read && group.vips(draft).next().is_none()) else { return };
    let help =
        format!("write `group = {:?}` into a `[[vip]]` in the place of `holder`, or delete the group", name.value);
    report.add(Problem::at(&group.span, format!("{} has no VIPs", group.title)).help(help));
}

/// The owner of an address is the host whose own address it is.
fn one_owner(group: &GroupDraft, report: &mut Report<'_>) {
    let mut owners = group.priorities.iter().filter(|(_, priority)| priority.value == OWNER);
    if let (Some((first, _)), Some((second, priority))) = (owners.next(), owners.next()) {
        let [first_name, second_name] = [first, second].map(|host| quote(&host.value));
        let message = format!("{first_name} and {second_name} both have priority 255 in {}", group.title);
        let problem = Problem::at(&priority.span, message).see(&first.span, "the first");
        report.add(problem.help("give one of them 254: 255 says that nobody else may hold the VIPs while it lives"));
    }
}

/// Whether all hosts can speak for it.
fn speaks(group: &GroupDraft, draft: &Draft, report: &mut Report<'_>) {
    let Some(family) = group.family(draft) else { return };
    if group.spoken() == Version::V2 && family.is_ipv6() {
        let span = group.version.as_ref().map_or(&group.span, |version| &version.span);
        let message = format!("{} is of version 2, and its first VIP {family} is of IPv6", group.title);
        report.add(Problem::at(span, message).help("leave `version` out: only version 3 speaks IPv6"));
    }
    // Over IPv6 hosts speak from their link-local addresses.
    if family.is_ipv6() && !group.unicast {
        return;
    }
    let mute = draft.hosts.iter().find(|host| host.addresses.is_some() && host.address_for(family).is_none());
    if let Some(host) = mute {
        let host = called("host", host.name.as_ref());
        let message = format!("{host} has no {} address to speak from for {}", family_name(family), group.title);
        let help = "give it one: `address` of a [[host]] may be an array, as in `[\"10.0.0.11\", \"fd00::11\"]`";
        report.add(Problem::at(&group.span, message).help(help));
    }
}

/// Whether what is asked to be sealed can be.
fn can_sign(group: &GroupDraft, draft: &Draft, report: &mut Report<'_>) {
    let Some(span) = &group.signed else { return };
    let (lacks, help) = match (group.spoken(), group.unicast, &draft.cluster) {
        (Version::V2, _, _) => ("version 2 is not sealed", "leave `version` out, or have a `password` instead"),
        (Version::V3, false, _) => ("only unicast messages are sealed", "add `unicast = true`"),
        (Version::V3, true, None) => {
            ("the file has no [cluster]", "add a [cluster] with its `key`, by which messages are sealed")
        }
        (Version::V3, true, Some(_)) => return,
    };
    let message = format!("{} is `signed`, but {lacks}", group.title);
    report.add(Problem::at(span, message).help(help));
}

/// Interface, family and number name a virtual router.
fn ids_are_unique(draft: &Draft, report: &mut Report<'_>) {
    let mut taken: HashMap<(&str, bool, u8), &GroupDraft> = HashMap::new();
    for group in &draft.groups {
        let (Some(id), Some(interface), Some(family)) = (&group.id, group.interface(draft), group.family(draft)) else {
            continue;
        };
        let key = (interface.value.as_str(), family.is_ipv4(), id.value);
        if let Some(first) = taken.insert(key, group)
            && let Some(first_id) = &first.id
        {
            let message = format!("{} and {} both have the id {}", first.title, group.title, id.value);
            let problem = Problem::at(&id.span, message).see(&first_id.span, format!("{} has it here", first.title));
            report.add(problem.help("give one of them another id: it tells them apart on the wire"));
        }
    }
}
