//! What each stage of the path found, in words.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use lb_common::net::hash;
use lb_common::path::affinity::Client;
use lb_common::path::choices;
use lb_common::path::family::{Family, V4, V6};
use lb_common::path::flow::{Flow, Moment};
use lb_common::path::run::Exit;
use lb_common::path::service;
use lb_common::path::steer;
use lb_common::path::tables::Tables;
use lb_common::path::verdict::{Action, Verdict};
use lb_common::wire::address::Address;
use lb_common::wire::backend::{Hop, Identity, State, Way};
use lb_common::wire::control::Control;
use lb_common::wire::directory::{Key, Slot};
use lb_common::wire::flow::{Entry, Stage};
use lb_common::wire::service::{Affinity, Service, Table};

use super::scratch::Scratch;
use super::{Place, mac};
use crate::core::config::model::Protocol;
use crate::core::explain::Question;
use crate::core::view::ExplainStage;
use crate::tables::writer::Writer;

/// Most VIPs or services that are listed.
const LISTED: usize = 8;

/// The stages so far.
pub(super) struct Stages<'a> {
    writer: &'a Writer,
    question: &'a Question,
    place: Place<'a>,
    /// The tables that the path ran over.
    after: &'a Scratch<'a>,
    exit: Exit,
    service: Option<String>,
    stages: Vec<ExplainStage>,
}

impl<'a> Stages<'a> {
    pub(super) fn new(
        writer: &'a Writer,
        question: &'a Question,
        place: Place<'a>,
        after: &'a Scratch<'a>,
        exit: Exit,
    ) -> Self {
        Self { writer, question, place, after, exit, service: None, stages: Vec::new() }
    }

    pub(super) fn say(&mut self, stage: &str, says: impl Into<String>) {
        self.stages.push(ExplainStage { stage: stage.to_owned(), says: says.into() });
    }

    /// Service, backend and stages.
    pub(super) fn end(self) -> (Option<String>, Option<String>, Vec<ExplainStage>) {
        let backend = self.after.given().map(|index| self.backend_name(index));
        (self.service, backend, self.stages)
    }

    /// An interface by its port.
    pub(super) fn port_name(&self, number: u8) -> String {
        self.writer.port_name(number).map_or_else(|| format!("port {number}, no interface any more"), str::to_owned)
    }

    /// Goes through the stages behind the headers. `before`: the tables as the packet finds them.
    pub(super) fn find<F: Family>(&mut self, before: &Scratch<'_>) {
        if let Some(control) = before.control() {
            self.service::<F>(before, control);
        }
        self.agent();
        self.verdict();
    }

    fn key(&self) -> Key {
        let Question { destination, protocol, .. } = self.question;
        Key::new(Address::from(destination.ip()), destination.port().to_be(), protocol.number())
    }

    fn service<F: Family>(&mut self, before: &Scratch<'_>, control: &Control) {
        let (slot, destination) = match service::find(before, control, &self.key()) {
            Ok((slot, hash)) => (*slot, hash),
            Err(_) => return self.no_service(before, control),
        };
        let name = named(self.writer.names().services.get(&slot.service), slot.service);
        self.service = Some(name.clone());
        self.say("service", name);
        if !self.holds(before, &slot) {
            return;
        }
        let Some(service) = before.service(slot.service) else { return };
        let hash = self.flow::<F>(before, control, &slot, service, destination);
        if let Some(index) = self.after.given() {
            self.backend(index);
            if let Some(hash) = hash.filter(|_| self.question.protocol == Protocol::Tcp) {
                self.second_chance(before, service, hash, index);
            }
        }
    }

    fn no_service(&mut self, before: &Scratch<'_>, control: &Control) {
        let destination = self.question.destination;
        let is_vip = service::look_up(before, control, &Key::vip(Address::from(destination.ip())));
        if !matches!(is_vip, Ok((Some(_), _))) {
            let vips = self.writer.vips().iter().map(IpAddr::to_string).collect();
            return self.say("service", format!("none: {} is no VIP; the VIPs are {}", destination.ip(), list(vips)));
        }
        let served = self.writer.endpoints().into_iter().filter(|(vip, ..)| *vip == destination.ip());
        let served = list(served.map(|(_, port, protocol)| format!("{port}/{}", protocol.name())).collect());
        let asked = format!("{}/{}", destination.port(), self.question.protocol.name());
        self.say("service", format!("none: VIP {} has nothing on {asked}; it serves {served}", destination.ip()));
    }

