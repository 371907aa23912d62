//! `pivot config check FILE`: the file through the same checker as pivotd's, without pivotd.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::error::CliError;
use super::human::plural;
use super::output::Output;
use super::text::{Paint, Tone, printable};
use crate::api::error::ApiError;
use crate::core::config;

/// What a file without errors holds.
#[derive(Debug, Serialize)]
struct Summary {
    file: PathBuf,
    hosts: usize,
    vips: usize,
    services: usize,
    backends: usize,
}

/// Checks the file, and prints what it holds.
///
/// # Errors
/// [`CliError::Unreadable`], or [`CliError::Refused`] with every error in the file.
pub(super) fn check(file: &Path, output: Output) -> Result<(), CliError> {
    let text =
        std::fs::read_to_string(file).map_err(|source| CliError::Unreadable { path: file.to_owned(), source })?;
    let config = config::parse(&text, &file.to_string_lossy()).map_err(|errors| ApiError::report(&errors))?;
    let summary = Summary {
        file: file.to_owned(),
        hosts: config.hosts.len(),
        vips: config.vips.len(),
        services: config.services.len(),
        backends: config.services.iter().map(|service| service.backends.len()).sum(),
    };
    output.show(&summary, render)
}

fn render(summary: &Summary, paint: Paint) -> String {
    let file = summary.file.to_string_lossy();
    let parts = [
        plural(summary.hosts, "host"),
        plural(summary.vips, "VIP"),
        plural(summary.services, "service"),
        plural(summary.backends, "backend"),
    ];
    format!("{}: {} ({})\n", printable(&file), paint.apply(Tone::Good, "ok"), parts.join(", "))
}
