//! What the election wants done: messages, leases, announcements, questions; and what it wants noted.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use super::{ANNOUNCEMENTS, Ignored, Thread};
use crate::core::election::{Action, Election as _, Event, GroupName, Role};
use crate::core::event::Now;
use crate::core::view::vips::ElectionCounters;
use crate::io::jiffies::monotonic;
use crate::tables::lease::Leases;

impl Thread {
    pub(super) fn act(&mut self, actions: Vec<Action>) {
        let mut unsent: BTreeMap<GroupName, String> = BTreeMap::new();
        for action in actions {
            match action {
                Action::Send { group, destination, payload } => {
                    let sent = self.send(&group, destination, &payload);
                    self.count(&group, |counters| match sent {
                        Ok(()) => counters.adverts_sent += 1,
                        Err(_) => counters.send_errors += 1,
                    });
                    if let Err(error) = sent {
                        unsent.insert(group, error.to_string());
                    }
                }
                Action::Lease { group, until: Now(until) } if !unsent.contains_key(&group) => {
                    self.each_vip(&group, |leases, vip| leases.extend(vip, until));
                }
                Action::Lease { .. } => {}
                Action::Release { group } => self.each_vip(&group, Leases::end),
                Action::Announce { group } if !unsent.contains_key(&group) => {
                    self.announce(&group);
                    self.count(&group, |counters| counters.announcements += 1);
                }
                Action::Announce { .. } => {}
                Action::Ask { group } => self.seats.get(&group).into_iter().for_each(|seat| self.duplicates.ask(seat)),
                Action::InUse { group, why } => {
                    tracing::warn!(group = &*group, why, "this host does not take the VIPs");
                    self.note(&group, Role::Backup, why);
                }
                Action::Changed { group, role, why } => {
                    tracing::info!(group = &*group, role = role.name(), why, "this host's role has changed");
                    self.note(&group, role, why);
                }
                Action::Ignored { group, source, kind, why } => {
                    if let Some(group) = &group {
                        self.count(group, |counters| counters.adverts_ignored += 1);
                    }
                    let ignored = Ignored { group, source, kind, why };
                    if self.complaints.take(&ignored, Now(monotonic())) {
                        let (group, why) = (ignored.group.as_deref().unwrap_or("-"), &ignored.why);
                        tracing::warn!(group, "a VRRP message from {source} is ignored: {why}");
                    }
                }
            }
        }
        for (group, why) in unsent {
            let actions = self.vrrp.handle(Event::Unsent { group: &group, why }, Now(monotonic()));
            self.act(actions);
        }
    }

    fn note(&mut self, group: &GroupName, role: Role, why: String) {
        // A clock before 1970 is nobody's.
        let date = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if let Some(ledger) = self.ledgers.get_mut(group) {
            ledger.change(role, why, Now(monotonic()), date);
        }
    }

    fn send(&self, group: &GroupName, destination: IpAddr, payload: &[u8]) -> io::Result<()> {
        let socket = self
            .seats
            .get(group)
            .and_then(|seat| self.sockets.get(&(seat.link.name.clone(), seat.instance.rules.own.is_ipv4())));
        let carrier = self.seats.get(group).and_then(|seat| self.carriers.get(&seat.link.name));
        match socket {
            Some(_) if carrier.is_some_and(|carrier| !carrier.is_there()) => {
                Err(io::Error::new(io::ErrorKind::NetworkDown, "the interface has no carrier"))
            }
            Some(socket) => socket.send(payload, destination),
            None => Err(io::Error::new(io::ErrorKind::NotConnected, "there is no socket")),
        }
    }

    pub(super) fn each_vip(&self, group: &GroupName, act: impl Fn(&Leases, u16)) {
        let vips = self.seats.get(group).into_iter().flat_map(|seat| &seat.vips);
        vips.for_each(|(_, index, _)| act(&self.leases, *index));
    }

    fn announce(&self, group: &GroupName) {
        for (vip, _, carrier) in self.seats.get(group).into_iter().flat_map(|seat| &seat.vips) {
            if let Err(error) = self.announcer.announce(carrier, *vip, ANNOUNCEMENTS) {
                tracing::error!("{error}");
            }
        }
    }

    fn count(&mut self, group: &GroupName, count: impl FnOnce(&mut ElectionCounters)) {
        if let Some(ledger) = self.ledgers.get_mut(group) {
            count(&mut ledger.counters);
        }
    }
}
