//! Flow synchronisation: what the tables alone do not tell of flows, from the host that forwards them to all others, so that
//! whoever takes a VIP over sends each flow to the backend that it has.
//!
//! All controllers make the same tables of the same configuration and health, so most flows need no word: the next
//! holder's tables lead them where this one's do. The exceptions are flows from before the tables changed, and those of
//! clients with affinity. They are told at once when the tables change, once more after a second, and every few seconds
//! from then on: what is told is soft state, so a message that is lost costs nothing but time. Whoever has just started, or was
//! cut off, asks for a round, and knows by its end whether it has missed anything of it.
//!
//! - [`record`]: what is told of one flow. [`message`]: bytes, and the key that they are signed by.
//! - [`session`]: which messages are new. [`presence`]: who is not heard any more.
//!
//! Beside that, all hosts state who the writers of services are (`core::writer`): at once when that changes, once a second, and
//! before the end of each round, so that whoever was told everything knows that, too.
//!
//! Here: who is told what, and when. No sockets, no tables: datagrams and time in, datagrams and records out.

pub mod message;
pub mod presence;
pub mod record;
pub mod session;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use self::message::{Body, Key, Message, MessageError};
use self::presence::{Attention, Presence, Pulse};
use self::record::Record;
use self::session::{Peer, Worth};
use super::event::Now;
use super::writer::Statement;

/// Time between two messages that only say that this host is there.
const HELLO: Duration = Duration::from_secs(1);
/// Time between two answers to one that does not know this session.
const ANSWER: Duration = Duration::from_millis(100);
/// Time between two messages that ask for a round.
const ASK: Duration = Duration::from_millis(250);
/// How long a host that is asked has to say anything at all: one that is there does so at once, but where it is may have to be asked
/// for a second time, which the kernel does after a second (ARP; RFC 4861 section 10, RETRANS_TIMER).
const GRACE: Duration = Duration::from_millis(1500);
/// Time between two statements of who the writers are.
const STATE: Duration = Duration::from_secs(1);
/// Until they are stated to a holder that does not know the last word.
const CORRECT: Duration = Duration::from_millis(100);
/// Time between two rounds.
const ROUND: Duration = Duration::from_secs(5);
/// Until a round is repeated that a change began: a message of it may have been lost.
const AGAIN: Duration = Duration::from_secs(1);
/// A peer that was not heard for so long is told of as silent.
const SILENT: Duration = Duration::from_secs(4);

/// How long what another host told counts once that host may forward no more: some rounds of the next one.
pub const FADE: Duration = Duration::from_secs(30);

/// A datagram, and to which host.
pub type Outgoing = (IpAddr, Vec<u8>);

/// This host's part in it.
#[derive(Debug)]
pub struct FlowSync {
    key: Key,
    /// This run of pivotd.
    session: u64,
    peers: Vec<Known>,
    /// How often this host says to those that are there that it is, and misses them; zero: as often as to all, and it does not.
    beat: Duration,
    beat_at: Now,
    attention: Attention,
    hello_at: Now,
    round_at: Now,
    /// When to go round once more after a change.
    again_at: Option<Now>,
    /// Whether a round has begun that has not ended.
    under_way: bool,
    /// What this host states of writers, and when it does next.
    statements: Arc<[Statement]>,
    state_at: Now,
    /// What others have stated, each by name.
    stated: Vec<(String, Vec<Statement>)>,
    /// What was counted.
    pub counters: Counters,
}

#[derive(Debug)]
struct Known {
    peer: Peer,
    pulse: Pulse,
    heard_at: Option<Now>,
    answer_from: Now,
    /// When to ask it for a round, if it is to be asked.
    ask_at: Option<Now>,
    /// When the last round of its ended of which nothing was missed.
    told_at: Option<Now>,
    /// The sequence with which the round began that it is being told.
    round_from: u64,
}

impl Known {
    /// Whether it was heard of late.
    fn is_there(&self, now: Now) -> bool {
        self.heard_at.is_some_and(|at| now.0.saturating_sub(at.0) < SILENT)
    }

    fn new(name: String, address: IpAddr, now: Now) -> Self {
        let peer = Peer::new(name, address);
        let pulse = Pulse::default();
        Self { peer, pulse, heard_at: None, answer_from: now, ask_at: None, told_at: None, round_from: 0 }
    }
}

