//! The areas of tests: one table.

use crate::setup::Group;

/// Where an area's tests mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this machine.
    Here,
    /// On this machine, and on other kernels (`cargo xtask vm`).
    AnyKernel,
    /// In a virtual machine alone: they take its network cards and more for themselves.
    Guest,
}

/// Tests that are run together.
pub(crate) struct Area {
    /// As typed on the command line.
    pub(crate) name: &'static str,
    /// Where it is run.
    pub(crate) place: Place,
    /// What must be installed.
    pub(crate) needs: &'static [Group],
    /// What its tests do that only root may, if anything.
    pub(crate) root: Option<&'static str>,
    /// Whether its tests start pivotd or other programs, which must be built before.
    pub(crate) programs: bool,
    /// The arguments of `cargo test`, one list for each run of it.
    pub(crate) runs: &'static [&'static [&'static str]],
}

/// Namespaces share the machine's cores, and tests in them wait for real time to pass: a few at once, not one per core.
const LAB_THREADS: &str = "--test-threads=2";

/// Tests that do little but wait for each other's timers.
const WAITING: &str = "--test-threads=3";

/// One test at a time: it has the machine to itself, for it measures time, runs real services or takes what is there once.
const ALONE: &str = "--test-threads=1";

/// In the order in which they are run: what fails fastest first.
pub(crate) const AREAS: &[Area] = &[
    Area {
        name: "unit",
        place: Place::Here,
        needs: &[Group::Bpf],
        root: None,
        programs: false,
        runs: &[
            &["--lib", "--bins", "--test=api", "--test=cli", "--test=doctor", "--test=vrrp", "--test=corpus"],
            &["--doc"],
        ],
    },
    Area {
        name: "frames",
        place: Place::AnyKernel,
        needs: &[Group::Bpf],
        root: Some("load BPF programs"),
        programs: false,
        runs: &[&["--test=frames"]],
    },
    Area {
        name: "lab",
        place: Place::AnyKernel,
        needs: &[Group::Bpf, Group::Lab],
        root: Some("make network namespaces"),
        programs: true,
        runs: &[&["--test=instance", "--test=netlink", "--test=datapath", "--test=lab", "--", LAB_THREADS]],
    },
    Area {
        name: "rig",
        place: Place::Here,
        needs: &[Group::Bpf, Group::Lab],
        root: Some("make network namespaces"),
        programs: true,
        runs: &[&["--test=rig", "--", LAB_THREADS]],
    },
    Area {
        name: "health",
        place: Place::AnyKernel,
        needs: &[Group::Bpf, Group::Lab],
        root: Some("make network namespaces"),
        programs: true,
        runs: &[&["--test=health", "--", LAB_THREADS]],
    },
    Area {
        name: "elections",
        place: Place::AnyKernel,
        needs: &[Group::Bpf, Group::Lab],
        root: Some("make network namespaces"),
        programs: true,
        runs: &[&["--test=elections", "--", LAB_THREADS]],
    },
    Area {
        name: "failover",
        place: Place::Here,
        needs: &[Group::Bpf, Group::Lab, Group::Failover],
        root: Some("make network namespaces"),
        programs: true,
        runs: &[&["--test=interop", "--", WAITING], &["--test=failover", "--", ALONE]],
    },
    Area {
        name: "real",
        place: Place::Here,
        needs: &[Group::Bpf, Group::Lab, Group::Real],
        root: Some("run services in network namespaces"),
        programs: true,
        runs: &[&["--test=real", "--", ALONE]],
    },
    Area {
        name: "checks",
        place: Place::Here,
        needs: &[Group::Bpf, Group::Lab, Group::Real],
        root: Some("run services in network namespaces"),
        programs: true,
        runs: &[&["--test=checks", "--", ALONE]],
    },
    Area {
        name: "stock",
        place: Place::Guest,
        needs: &[Group::Bpf, Group::Lab],
        root: Some("take over a virtual machine"),
        programs: true,
        runs: &[&["--test=stock", "--", ALONE]],
    },
];

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::cargo;

    /// cargo fails on a program that is in the table and not there; this is the other way round.
    #[test]
    fn every_test_program_is_in_one_area() {
        for folder in ["tests/tests", "lb-userspace/tests"] {
            let Ok(entries) = fs::read_dir(cargo::workspace().join(folder)) else { continue };
            let paths = entries.map(|entry| entry.unwrap().path());
            let is_program = |path: &std::path::PathBuf| {
                path.join("main.rs").is_file() || path.extension().is_some_and(|extension| extension == "rs")
            };
            for path in paths.filter(is_program) {
                let argument = format!("--test={}", path.file_stem().unwrap().display());
                let claims = AREAS.iter().flat_map(|area| area.runs).filter(|run| run.contains(&&*argument));
                assert_eq!(claims.count(), 1, "{} must be in one area of {}", path.display(), file!());
            }
        }
    }
}
