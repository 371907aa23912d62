//! Questions about whether another machine has a group's VIPs, while its election waits for answers.

use std::collections::BTreeMap;
use std::os::fd::BorrowedFd;

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
        self.askers.retain(|group, _| asks(group));
    }

    /// Forgets them all: what they ask about may have changed.
    pub(super) fn clear(&mut self) {
        self.askers.clear();
    }

    /// What becomes readable with an answer.
    pub(super) fn sockets(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.askers.values().flat_map(Asker::sockets)
    }
}
