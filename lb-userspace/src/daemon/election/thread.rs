//! The election's loop. [`act`]: what it does of what the election wants.
//!
//! In: orders of the daemon, datagrams, the monotonic clock. Out: datagrams, leases, announcements, and what the daemon is to
//! know or asks for. What must hold: what waits is taken in before what is due happens, as silence must not be what was only not read.

mod act;

use std::collections::BTreeMap;
use std::io;
use std::sync::mpsc;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd as _, OwnedFd};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::oneshot;

use super::Elected;
use super::complaints::{Complaints, Ignored};
use super::duplicates::Duplicates;
use super::ledger::Ledger;
use super::report::{self, GroupReport, Report};
use super::seat::{self, Seat};
use crate::core::election::{Datagram, Election as _, Event, Fitness, GroupName, Peer, Role};
use crate::core::event::Now;
use crate::core::vrrp::state::State;
use crate::core::vrrp::{Member, Vrrp};
use crate::io::announce::Announcer;
use crate::io::carrier::Carrier;
use crate::io::jiffies::monotonic;
use crate::io::vrrp::socket::Socket;
use crate::tables::lease::Leases;

/// Datagrams that are read of one socket before anything else happens: a flood of them must not stop the clock.
const BATCH: usize = 64;
/// Announcements of a VIP in one burst: as many as keepalived sends.
const ANNOUNCEMENTS: u32 = 5;
/// Longest sleep, if nothing is due.
const IDLE: Duration = Duration::from_secs(3600);
/// Of those of the real-time scheduler the lowest: above everything else, and below what the kernel has there itself.
const PRIORITY: libc::c_int = 1;

/// What the daemon wants.
#[derive(Debug)]
pub(super) enum Order {
    /// Take part in these groups, and no others.
    Seat(Vec<Seat>),
    /// Take in what this host is fit for.
    Judge {
        /// For this group.
        group: String,
        /// To hold it.
        fitness: Fitness,
    },
    /// Take in that this host has caught up with what it missed before then.
    CatchUp {
        /// For this group.
        group: String,
        /// Since when it had been behind.
        since: Now,
    },
    /// Let another host hold a group, if this one does.
    Yield {
        /// The group.
        group: String,
    },
    /// Say how things stand.
    Report(oneshot::Sender<Report>),
    /// Hand everything over and end.
    Stop,
}

/// Runs until it is told to stop.
pub(super) fn run(
    inbox: &mpsc::Receiver<Order>,
    bell: &OwnedFd,
    says: UnboundedSender<Elected>,
    leases: Leases,
    host: String,
    sequence: u64,
) {
    if let Err(error) = real_time() {
        tracing::info!("the election runs without real-time priority, a starved host may lose its VIPs: {error}");
    }
    let mut election = Thread {
        host,
        vrrp: Vrrp::behind(sequence),
        seats: BTreeMap::new(),
        sockets: BTreeMap::new(),
        carriers: BTreeMap::new(),
        duplicates: Duplicates::default(),
        announcer: Announcer::default(),
        complaints: Complaints::default(),
        ledgers: BTreeMap::new(),
        told: BTreeMap::new(),
        says,
        leases,
    };
    loop {
        // Spurious wake-ups do no harm.
        let _ = rustix::io::read(bell, &mut [0; 8]);
        for order in inbox.try_iter() {
            if !election.carry_out(order) {
                return;
            }
        }
        election.receive();
        let now = Now(monotonic());
        if election.vrrp.deadline().is_some_and(|deadline| deadline <= now) {
            let actions = election.vrrp.handle(Event::Tick, now);
            election.act(actions);
        }
        election.duplicates.keep(election.vrrp.members());
        election.believe();
        election.tell();
        election.wait(bell);
    }
}

