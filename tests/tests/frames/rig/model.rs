//! What a frame leaves behind in counters and in the flow table, told from what was there before and from what is expected
//! of the frame. Knows nothing of sets, seals, or any other way the path goes about it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lb_common::path::verdict::Action;
use lb_common::wire::directory::Idle;
use lb_common::wire::flow::{Stage, Ticks};
use lb_userspace::core::config::model::Affinity;
use lb_userspace::core::plan::{Image, ServiceImage};
use lb_userspace::tables::clock::Clock;
use lb_userspace::tables::memory::ServiceTotals;

use super::expect::{Expect, Fate};
use super::net::Net;
use super::observed::{Name, Observed, Remembered};
use super::reading::{Frame, Piece, Reading};
use super::scene::bound;

/// How long a flow is remembered that was seen once.
pub(crate) const NEW: Duration = Duration::from_secs(30);
/// The same after a FIN.
pub(crate) const CLOSING: Duration = Duration::from_secs(60);
/// The same after a RST.
pub(crate) const RESET: Duration = Duration::from_secs(10);
/// How long the fragments of a packet are awaited.
pub(crate) const FRAGMENTS: Duration = Duration::from_secs(30);

/// What the model goes by beside the frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct World<'a> {
    /// What is in the tables.
    pub(crate) image: &'a Image,
    pub(crate) clock: Clock,
    pub(crate) now: Ticks,
}

/// How [`Observed`] names a packet's flow.
pub(crate) fn flow_of(reading: &Reading) -> Name {
    Name::Flow(reading.service_name(), reading.client)
}

/// How it names the fragments of a packet.
pub(crate) fn fragments_of(reading: &Reading, piece: Piece) -> Name {
    let id = if reading.client.is_ipv4() { piece.id & 0xffff } else { piece.id };
    let is_tcp = reading.protocol.is_some_and(|protocol| protocol.name() == "tcp");
    Name::Fragments(reading.service.ip().to_string(), reading.client.ip(), id, is_tcp)
}

