//! Cargo on this workspace: where it is, where it is built, and the programs built for release.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The folder of the workspace's manifest.
pub(crate) fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."))
}

/// `cargo` of the toolchain that xtask runs under, in the workspace.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// The folder that cargo builds in; xtask is `<it>/<profile>/xtask`, whatever configuration named it.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let xtask = env::current_exe().context("finding the path of xtask")?;
    let directory = xtask.ancestors().nth(2).with_context(|| format!("{} is in no target folder", xtask.display()))?;
    Ok(directory.to_owned())
}

/// Builds pivotd, pivot and the programs of the tests crate as they are shipped; returns the folder they are in.
pub(crate) fn build_programs() -> Result<PathBuf> {
    eprintln!("xtask: building pivot (release)");
    let status = command()
        .args(["build", "--quiet", "--release", "--bins", "--package=lb-userspace", "--package=pivot-tests"])
        .status()
        .context("running cargo")?;
    if !status.success() {
        bail!("the build failed");
    }
    Ok(target_directory()?.join("release"))
}

/// The commit of the workspace, with "+" behind it if files are not as committed; "unknown" outside a repository.
pub(crate) fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(workspace()).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    match (git(&["rev-parse", "--short", "HEAD"]), git(&["status", "--porcelain"])) {
        (Some(commit), Some(changes)) => commit + if changes.is_empty() { "" } else { "+" },
        _ => "unknown".to_owned(),
    }
}
