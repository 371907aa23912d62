//! The kernel's neighbour table: addresses that must stay resolved in, their MACs as they change out.
//!
//! One task holds the wanted addresses, kicks the kernel to resolve and to verify them, and follows `RTNLGRP_NEIGH`. Only
//! wanted (interface, address) pairs are reported: the same address on another segment is another host. When to kick is
//! decided by the pure part, [`Wanted`]; what must hold here: a change that the socket lost (overrun) is found by asking
//! again, and an entry is read before it is kicked.

use std::net::IpAddr;
use std::time::Instant;

use futures::StreamExt as _;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::param::clock_ticks_per_second;
use tokio::sync::mpsc;

use super::wanted::{Entry, Key, Kick, Wanted};
use super::{Netlink, NetlinkError};
use crate::core::event::Mac;

/// Where an address answers on a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// Index of the interface on the segment.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Its MAC; `None` when the kernel has asked the segment and nobody answered.
    pub mac: Option<Mac>,
}

/// Names the addresses to keep resolved. Clones are equal; the watch ends with the last of them.
#[derive(Debug, Clone)]
pub struct Resolver {
    wishes: mpsc::UnboundedSender<Wish>,
}

impl Resolver {
    /// Keeps an address resolved from now on, and reports its MAC when it is known and whenever it changes: also if the
    /// neighbour changes it without a word, which is noticed within seconds.
    pub fn resolve(&self, index: u32, address: IpAddr) {
        self.send(Wish::Resolve(Key { index, address }));
    }

    /// Stops doing so. Nothing is reported for it any more.
    pub fn forget(&self, index: u32, address: IpAddr) {
        self.send(Wish::Forget(Key { index, address }));
    }

    fn send(&self, wish: Wish) {
        // The task is gone only when nobody receives its reports: then nobody misses this one either.
        let _ = self.wishes.send(wish);
    }
}

impl Netlink {
    /// Starts to follow the neighbour table, by a task on the current runtime. The receiver gives one item per
    /// change; it ends (`None`) only if the kernel's socket broke, which is logged.
    pub fn neighbours(&self) -> Result<(Resolver, mpsc::UnboundedReceiver<Neighbour>), NetlinkError> {
        let (connection, _, events) =
            rtnetlink::new_multicast_connection(&[MulticastGroup::Neigh]).map_err(NetlinkError::Socket)?;
        tokio::spawn(connection);
        let (wishes, wish) = mpsc::unbounded_channel();
        let (report, reports) = mpsc::unbounded_channel();
        let watch = Watch { netlink: self.clone(), wanted: Wanted::default(), ticks: clock_ticks_per_second(), report };
        tokio::spawn(watch.run(events, wish));
        Ok((Resolver { wishes }, reports))
    }

    /// The kernel's entry for one address; `None` if there is none.
    async fn neighbour(&self, key: Key) -> Result<Option<NeighbourMessage>, NetlinkError> {
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetNeighbour(about(key)));
        request.header.flags = NLM_F_REQUEST;
        let action = || format!("look up neighbour {} on interface {}", key.address, key.index);
        let mut handle = self.handle.clone();
        let mut answer = handle.request(request).map_err(|error| NetlinkError::new(action(), error))?;
        match answer.next().await.map(|message| message.payload) {
            Some(NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(message))) => Ok(Some(message)),
            Some(NetlinkPayload::Error(message)) => {
                NetlinkError::refused(action(), &message).unless(&[libc::ENOENT]).map(|()| None)
            }
            other => Err(NetlinkError::Broken { action: action(), cause: format!("{other:?}") }),
        }
    }

    /// Makes the kernel ask: as if a packet had been sent to the address (`NTF_USE`), or whether its MAC is still right
    /// (`NUD_PROBE`). Neither must be used on a static entry, which would become an ordinary one.
    async fn kick(&self, key: Key, kick: Kick) -> Result<(), NetlinkError> {
        let mut message = about(key);
        // Never NLM_F_REPLACE: it takes the mark of a router off an entry.
        let (flags, gone_meanwhile): (_, &[i32]) = match kick {
            Kick::Resolve => {
                message.header.flags = NeighbourFlags::Use;
                (NLM_F_CREATE, &[])
            }
            Kick::Verify => {
                message.header.state = NeighbourState::Probe;
                (0, &[libc::ENOENT, libc::EINVAL])
            }
        };
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::NewNeighbour(message));
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let action = || format!("resolve neighbour {} on interface {}", key.address, key.index);
        let mut handle = self.handle.clone();
        let mut answer = handle.request(request).map_err(|error| NetlinkError::new(action(), error))?;
        match answer.next().await.map(|message| message.payload) {
            Some(NetlinkPayload::Error(message)) => NetlinkError::refused(action(), &message).unless(gone_meanwhile),
            _ => Ok(()),
        }
    }
}

