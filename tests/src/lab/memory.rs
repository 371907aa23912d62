//! What a running pivotd occupies: its own memory, and the kernel's for its BPF maps.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::pivotd::Pivotd;

/// Bytes in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident in the process (proc_pid_status(5), `VmRSS`), mapped BPF arrays included.
    pub resident: u64,
    /// What the kernel says that the maps and programs take which the process has open (`memlock` of fdinfo).
    pub bpf: u64,
}

impl Pivotd {
    /// What it occupies now.
    pub fn memory(&mut self) -> Result<Memory> {
        let process = PathBuf::from(format!("/proc/{}", self.process().pid()));
        let status = process.join("status");
        let status = fs::read_to_string(&status).with_context(|| format!("reading {}", status.display()))?;
        let resident = number(&status, "VmRSS:").context("a process without VmRSS")? * 1024;
        let mut bpf = 0;
        for entry in fs::read_dir(process.join("fdinfo"))? {
            // One that was closed meanwhile counts no more.
            let info = fs::read_to_string(entry?.path()).unwrap_or_default();
            bpf += number(&info, "memlock:").unwrap_or(0);
        }
        Ok(Memory { resident, bpf })
    }
}

/// The number behind a name at the beginning of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_number_behind_a_name() {
        assert_eq!(number("VmPeak:\t  9 kB\nVmRSS:\t  5432 kB\n", "VmRSS:"), Some(5432));
        assert_eq!(number("pos:\t0\nmap_type:\t9\nmemlock:\t8192\n", "memlock:"), Some(8192));
        assert_eq!(number("pos:\t0\n", "memlock:"), None);
    }
}
