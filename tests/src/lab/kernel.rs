//! What the running kernel must be able to do for a lab: a module in, an error that names it out.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Loads a module, if it is not there already or built in.
///
/// `what` completes the sentence "this kernel has no ...".
pub fn require(module: &str, what: &str) -> Result<()> {
    let said = match Command::new("modprobe").arg(module).output() {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    bail!(
        "this kernel has no {what} (modprobe {module}: {said}): run this in a virtual machine with a distribution's kernel, \
         `cargo xtask vm`"
    );
}

/// That this is a virtual machine of `cargo xtask vm`, which is thrown away: for what would harm any other one.
pub fn require_throwaway() -> Result<()> {
    let line = std::fs::read_to_string("/proc/cmdline").context("reading the kernel's command line")?;
    if !line.contains("virtme") {
        bail!("this would harm the machine: run it in a virtual machine, `cargo xtask vm`");
    }
    Ok(())
}

/// Whether the running kernel is of this version or a later one: for what is a fact of versions, in what a test expects.
pub fn is_at_least(major: u32, minor: u32) -> bool {
    version(&rustix::system::uname().release().to_string_lossy()) >= (major, minor)
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_off_releases() {
        for (release, expected) in [("5.10.0-46-amd64", (5, 10)), ("6.18.44+", (6, 18)), ("7", (7, 0)), ("", (0, 0))] {
            assert_eq!(version(release), expected, "{release}");
        }
        assert!(is_at_least(4, 0) && !is_at_least(u32::MAX, 0));
    }

    #[test]
    fn a_missing_module_is_named() {
        let error = format!("{:#}", require("no_such_module", "such thing").unwrap_err());
        assert!(error.contains("no such thing") && error.contains("modprobe"), "{error}");
    }
}
