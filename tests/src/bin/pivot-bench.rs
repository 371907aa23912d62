//! Loads the packet path with filled tables and pins its program, for `xdpbench` to measure.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::Parser;
use lb_userspace::core::config::model::{Mode, Protocol, TableSizes};
use lb_userspace::core::event::{BackendKey, Mac};
use lb_userspace::core::plan::{BackendImage, Image, ServiceImage, VipImage};
use lb_userspace::core::view::BackendState;
use lb_userspace::io::datapath::{grace, load};
use lb_userspace::tables::sizes::Sizes;
use lb_userspace::tables::writer::Writer;

/// Runs xdpbench over pivot's XDP program, beside the reference.
#[derive(Parser)]
struct Args {
    /// The xdpbench binary.
    #[arg(long)]
    xdpbench: PathBuf,
    /// Services in the directory.
    #[arg(long, default_value_t = 1)]
    services: u16,
    /// Backends of the measured service.
    #[arg(long, default_value_t = 100)]
    backends: u16,
    /// Flows in each CPU's cache.
    #[arg(long, default_value_t = TableSizes::default().flow_cache)]
    flow_cache: u32,
    /// Passed on to xdpbench.
    #[arg(last = true)]
    rest: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    let pins = tempfile::Builder::new().prefix("pivot-bench-").tempdir_in("/sys/fs/bpf").context("bpffs")?;
    let tables = TableSizes {
        services: u32::from(args.services) + 1,
        maglev: if args.services > 100 { 4099 } else { 65_537 },
        flow_cache: args.flow_cache,
        ..TableSizes::default()
    };
    let loaded = load::load(pins.path(), &Sizes::of(&tables, cpus()?))?;
    let mut writer = Writer::new(loaded.memory, Box::new(grace::wait));
    writer.set_link("lo", 1, Mac([2, 0, 0, 0, 0, 1]), None)?;
    writer.apply(&image(args.services, args.backends, tables.maglev))?;
    let program = pins.path().join("xdp");
    let mut programs = loaded.programs;
    for name in load::PROGRAMS {
        let info = programs.program(name).context(name)?.info()?;
        eprintln!("{name}: {:?} instructions verified", info.verified_instruction_count());
    }
    programs.program_mut("pivot_xdp").context("pivot_xdp")?.pin(&program)?;
    let status = Command::new(&args.xdpbench)
        .arg("-R")
        .arg("-p")
        .arg(format!("pivot={}", program.display()))
        .args(&args.rest)
        .status()
        .with_context(|| args.xdpbench.display().to_string())?;
    for verdict in lb_common::path::verdict::Verdict::ALL {
        let packets = writer.memory().verdict_packets(*verdict);
        if packets > 0 {
            eprintln!("{}: {packets}", verdict.name());
        }
    }
    if !status.success() {
        bail!("xdpbench: {status}");
    }
    Ok(())
}

fn cpus() -> anyhow::Result<u32> {
    Ok(aya::util::nr_cpus().map_err(|(what, error)| anyhow::anyhow!("{what}: {error}"))? as u32)
}

fn image(services: u16, backends: u16, slots: u32) -> Image {
    let vip = VipImage { name: "vip".into(), address: IpAddr::from([10, 200, 5, 1]), held: true };
    let service = |i: u16| ServiceImage {
        name: format!("s{i}"),
        vip: vip.name.clone(),
        port: 80 + i,
        protocol: Protocol::Tcp,
        backends: (0..if i == 0 { backends } else { 1 }).map(|b| backend(i, b)).collect(),
        table: (0..slots).map(|slot| if i == 0 { (slot % u32::from(backends)) as u16 } else { 0 }).collect(),
    };
    Image { services: (0..services).map(service).collect(), vips: vec![vip] }
}

fn backend(service: u16, backend: u16) -> BackendImage {
    let [high, low] = backend.to_be_bytes();
    BackendImage {
        key: BackendKey { service: format!("s{service}"), backend: format!("b{backend}") },
        address: IpAddr::from([10, 201, high, low]),
        port: 80,
        mode: Mode::L2,
        local: false,
        state: BackendState::Up,
        mac: Some(Mac([2, 0, 0, 1, high, low])),
    }
}