/// What was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Datagrams sent, to all peers.
    pub sent: u64,
    /// Datagrams received that counted.
    pub received: u64,
    /// Datagrams received that did not, whatever was wrong with them.
    pub ignored: u64,
    /// Records told, each once however many peers there are.
    pub told: u64,
    /// Records heard.
    pub heard: u64,
    /// Datagrams that could not be sent.
    pub unsent: u64,
}

/// Why a datagram was ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Ignored {
    /// Its sender is no host of the configuration.
    #[error("no [[host]] has that address")]
    Stranger,
    /// It is no message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// It was sent before.
    #[error("it was sent before: somebody repeats what this network carried")]
    Replayed,
}

/// How a peer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing<'s> {
    /// Its name.
    pub name: &'s str,
    /// Its address.
    pub address: IpAddr,
    /// How long ago it was heard; `None`: not in this session.
    pub heard: Option<Duration>,
}

impl Standing<'_> {
    /// Whether it speaks.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.heard.is_some_and(|ago| ago < SILENT)
    }
}

impl FlowSync {
    /// A host that has these peers, by name and address, and beats so often, or not at all; `session` was drawn at random and is not 0.
    #[must_use]
    pub fn new(key: Key, session: u64, peers: Vec<(String, IpAddr)>, beat: Duration, now: Now) -> Self {
        let mut sync = Self {
            key,
            session,
            peers: Vec::new(),
            beat,
            beat_at: now,
            attention: Attention::new(now),
            hello_at: now,
            round_at: now,
            again_at: None,
            under_way: false,
            statements: Arc::default(),
            state_at: now,
            stated: Vec::new(),
            counters: Counters::default(),
        };
        sync.configure(peers, now);
        sync
    }

    /// Has these peers, and no others, from now on.
    pub fn configure(&mut self, peers: Vec<(String, IpAddr)>, now: Now) {
        let mut earlier = std::mem::take(&mut self.peers);
        let mut known = |(name, address): (String, IpAddr)| match earlier
            .iter()
            .position(|known| (&known.peer.name, known.peer.address) == (&name, address))
        {
            Some(index) => earlier.swap_remove(index),
            None => Known::new(name, address, now),
        };
        self.peers = peers.into_iter().map(&mut known).collect();
        self.hello_at = now;
    }