/// A request about one neighbour.
fn about(key: Key) -> NeighbourMessage {
    let mut message = NeighbourMessage::default();
    message.header.family = if key.address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    message.header.ifindex = key.index;
    message.attributes.push(NeighbourAttribute::Destination(key.address.into()));
    message
}

enum Wish {
    Resolve(Key),
    Forget(Key),
}

/// The task.
struct Watch {
    netlink: Netlink,
    wanted: Wanted,
    /// Units of the kernel's times, to a second.
    ticks: u64,
    report: mpsc::UnboundedSender<Neighbour>,
}

impl Watch {
    async fn run<Events>(mut self, mut events: Events, mut wishes: mpsc::UnboundedReceiver<Wish>)
    where
        Events: futures::Stream<Item = (NetlinkMessage<RouteNetlinkMessage>, rtnetlink::sys::SocketAddr)> + Unpin,
    {
        loop {
            tokio::select! {
                () = self.report.closed() => return,
                wish = wishes.recv() => match wish {
                    Some(Wish::Resolve(key)) if self.wanted.insert(key, Instant::now()) => self.look(key).await,
                    Some(Wish::Resolve(_)) => {}
                    Some(Wish::Forget(key)) => self.wanted.remove(key),
                    None => return,
                },
                event = events.next() => match event.map(|(message, _)| message.payload) {
                    Some(NetlinkPayload::InnerMessage(message)) => self.follow(&message),
                    Some(NetlinkPayload::Overrun(_)) => self.look_at_all().await,
                    Some(_) => {}
                    None => {
                        tracing::error!("the kernel closed the neighbour socket: MACs of backends are not followed");
                        return;
                    }
                },
                () = at(self.wanted.next()) => if let Some(key) = self.wanted.take(Instant::now()) {
                    self.look(key).await;
                    self.kick(key).await;
                },
            }
        }
    }

    /// Takes one notification in.
    fn follow(&mut self, message: &RouteNetlinkMessage) {
        let (message, entry) = match message {
            RouteNetlinkMessage::NewNeighbour(message) => (message, Entry::of(message, self.ticks)),
            RouteNetlinkMessage::DelNeighbour(message) => (message, Entry::default()),
            _ => return,
        };
        if let Some(key) = Key::of(message) {
            self.update(key, entry);
        }
    }

    /// Events were lost: nothing but the table itself can say what changed.
    async fn look_at_all(&mut self) {
        tracing::warn!("neighbour events were lost (the socket's buffer was full): reading the table again");
        for key in self.wanted.keys() {
            self.look(key).await;
        }
    }

    async fn look(&mut self, key: Key) {
        match self.netlink.neighbour(key).await {
            Ok(found) => self.update(key, found.map(|message| Entry::of(&message, self.ticks)).unwrap_or_default()),
            Err(error) => self.warn(key, &error),
        }
    }

    async fn kick(&mut self, key: Key) {
        if let Some(kick) = self.wanted.kick(key, Instant::now())
            && let Err(error) = self.netlink.kick(key, kick).await
        {
            self.warn(key, &error);
        }
    }

    fn update(&mut self, key: Key, entry: Entry) {
        if let Some(change) = self.wanted.update(key, entry, Instant::now()) {
            // A closed receiver ends the loop.
            let _ = self.report.send(change);
        }
    }

    /// Says what is wrong with an address once, not every time.
    fn warn(&mut self, key: Key, error: &NetlinkError) {
        if self.wanted.first_refusal(key) {
            tracing::warn!("{error}");
        }
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
