//! The `pivot` command line: arguments in; text or JSON on stdout, errors on stderr and an exit code out.
//!
//! `args` is what was typed, and touches nothing. `target` finds the daemon's socket, `run` asks it, `render` turns
//! views into text, `output` writes it. What `--json` prints is the view that the API served.

mod args;
mod check;
mod doctor;
mod error;
pub mod human;
mod output;
pub mod render;
mod run;
mod target;
pub mod text;
pub mod warning;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use args::Args;
use error::CliError;

/// Does what the arguments (the program's name first) say.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let args = match Args::try_parse_from(&arguments) {
        Ok(args) => args,
        Err(error) if error.use_stderr() && wants_json(&arguments) => return CliError::from(error).report(true),
        // Help and version go to stdout and are no failure; nobody is left to be told if they cannot be written.
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { error::USAGE } else { error::OK });
        }
    };
    let json = args.json;
    match run::run(args) {
        Ok(code) => ExitCode::from(code),
        Err(error) => error.report(json),
    }
}

/// Whether `--json` is among arguments that are not understood as a whole.
fn wants_json(arguments: &[OsString]) -> bool {
    arguments.iter().take_while(|argument| *argument != "--").any(|argument| argument == "--json")
}
