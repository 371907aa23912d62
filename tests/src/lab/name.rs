//! Names of labs, and the sweep of those whose creator is gone.
//!
//! A lab is named `pv-<pid>-<start time>-<counter>`. Process id and start time (clock ticks since boot, field 22 of
//! proc_pid_stat(5)) together name one process for good, so a name tells whether its lab may still be in use.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};

use super::netns;

/// Where every lab keeps its files: logs, configuration, pivotd's run directories and pins.
const ROOT: &str = "/run/pivot-lab";

/// Name of the lab's own bpffs, below its directory.
pub(super) const BPFFS: &str = "bpf";

/// A name that no other lab on this machine has or had. The first one taken in a process sweeps up after dead ones.
pub(super) fn unique() -> Result<String> {
    static SWEEP: Once = Once::new();
    static COUNTER: AtomicU32 = AtomicU32::new(0);
    SWEEP.call_once(sweep);
    let prefix = prefix(std::process::id()).context("this process has no /proc/self/stat: is /proc mounted?")?;
    Ok(format!("{prefix}-{}", COUNTER.fetch_add(1, Ordering::Relaxed)))
}

/// What the names of all labs of a process begin with; `None` if there is no such process.
pub fn prefix(pid: u32) -> Option<String> {
    Some(format!("pv-{pid}-{}", start_time(pid)?))
}

/// Removes every lab whose creator is dead: processes in its namespaces, the namespaces, its directory.
pub fn sweep() {
    remove_all(orphaned);
}

/// Removes every lab of this process, for when it is about to end without unwinding (a signal, an abort).
pub fn remove_own() {
    if let Some(own) = prefix(std::process::id()) {
        remove_all(|name| name.strip_prefix(&own).is_some_and(|rest| rest.starts_with('-')));
    }
}

/// The directory of a lab.
pub(super) fn directory(lab: &str) -> PathBuf {
    Path::new(ROOT).join(lab)
}

/// Removes a lab's directory and the bpffs in it, and with that every pin.
pub(super) fn remove_directory(lab: &str) {
    let directory = directory(lab);
    // Neither may have come to exist; what cannot be removed is tried again by the next sweep.
    let _ = rustix::mount::unmount(directory.join(BPFFS), rustix::mount::UnmountFlags::DETACH);
    let _ = fs::remove_dir_all(directory);
}

fn remove_all(chosen: impl Fn(&str) -> bool) {
    for namespace in entries(netns::DIRECTORY).filter(|name| chosen(name)) {
        netns::remove(&namespace);
    }
    for lab in entries(ROOT).filter(|name| chosen(name)) {
        remove_directory(&lab);
    }
}

/// Whether a namespace or directory belongs to a lab whose creator is dead.
fn orphaned(name: &str) -> bool {
    creator(name).is_some_and(|(pid, started)| start_time(pid) != Some(started))
}

/// Process id and start time of the creator, if the name is a lab's or begins with one.
fn creator(name: &str) -> Option<(u32, u64)> {
    let mut parts = name.strip_prefix("pv-")?.split('-');
    let creator = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    parts.next()?.parse::<u32>().ok()?;
    Some(creator)
}

fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the command's name in parentheses, may itself hold blanks and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(19)?.parse().ok()
}

fn entries(directory: &str) -> impl Iterator<Item = String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_creators_lab_is_no_orphan() {
        let pid = std::process::id();
        let started = start_time(pid).unwrap();
        assert!(!orphaned(&format!("pv-{pid}-{started}-0-c1")));
    }

    #[test]
    fn a_reused_process_id_does_not_protect_a_lab() {
        let pid = std::process::id();
        let started = start_time(pid).unwrap();
        assert!(orphaned(&format!("pv-{pid}-{}-0", started + 1)));
    }

    #[test]
    fn names_that_are_no_labs_are_left_alone() {
        for name in ["pv-", "pv-1-2", "pv-a-2-3", "pivot-1-2-3", "lab", "pv-0-0-x-c1"] {
            assert!(!orphaned(name), "{name}");
        }
    }
}