impl World<'_> {
    /// Adds to what was counted and remembered before a frame what is expected of it.
    #[track_caller]
    pub(crate) fn account(&self, seen: &mut Observed, frame: &Frame, expect: &Expect) {
        if let Some(verdict) = expect.verdict {
            *seen.verdicts.entry(verdict.name()).or_default() += 1;
        }
        if let Some(backend) = expect.instead {
            self.give_instead(seen, frame.reading.as_ref().expect("a SYN"), backend);
        }
        if !expect.balanced && expect.backend.is_none() {
            return;
        }
        let reading = frame.reading.as_ref().expect("only IP packets are balanced");
        self.count(seen, reading, reading.end(&frame.bytes), expect);
        if !expect.balanced {
            return;
        }
        let touched = self.touch(seen, reading);
        if expect.chosen && !reading.rst {
            self.keep_chosen(seen, reading, expect);
        } else if touched && !expect.chosen && expect.backend.is_some() {
            let given = seen.flows[&flow_of(reading)].backend;
            // A flow from before the client moved does not take it back.
            if self.client(seen, reading).is_none_or(|known| known.backend == given) {
                self.keep_client(seen, reading, given);
            }
        }
        if let (Some(backend), Some(piece)) = (expect.backend, reading.piece)
            && expect.fate != Fate::Limited
        {
            let backend = Some(bound(Net::of(reading.service.ip()), backend));
            let entry = Remembered { backend, stage: Stage::New, until: self.after(FRAGMENTS) };
            seen.flows.insert(fragments_of(reading, piece), entry);
        }
    }

    /// A SYN is sent to another backend, which its flow is given.
    fn give_instead(&self, seen: &mut Observed, reading: &Reading, backend: &str) {
        let bound = bound(Net::of(reading.service.ip()), backend);
        let [_, _, flows, _] = seen.backends.entry((reading.service_name(), bound)).or_default();
        *flows += 1;
        let entry = Remembered { backend: Some(bound), stage: Stage::New, until: self.after(NEW) };
        seen.flows.insert(flow_of(reading), entry);
        self.keep_client(seen, reading, Some(bound));
    }

    fn count(&self, seen: &mut Observed, reading: &Reading, bytes: u64, expect: &Expect) {
        let chosen = u64::from(expect.chosen);
        let fate = |fate| u64::from(expect.fate == fate);
        if expect.balanced {
            let totals = seen.services.entry(reading.service_name()).or_default();
            *totals = ServiceTotals {
                packets: totals.packets + 1,
                bytes: totals.bytes + bytes,
                chosen: totals.chosen + chosen,
                evicted: totals.evicted + u64::from(matches!(expect.fate, Fate::Evicting(_))),
                crowded: totals.crowded + fate(Fate::Crowded),
                limited: totals.limited + fate(Fate::Limited),
            };
        }
        // What does not leave for its backend is counted for the service alone.
        let sent = !matches!(expect.action, Action::Drop | Action::Abort);
        let Some(backend) = expect.backend.filter(|_| sent) else { return };
        let name = expect.of_service.clone().unwrap_or_else(|| reading.service_name());
        if !expect.balanced {
            let totals = seen.services.entry(name.clone()).or_default();
            (totals.packets, totals.bytes) = (totals.packets + 1, totals.bytes + bytes);
        }
        let counters = seen.backends.entry((name, bound(Net::of(reading.service.ip()), backend))).or_default();
        for (counter, more) in counters.iter_mut().zip([1, bytes, chosen, 0]) {
            *counter += more;
        }
    }

    /// A packet of a flow that is remembered: how far that has come, and for how much longer it is remembered. Says whether
    /// anything of it is new.
    fn touch(&self, seen: &mut Observed, reading: &Reading) -> bool {
        let Some(entry) = seen.flows.get_mut(&flow_of(reading)) else { return false };
        if entry.backend.is_none() || entry.until.left(self.now) == 0 {
            return false;
        }
        let idle = self.idle(reading);
        let ticks = |life| self.clock.ticks(life);
        let (stage, life) = match (entry.stage, reading) {
            (_, Reading { rst: true, .. }) => (Stage::Reset, ticks(RESET)),
            (_, Reading { fin: true, .. }) => (Stage::Closing, ticks(CLOSING)),
            (Stage::Established | Stage::Closing | Stage::Reset, Reading { syn: true, .. }) => return false,
            (_, Reading { syn: true, .. }) => (Stage::New, ticks(NEW)),
            (Stage::Closing, _) => (Stage::Closing, ticks(CLOSING)),
            // Written down again when the slack is used up.
            (Stage::Established, _)
                if (1..=idle.slack + 1).contains(&entry.until.left(self.now).wrapping_sub(idle.least)) =>
            {
                return false;
            }
            _ => (Stage::Established, idle.least + idle.slack),
        };
        let after = Remembered { stage, until: self.now.after(life), ..*entry };
        let news = after != *entry;
        *entry = after;
        news
    }

    /// A backend was chosen, and is remembered unless there is no place for that.
    fn keep_chosen(&self, seen: &mut Observed, reading: &Reading, expect: &Expect) {
        let Some(backend) = expect.backend else { return };
        let backend = Some(bound(Net::of(reading.service.ip()), backend));
        if let Fate::Evicting(victim) = &expect.fate {
            seen.flows.remove(victim).expect("the victim was there");
        }
        if expect.fate == Fate::Limited {
            return;
        }
        if expect.fate != Fate::Crowded {
            let entry = Remembered { backend, stage: Stage::New, until: self.after(NEW) };
            seen.flows.insert(flow_of(reading), entry);
        }
        self.keep_client(seen, reading, backend);
    }

    /// A client of a service with affinity came, or came back.
    fn keep_client(&self, seen: &mut Observed, reading: &Reading, backend: Option<SocketAddr>) {
        let Some((affinity, name)) = self.client_of(reading) else { return };
        let stage = if self.client(seen, reading).is_some() { Stage::Established } else { Stage::New };
        seen.flows.insert(name, Remembered { backend, stage, until: self.after(affinity.timeout) });
    }

    /// What is remembered of a client of a service with affinity.
    fn client<'s>(&self, seen: &'s Observed, reading: &Reading) -> Option<&'s Remembered> {
        let (_, name) = self.client_of(reading)?;
        seen.flows.get(&name).filter(|entry| entry.until.left(self.now) > 0)
    }

    fn client_of(&self, reading: &Reading) -> Option<(Affinity, Name)> {
        let affinity = self.service(reading)?.affinity?;
        Some((affinity, Name::Client(reading.service_name(), masked(reading.client.ip(), &affinity))))
    }

    fn service(&self, reading: &Reading) -> Option<&ServiceImage> {
        let name = reading.service_name();
        self.image.services.iter().find(|service| service.name == name)
    }

    /// For how long the flow's service remembers idle ones.
    fn idle(&self, reading: &Reading) -> Idle {
        let idle = |service: &ServiceImage| {
            self.clock.idle(service.idle_timeout, service.affinity.map(|affinity| affinity.timeout))
        };
        self.service(reading).map_or(Idle::default(), idle)
    }

    fn after(&self, time: Duration) -> Ticks {
        self.now.after(self.clock.ticks(time))
    }
}

/// The part of an address that makes a client.
fn masked(address: IpAddr, affinity: &Affinity) -> IpAddr {
    match address {
        IpAddr::V4(v4) => {
            let drop = 32 - u32::from(affinity.prefix4);
            IpAddr::from((v4.to_bits() >> drop << drop).to_be_bytes())
        }
        IpAddr::V6(v6) => {
            let drop = 128 - u32::from(affinity.prefix6);
            IpAddr::from((v6.to_bits() >> drop << drop).to_be_bytes())
        }
    }
}
