//! `cargo xtask bpf COMMAND`: cargo on the BPF crate alone, as the build script of lb-userspace builds it.
//!
//! The build script wants an object and shows errors as its own; this is for clippy, check and a look at warnings.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::cargo;
use crate::setup::{self, Group};
use crate::toolchain::{self, Toolchain};

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The cargo command, then its own arguments, such as `clippy -- -D warnings`.
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs it; the exit code says whether cargo succeeded.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    setup::ensure(&[Group::Bpf])?;
    let Ok(toolchain) = toolchain::choose(&toolchain::look()) else {
        bail!("the BPF toolchain vanished after it was set up");
    };
    let (name, arguments) = options.command.split_first().context("no cargo command")?;
    let status = Command::new("rustup")
        .args(["run", toolchain.name, "cargo", name, "--package=lb-ebpf", "--bins", "--release", "-Zbuild-std=core"])
        .args(["--target", Toolchain::TARGET])
        .arg("--target-dir")
        .arg(cargo::target_directory()?.join("bpf"))
        .args(arguments)
        .envs(toolchain.environment())
        .current_dir(cargo::workspace())
        .status()
        .context("running rustup")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
