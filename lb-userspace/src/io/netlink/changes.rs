//! What the daemon must look at again: changes of routes and interfaces, as they happen.
//!
//! One task follows the kernel's notifications. What must hold: a change is reported also if its notification was lost
//! (overrun: everything is read again), and a storm of route changes (a routing daemon that loads its table) is
//! reported ten times a second at most. The pure part is [`Interfaces`].

use std::time::Duration;

use futures::StreamExt as _;
use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::interfaces::Interfaces;
use super::links::Link;
use super::{Netlink, NetlinkError};

/// Least time between two [`Change::Routes`].
const PACE: Duration = Duration::from_millis(100);

/// What is followed. Addresses and rules count as routes: the kernel drops IPv4 routes without a notification when the
/// address that is their preferred source goes.
const GROUPS: [MulticastGroup; 7] = [
    MulticastGroup::Link,
    MulticastGroup::Ipv4Ifaddr,
    MulticastGroup::Ipv4Route,
    MulticastGroup::Ipv4Rule,
    MulticastGroup::Ipv6Ifaddr,
    MulticastGroup::Ipv6Route,
    MulticastGroup::Ipv6Rule,
];

/// Something that has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Some routes, of either family: [`Netlink::route_to`] may answer otherwise than before.
    Routes,
    /// An Ethernet interface is new, or one of its facts is (MAC, name, up or down, MTU, ...): here are all of them.
    Link(Link),
    /// An Ethernet interface is gone.
    LinkGone {
        /// The index that it had.
        index: u32,
    },
}

impl Netlink {
    /// Starts to follow routes and interfaces, by a task on the current runtime. The receiver first gives every Ethernet
    /// interface there is and [`Change::Routes`], then changes; it ends (`None`) only if the kernel's socket broke, which
    /// is logged.
    ///
    /// # Errors
    /// [`NetlinkError`] if the socket cannot be opened.
    pub fn changes(&self) -> Result<mpsc::UnboundedReceiver<Change>, NetlinkError> {
        let (connection, _, events) = rtnetlink::new_multicast_connection(&GROUPS).map_err(NetlinkError::Socket)?;
        tokio::spawn(connection);
        let (report, reports) = mpsc::unbounded_channel();
        let watch = Watch {
            netlink: self.clone(),
            interfaces: Interfaces::default(),
            report,
            routes_due: None,
            routes_reported: None,
        };
        tokio::spawn(watch.run(events));
        Ok(reports)
    }
}

/// The task.
struct Watch {
    netlink: Netlink,
    interfaces: Interfaces,
    report: mpsc::UnboundedSender<Change>,
    /// When to report the route changes that have been noticed.
    routes_due: Option<Instant>,
    routes_reported: Option<Instant>,
}

impl Watch {
    async fn run<Events>(mut self, mut events: Events)
    where
        Events: futures::Stream<Item = (NetlinkMessage<RouteNetlinkMessage>, rtnetlink::sys::SocketAddr)> + Unpin,
    {
        self.read_links().await;
        loop {
            tokio::select! {
                () = self.report.closed() => return,
                event = events.next() => match event.map(|(message, _)| message.payload) {
                    Some(NetlinkPayload::InnerMessage(message)) => self.follow(&message),
                    Some(NetlinkPayload::Overrun(_)) => {
                        tracing::warn!("route or link events were lost (the socket's buffer was full): reading again");
                        self.read_links().await;
                        self.notice_routes();
                    }
                    Some(_) => {}
                    None => {
                        tracing::error!("the kernel closed the route socket: routes and interfaces are not followed");
                        return;
                    }
                },
                () = at(self.routes_due) => self.report_routes(),
            }
        }
    }

    fn follow(&mut self, message: &RouteNetlinkMessage) {
        let changes = match message {
            RouteNetlinkMessage::NewLink(link) => self.interfaces.update(link),
            RouteNetlinkMessage::DelLink(link) => self.interfaces.remove(link),
            _ => return self.notice_routes(),
        };
        self.tell(changes);
    }

    /// Reads the interfaces, all of them; what differs from what was known is told.
    async fn read_links(&mut self) {
        match self.netlink.links().await {
            Ok(links) => {
                let changes = self.interfaces.replace(&links);
                self.tell(changes);
            }
            Err(error) => tracing::error!("{error}; changes of interfaces may have been missed"),
        }
    }

    fn tell(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            // The kernel drops the IPv4 routes of an interface that goes down, or away, without a notification.
            self.notice_routes();
            // A closed receiver ends the loop.
            let _ = self.report.send(change);
        }
    }

    fn notice_routes(&mut self) {
        let now = Instant::now();
        let earliest = self.routes_reported.map_or(now, |last| last + PACE);
        self.routes_due.get_or_insert(earliest.max(now));
    }

    fn report_routes(&mut self) {
        self.routes_due = None;
        self.routes_reported = Some(Instant::now());
        let _ = self.report.send(Change::Routes);
    }
}

async fn at(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}
