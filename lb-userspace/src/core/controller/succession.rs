//! From the subjects of one configuration to those of the next: what stays, what is split off, what is joined.
//!
//! What must hold: a subject of which nothing changes is not touched, whoever comes to it or leaves it; one whose pace alone
//! changes keeps what is known; no answer to another question is taken for one.

use std::collections::{BTreeSet, HashMap};

use super::Slot;
use super::subject::{Identity, Probing, Subject};
use crate::core::config::model::CheckKind;
use crate::core::event::Now;
use crate::core::health::{Health, Jitter};

/// What is known of a backend that comes to a subject.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin {
    /// It went by this subject so far.
    Subject(usize),
    /// An earlier pivotd left it up, or down.
    Left(bool),
    /// Nothing.
    New,
}

/// Backends on their way to the subjects that they will go by.
#[derive(Debug)]
pub(super) struct Succession {
    before: Vec<Subject>,
    places: HashMap<Identity, usize>,
    heirs: Vec<Heir>,
}

/// A subject to be, and who comes to it.
#[derive(Debug)]
struct Heir {
    identity: Identity,
    members: Vec<Slot>,
    origins: Vec<Origin>,
}

impl Succession {
    /// From these.
    pub(super) fn of(before: Vec<Subject>) -> Self {
        Self { before, places: HashMap::new(), heirs: Vec::new() }
    }

    /// Whether a backend was up so far; one that nobody knows is taken to be.
    pub(super) fn was_up(&self, origin: Origin) -> bool {
        match origin {
            Origin::Subject(subject) => self.before[subject].is_up(),
            Origin::Left(up) => up,
            Origin::New => true,
        }
    }

    /// Has a backend go by this subject from now on; returns the subject's place.
    pub(super) fn seat(&mut self, identity: Identity, slot: Slot, origin: Origin) -> usize {
        let place = *self.places.entry(identity).or_insert_with_key(|identity| {
            self.heirs.push(Heir { identity: identity.clone(), members: Vec::new(), origins: Vec::new() });
            self.heirs.len() - 1
        });
        let heir = &mut self.heirs[place];
        heir.members.push(slot);
        heir.origins.push(origin);
        place
    }

    /// The subjects from now on, in their places.
    pub(super) fn settle(self, jitter: &mut Jitter, now: Now) -> Vec<Subject> {
        let Self { before, places, heirs } = self;
        let mut staying = vec![None; heirs.len()];
        for (i, subject) in before.iter().enumerate() {
            if let Some(place) = places.get(&subject.identity) {
                staying[*place] = Some(i);
            }
        }
        // Those whose check in flight has somebody who waits for it.
        let mut awaited: BTreeSet<usize> = staying.iter().flatten().copied().collect();
        let subject = |(heir, staying): (Heir, Option<usize>)| match staying {
            Some(same) => heir.stay(&before, same, now),
            None => heir.follow(&before, &mut awaited, jitter, now),
        };
        heirs.into_iter().zip(staying).map(subject).collect()
    }
}

impl Heir {
    /// The same subject as before. If a backend comes from one that said otherwise, it is soon known which of both is right.
    fn stay(self, before: &[Subject], same: usize, now: Now) -> Subject {
        let mut subject = Subject { members: self.members, ..before[same].clone() };
        let came_from = |origin: &Origin| match origin {
            Origin::Subject(other) => Some(&before[*other]),
            Origin::Left(_) | Origin::New => None,
        };
        let disputed = self.origins.iter().filter_map(came_from).any(|other| other.is_up() != subject.is_up());
        if disputed && matches!(subject.probing, Probing::Due(_)) {
            subject.probing = Probing::Due(now);
        }
        subject
    }

    /// One that was not there before: it takes over from one that asked the same, if a backend comes from there.
    fn follow(self, before: &[Subject], awaited: &mut BTreeSet<usize>, jitter: &mut Jitter, now: Now) -> Subject {
        let Self { identity, members, origins } = self;
        let from = origins.iter().filter_map(|origin| match origin {
            Origin::Subject(subject) => Some(*subject),
            Origin::Left(_) | Origin::New => None,
        });
        let asked_the_same = from.filter(|subject| before[*subject].identity.asks_as(&identity));
        let latest = asked_the_same.max_by_key(|subject| before[*subject].last_check.as_ref().map(|(at, _)| *at));
        let Some(latest) = latest else {
            let health = presumed(&identity, &origins, before);
            return Subject::new(identity, members, health, jitter, now);
        };
        let earlier = &before[latest];
        let health = earlier.health.under(earlier.check(), &identity.check);
        let probing = match earlier.probing {
            Probing::Due(due) => Probing::Due(due.min(Now(now.0 + health.pause(&identity.check)))),
            Probing::InFlight { .. } if awaited.insert(latest) => earlier.probing,
            Probing::InFlight { .. } | Probing::Never | Probing::Resting => {
                Probing::first(&identity.check, jitter, now)
            }
        };
        let (last_check, checked) = (earlier.last_check.clone(), earlier.checked);
        Subject { last_check, checked, probing, ..Subject::new(identity, members, health, jitter, now) }
    }
}

/// What is believed of backends of which this was never asked. Where they differ, they are up: that costs least if it is wrong.
fn presumed(identity: &Identity, origins: &[Origin], before: &[Subject]) -> Health {
    let check = &identity.check;
    let known = origins.iter().filter_map(|origin| match origin {
        Origin::Subject(subject) => Some(before[*subject].is_up()),
        Origin::Left(up) => Some(*up),
        Origin::New => None,
    });
    match (check.kind == CheckKind::None, known.max()) {
        (true, _) => Health::known(check, true),
        (false, Some(up)) => Health::known(check, up),
        (false, None) => Health::presumed(check),
    }
}