    /// Whether this host answers for the VIP, or is taken to.
    fn holds(&mut self, before: &Scratch<'_>, slot: &Slot) -> bool {
        let vip = named(self.writer.names().vips.get(&slot.vip), slot.vip);
        let really = self.writer.memory().vip(slot.vip).is_some_and(|vip| vip.held(self.place.now));
        let holder = self.place.holder.unwrap_or("no host");
        let says = match (really, self.question.as_holder) {
            (true, _) => format!("{vip} is held by this host"),
            (false, true) => format!("{vip} is held by {holder}; from here on, what a host does that holds it"),
            (false, false) => {
                let fate = match self.exit.verdict {
                    Verdict::PassedOn | Verdict::PassedOnBeyond => format!("passed on to {holder}"),
                    Verdict::HolderUnknown => {
                        "dropped, as it is not known where the holder is, or if it still is one".to_owned()
                    }
                    _ => "delivered".to_owned(),
                };
                format!(
                    "{vip} is held by {holder}, not by this host: what another controller sends here is delivered, what a client \
                     sends is {fate} (see --as-holder)"
                )
            }
        };
        self.say("vip", says);
        before.vip(slot.vip).is_some_and(|vip| vip.held(self.place.now))
    }

    /// The hash by which the flow's backend is chosen.
    fn flow<F: Family>(
        &mut self,
        before: &Scratch<'_>,
        control: &Control,
        slot: &Slot,
        service: &Service,
        destination: u64,
    ) -> Option<u64> {
        let (client, port) = (Address::from(self.question.source.ip()), self.question.source.port().to_be());
        let now = Moment::of(self.place.now).ticks;
        let flow = Flow::<F>::of(before, control, client, port, slot.service, destination).ok()?;
        let entry = flow.place.find(before, control).ok().flatten().and_then(|cell| flow.place.entry(cell, now));
        let chosen = self.after.counted().chosen.get() > 0;
        let kept = entry.map(|entry| self.entry(entry));
        self.say(
            "flow",
            match (kept, chosen) {
                (Some(kept), false) => format!("known: {kept}"),
                (Some(kept), true) => format!("known: {kept}; but it is chosen anew"),
                (None, _) => self.new_flow(),
            },
        );
        let affinity = Affinity::unpack(service.affinity.get());
        let client = affinity.and_then(|a| Client::<F>::of(before, control, a, client, slot.service, destination).ok());
        let mut sticks = false;
        if let (Some(affinity), Some(client)) = (affinity, &client) {
            let known = client.known(before, control, Moment::of(self.place.now)).ok().flatten();
            sticks = known.is_some();
            let masked = IpAddr::from(F::mask(Address::from(self.question.source.ip()), affinity.prefix));
            let who = format!("client {masked}/{} ({})", affinity.prefix, self.time(affinity.life));
            let says = known.map_or_else(
                || format!("{who} has no backend that takes new flows"),
                |given| format!("{who} has {}", self.backend_name(given.backend)),
            );
            self.say("affinity", says);
        }
        let untouched = entry.is_some() && !chosen && self.exit.verdict != Verdict::ResetBackendDown;
        let hash = client.map_or_else(|| flow.place.hash(), |client| client.hash);
        if !untouched && !sticks && self.exit.verdict != Verdict::ResetBackendDown {
            self.select(before, service, hash);
        }
        Some(hash)
    }

    /// What becomes of a SYN to which nothing listens there.
    fn second_chance(&mut self, before: &Scratch<'_>, service: &Service, hash: u64, refused: u16) {
        let says = match choices::next(before, service, hash, refused) {
            Ok(next) => format!("a SYN to which nothing listens there goes to {}", self.backend_name(next.backend)),
            Err(_) => "a SYN to which nothing listens there is refused: no other backend is left".to_owned(),
        };
        self.say("then", says);
    }

    /// What the flow table does about a flow that is not in it.
    fn new_flow(&self) -> String {
        let counted = self.after.counted();
        let place = match (counted.evicted.get(), counted.crowded.get()) {
            (0, 0) => "",
            (_, 0) => "; it would take the place of another new flow",
            _ => "; the flow table has no place for it",
        };
        format!("not known{place}")
    }

    fn select(&mut self, before: &Scratch<'_>, service: &Service, hash: u64) {
        let table = Table::unpack(service.table.get());
        if table.slots == 0 {
            return self.say("select", "no backend takes new flows");
        }
        let number = hash::reduce(hash::fold(hash, 0), table.slots);
        let chosen = lb_common::path::select::choose(before, service, hash).ok();
        let chosen = chosen.map_or_else(|| "a backend that went down".to_owned(), |g| self.backend_name(g.backend));
        self.say("select", format!("slot {number} of {}: {chosen}", table.slots));
    }