struct Thread {
    /// This host.
    host: String,
    vrrp: Vrrp,
    seats: BTreeMap<GroupName, Seat>,
    /// By interface and whether they are of IPv4.
    sockets: BTreeMap<(String, bool), Socket>,
    /// By interface: what is sent without a carrier is lost without an error.
    carriers: BTreeMap<String, Carrier>,
    duplicates: Duplicates,
    announcer: Announcer,
    complaints: Complaints,
    /// What is remembered of each group.
    ledgers: BTreeMap<GroupName, Ledger>,
    /// What the daemon knows of each group.
    told: BTreeMap<GroupName, Elected>,
    says: UnboundedSender<Elected>,
    leases: Leases,
}

impl Thread {
    /// Carries out an order; `false`: it was the last.
    fn carry_out(&mut self, order: Order) -> bool {
        let now = Now(monotonic());
        let actions = match order {
            Order::Seat(seats) => {
                self.seat(seats);
                return true;
            }
            Order::Judge { group, fitness } => self.vrrp.handle(Event::Fitness { group: &group, fitness }, now),
            Order::CatchUp { group, since } => self.vrrp.handle(Event::CaughtUp { group: &group, since }, now),
            Order::Yield { group } if self.holds(&group) => self.vrrp.handle(Event::Yield { group: &group }, now),
            Order::Yield { .. } => return true,
            Order::Report(answer) => {
                // Whoever asked may have gone away.
                let _ = answer.send(self.report(now));
                return true;
            }
            Order::Stop => {
                let actions = self.vrrp.handle(Event::Stop, now);
                self.act(actions);
                return false;
            }
        };
        self.act(actions);
        true
    }

    fn seat(&mut self, seats: Vec<Seat>) {
        let now = Now(monotonic());
        let inherited = |seat: &Seat| {
            let ends = seat.vips.iter().map(|(_, index, _)| self.leases.until(*index));
            ends.min().flatten().map(Now)
        };
        let instances = seats.iter().map(|seat| (seat.instance.clone(), inherited(seat))).collect();
        let actions = self.vrrp.configure(instances, now);
        // What goes is handed over by the seats that it had.
        self.act(actions);
        for (vip, until) in seat::moved(self.seats.values(), &seats, |group| self.lease_of(group)) {
            match until {
                Some(Now(until)) => self.leases.extend(vip, until),
                None => self.leases.end(vip),
            }
        }
        self.sockets.retain(|(interface, v4), socket| {
            seats.iter().any(|seat| {
                seat.link.name == *interface
                    && seat.instance.rules.own.is_ipv4() == *v4
                    && socket.is_of(&seat.link, seat.instance.rules.own)
            })
        });
        // One that is opened again may be another interface's by now.
        self.carriers.clear();
        for seat in &seats {
            match Carrier::of(&seat.link.name) {
                Ok(carrier) => drop(self.carriers.insert(seat.link.name.clone(), carrier)),
                // It is down: then sending says so itself.
                Err(error) => tracing::debug!("the carrier of {}: {error}", seat.link.name),
            }
            let key = (seat.link.name.clone(), seat.instance.rules.own.is_ipv4());
            if self.sockets.contains_key(&key) {
                continue;
            }
            match Socket::open(&seat.link, seat.instance.rules.own) {
                Ok(socket) => drop(self.sockets.insert(key, socket)),
                Err(error) => tracing::error!("{error}"),
            }
        }
        self.duplicates.clear();
        self.seats = seats.into_iter().map(|seat| (seat.instance.group.clone(), seat)).collect();
        self.ledgers.retain(|group, _| self.seats.contains_key(group));
        self.told.retain(|group, _| self.seats.contains_key(group));
        for group in self.seats.keys() {
            self.ledgers.entry(group.clone()).or_insert_with(|| Ledger::new(now));
        }
    }