    /// How its peers stand.
    pub fn standings(&self, now: Now) -> impl Iterator<Item = Standing<'_>> {
        self.peers.iter().map(move |known| Standing {
            name: &known.peer.name,
            address: known.peer.address,
            heard: known.heard_at.map(|at| now.0.saturating_sub(at.0)),
        })
    }

    /// Takes in a datagram: what it says of flows, and what is to be answered.
    ///
    /// # Errors
    /// [`Ignored`]
    pub fn receive(
        &mut self,
        from: IpAddr,
        datagram: &[u8],
        now: Now,
    ) -> Result<(Vec<Record>, Option<Outgoing>), Ignored> {
        let heard = self.hear(from, datagram, now);
        match &heard {
            Ok((records, _)) => {
                self.counters.received += 1;
                self.counters.heard += records.len() as u64;
            }
            Err(_) => self.counters.ignored += 1,
        }
        heard
    }

    fn hear(&mut self, from: IpAddr, datagram: &[u8], now: Now) -> Result<(Vec<Record>, Option<Outgoing>), Ignored> {
        let known = self.peers.iter_mut().find(|known| known.peer.address == from).ok_or(Ignored::Stranger)?;
        let Message { sender, receiver, sequence, body } = message::decode(datagram, &self.key)?;
        let (counts, answers) = match known.peer.judge(self.session, sender, receiver, sequence) {
            Worth::Counts { new } => (true, new),
            Worth::Unaware => (false, known.answer_from <= now),
            Worth::Replayed => return Err(Ignored::Replayed),
        };
        let mut records = Vec::new();
        if counts {
            known.heard_at = Some(now);
            known.pulse.touch(now);
            match body {
                Body::Hello { beat } => known.pulse.hear(Duration::from_millis(beat.into()), now),
                Body::Bye => known.pulse.leave(),
                Body::Flows(told) => records = told,
                // One that is under way may have begun before something was missed: then it is asked for again.
                Body::Ask if !self.under_way => self.round_at = now,
                Body::Done { since } if known.peer.is_whole_since(since) => {
                    known.told_at = Some(now);
                    known.ask_at = None;
                }
                Body::Writers(said) => {
                    if self.statements.iter().any(|own| said.iter().any(|said| is_behind(said, own))) {
                        self.state_at = self.state_at.min(Now(now.0 + CORRECT));
                    }
                    self.stated.push((known.peer.name.clone(), said));
                }
                Body::Ask | Body::Done { .. } => {}
            }
        }
        let answer = answers.then(|| {
            known.answer_from = Now(now.0 + ANSWER);
            // What it does not know yet it is told by name, so that it sees that this is no old message.
            let named = if counts { None } else { Some(sender) };
            (from, say(&mut known.peer, self.session, named, hello(self.beat), &self.key))
        });
        if counts && answers {
            // It knows nothing yet.
            self.round_at = now;
        }
        self.counters.sent += u64::from(answer.is_some());
        Ok((records, answer))
    }

    /// The tables have changed, or this host holds a VIP that it did not hold: what is an exception is not what it was.
    pub fn changed(&mut self, now: Now) {
        self.round_at = now;
        self.again_at = Some(Now(now.0 + AGAIN));
        self.under_way = false;
    }

    /// States this of writers from now on; at once, if it is news.
    pub fn state(&mut self, statements: Arc<[Statement]>, now: Now) {
        if !Arc::ptr_eq(&self.statements, &statements) {
            self.statements = statements;
            self.state_at = now;
        }
    }

    /// What others have stated of writers since this was asked last, in order.
    #[must_use]
    pub fn take_stated(&mut self) -> Vec<(String, Vec<Statement>)> {
        std::mem::take(&mut self.stated)
    }

    /// Has all others tell what they know: this host may have missed something.
    pub fn ask(&mut self, now: Now) {
        self.peers.iter_mut().for_each(|known| known.ask_at = Some(now));
    }

    /// Whether everyone who is there has told everything since then; if not, who has not.
    ///
    /// # Errors
    /// The name of the first one that is waited for.
    pub fn is_told_since(&self, since: Now, now: Now) -> Result<(), &str> {
        let waits = |known: &&Known| {
            let heard = known.heard_at.is_some_and(|at| at >= since);
            known.told_at.is_none_or(|at| at < since) && (heard || now < Now(since.0 + GRACE))
        };
        self.peers.iter().find(waits).map_or(Ok(()), |known| Err(&known.peer.name))
    }

    /// Whether a round is to begin; if so it is taken to have begun.
    #[must_use]
    pub fn begins_round(&mut self, now: Now) -> bool {
        let due = self.round_at <= now || self.again_at.is_some_and(|at| at <= now);
        if due {
            self.round_at = Now(now.0 + ROUND);
            self.again_at = self.again_at.filter(|at| *at > now);
            self.under_way = true;
            self.peers.iter_mut().for_each(|known| known.round_from = known.peer.coming_sequence());
        }
        due
    }

    /// Tells all peers that are known that the round is over.
    #[must_use]
    pub fn end_round(&mut self) -> Vec<Outgoing> {
        self.under_way = false;
        let mut outgoing = self.say_statements();
        outgoing.extend(self.say_to_all(|known| Some(Body::Done { since: known.round_from }), true));
        outgoing
    }

    /// What is to be sent because of the time.
    #[must_use]
    pub fn tick(&mut self, now: Now) -> Vec<Outgoing> {
        let (is_due, beats) = (now >= self.hello_at, !self.beat.is_zero() && now >= self.beat_at);
        if is_due {
            self.hello_at = Now(now.0 + HELLO);
        }
        if beats {
            self.beat_at = Now(now.0 + self.beat);
        }
        let hello = hello(self.beat);
        let mut outgoing = self.say_to_all(
            |known| match known.ask_at {
                Some(at) if at <= now => {
                    known.ask_at = Some(Now(now.0 + ASK));
                    Some(Body::Ask)
                }
                _ => (is_due || beats && known.is_there(now)).then(|| hello.clone()),
            },
            false,
        );
        if self.state_at <= now {
            self.state_at = Now(now.0 + STATE);
            outgoing.extend(self.say_statements());
        }
        outgoing
    }

    /// When [`FlowSync::tick`] or [`FlowSync::begins_round`] has something to do.
    #[must_use]
    pub fn deadline(&self) -> Now {
        let asks = self.peers.iter().filter_map(|known| known.ask_at);
        let rounds = [Some(self.round_at), self.again_at].into_iter().flatten();
        let beats = (!self.beat.is_zero()).then_some(self.beat_at).into_iter();
        let pulses = self.peers.iter().filter_map(|known| known.pulse.deadline(&self.attention));
        let states = (!self.statements.is_empty()).then_some(self.state_at);
        rounds.chain(asks).chain(states).chain(beats).chain(pulses).fold(self.hello_at, Now::min)
    }

    /// What has become of other hosts since this was asked last; `whole`: everything that has come was taken in, else nobody is
    /// found to be silent.
    #[must_use]
    pub fn presence(&mut self, whole: bool, now: Now) -> Vec<Presence> {
        if self.beat.is_zero() {
            return Vec::new();
        }
        self.attention.look(now, self.beat * 2);
        let attention = self.attention;
        let beating = self.peers.iter().filter(|known| known.pulse.beats(&attention, now)).count();
        let change = |known: &mut Known| known.pulse.change(&known.peer.name, &attention, beating == 0, now);
        let heard = |known: &&mut Known| whole || known.pulse.beats(&attention, now);
        self.peers.iter_mut().filter(heard).filter_map(change).collect()
    }

    /// What this host says when it stops: so that nobody misses it, though one message be lost.
    #[must_use]
    pub fn leave(&mut self) -> Vec<Outgoing> {
        (0..2).flat_map(|_| self.say_to_all(|_| Some(Body::Bye), true)).collect()
    }

    /// Tells all peers that are known of flows.
    #[must_use]
    pub fn tell(&mut self, records: &[Record]) -> Vec<Outgoing> {
        self.counters.told += records.len() as u64;
        let (mut rest, mut outgoing) = (records, Vec::new());
        while !rest.is_empty() {
            // At least one fits.
            let (these, others) = rest.split_at(message::fitting(rest).max(1));
            outgoing.extend(self.say_to_all(|_| Some(Body::Flows(these.to_vec())), true));
            rest = others;
        }
        outgoing
    }

    /// States to all peers that are known who the writers are.
    fn say_statements(&mut self) -> Vec<Outgoing> {
        let statements = self.statements.clone();
        let messages = statements.chunks(message::STATEMENTS);
        messages.flat_map(|these| self.say_to_all(|_| Some(Body::Writers(these.to_vec())), true)).collect()
    }

    fn say_to_all(&mut self, mut body: impl FnMut(&mut Known) -> Option<Body>, known_alone: bool) -> Vec<Outgoing> {
        let told = self.peers.iter_mut().filter(|known| !known_alone || known.peer.session().is_some());
        let say = |known: &mut Known| {
            let body = body(known)?;
            Some((known.peer.address, say(&mut known.peer, self.session, None, body, &self.key)))
        };
        let outgoing: Vec<Outgoing> = told.filter_map(say).collect();
        self.counters.sent += outgoing.len() as u64;
        outgoing
    }
}

/// What says that this host is there, and beats so often.
fn hello(beat: Duration) -> Body {
    Body::Hello { beat: u16::try_from(beat.as_millis()).unwrap_or(u16::MAX) }
}

/// Whether one who decides about a service does not know what this host knows.
fn is_behind(said: &Statement, own: &Statement) -> bool {
    said.holds && said.service == own.service && said.term.epoch < own.term.epoch
}

/// Writes a message to a peer, which is `named` if its session is not known.
fn say(peer: &mut Peer, own: u64, named: Option<u64>, body: Body, key: &Key) -> Vec<u8> {
    let receiver = named.or(peer.session()).unwrap_or(0);
    message::encode(&Message { sender: own, receiver, sequence: peer.next_sequence(), body }, key)
}

#[cfg(test)]
mod tests;
