//! Questions about whether another machine has a group's VIPs, while its election waits for answers.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;
use std::thread;

use super::seat::Seat;
use crate::core::election::{GroupName, InUse};
use crate::core::vrrp::Member;
use crate::io::duplicate::{AskError, Asker};

/// Who asks for which group.
#[derive(Debug, Default)]
pub(super) struct Duplicates {
    askers: BTreeMap<GroupName, Asker>,
}

impl Duplicates {
    /// Asks once about each VIP of a group. If that cannot be done, the log says so, and the VIPs are taken unasked.
    pub(super) fn ask(&mut self, seat: &Seat) {
        if let Err(error) = self.try_ask(seat) {
            tracing::warn!(group = &*seat.instance.group, "{error}");
        }
    }

    fn try_ask(&mut self, seat: &Seat) -> Result<(), AskError> {
        let group = &seat.instance.group;
        if let Some(asker) = self.askers.get(group) {
            return asker.ask();
        }
        let asker = Asker::open(seat.vips.iter().map(|(vip, _, carrier)| (*vip, carrier)))?;
        let asked = asker.ask();
        self.askers.insert(group.clone(), asker);
        asked
    }

    /// What was answered since it was last looked.
    pub(super) fn answers(&self) -> Vec<(GroupName, InUse)> {
        let of = |(group, asker): (&GroupName, &Asker)| {
            let group = group.clone();
            asker.answers().into_iter().map(move |answer| (group.clone(), answer))
        };
        self.askers.iter().flat_map(of).collect()
    }

    /// Ceases to hear for groups whose elections do not wait for answers any more.
    pub(super) fn keep(&mut self, members: &[Member]) {
        let asks = |group: &GroupName| members.iter().any(|it| it.instance.group == *group && it.router.asks());
        let over: Vec<Asker> = self.askers.extract_if(.., |group, _| !asks(group)).map(|(_, asker)| asker).collect();
        close(over);
    }

    /// Forgets them all: what they ask about may have changed.
    pub(super) fn clear(&mut self) {
        close(std::mem::take(&mut self.askers).into_values().collect());
    }

    /// What becomes readable with an answer.
    pub(super) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.askers.values().flat_map(Asker::sockets)
    }
}

/// Closes packet sockets, which takes longer than an advert may be late: elsewhere.
fn close(askers: Vec<Asker>) {
    if !askers.is_empty() {
        // If there is no thread to be had, it takes that long.
        let _ = thread::Builder::new().name("close".to_owned()).spawn(move || drop(askers));
    }
}
