//! `cargo xtask demo`: builds pivot and its demo for release, then becomes the demo.
//!
//! Becoming it (exec) leaves its standard output, its signals and its exit code untouched.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};

use crate::cargo;
use crate::setup::{self, Group};

/// Arguments of the command; those of the demo itself.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// End standard output with one JSON object.
    #[arg(long)]
    json: bool,
    /// Keep the lab afterwards and say how to enter it.
    #[arg(long)]
    hold: bool,
    /// Balance MariaDB Galera, RabbitMQ, memcached and nginx instead of small HTTP servers.
    #[arg(long)]
    real: bool,
}

/// Returns only if the demo could not be started.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::require_root("the demo makes network namespaces and loads BPF programs")?;
    setup::ensure(groups(options))?;
    let demo = cargo::build_programs()?.join("pivot-demo");
    let error = Command::new(&demo).args(flags(options)).exec();
    Err(error).with_context(|| format!("starting {}", demo.display()))
}

fn groups(options: &Options) -> &'static [Group] {
    if options.real { &[Group::Bpf, Group::Lab, Group::Real] } else { &[Group::Bpf, Group::Lab] }
}

/// The demo's own flags.
fn flags(options: &Options) -> impl Iterator<Item = &'static str> {
    let flags = [(options.json, "--json"), (options.hold, "--hold"), (options.real, "--real")];
    flags.into_iter().filter_map(|(given, flag)| given.then_some(flag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_gets_the_flags_that_were_given() {
        let options = Options { json: true, hold: false, real: true };
        assert_eq!(flags(&options).collect::<Vec<_>>(), ["--json", "--real"]);
    }

    #[test]
    fn only_the_real_demo_needs_the_real_services() {
        let options = |real| Options { json: false, hold: false, real };
        assert!(groups(&options(true)).contains(&Group::Real));
        assert!(!groups(&options(false)).contains(&Group::Real));
    }
}
