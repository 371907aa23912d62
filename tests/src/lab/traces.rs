//! What a host's kernel and pivotd's folders hold, as text: equal before and after means nothing was left behind.

use std::fs;
use std::path::Path;

use anyhow::Result;
use aya::programs::{ProgramInfo, SchedClassifier, TcAttachType};

use lb_userspace::io::features;

use super::node::Node;
use super::topology::Lab;

impl Lab {
    /// Addresses, routes, programs and queueing disciplines of a host, and every pin and run file of this lab.
    pub fn traces(&self, host: &str) -> Result<String> {
        let mut traces = kernel_state(self.node(host))?;
        list(&self.bpffs(), &mut traces);
        list(&self.run_root(), &mut traces);
        Ok(traces)
    }
}

fn kernel_state(host: &Node) -> Result<String> {
    let commands: [&[&str]; 6] = [
        &["ip", "address", "show"],
        &["ip", "route", "show", "table", "all"],
        &["ip", "rule", "show"],
        &["tc", "qdisc", "show", "dev", host.interface],
        &["tc", "filter", "show", "dev", host.interface, "ingress"],
        &["tc", "filter", "show", "dev", host.interface, "egress"],
    ];
    let mut text = String::new();
    for command in commands {
        text += &format!("$ {}\n{}", command.join(" "), host.netns().output(command[0], &command[1..])?);
    }
    // Programs on a TCX link, which tc(8) before 6.8 does not list.
    for direction in [TcAttachType::Ingress, TcAttachType::Egress].into_iter().filter(|_| features::tcx()) {
        let (_, programs) = host.run(|| SchedClassifier::query_tcx(host.interface, direction))??;
        text += &format!("tcx {direction:?}: {:?}\n", programs.iter().map(ProgramInfo::id).collect::<Vec<_>>());
    }
    Ok(text)
}

/// Appends the paths of everything below a folder.
fn list(folder: &Path, text: &mut String) {
    let mut paths: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        *text += &format!("{}\n", path.display());
        list(&path, text);
    }
}
