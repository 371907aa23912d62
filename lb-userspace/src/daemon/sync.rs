//! Flow synchronisation with the other controllers: the socket, the flow table, and time, around [`FlowSync`].
//!
//! All of it happens in the daemon's loop, in turns that take a millisecond or two: a round through a large table is cut into steps.

use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rustix::rand::{GetRandomFlags, getrandom};
use tokio::net::UdpSocket;

use super::Daemon;
use super::error::DaemonError;
use super::told::Told;
use crate::core::config::Config;
use crate::core::config::model::Cluster;
use crate::core::event::{Event, Now};
use crate::core::sync::message::LONGEST;
use crate::core::sync::presence::Presence;
use crate::core::sync::record::Record;
use crate::core::sync::{FADE, FlowSync, Outgoing};
use crate::core::view::{SyncPeerView, SyncView};
use crate::io::sync_socket;
use crate::tables::exceptions::take::Taken;
use crate::tables::exceptions::walk::Walk;
use crate::tables::writer::Writer;

/// Datagrams that are read in one turn.
const BATCH: usize = 64;
/// Sets of the flow table that are looked at in one step: 8,192 flows.
const SETS: usize = 2048;
/// Steps in one turn: a millisecond or less if the table is empty, some if it is full.
const STEPS: usize = 8;
/// Exceptions found after which a turn is over.
const ENOUGH: usize = 1024;
/// Rest between two turns of a round, so that everything else has its turn.
const REST: Duration = Duration::from_millis(2);

/// The synchronisation of this host.
pub(super) struct Syncer {
    cluster: Cluster,
    own: IpAddr,
    socket: UdpSocket,
    sync: FlowSync,
    /// The round under way.
    walk: Option<Walk>,
    /// What is to be sent once the socket takes it.
    outbox: VecDeque<Outgoing>,
    /// VIPs that this host held when it was last asked.
    held: BTreeSet<IpAddr>,
    /// Changes of the tables that are known.
    changes: u64,
    told: Told,
    /// Rounds that were finished.
    rounds: u64,
    stored: u64,
    crowded: u64,
    strange: u64,
}

/// What a configuration makes of the synchronisation. Everything that can fail has been done.
pub(super) enum Joining {
    /// This host speaks with nobody.
    Apart,
    /// As it does already, with these peers.
    AsBefore(Vec<(String, IpAddr)>),
    /// In a new session.
    Anew(Box<Beginning>),
}

/// A session that is about to begin.
pub(super) struct Beginning {
    cluster: Cluster,
    own: IpAddr,
    peers: Vec<(String, IpAddr)>,
    session: u64,
    /// Its own; `None`: the one of the session before it is at the same address and port.
    socket: Option<UdpSocket>,
}

impl Syncer {
    fn open(beginning: Beginning, socket: UdpSocket, now: Now) -> Self {
        let Beginning { cluster, own, peers, session, .. } = beginning;
        Self {
            sync: FlowSync::new(cluster.key.clone(), session, peers, cluster.heartbeat, now),
            cluster,
            own,
            socket,
            walk: None,
            outbox: VecDeque::new(),
            held: BTreeSet::new(),
            changes: 0,
            told: Told::default(),
            rounds: 0,
            stored: 0,
            crowded: 0,
            strange: 0,
        }
    }

