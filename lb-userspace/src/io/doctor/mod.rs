//! Looks at the host for `pivot doctor`: the names of interfaces or a configuration in, facts out. It only reads: maps and
//! programs that are tried are gone when it returns, and nothing is attached.

mod ethtool;
mod links;
mod settings;
mod xdp_features;

use std::collections::HashMap;
use std::path::Path;

use aya::programs::loaded_programs;
use rustix::process::Resource;

use crate::core::config::Config as Configuration;
use crate::core::doctor::facts::{Config, Facts, Kernel, Process};
use crate::core::doctor::interface::{Attached, Interface};
use crate::core::features;
use crate::io::datapath::{self, verify};
use crate::io::features::probe;
use crate::io::instance::{BPFFS_ROOT, is_bpffs, shared_pin_dir};
use crate::io::netlink::{Netlink, NetlinkError};
use crate::io::preflight::{self, ProblemKind};
use ethtool::Ethtool;
use links::Links;
use xdp_features::XdpFeatures;

/// What a configuration says that matters here, and this host's name.
#[must_use]
pub fn config(file: &Path, config: &Configuration) -> Config {
    Config::Good {
        file: file.display().to_string(),
        hosts: config.hosts.iter().map(|host| host.name.clone()).collect(),
        own: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        vips: config.vips.iter().map(|vip| (vip.address, vip.interface.clone())).collect(),
    }
}

/// Looks at this host: at the interfaces of these names; without any, at those of the configuration's VIPs; without those,
/// at all that lead to other hosts.
///
/// # Errors
/// [`NetlinkError`], if the interfaces cannot be listed.
///
/// # Panics
/// Outside a tokio runtime.
pub async fn look(config: Config, interfaces: Vec<String>) -> Result<Facts, NetlinkError> {
    let links = Links::new(Netlink::connect()?.links().await?);
    let names = chosen(&config, interfaces, &links);
    let (interfaces, unusable) = look_at(&links, names);
    // Before anything is tried: that raises it.
    let memlock = rustix::process::getrlimit(Resource::Memlock).current;
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    Ok(Facts {
        kernel: Kernel { version: version(&release), release },
        cpus: aya::util::online_cpus().map_or(1, |cpus| cpus.len() as u32),
        page: rustix::param::page_size() as u32,
        process: process(),
        config,
        features: tried(),
        settings: settings::of_host(),
        memlock,
        bpffs: is_bpffs(Path::new(BPFFS_ROOT)).ok(),
        cgroup2: settings::cgroup2(),
        interfaces,
        unusable,
    })
}

/// What the kernel can do. Without privileges nobody is told whether it takes programs.
fn tried() -> features::Kernel {
    let allowed = preflight::missing().is_ok_and(|missing| missing.is_empty());
    let programs = if allowed { verify::programs() } else { Vec::new() };
    features::Kernel { features: probe(), programs }
}

/// Major and minor number of what `uname -r` prints ("6.1.0-18-amd64"), if it has them.
fn version(release: &str) -> Option<(u32, u32)> {
    let (major, rest) = release.split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

fn chosen(config: &Config, mut named: Vec<String>, links: &Links) -> Vec<String> {
    if named.is_empty()
        && let Config::Good { vips, .. } = config
    {
        named = vips.iter().map(|(_, interface)| interface.clone()).collect();
    }
    if named.is_empty() {
        named = links.outward();
    }
    named.sort();
    named.dedup();
    named
}

fn process() -> Process {
    let missing = preflight::missing().unwrap_or_default();
    let problems = preflight::check().err().unwrap_or_default();
    let refused = problems.into_iter().filter(|problem| missing.is_empty() || problem.kind == ProblemKind::Kernel);
    Process {
        root: rustix::process::geteuid().is_root(),
        missing: missing.iter().map(ToString::to_string).collect(),
        refused: refused.map(|problem| problem.message).collect(),
    }
}

/// What each interface says of itself, and those that are of no use.
fn look_at(links: &Links, names: Vec<String>) -> (Vec<Interface>, Vec<(String, String)>) {
    // Where the kernel refuses one of these, what it would have told is left out.
    let (ethtool, xdp) = (Ethtool::open().ok(), XdpFeatures::open().ok());
    let (mut usable, mut unusable) = (Vec::new(), Vec::new());
    for name in names {
        match links.interface(&name) {
            Err(why) => unusable.push((name, why)),
            Ok((index, interface)) => {
                let settings = settings::of_interface(&name);
                let xdp = xdp.as_ref().and_then(|xdp| xdp.of(index));
                let mut interface = Interface { xdp, settings, ..interface };
                if let Some(ethtool) = &ethtool {
                    ask_driver(ethtool, &mut interface);
                }
                usable.push(interface);
            }
        }
    }
    name_programs(&mut usable);
    (usable, unusable)
}

fn ask_driver(ethtool: &Ethtool, interface: &mut Interface) {
    interface.driver = ethtool.driver(&interface.name);
    interface.queues = ethtool.queues(&interface.name);
    interface.offloads = ethtool.offloads(&interface.name);
    for member in interface.bond.iter_mut().flat_map(|bond| &mut bond.members) {
        member.driver = ethtool.driver(&member.name);
        member.offloads = ethtool.offloads(&member.name);
    }
}

/// Fills in whose the attached programs are, as far as this process may know.
fn name_programs(interfaces: &mut [Interface]) {
    if interfaces.iter().all(|interface| interface.programs.is_empty()) {
        return;
    }
    let loaded = loaded_programs().map_while(Result::ok);
    let names: HashMap<u32, String> =
        loaded.filter_map(|program| Some((program.id(), program.name_as_str()?.to_owned()))).collect();
    for interface in interfaces {
        let instance = instance_on(&interface.name);
        for program in &mut interface.programs {
            let Attached { id, name, .. } = program;
            *name = names.get(id).cloned();
            program.instance.clone_from(&instance);
        }
    }
}

/// The instance of pivotd that has a link of its XDP program to this interface pinned.
fn instance_on(interface: &str) -> Option<String> {
    let instances = std::fs::read_dir(shared_pin_dir(Path::new(BPFFS_ROOT))).ok()?;
    let pinned = |pins: &Path| datapath::attach::director_pin(pins, interface).exists();
    let holder = instances.filter_map(Result::ok).find(|instance| pinned(&instance.path()))?;
    Some(holder.file_name().to_string_lossy().into_owned())
}
