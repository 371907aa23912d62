//! Commands run to their end.

use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// Runs a command and returns what it printed on standard output. An error unless it exits with 0, with all it printed.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("starting {program}"))?;
    if !output.status.success() {
        let printed = [output.stdout, output.stderr].concat();
        bail!("{program}: {}\n{}", output.status, String::from_utf8_lossy(&printed).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_tells_the_program_its_code_and_its_words() {
        let error =
            output(Command::new("sh").args(["-c", "echo said; echo cried >&2; exit 7"])).unwrap_err().to_string();
        for part in ["sh", "7", "said", "cried"] {
            assert!(error.contains(part), "{error}");
        }
        assert_eq!(output(Command::new("echo").arg("well")).unwrap(), "well\n");
    }
}
