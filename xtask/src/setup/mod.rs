//! `cargo xtask setup`: makes everything there that demo, tests and CI need.
//!
//! In: the groups of needs. Out: a machine that has them, or an error that names what is missing and the commands that
//! install it. Looking (`machine`) and doing (`steps`) surround a pure decision (`plan`). What is there is never
//! installed again: with nothing missing, set-up only looks.

mod groups;
mod machine;
mod plan;
mod steps;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;

pub(crate) use groups::Group;
use machine::Machine;
use plan::plan;

/// Arguments of the command.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// What to set up; everything but `fuzz` if none is named.
    #[arg(value_parser = PossibleValuesParser::new(Group::ALL.map(Group::name)), value_name = "GROUP")]
    groups: Vec<String>,
}

/// Sets up the named groups.
pub(crate) fn run(options: &Options) -> Result<()> {
    let unnamed = options.groups.is_empty();
    let named =
        |group: &Group| unnamed && *group != Group::Fuzz || options.groups.iter().any(|name| name == group.name());
    let groups: Vec<_> = Group::ALL.into_iter().filter(named).collect();
    ensure(&groups)?;
    let names: Vec<_> = groups.into_iter().map(Group::name).collect();
    eprintln!("xtask: set up: {}", names.join(", "));
    Ok(())
}

/// Makes these groups there, saying what it installs; silent if nothing is missing.
pub(crate) fn ensure(groups: &[Group]) -> Result<()> {
    let machine = Machine::look();
    let steps = plan(&machine, groups)?;
    if steps.is_empty() {
        return Ok(());
    }
    for step in &steps {
        eprintln!("xtask: {step}");
        steps::execute(step, &machine)?;
    }
    let left = plan(&Machine::look(), groups)?;
    if !left.is_empty() {
        let left: Vec<_> = left.iter().map(ToString::to_string).collect();
        bail!("still missing after an installation without errors: {}", left.join("; "));
    }
    Ok(())
}

/// Fails unless this process is root; `why` says what for.
pub(crate) fn require_root(why: &str) -> Result<()> {
    if !Machine::is_root() {
        bail!("not root: {why}. Run the command again as root");
    }
    Ok(())
}
