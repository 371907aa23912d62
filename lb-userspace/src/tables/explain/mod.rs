//! What would become of a packet, stage by stage: the packet path itself, run over the tables as they are.
//!
//! - [`scratch`]: the tables; what the path writes goes nowhere.
//! - [`frame`]: the packet.
//! - [`stages`]: what each stage of the path found.

mod frame;
mod scratch;
mod stages;
#[cfg(test)]
mod tests;

use lb_common::net::bytes::Packet;
use lb_common::net::ethernet::Ethernet;
use lb_common::path::family::{V4, V6};
use lb_common::path::run;
use lb_common::path::verdict::Action;
use lb_common::wire::link::Port;

use self::scratch::Scratch;
use self::stages::Stages;
use super::writer::Writer;
use crate::core::event::Mac;
use crate::core::explain::Question;
use crate::core::view::{ExplainView, LeavesView};

/// Where the packet comes in, and who else there is.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Name of the interface.
    pub interface: &'a str,
    /// Its index.
    pub index: u32,
    /// Host that holds the VIP, if the destination is one.
    pub holder: Option<&'a str>,
    /// The time, in jiffies.
    pub now: u64,
}

/// What would become of the packet. Changes nothing.
#[must_use]
pub fn explain(writer: &Writer, question: &Question, place: Place<'_>) -> ExplainView {
    let memory = writer.memory();
    let link = memory.links.get(place.index as usize).map(|link| Port::unpack(link.port.get()));
    let own = link.map_or(0, |port| port.mac48);
    let mut frame = frame::build(question, own);
    let len = frame.0.len();
    let tables = Scratch::new(memory, place.now, question.as_holder);
    let exit = run::run(&mut frame, &tables, place.index);

    let mut stages = Stages::new(writer, question, place, &tables, exit);
    stages.say("interface", format!("{}, {}", place.interface, mac(own)));
    stages.say("packet", format!("{}, {len} bytes to this host's MAC", question.packet()));
    // What was found before anything was written: the path's own copies tell of afterwards.
    let before = Scratch::new(memory, place.now, question.as_holder);
    if question.destination.is_ipv4() {
        stages.find::<V4>(&before);
    } else {
        stages.find::<V6>(&before);
    }
    let leaves = frame.header::<Ethernet>(0).and_then(|ethernet| {
        let interface = match exit.verdict.action() {
            Action::Transmit => place.interface.to_owned(),
            Action::Redirect => stages.port_name(exit.port as u8),
            Action::Pass | Action::Drop | Action::Abort => return None,
        };
        let (source, destination) = (mac(ethernet.source.mac48()), mac(ethernet.destination.mac48()));
        Some(LeavesView { interface, source, destination, bytes: frame.0.len() as u64 })
    });
    let (service, backend, stages) = stages.end();
    ExplainView {
        packet: question.packet(),
        as_holder: question.as_holder,
        service,
        backend,
        verdict: exit.verdict.name().to_owned(),
        action: action(exit.verdict.action()).to_owned(),
        leaves,
        stages,
    }
}

/// What becomes of a packet, in a word.
fn action(action: Action) -> &'static str {
    match action {
        Action::Pass => "pass",
        Action::Drop => "drop",
        Action::Transmit => "transmit",
        Action::Redirect => "redirect",
        Action::Abort => "abort",
    }
}

/// A MAC for people.
fn mac(mac48: u64) -> String {
    let [a, b, c, d, e, f, ..] = mac48.to_le_bytes();
    Mac([a, b, c, d, e, f]).to_string()
}
