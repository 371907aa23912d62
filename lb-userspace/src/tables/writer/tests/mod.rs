//! The writer over tables on the heap, judged by what the packet path does with them.

mod adoption;
mod crash;
mod cut;
mod elsewhere;
mod exceptions;
mod flows;
mod links;
mod model;
mod remembered;
mod room;
mod single;
mod torture;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lb_common::host::Frame;
use lb_common::net::bytes::Packet;
use lb_common::net::ethernet::Ethernet;
use lb_common::path::run;
use lb_common::path::tables::Tables;
use lb_common::path::verdict::Verdict;
use lb_common::wire::Line;
use lb_common::wire::directory::Slot;
use lb_common::wire::word::Word;

use super::*;
use crate::core::config::model::{Mode, OnDown, TableSizes};
use crate::core::event::NextHop;
use crate::core::maglev::{self, Entry};
use crate::core::plan::{BackendImage, Hold, ServiceImage, VipImage};
use crate::tables::sizes::Sizes;

const INTERFACE: u32 = 2;
const CLOCK: Clock = Clock::with_hz(1000);
const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
const SYN: u8 = 0x02;
const ACK: u8 = 0x10;

/// Slots of every Maglev table here.
const SLOTS: u32 = 251;

fn sizes(services: u32, backends: u32) -> Sizes {
    let tables = TableSizes { services, backends, flows: 8192, maglev: SLOTS, ..TableSizes::default() };
    Sizes::of(&tables, 1)
}

/// A writer over empty tables for this many services and backends; packets under way end at once.
fn writer(services: u32, backends: u32) -> Writer {
    on(TableMemory::heap(&sizes(services, backends), CLOCK))
}

fn on(memory: TableMemory) -> Writer {
    let mut writer = Writer::new(memory, CLOCK, Box::new(|| Ok(())));
    writer.set_link("eth0", INTERFACE, OWN, None).unwrap();
    writer
}

/// A writer that knows nothing but the tables of another, and the interface, as a daemon that takes over.
fn successor(memory: TableMemory) -> (Writer, Vec<Adopted>) {
    let (mut writer, adopted) = Writer::adopt(memory, CLOCK, Box::new(|| Ok(())));
    writer.set_link("eth0", INTERFACE, OWN, None).unwrap();
    (writer, adopted)
}

fn vip_address(vip: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 1, vip)
}

fn vip(number: u8) -> VipImage {
    let (name, interface) = (format!("vip{number}"), "eth0".to_owned());
    VipImage { name, address: vip_address(number).into(), interface, hold: Hold::Yes, holder: None, speaker: None }
}

/// A backend of the service on this port, by number; it has a MAC of its own.
fn backend(service: u16, number: u8, state: BackendState) -> BackendImage {
    BackendImage {
        key: BackendKey { service: service.to_string(), backend: number.to_string() },
        address: Ipv4Addr::new(10, 0, 0, number).into(),
        port: service,
        mode: Mode::L2,
        local: false,
        state,
        drained: state == BackendState::Drain,
        next_hop: Some(NextHop { interface: "eth0".to_owned(), mac: mac(service, number) }),
    }
}

fn mac(service: u16, number: u8) -> Mac {
    let [high, low] = service.to_be_bytes();
    Mac([2, 0, 1, high, low, number])
}

/// A service on VIP 1 whose backends are up or not as said, with the table that the controller would deal.
fn service(port: u16, backends: &[(u8, BackendState)]) -> ServiceImage {
    service_on(1, port, backends.iter().map(|(number, state)| backend(port, *number, *state)).collect())
}

fn service_on(vip: u8, port: u16, backends: Vec<BackendImage>) -> ServiceImage {
    let entry = |backend: &BackendImage| Entry {
        identity: SocketAddr::new(backend.address, backend.port),
        weight: 100,
        present: backend.state == BackendState::Up,
    };
    let table = maglev::build(&backends.iter().map(entry).collect::<Vec<_>>(), SLOTS);
    let name = format!("{vip}:{port}");
    let idle_timeout = std::time::Duration::from_secs(60);
    let (vip, protocol) = (format!("vip{vip}"), Protocol::Tcp);
    let (affinity, on_down, single) = (None, OnDown::Reset, false);
    ServiceImage { name, vip, port, protocol, idle_timeout, affinity, on_down, backends, single, table }
}

fn image(services: Vec<ServiceImage>) -> Image {
    Image { vips: vec![vip(1)], services, ..Image::default() }
}

fn endpoint(port: u16) -> Endpoint {
    (vip_address(1).into(), port, Protocol::Tcp)
}

/// A TCP segment without payload from a client to a VIP.
fn segment(client: u16, vip: u8, port: u16, flags: u8) -> Frame {
    let mut frame = Vec::new();
    frame.extend(OWN.0);
    frame.extend([2, 0, 0, 0, 0, 9, 0x08, 0x00]);
    frame.extend([0x45, 0, 0, 40, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 9, 9, 9]);
    frame.extend(vip_address(vip).octets());
    frame.extend(client.to_be_bytes());
    frame.extend(port.to_be_bytes());
    frame.extend([0, 0, 0, 1, 0, 0, 0, 1, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    Frame(frame)
}

/// What the packet path does with a segment, and the MAC that it leaves for.
fn send<T: Tables>(tables: &T, client: u16, vip: u8, port: u16, flags: u8) -> (Verdict, Mac) {
    let mut frame = segment(client, vip, port, flags);
    let verdict = run::run(&mut frame, tables, INTERFACE).verdict;
    let ethernet = frame.header::<Ethernet>(0).unwrap();
    let [a, b, c, d, e, f, ..] = ethernet.destination.mac48().to_le_bytes();
    (verdict, Mac([a, b, c, d, e, f]))
}

/// The backend of the service on this port of VIP 1 that a segment is forwarded to, by number.
#[track_caller]
fn forwarded(writer: &Writer, client: u16, port: u16, flags: u8) -> u8 {
    let (verdict, to) = send(writer.memory(), client, 1, port, flags);
    assert_eq!(verdict, Verdict::Forwarded, "client {client} to port {port}");
    assert_eq!(to, mac(port, to.0[5]), "client {client} to port {port}");
    to.0[5]
}

/// The words of all tables that packets are led by.
#[derive(Debug, PartialEq)]
struct Snapshot {
    generation: u64,
    pilots: Vec<Line>,
    directory: Vec<Slot>,
    vips: Vec<[u64; 3]>,
    controllers: Vec<u64>,
    services: Vec<[u64; 3]>,
    maglev: Vec<Line>,
    backends: Vec<([u64; 3], Address)>,
}

fn snapshot(memory: &TableMemory) -> Snapshot {
    Snapshot {
        generation: memory.control_record().generation.get(),
        pilots: memory.pilots.iter().copied().collect(),
        directory: memory.directory.iter().copied().collect(),
        vips: memory.vips.iter().map(|vip| [&vip.lease, &vip.elsewhere, &vip.speaker].map(Word::get)).collect(),
        controllers: memory.controllers.iter().flat_map(|macs| macs.0.each_ref().map(Word::get)).collect(),
        services: memory.services.iter().map(|s| [s.table.get(), s.local.get(), s.affinity.get()]).collect(),
        maglev: memory.maglev.iter().copied().collect(),
        backends: memory
            .backends
            .iter()
            .map(|b| ([&b.hop, &b.identity, &b.drained].map(Word::get), b.address))
            .collect(),
    }
}
