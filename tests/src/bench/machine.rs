//! Where and with what a benchmark ran.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde::Serialize;
use serde_json::{Value, json};

/// The machine, its kernel, and the versions of what was measured.
#[derive(Debug, Serialize)]
pub struct Machine {
    /// Day of the run.
    pub date: String,
    /// Model of the CPU.
    pub cpu: String,
    /// CPUs that this process may use.
    pub cores: usize,
    /// Release of the kernel.
    pub kernel: String,
    /// Version of pivot.
    pub pivot: &'static str,
    /// Version of the compiler on this machine.
    pub rustc: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        Self {
            date: printed("date", &["+%F"]),
            cpu: model(&cpuinfo).unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            pivot: env!("CARGO_PKG_VERSION"),
            rustc: printed("rustc", &["--version"]),
        }
    }
}

/// Keeps what a benchmark measured, and where, in `folder/name-DATE.json`.
///
/// # Errors
/// If it cannot be written.
pub fn keep(folder: &Path, name: &str, mut figures: Value) -> Result<()> {
    let machine = Machine::here();
    let file = folder.join(format!("{name}-{}.json", machine.date));
    figures["machine"] = json!(machine);
    let text = serde_json::to_string_pretty(&figures)?;
    fs::write(&file, text + "\n").with_context(|| file.display().to_string())?;
    eprintln!("pivot-bench: raw figures in {}", file.display());
    Ok(())
}

fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

/// The first line that a command prints, or that it is unknown.
fn printed(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().map(|output| output.stdout).unwrap_or_default();
    let line = String::from_utf8_lossy(&output).trim().to_owned();
    if line.is_empty() { "unknown".to_owned() } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cpus_model_is_what_the_kernel_calls_it() {
        assert_eq!(
            model("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nmodel name\t: b\n"),
            Some("Some CPU @ 2 GHz")
        );
        assert_eq!(model("processor\t: 0\n"), None);
    }
}
