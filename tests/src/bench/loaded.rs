//! The programs that ship over filled tables, pinned so that another program can run them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context as _;
use aya::Ebpf;
use aya::maps::MapData;
use lb_common::path::verdict::Verdict;
use lb_common::wire::control::Control;
use lb_userspace::core::config::model::{Mode, OnDown, Protocol, TableSizes};
use lb_userspace::core::event::{BackendKey, Mac, NextHop};
use lb_userspace::core::plan::{BackendImage, Hold, Image, ServiceImage, VipImage};
use lb_userspace::core::view::BackendState;
use lb_userspace::io::datapath::{grace, load, verify};
use lb_userspace::tables::clock::Clock;
use lb_userspace::tables::memory::Flows;
use lb_userspace::tables::occupancy;
use lb_userspace::tables::region::Region;
use lb_userspace::tables::sizes::Sizes;
use lb_userspace::tables::writer::Writer;
use tempfile::TempDir;

use super::bpffs::Bpffs;

/// What xdpbench's packets come in by.
const INTERFACE: &str = "lo";
/// Slots of a table that one of many services has; 65537 of each of 10,000 would take 1.4 GB.
const SLOTS_OF_MANY: u32 = 4099;
/// Services of which each can have 65537 slots.
const FEW: u16 = 100;

/// How much is in the tables.
#[derive(Debug, Clone, Copy)]
pub struct Fill {
    /// Services in the directory.
    pub services: u16,
    /// Backends of the measured services.
    pub backends: u16,
    /// Flows that the flow table holds.
    pub flows: u32,
}

/// A loaded and pinned data path, removed when it is dropped. Its flow table is arranged as pivotd does it.
pub struct Loaded {
    _arranging: Arranging,
    writer: Writer,
    _programs: Ebpf,
    program: PathBuf,
    _pins: TempDir,
}

impl Loaded {
    /// Loads it and fills its tables.
    ///
    /// # Errors
    /// What the kernel, or the writer, says.
    pub fn new(bpffs: &Bpffs, fill: Fill) -> anyhow::Result<Self> {
        let pins = bpffs.folder()?;
        let tables = TableSizes {
            services: u32::from(fill.services) + 5,
            backends: 4 * u32::from(fill.backends) + u32::from(fill.services),
            maglev: if fill.services > FEW { SLOTS_OF_MANY } else { 65_537 },
            flows: fill.flows,
            ..TableSizes::default()
        };
        let clock = Clock::of_kernel();
        let loaded = load::load(pins.path(), &Sizes::of(&tables, cpus()?), clock)?;
        let mut writer = Writer::new(loaded.memory, clock, Box::new(grace::wait));
        writer.limit_new_flows(0);
        writer.set_link(INTERFACE, 1, Mac([2, 0, 0, 0, 0, 1]), None)?;
        writer.apply(&image(fill.services, fill.backends, tables.maglev))?;
        let program = pins.path().join("xdp");
        let mut programs = loaded.programs;
        programs.program_mut(loaded.buffers.director()).context("the director")?.pin(&program)?;
        let arranging = Arranging::begin(writer.memory().flows.clone(), pins.path(), clock)?;
        Ok(Self { _arranging: arranging, writer, _programs: programs, program, _pins: pins })
    }

    /// Where its XDP program is pinned.
    #[must_use]
    pub fn program(&self) -> PathBuf {
        self.program.clone()
    }

    /// Says on standard error what became of all packets.
    pub fn print_verdicts(&self) {
        for verdict in Verdict::ALL {
            let packets = self.writer.memory().verdict_packets(*verdict);
            if packets > 0 {
                eprintln!("{}: {packets}", verdict.name());
            }
        }
    }
}

/// Says on standard error how many instructions of each program the verifier processed.
pub fn print_programs() {
    for program in verify::programs() {
        eprintln!("{}: {:?} instructions verified", program.name, program.instructions);
    }
}

/// Arranges the flow table every second, on the CPU that xdpbench leaves free, until it is dropped.
struct Arranging {
    end: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Arranging {
    fn begin(flows: Flows, pins: &Path, clock: Clock) -> anyhow::Result<Self> {
        let control = Region::<Control>::mapped(MapData::from_pin(pins.join("CONTROL"))?.fd(), 1)?;
        let (end, ended) = mpsc::channel();
        let arrange = move || {
            while ended.recv_timeout(Duration::from_secs(1)) == Err(RecvTimeoutError::Timeout) {
                if let Some(control) = control.get(0) {
                    occupancy::arrange(&flows, control, clock.now());
                }
            }
        };
        Ok(Self { end: Some(end), thread: Some(std::thread::spawn(arrange)) })
    }
}

impl Drop for Arranging {
    fn drop(&mut self) {
        drop(self.end.take());
        // One that panicked has nothing to end.
        self.thread.take().map(JoinHandle::join);
    }
}

fn cpus() -> anyhow::Result<u32> {
    Ok(aya::util::nr_cpus().map_err(|(what, error)| anyhow::anyhow!("{what}: {error}"))? as u32)
}

/// The VIPs that xdpbench sends to, with as many services as asked for; the first has the backends, over TCP and UDP.
fn image(services: u16, backends: u16, slots: u32) -> Image {
    let vip = |name: &str, address: IpAddr| VipImage {
        name: name.into(),
        address,
        interface: INTERFACE.into(),
        hold: Hold::Yes,
        holder: None,
        speaker: None,
    };
    let vips =
        vec![vip("four", IpAddr::from([10, 200, 5, 1])), vip("six", IpAddr::from([0xfc00, 5, 0, 0, 0, 0, 0, 1]))];
    let measured = ["four", "six"]
        .into_iter()
        .flat_map(|vip| [Protocol::Tcp, Protocol::Udp].map(|protocol| service(vip, 80, protocol, backends, slots)));
    let others = (1..services).map(|i| service("four", 80 + i, Protocol::Tcp, 1, slots));
    Image { services: measured.chain(others).collect(), vips, ..Image::default() }
}

fn service(vip: &str, port: u16, protocol: Protocol, backends: u16, slots: u32) -> ServiceImage {
    let name = format!("{vip}-{}-{port}", protocol.name());
    let backend = |number: u16| {
        let [high, low] = number.to_be_bytes();
        BackendImage {
            key: BackendKey { service: name.clone(), backend: format!("b{number}") },
            address: IpAddr::from([10, 201, high, low]),
            port: 80,
            mode: Mode::L2,
            local: false,
            state: BackendState::Up,
            drained: false,
            next_hop: Some(NextHop { interface: INTERFACE.into(), mac: Mac([2, 0, 0, 1, high, low]) }),
        }
    };
    ServiceImage {
        name: name.clone(),
        vip: vip.into(),
        port,
        protocol,
        idle_timeout: Duration::from_secs(86_400),
        affinity: None,
        on_down: OnDown::Reset,
        backends: (0..backends).map(backend).collect(),
        single: false,
        table: (0..slots).map(|slot| (slot % u32::from(backends)) as u16).collect(),
    }
}
