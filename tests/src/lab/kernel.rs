//! What the running kernel must be able to do for a lab: a module in, an error that names it out.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Loads a module, if it is not there already or built in.
///
/// `what` completes the sentence "this kernel has no ...".
pub fn require(module: &str, what: &str) -> Result<()> {
    let output = Command::new("modprobe").arg(module).output().context("running modprobe")?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!(
            "this kernel has no {what} (modprobe {module}: {}): run this in a virtual machine with a distribution's kernel, \
             `cargo xtask vm`",
            said.trim()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_module_is_named() {
        let error = format!("{:#}", require("no_such_module", "such thing").unwrap_err());
        assert!(error.contains("no such thing") && error.contains("modprobe"), "{error}");
    }
}