    /// Takes in what waits in the sockets.
    fn receive(&mut self) {
        let mut actions = Vec::new();
        for ((interface, _), socket) in &self.sockets {
            for _ in 0..BATCH {
                let received = match socket.receive() {
                    Ok(Some(received)) => received,
                    Ok(None) => break,
                    // The interface is down: its carrier is another one's to watch.
                    Err(error) => {
                        tracing::debug!("receiving on {interface}: {error}");
                        break;
                    }
                };
                let now = monotonic();
                let datagram = Datagram {
                    interface,
                    source: received.source,
                    destination: received.destination,
                    at: Now(now.saturating_sub(received.age)),
                    hops: received.hops,
                    payload: &received.payload,
                };
                actions.extend(self.vrrp.handle(Event::Message(datagram), Now(now)));
            }
        }
        for (group, answer) in self.duplicates.answers() {
            actions.extend(self.vrrp.handle(Event::InUse { group: &group, answer }, Now(monotonic())));
        }
        self.act(actions);
    }

    /// Sleeps until something waits or is due.
    fn wait(&self, bell: &OwnedFd) {
        let now = monotonic();
        let forgets = self.vrrp.members().iter().filter_map(|member| member.forgets_at(Now(now)));
        let due = self.vrrp.deadline().into_iter().chain(forgets).min();
        let due = due.map_or(IDLE, |Now(deadline)| deadline.saturating_sub(now));
        let timeout = Timespec { tv_sec: due.as_secs() as i64, tv_nsec: due.subsec_nanos().into() };
        let sockets = self.sockets.values().map(rustix::fd::AsFd::as_fd);
        let mut polled: Vec<PollFd<'_>> = sockets
            .chain(self.duplicates.sockets())
            .chain([bell.as_fd()])
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        // Whatever woke it up, the loop looks at everything.
        let _ = poll(&mut polled, Some(&timeout));
    }

    /// The end of the lease that this host has on a group, if it holds it.
    fn lease_of(&self, group: &str) -> Option<Now> {
        let member = self.vrrp.members().iter().find(|it| *it.instance.group == *group)?;
        match member.router.state() {
            State::Holder { until, .. } => Some(*until),
            State::Fault(_) | State::Backup { .. } | State::Claim { .. } => None,
        }
    }

    fn holds(&self, group: &str) -> bool {
        self.vrrp.members().iter().any(|it| *it.instance.group == *group && it.router.role() == Role::Holder)
    }

    fn report(&self, now: Now) -> Report {
        let group = |member: &Member| {
            let group = &member.instance.group;
            Some(GroupReport::of(member, self.seats.get(group)?, self.ledgers.get(group)?, &self.host, now))
        };
        Report { groups: self.vrrp.members().iter().filter_map(group).collect(), ignored: self.complaints.view(now) }
    }

    /// Says until when packets for VIPs that other hosts hold may be passed on to them.
    fn believe(&self) {
        let now = Now(monotonic());
        for member in self.vrrp.members() {
            let believed = member.believed(now);
            self.each_vip(&member.instance.group, |leases, vip| match believed {
                Some((from, Now(until))) => leases.believe(vip, from, until),
                None => leases.doubt(vip),
            });
        }
    }

    /// Tells the daemon what is new.
    fn tell(&mut self) {
        let now = Now(monotonic());
        for member in self.vrrp.members() {
            let (group, role) = (&member.instance.group, member.router.role());
            let from = member.holder(now).map(|heard| heard.from);
            let (begun, behind) = (member.router.has_begun(), self.vrrp.behind_since(group));
            let (Some(seat), Some(ledger)) = (self.seats.get(group), self.ledgers.get(group)) else { continue };
            let why = report::why(member, ledger);
            let holder = from.map(|address| {
                let known = seat.hosts.iter().find(|(known, _)| *known == address);
                Peer { address, name: known.map(|(_, name)| name.clone()) }
            });
            let elected = Elected { group: group.to_string(), role, why, holder, begun, behind };
            if self.told.get(group) == Some(&elected) {
                continue;
            }
            self.told.insert(group.clone(), elected.clone());
            // The daemon is stopping: nobody waits for it.
            let _ = self.says.send(elected);
        }
    }
}

/// Has the calling thread run before everything that has no real-time priority.
fn real_time() -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: PRIORITY };
    let policy = libc::SCHED_RR | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the parameters are readable; 0 is the calling thread.
    let set = unsafe { libc::sched_setscheduler(0, policy, &raw const parameters) };
    if set < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