    /// Waits until there is something to do.
    async fn ready(&self, until: tokio::time::Instant) {
        tokio::select! {
            // An error is met when it is read.
            _ = self.socket.readable() => {}
            _ = self.socket.writable(), if !self.outbox.is_empty() => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }

    /// When to go on if nothing happens.
    fn deadline(&self, now: Now) -> Now {
        match (&self.walk, self.outbox.is_empty()) {
            (Some(_), true) => Now(now.0 + REST),
            _ => self.sync.deadline(),
        }
    }

    /// Does what waits and what is due; none of it takes long. What has become of other hosts.
    fn turn(&mut self, writer: &Writer, now: Now) -> Vec<Presence> {
        // What waits to be read may be of the one that would be missed.
        let whole = self.receive(writer, now);
        let presence = self.sync.presence(whole, now);
        let hellos = self.sync.tick(now);
        self.outbox.extend(hellos);
        if self.sync.begins_round(now) {
            self.walk = Some(Walk::new(writer.services_of(&self.held)));
        }
        // What is told in steps is sent in steps.
        if self.outbox.is_empty()
            && let Some(walk) = &mut self.walk
        {
            let (mut found, mut steps) = (Vec::new(), 0..STEPS);
            let over = loop {
                if !walk.step(writer.memory(), writer.clock(), SETS, &mut found) {
                    break true;
                }
                if steps.next().is_none() || found.len() >= ENOUGH {
                    break false;
                }
            };
            let told = self.sync.tell(&found);
            self.outbox.extend(told);
            if over {
                self.walk = None;
                self.rounds += 1;
                let ends = self.sync.end_round();
                self.outbox.extend(ends);
            }
        }
        self.send();
        presence
    }

    /// Takes in what has come; whether that was all.
    fn receive(&mut self, writer: &Writer, now: Now) -> bool {
        let mut datagram = [0; LONGEST];
        for _ in 0..BATCH {
            let (length, from) = match self.socket.try_recv_from(&mut datagram) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                // Such as that a peer's host has nobody at the port: it is about what was sent.
                Err(_) => continue,
            };
            match self.sync.receive(from.ip(), &datagram[..length], now) {
                Ok((records, answer)) => {
                    records.iter().for_each(|record| self.take(writer, record));
                    self.outbox.extend(answer);
                }
                Err(why) => {
                    let why = why.to_string();
                    if self.told.is_new(from.ip(), &why) {
                        tracing::warn!("a message about flows from {from} is ignored: {why}");
                    }
                }
            }
        }
        false
    }

    fn take(&mut self, writer: &Writer, record: &Record) {
        match writer.take_flow(record, self.held.contains(&record.service.0)) {
            Some(Taken::Stored) => self.stored += 1,
            Some(Taken::Known) => {}
            Some(Taken::Crowded) => self.crowded += 1,
            // This host has not read the same configuration yet, or has another.
            None => self.strange += 1,
        }
    }

    fn send(&mut self) {
        while let Some((to, datagram)) = self.outbox.front() {
            match self.socket.try_send_to(datagram, SocketAddr::new(*to, self.cluster.port)) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    self.sync.counters.unsent += 1;
                    tracing::debug!("a message about flows to {to} was not sent: {error}");
                }
            }
            self.outbox.pop_front();
        }
    }

    /// Has all others tell what they know.
    pub(super) fn ask(&mut self, now: Now) {
        self.sync.ask(now);
    }

    /// Whether everyone who is there has told everything since then, and this host has taken it in; if not, what is waited for.
    pub(super) fn is_told_since(&self, since: Now, now: Now) -> Result<(), String> {
        self.sync.is_told_since(since, now).map_err(|host| format!("what flows {host} has seen"))
    }

    /// Takes in that tables or VIPs have changed.
    fn notice(&mut self, writer: &Writer, held: BTreeSet<IpAddr>, now: Now) {
        let lost: BTreeSet<IpAddr> = self.held.difference(&held).copied().collect();
        if !lost.is_empty() {
            writer.fade_flows(&lost, FADE);
        }
        let changes = writer.changes();
        if held != self.held || changes != self.changes {
            (self.held, self.changes) = (held, changes);
            self.walk = None;
            self.sync.changed(now);
        }
    }

    fn view(&self, now: Now) -> SyncView {
        let peers = self.sync.standings(now).map(|peer| SyncPeerView {
            host: peer.name.to_owned(),
            address: peer.address,
            heard_ms: peer.heard.map(|ago| ago.as_millis() as u64),
            there: peer.is_there(),
        });
        let counters = self.sync.counters;
        SyncView {
            peers: peers.collect(),
            sent: counters.sent,
            unsent: counters.unsent,
            received: counters.received,
            ignored: counters.ignored,
            rounds: self.rounds,
            flows_told: counters.told,
            flows_heard: counters.heard,
            flows_stored: self.stored,
            flows_crowded: self.crowded,
            flows_strange: self.strange,
        }
    }
}

