//! Where the programs are that a lab runs.

use std::path::PathBuf;
use std::{env, fs};

use anyhow::{Context as _, Result, bail};

/// The variable that names the folder to take programs from.
pub const BIN_DIR: &str = "PIVOT_BIN_DIR";

/// Path of one of this workspace's programs: in `PIVOT_BIN_DIR`, or where cargo put the running executable.
pub fn find(program: &str) -> Result<PathBuf> {
    let directory = match env::var_os(BIN_DIR) {
        Some(directory) => PathBuf::from(directory),
        None => beside_this_executable()?,
    };
    let path = directory.join(program);
    match fs::metadata(&path) {
        Ok(meta) if meta.is_file() => Ok(path),
        _ => bail!("no {program} in {}: build it with `cargo build`, or set {BIN_DIR}", directory.display()),
    }
}

/// The folder of the running executable; the one above for a test, which cargo puts into `deps`.
fn beside_this_executable() -> Result<PathBuf> {
    let mut directory = env::current_exe().context("finding the running executable")?;
    directory.pop();
    if directory.ends_with("deps") {
        directory.pop();
    }
    Ok(directory)
}
