//! The kernel's neighbour table: addresses that must stay resolved in, their MACs as they change out.
//!
//! One task holds the wanted addresses, kicks the kernel to resolve them (`NTF_USE`: "a user used this entry", so no
//! traffic is needed) and follows `RTNLGRP_NEIGH`. Only wanted (interface, address) pairs are reported: the same
//! address on another segment is another host. The pure part is [`Wanted`]; what must hold: a change that the
//! socket lost (overrun) is found by asking again.

use std::net::IpAddr;
use std::time::Duration;

use futures::StreamExt as _;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::{NLM_F_REQUEST, NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::neighbour::{NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use tokio::sync::mpsc;
use tokio::time::MissedTickBehavior;

use super::wanted::{Entry, Key, Wanted};
use super::{Netlink, NetlinkError};
use crate::core::event::Mac;

/// How often an entry that is stale or failed is kicked again: the kernel's own interval for managed neighbours
/// (`interval_probe_time_ms`, 5.16 and later). A dead host costs three broadcasts in that time.
const REFRESH: Duration = Duration::from_secs(5);

/// Where an address answers on a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// Index of the interface on the segment.
    pub index: u32,
    /// The address.
    pub address: IpAddr,
    /// Its MAC; `None` when the kernel does not know it any more.
    pub mac: Option<Mac>,
}

/// Names the addresses to keep resolved. Clones are equal; the watch ends with the last of them.
#[derive(Debug, Clone)]
pub struct Resolver {
    wishes: mpsc::UnboundedSender<Wish>,
}

impl Resolver {
    /// Keeps an address resolved from now on, and reports its MAC when it is known and whenever it changes.
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
        let watch = Watch { netlink: self.clone(), wanted: Wanted::default(), report };
        tokio::spawn(watch.run(events, wish));
        Ok((Resolver { wishes }, reports))
    }

    /// The kernel's entry for one address; `None` if there is none.
    async fn neighbour(&self, key: Key) -> Result<Option<Entry>, NetlinkError> {
        let mut message = NeighbourMessage::default();
        message.header.family = if key.address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        message.header.ifindex = key.index;
        message.attributes.push(NeighbourAttribute::Destination(key.address.into()));
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetNeighbour(message));
        request.header.flags = NLM_F_REQUEST;

        let action = || format!("look up neighbour {} on interface {}", key.address, key.index);
        let mut handle = self.handle.clone();
        let mut answer = handle.request(request).map_err(|error| NetlinkError::new(action(), error))?;
        match answer.next().await.map(|message| message.payload) {
            Some(NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(message))) => {
                Ok(Some(Entry::from(&message)))
            }
            Some(NetlinkPayload::Error(message)) => {
                NetlinkError::refused(action(), &message).unless(&[libc::ENOENT]).map(|()| None)
            }
            other => Err(NetlinkError::Broken { action: action(), cause: format!("{other:?}") }),
        }
    }

    /// Makes the kernel resolve an address as if a packet had been sent to it. Must not be used on a permanent
    /// entry: kernels since 5.16 take `NTF_USE` as leave to age it.
    async fn kick(&self, key: Key) -> Result<(), NetlinkError> {
        let request = self.handle.neighbours().add(key.index, key.address);
        let request = request.state(NeighbourState::None).flags(NeighbourFlags::Use).replace();
        request.execute().await.map_err(|error| {
            NetlinkError::new(format!("resolve neighbour {} on interface {}", key.address, key.index), error)
        })
    }
}

enum Wish {
    Resolve(Key),
    Forget(Key),
}

/// The task.
struct Watch {
    netlink: Netlink,
    wanted: Wanted,
    report: mpsc::UnboundedSender<Neighbour>,
}

impl Watch {
    async fn run<Events>(mut self, mut events: Events, mut wishes: mpsc::UnboundedReceiver<Wish>)
    where
        Events: futures::Stream<Item = (NetlinkMessage<RouteNetlinkMessage>, rtnetlink::sys::SocketAddr)> + Unpin,
    {
        let mut refresh = tokio::time::interval(REFRESH);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = self.report.closed() => return,
                wish = wishes.recv() => match wish {
                    Some(Wish::Resolve(key)) if self.wanted.insert(key) => self.ask(key).await,
                    Some(Wish::Resolve(_)) => {}
                    Some(Wish::Forget(key)) => self.wanted.remove(key),
                    None => return,
                },
                event = events.next() => match event.map(|(message, _)| message.payload) {
                    Some(NetlinkPayload::InnerMessage(message)) => self.follow(&message),
                    Some(NetlinkPayload::Overrun(_)) => self.ask_again().await,
                    Some(_) => {}
                    None => {
                        tracing::error!("the kernel closed the neighbour socket: MACs of backends are not followed");
                        return;
                    }
                },
                _ = refresh.tick() => for key in self.wanted.unconfirmed() {
                    self.kick(key).await;
                },
            }
        }
    }

    /// Takes one notification in. An entry that is gone or failed is kicked at the next refresh.
    fn follow(&mut self, message: &RouteNetlinkMessage) {
        let (message, gone) = match message {
            RouteNetlinkMessage::NewNeighbour(message) => (message, false),
            RouteNetlinkMessage::DelNeighbour(message) => (message, true),
            _ => return,
        };
        let entry = if gone { Entry::default() } else { Entry::from(message) };
        if let Some(key) = Key::of(message) {
            self.update(key, entry);
        }
    }

    /// Events were lost: nothing but the table itself can say what changed.
    async fn ask_again(&mut self) {
        tracing::warn!("neighbour events were lost (the socket's buffer was full): reading the table again");
        for key in self.wanted.keys() {
            self.ask(key).await;
        }
    }

    async fn ask(&mut self, key: Key) {
        match self.netlink.neighbour(key).await {
            Ok(entry) => self.update(key, entry.unwrap_or_default()),
            Err(error) => self.warn(key, &error),
        }
        if self.wanted.is_unconfirmed(key) {
            self.kick(key).await;
        }
    }

    async fn kick(&mut self, key: Key) {
        if let Err(error) = self.netlink.kick(key).await {
            self.warn(key, &error);
        }
    }

    fn update(&mut self, key: Key, entry: Entry) {
        if let Some(change) = self.wanted.update(key, entry) {
            // A closed receiver ends the loop.
            let _ = self.report.send(change);
        }
    }

    /// Says what is wrong with an address once, not at every refresh.
    fn warn(&mut self, key: Key, error: &NetlinkError) {
        if self.wanted.first_failure(key) {
            tracing::warn!("{error}");
        }
    }
}
