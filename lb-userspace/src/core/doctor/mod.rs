//! `pivot doctor`: facts about a host in, findings out. Nothing is tried here, and nothing that was tried has changed the
//! host.
//!
//! A feature that the kernel has and a program that it takes are in the report's lists and make no finding of their own;
//! everything else that was looked at makes one, also if it is as it should be.

pub mod facts;
mod finding;
mod host;
pub mod interface;
mod kernel;
mod link;
mod offloads;
mod settings;
#[cfg(test)]
mod tests;
mod xdp;

use serde::Serialize;

pub use finding::{Finding, Level};

use super::features::{Feature, ProgramReport};
use facts::Facts;
use interface::Interface;

/// What `pivot doctor` tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What `uname -r` prints.
    pub kernel: String,
    /// pivot's programs; empty if none could be tried.
    pub programs: Vec<ProgramReport>,
    /// What the kernel has and has not.
    pub features: Vec<Feature>,
    /// The interfaces that were looked at.
    pub interfaces: Vec<Interface>,
    /// What was found, worst first.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Whether pivot does not work on this host as it is.
    #[must_use]
    pub fn has_problem(&self) -> bool {
        self.findings.iter().any(|finding| finding.level == Level::Problem)
    }
}

/// Judges what was seen.
#[must_use]
pub fn diagnose(facts: Facts) -> Report {
    let mut findings = host::findings(&facts);
    findings.extend(kernel::findings(&facts));
    findings.extend(settings::findings(&facts));
    findings.extend(facts.unusable.iter().map(|(name, why)| {
        Finding::problem(format!("{name} link"), why.clone()).remedy("name one that there is; `ip link` lists them")
    }));
    for interface in &facts.interfaces {
        findings.extend(link::findings(&facts, interface));
        findings.extend(xdp::findings(&facts, interface));
        findings.extend(offloads::findings(interface));
        findings.extend(settings::findings_of(&facts, interface));
    }
    // Stable: what is equally bad stays in the order in which it was looked at.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let Facts { kernel, features, interfaces, .. } = facts;
    Report { kernel: kernel.release, programs: features.programs, features: features.features, interfaces, findings }
}
