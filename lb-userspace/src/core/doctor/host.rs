//! The host apart from its network: privileges, configuration, mounts, memory.

use super::facts::{Config, Facts};
use super::finding::Finding;
use crate::core::features::CGROUP_MEMORY;

/// Everything about the host.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let mut found = privileges(facts);
    found.extend(config(&facts.config));
    found.push(memlock(facts));
    found.push(bpffs(facts.bpffs));
    found.push(cgroup2(facts));
    found
}

fn privileges(facts: &Facts) -> Vec<Finding> {
    const NAME: &str = "privileges";
    let process = &facts.process;
    let mut found: Vec<Finding> =
        process.refused.iter().map(|why| Finding::problem("pivotd's start", why.clone())).collect();
    if process.missing.is_empty() {
        found.push(Finding::ok(NAME, "all capabilities that pivotd needs"));
        return found;
    }
    let missing = process.missing.join(" ");
    found.push(if process.root {
        Finding::problem(NAME, format!("root lacks {missing}: pivotd started from here could not work"))
            .remedy("give them to the container, or to the unit: CapabilityBoundingSet, AmbientCapabilities")
    } else {
        let what = "kernel features, programs, whose XDP programs are attached, some sysctls";
        Finding::note(NAME, format!("no {missing} here, so these were not looked at: {what}"))
            .remedy("run it again with sudo; pivotd itself has its capabilities from its unit")
    });
    found
}

fn config(config: &Config) -> Option<Finding> {
    const NAME: &str = "configuration";
    match config {
        Config::None => None,
        Config::Bad { file, why, remedy } => {
            Some(Finding::problem(NAME, format!("{file}: {why}")).remedy(remedy.clone()))
        }
        Config::Good { file, hosts, own, .. } if hosts.contains(own) => {
            Some(Finding::ok(NAME, format!("{file} has no errors, and this host, {own}, is in it")))
        }
        Config::Good { file, hosts, own, .. } => {
            let known = hosts.join(", ");
            Some(
                Finding::note(NAME, format!("{file} has no errors, but no host {own}, which `uname -n` prints here"))
                    .remedy(format!("start pivotd with --host and the name that this host has there: {known}")),
            )
        }
    }
}

fn memlock(facts: &Facts) -> Finding {
    const NAME: &str = "locked memory";
    let accounted = facts.features.lacks(CGROUP_MEMORY);
    match facts.memlock {
        _ if !accounted => Finding::ok(NAME, "this kernel does not count BPF memory against RLIMIT_MEMLOCK"),
        None => Finding::ok(NAME, "no limit"),
        Some(limit) => {
            let found = format!(
                "limited to {} KiB, against which kernels before 5.11 count the memory of BPF maps",
                limit / 1024
            );
            Finding::warning(NAME, found).remedy("set LimitMEMLOCK=infinity in pivotd's unit, or `ulimit -l unlimited`")
        }
    }
}

fn bpffs(mounted: Option<bool>) -> Finding {
    const NAME: &str = "bpffs";
    match mounted {
        Some(true) => Finding::ok(NAME, "mounted at /sys/fs/bpf"),
        Some(false) => Finding::note(NAME, "not mounted at /sys/fs/bpf; pivotd mounts it if it is root")
            .remedy("mount -t bpf bpf /sys/fs/bpf (systemd does so at boot)"),
        None => Finding::note(NAME, "no /sys/fs/bpf: is /sys mounted, and has this kernel BPF?")
            .remedy("mount -t sysfs sysfs /sys, then mount -t bpf bpf /sys/fs/bpf"),
    }
}

fn cgroup2(facts: &Facts) -> Finding {
    const NAME: &str = "cgroup v2";
    match &facts.cgroup2 {
        Some(place) => Finding::ok(NAME, format!("mounted at {place}")),
        None => Finding::note(NAME, "not mounted; this version of pivot does without"),
    }
}
