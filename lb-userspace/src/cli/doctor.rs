//! `pivot doctor`: looks at this host and says what was found, without pivotd.

use std::io::ErrorKind;
use std::path::Path;

use super::error::{CliError, FAILED, OK};
use super::human::plural;
use super::output::Output;
use super::render;
use crate::api::error::ApiError;
use crate::core::config;
use crate::core::doctor::diagnose;
use crate::core::doctor::facts::Config;
use crate::io::doctor::{config as facts_of, look};

/// Where pivotd looks if nobody says where.
const CONFIG: &str = "/etc/pivot/pivot.toml";

/// Looks, and prints the findings; what to exit with.
///
/// # Errors
/// [`CliError::Unreadable`] or [`CliError::Refused`] for a configuration that was asked for by name; the findings have
/// what is wrong with the usual one. [`CliError::Blind`].
pub(super) fn doctor(file: Option<&Path>, interfaces: Vec<String>, output: Output) -> Result<u8, CliError> {
    let config = match file {
        Some(file) => named(file)?,
        None => usual(Path::new(CONFIG)),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
    let facts = runtime.block_on(look(config, interfaces)).map_err(|error| CliError::Blind(error.to_string()))?;
    let report = diagnose(facts);
    output.show(&report, render::doctor)?;
    Ok(if report.has_problem() { FAILED } else { OK })
}

fn named(file: &Path) -> Result<Config, CliError> {
    let text =
        std::fs::read_to_string(file).map_err(|source| CliError::Unreadable { path: file.to_owned(), source })?;
    let config = config::parse(&text, &file.to_string_lossy()).map_err(|errors| ApiError::report(&errors))?;
    Ok(facts_of(file, &config))
}

fn usual(file: &Path) -> Config {
    let name = file.display();
    let bad = |why: String, remedy: String| Config::Bad { file: name.to_string(), why, remedy };
    match std::fs::read_to_string(file).map(|text| config::parse(&text, &name.to_string())) {
        Ok(Ok(config)) => facts_of(file, &config),
        Ok(Err(errors)) => {
            let count = plural(errors.errors.len() + errors.omitted, "error");
            bad(count, format!("`pivot config check {name}` shows them"))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Config::None,
        Err(error) => bad(error.to_string(), "let this user read it, or run it again with sudo".into()),
    }
}