impl Daemon {
    /// Does all that may fail for this host to speak with the hosts of a configuration. The session under way goes on
    /// meanwhile, and on if this is not carried out.
    ///
    /// # Errors
    /// [`DaemonError`] if there is no socket; then everything is as it was.
    pub(super) fn prepare_cluster(&self, config: &Config) -> Result<Joining, DaemonError> {
        let Some(cluster) = config.cluster.clone() else { return Ok(Joining::Apart) };
        let Some((own, peers)) = places(config, &self.host) else { return Ok(Joining::Apart) };
        let earlier = self.syncer.as_ref();
        if earlier.is_some_and(|it| (&it.cluster, it.own) == (&cluster, own)) {
            return Ok(Joining::AsBefore(peers));
        }
        let socket = match earlier {
            Some(it) if (it.own, it.cluster.port) == (own, cluster.port) => None,
            _ => Some(sync_socket::open(own, cluster.port)?),
        };
        Ok(Joining::Anew(Box::new(Beginning { cluster, own, peers, session: draw_session()?, socket })))
    }

    /// Speaks with the hosts of the configuration from now on, as it was prepared.
    pub(super) fn join_cluster(&mut self, joining: Joining) {
        let now = self.now();
        match joining {
            Joining::Apart => self.syncer = None,
            Joining::AsBefore(peers) => {
                if let Some(syncer) = &mut self.syncer {
                    syncer.sync.configure(peers, now);
                }
            }
            Joining::Anew(mut beginning) => {
                let earlier = self.syncer.take().map(|syncer| syncer.socket);
                let socket = beginning.socket.take().or(earlier);
                self.syncer = socket.map(|socket| Syncer::open(*beginning, socket, now));
            }
        }
        self.notice_flows();
    }

    /// Has others told of what has changed, if anything has.
    pub(super) fn notice_flows(&mut self) {
        self.notice_cut();
        let now = self.now();
        if let Some(syncer) = &mut self.syncer {
            syncer.notice(self.executor.datapath.writer(), self.controller.held(), now);
            syncer.sync.state(self.controller.statements(), now);
        }
    }

    /// One turn of the synchronisation.
    pub(super) async fn sync_flows(&mut self) {
        let now = self.now();
        let Some(syncer) = &mut self.syncer else { return };
        let presence = syncer.turn(self.executor.datapath.writer(), now);
        let stated = syncer.sync.take_stated();
        if presence.is_empty() && stated.is_empty() {
            return;
        }
        let presence = presence.into_iter().map(|presence| match presence {
            Presence::Silent(silent) => Event::HostSilent(silent),
            Presence::Heard { host } => Event::HostHeard { host },
        });
        let stated = stated.into_iter().map(|(from, statements)| Event::Stated { from, statements });
        for event in presence.chain(stated) {
            let commands = self.controller.handle(event, now);
            self.executor.execute_all(commands).await;
        }
        self.judge();
        self.notice_flows();
    }

    /// Says to the other hosts that this one stops.
    pub(super) fn leave_cluster(&mut self) {
        if let Some(syncer) = &mut self.syncer {
            let byes = syncer.sync.leave();
            syncer.outbox.extend(byes);
            syncer.send();
        }
    }

    /// How it stands, if there is one.
    pub(super) fn sync_view(&self) -> Option<SyncView> {
        self.syncer.as_ref().map(|syncer| syncer.view(self.now()))
    }
}

/// Waits until there is something to do; for ever if there is nobody to speak with.
pub(super) async fn ready(syncer: Option<&Syncer>, began: std::time::Instant) {
    match syncer {
        Some(syncer) => {
            let Now(at) = syncer.deadline(Now(began.elapsed()));
            syncer.ready(tokio::time::Instant::from_std(began + at)).await;
        }
        None => std::future::pending().await,
    }
}

/// The number of a new session: 0 stands for none.
fn draw_session() -> Result<u64, DaemonError> {
    let mut session = [0; 8];
    getrandom(&mut session, GetRandomFlags::empty()).map_err(|error| DaemonError::Random { source: error.into() })?;
    Ok(u64::from_ne_bytes(session).max(1))
}

/// Where a host speaks from, and where the others do.
fn places(config: &Config, host: &str) -> Option<(IpAddr, Vec<(String, IpAddr)>)> {
    let own = config.hosts.iter().find(|known| known.name == host)?;
    let others = config.hosts.iter().filter(|other| other.name != host);
    let peers = others.filter_map(|other| Some((other.name.clone(), config.speaks_from(other)?)));
    Some((config.speaks_from(own)?, peers.collect()))
}
