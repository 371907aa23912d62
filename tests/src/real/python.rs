//! Clients written in Python: embedded here, run by Debian's Python in a host's namespace.

use std::fmt::Display;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;

use super::packages::PYTHON;
use crate::lab::Node;

/// Sets and gets values; see its docstring.
pub(super) const MEMCACHED: &str = include_str!("clients/memcached.py");
/// Publishes messages; see its docstring.
pub(super) const PUBLISH: &str = include_str!("clients/publish.py");
/// Consumes messages until it is ended; see its docstring.
pub(super) const CONSUME: &str = include_str!("clients/consume.py");
/// Publishes or consumes, over a new connection whenever one is lost.
pub(super) const STAY: &str = include_str!("clients/stay.py");
/// Writes rows, over a new connection whenever one is lost.
pub(super) const WRITE: &str = include_str!("clients/write.py");

/// The command that runs a script. Isolated (`-I`): only Debian's packages, whatever the environment says.
pub(super) fn command(script: &str, arguments: &[&dyn Display]) -> Command {
    let mut command = Command::new(PYTHON);
    command.args(["-I", "-u", "-c", script]).args(arguments.iter().map(ToString::to_string));
    command
}

/// Runs a script on a host to its end, and reads the JSON that it printed.
pub(super) fn run<T: DeserializeOwned>(host: &Node, script: &str, arguments: &[&dyn Display]) -> Result<T> {
    let mut command = command(script, arguments);
    host.netns().enter(&mut command)?;
    let output = command.output().context("starting Python")?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("a client ended with {}: {} {}", output.status, stdout.trim(), stderr.trim());
    }
    serde_json::from_str(&stdout).with_context(|| format!("reading what a client printed: {stdout:?}"))
}
