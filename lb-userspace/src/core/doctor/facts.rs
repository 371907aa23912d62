//! What was seen on a host: data without judgement, made by `io::doctor` or by a test.

use std::net::IpAddr;

use serde::Serialize;

use super::interface::Interface;
use crate::core::features;

/// Everything that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The running kernel.
    pub kernel: Kernel,
    /// CPUs that are at work.
    pub cpus: u32,
    /// Bytes of a page.
    pub page: u32,
    /// Who looks.
    pub process: Process,
    /// The configuration file.
    pub config: Config,
    /// What the kernel was found to offer.
    pub features: features::Kernel,
    /// Settings of the whole host (or of its network namespace).
    pub settings: Settings,
    /// Most memory that this process may lock, in bytes; none if there is no limit.
    pub memlock: Option<u64>,
    /// Whether a bpffs is mounted where pivotd pins; none if that cannot be told.
    pub bpffs: Option<bool>,
    /// Where the hierarchy of cgroup v2 is mounted.
    pub cgroup2: Option<String>,
    /// The interfaces that were looked at.
    pub interfaces: Vec<Interface>,
    /// Those that were asked for, and cannot be used: name and why.
    pub unusable: Vec<(String, String)>,
}

/// The running kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kernel {
    /// What `uname -r` prints.
    pub release: String,
    /// Its major and minor number, if they can be read.
    pub version: Option<(u32, u32)>,
}

impl Kernel {
    /// Whether it is known to be older than this version.
    pub(super) fn is_before(&self, version: (u32, u32)) -> bool {
        self.version.is_some_and(|own| own < version)
    }
}

/// Who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Whether it runs as root.
    pub root: bool,
    /// Capabilities that pivotd needs and this process lacks.
    pub missing: Vec<String>,
    /// What else would keep pivotd from starting, with the way out.
    pub refused: Vec<String>,
}

/// The configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Config {
    /// There is none.
    None,
    /// It has no errors.
    Good {
        /// The file.
        file: String,
        /// Hosts in it.
        hosts: Vec<String>,
        /// The name by which this host would look for itself.
        own: String,
        /// Its VIPs: address and interface.
        vips: Vec<(IpAddr, String)>,
    },
    /// It cannot be used.
    Bad {
        /// The file.
        file: String,
        /// Why, in one line.
        why: String,
        /// What to do about it.
        remedy: String,
    },
}

impl Config {
    /// Whether an interface carries a VIP of a family; none without a configuration.
    pub(super) fn carries(&self, interface: &str, v6: bool) -> Option<bool> {
        match self {
            Self::Good { vips, .. } => {
                Some(vips.iter().any(|(address, carrier)| carrier == interface && address.is_ipv6() == v6))
            }
            Self::None | Self::Bad { .. } => None,
        }
    }
}

/// A sysctl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// Its value.
    Is(i64),
    /// The kernel, or this network namespace, has none of that name.
    Absent,
    /// Only root may read it.
    Denied,
}

/// Settings that are not of one interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// `net.core.bpf_jit_enable`.
    pub bpf_jit_enable: Setting,
    /// `net.core.bpf_jit_harden`.
    pub bpf_jit_harden: Setting,
    /// `kernel.unprivileged_bpf_disabled`.
    pub unprivileged_bpf_disabled: Setting,
    /// `net.ipv4.tcp_syncookies`.
    pub tcp_syncookies: Setting,
    /// `net.ipv4.ip_forward`.
    pub ip_forward: Setting,
    /// `net.bridge.bridge-nf-call-iptables`.
    pub bridge_nf_call_iptables: Setting,
    /// `net.bridge.bridge-nf-call-ip6tables`.
    pub bridge_nf_call_ip6tables: Setting,
    /// `net.bridge.bridge-nf-call-arptables`.
    pub bridge_nf_call_arptables: Setting,
}

/// A setting that exists for one interface and for all: the larger value counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Both {
    /// The interface's.
    pub own: Option<i64>,
    /// That of `all`.
    pub all: Option<i64>,
}

impl Both {
    /// The value that counts.
    pub(super) fn effective(self) -> Option<i64> {
        self.own.max(self.all)
    }

    /// Which of the two it comes from, as a sysctl's name has it.
    pub(super) fn whose(self, interface: &str) -> &str {
        if self.all > self.own { "all" } else { interface }
    }
}
