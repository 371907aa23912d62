//! What tracked things demand of services, interfaces and each other.
//!
//! A draft enters; errors leave through the report. Holes in the draft are passed over: they have been reported.

use super::draft::{Draft, ServiceDraft};
use super::group::GroupDraft;
use super::model::CheckKind;
use super::names::{Defined, is_called};
use super::report::{At, Problem, Report};
use super::track::{TrackDraft, WhatDraft};

/// Checks what a group tracks.
pub(super) fn check(group: &GroupDraft, draft: &Draft, defined: &Defined<'_>, report: &mut Report<'_>) {
    for track in &group.tracks {
        match &track.what {
            WhatDraft::Interface(name) => is_another_interface(name, track, group, draft, report),
            WhatDraft::Service { name, min_healthy } => {
                defined.services.refer(name, &format!("`service` of a `track` of {}", group.title), report);
                let service = draft.services.iter().find(|service| is_called(service.name.as_ref(), &name.value));
                service.into_iter().for_each(|service| can_fail(service, name, min_healthy, report));
            }
            WhatDraft::Command(_) => {}
        }
    }
    each_once(group, report);
}

/// A host without a carrier on the interface by which it speaks is not fit, whatever the weight.
fn is_another_interface(
    name: &At<String>,
    track: &TrackDraft,
    group: &GroupDraft,
    draft: &Draft,
    report: &mut Report<'_>,
) {
    if let Some(own) = group.interface(draft).filter(|own| own.value == name.value) {
        let message = format!("{} is the interface by which the hosts of the group speak", track.title);
        let problem = Problem::at(&name.span, message).see(&own.span, "it is given here");
        report.add(problem.help("delete it: a host that has no carrier there is not fit to hold the VIPs anyway"));
    }
}

/// Whether the service can have that many healthy backends, and fewer.
fn can_fail(service: &ServiceDraft, name: &At<String>, min_healthy: &At<u32>, report: &mut Report<'_>) {
    let Some(backends) = &service.backends else { return };
    let count = backends.value.len();
    if min_healthy.value as usize > count {
        let message = format!("`min_healthy` is {}, but {} has {count} backends", min_healthy.value, service.title);
        let problem = Problem::at(&min_healthy.span, message).see(&backends.span, "its backends");
        report.add(problem.help(format!("it may be 1 to {count}")));
    }
    if service.check.kind == CheckKind::None {
        let message = format!("{} is not checked: all its backends are taken to be healthy", service.title);
        let problem = Problem::at(&name.span, message).see(&service.span, "the service");
        report.add(problem.help("give it a `check`, or delete this `track`, which can never fail"));
    }
}

/// Twice the same thing would count twice.
fn each_once(group: &GroupDraft, report: &mut Report<'_>) {
    for (place, again) in group.tracks.iter().enumerate() {
        let first = group.tracks.iter().take(place).find(|first| is_same(&first.what, &again.what));
        if let Some(first) = first {
            let problem = Problem::at(&again.span, format!("{} is there twice", again.title));
            report
                .add(problem.see(&first.span, "the first").help("delete one of them, or add up their weights in one"));
        }
    }
}

fn is_same(one: &WhatDraft, other: &WhatDraft) -> bool {
    match (one, other) {
        (WhatDraft::Interface(one), WhatDraft::Interface(other)) => one.value == other.value,
        (WhatDraft::Service { name, min_healthy }, WhatDraft::Service { name: other, min_healthy: least }) => {
            name.value == other.value && min_healthy.value == least.value
        }
        (WhatDraft::Command(one), WhatDraft::Command(other)) => one.argv == other.argv,
        _ => false,
    }
}