    fn backend(&mut self, index: u16) {
        let Some(record) = self.writer.memory().backend(index) else { return };
        let (hop, identity) = (Hop::from_word(record.hop.get()), Identity::unpack(record.identity.get()));
        let bound = SocketAddr::new(IpAddr::from(record.address), u16::from_be(identity.port));
        let way = match hop.way() {
            Some(Way::Local) => "on this host".to_owned(),
            Some(Way::L2) if hop.mac48() == 0 => "its MAC is not resolved".to_owned(),
            Some(Way::L2) => format!("by {} to {}", self.port_name(hop.port()), mac(hop.mac48())),
            None => "reached in a way that this pivot does not know".to_owned(),
        };
        let says = format!("{} at {bound}, {}, {way}", self.backend_name(index), state(hop.state()));
        self.say("backend", says);
    }

    /// What this host's agent does with a connection that the stack gets.
    fn agent(&mut self) {
        if self.question.protocol != Protocol::Tcp || !matches!(self.exit.verdict, Verdict::Local | Verdict::NotHeld) {
            return;
        }
        let Question { source, .. } = self.question;
        let (client, port) = (Address::from(source.ip()), source.port().to_be());
        let listener = if source.is_ipv4() {
            steer::listener::<V4, _>(self.after, &self.key(), client, port)
        } else {
            steer::listener::<V6, _>(self.after, &self.key(), client, port)
        };
        let says = match listener.ok().and_then(|index| Some((index, self.writer.memory().backend(index)?))) {
            Some((index, record)) => {
                let port = u16::from_be(Identity::unpack(record.identity.get()).port);
                let bound = SocketAddr::new(IpAddr::from(record.address), port);
                format!("connections that open here go to the socket of {} at {bound}", self.backend_name(index))
            }
            None => "no backend of the service runs on this host".to_owned(),
        };
        self.say("agent", says);
    }

    fn verdict(&mut self) {
        let what = match self.exit.verdict.action() {
            Action::Pass => "up the stack of this host".to_owned(),
            Action::Drop => "dropped".to_owned(),
            Action::Transmit => format!("out of {}", self.place.interface),
            Action::Redirect => format!("out of {}", self.port_name(self.exit.port as u8)),
            Action::Abort => "dropped: the tables contradict each other, please report it".to_owned(),
        };
        self.say("verdict", format!("{}: {what}", self.exit.verdict.name()));
    }

    /// An entry of the flow table.
    fn entry(&self, entry: Entry) -> String {
        let (clock, tag) = (self.writer.clock(), entry.tag());
        let stage = match tag.stage() {
            Stage::New => "new",
            Stage::Established => "established",
            Stage::Closing => "closing",
            Stage::Reset => "reset",
        };
        let left = clock.time(tag.until().left(Moment::of(self.place.now).ticks));
        let record = self.writer.memory().backend(entry.backend());
        let same = record.is_some_and(|r| Identity::unpack(r.identity.get()).generation == entry.generation());
        let backend = if same { self.backend_name(entry.backend()) } else { "a backend that is gone".to_owned() };
        format!("{backend}, {stage}, forgotten in {} s unless another packet comes", seconds(left))
    }

    fn time(&self, ticks: u32) -> String {
        format!("{} s", seconds(self.writer.clock().time(ticks)))
    }

    fn backend_name(&self, index: u16) -> String {
        named(self.writer.names().backends.get(&index), index)
    }
}

fn seconds(time: Duration) -> u64 {
    time.as_secs_f64().round() as u64
}

fn state(state: State) -> &'static str {
    match state {
        State::Absent => "absent",
        State::Up => "up",
        State::Drain => "drained",
        State::Down => "down",
        State::Leaving => "no longer configured",
        State::Kept => "down, its flows kept",
    }
}

fn named(name: Option<&impl ToString>, index: u16) -> String {
    name.map_or_else(|| format!("#{index} (removed)"), ToString::to_string)
}

/// Some of a list, and how many more there are.
fn list(mut items: Vec<String>) -> String {
    items.sort();
    let more = items.len().saturating_sub(LISTED);
    items.truncate(LISTED);
    match (items.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => items.join(", "),
        (false, more) => format!("{}, and {more} more", items.join(", ")),
    }
}
