//! Carries out what was typed: finds the daemon, asks it, prints what it says.

use super::args::{Args, Command, ConfigCommand, DaemonCommand, MapsCommand};
use super::check::check;
use super::doctor::doctor;
use super::error::{CliError, DEGRADED, FAILED, OK};
use super::output::Output;
use super::render;
use super::target::Target;
use super::warning::{Severity, Warning, of_services, warnings};
use crate::api::client::{Client, ClientError};
use crate::api::wire::{ExplainQuery, parse_weight};
use crate::core::order::Change;
use crate::core::view::vips::{HandOverView, HandedView};
use crate::core::view::{BackendView, OrderView, ServiceView};

/// Runs the command; what to exit with.
pub(super) fn run(args: Args) -> Result<u8, CliError> {
    let output = Output::new(args.json);
    let command = match args.command {
        Command::Doctor { config, interface } => return doctor(config.as_deref(), interface, output),
        Command::Config { command: ConfigCommand::Check { file } } => return check(&file, output).map(|()| OK),
        Command::Ask(command) => command,
    };
    let target = Target::resolve(args.daemon, |name| std::env::var_os(name))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(CliError::Runtime)?;
    runtime.block_on(ask(command, &target, output))
}

/// Asks the daemon, and prints its answer.
async fn ask(command: DaemonCommand, target: &Target, output: Output) -> Result<u8, CliError> {
    let client = Client::new(&target.socket);
    let failed = |error: ClientError| CliError::from_client(error, target);
    match command {
        DaemonCommand::Status { exit_code } => {
            let status = client.status().await.map_err(failed)?;
            output.show(&status, render::status)?;
            return Ok(if exit_code && !warnings(&status).is_empty() { DEGRADED } else { OK });
        }
        DaemonCommand::Vips => {
            let vips = client.vips().await.map_err(failed)?;
            output.show(&vips, render::vips)?;
        }
        DaemonCommand::Services => {
            let services = client.services().await.map_err(failed)?;
            output.show(&services, |view, paint| render::services(view, paint))?;
        }
        DaemonCommand::Backends => {
            let backends = client.backends().await.map_err(failed)?;
            output.show(&backends, |view, paint| render::backends(view, paint))?;
        }
        DaemonCommand::Check { target: backend } => {
            let checked = client.check(&backend).await.map_err(failed)?;
            output.show(&checked, render::check)?;
            return Ok(if checked.backends.iter().all(|backend| backend.passed) { OK } else { FAILED });
        }
        DaemonCommand::Flows { service, limit } => {
            let flows = client.flows(limit, service.as_deref()).await.map_err(failed)?;
            output.show(&flows, |view, paint| render::flows(view, limit, paint))?;
        }
        DaemonCommand::Explain { src, dst, proto, flags, as_holder } => {
            let query = ExplainQuery { src, dst, proto, flags, as_holder };
            // What can be no packet is told before a daemon is looked for.
            query.question()?;
            let explained = client.explain(&query).await.map_err(failed)?;
            output.show(&explained, render::explain)?;
        }
        DaemonCommand::Maps { command: None } => {
            let maps = client.maps().await.map_err(failed)?;
            output.show(&maps, |view, paint| render::maps(view, paint))?;
        }
        DaemonCommand::Maps { command: Some(MapsCommand::Dump { name, limit }) } => {
            let entries = client.map_dump(&name, limit).await.map_err(failed)?;
            output.show(&entries, |view, paint| render::map_entries(view, limit, paint))?;
        }
        DaemonCommand::Drain { target: backend } => {
            order(&client, target, &backend, Change::Drain(true), output).await?;
        }
        DaemonCommand::Undrain { target: backend } => {
            order(&client, target, &backend, Change::Drain(false), output).await?;
        }
        DaemonCommand::Maintenance { target: backend } => {
            order(&client, target, &backend, Change::Maintenance(true), output).await?;
        }
        DaemonCommand::Ready { target: backend } => {
            order(&client, target, &backend, Change::Maintenance(false), output).await?;
        }
        DaemonCommand::Weight { target: backend, weight } => {
            let change = Change::Weight(parse_weight(&weight)?);
            order(&client, target, &backend, change, output).await?;
        }
        DaemonCommand::Switch { target: backend } => {
            let switched = client.switch(&backend).await.map_err(failed)?;
            output.show(&switched, render::switch)?;
        }
        DaemonCommand::Failover { target: name, to } => {
            let moved = client.failover(name, to).await.map_err(failed)?;
            output.show(&moved, render::handed_over)?;
        }
        DaemonCommand::Hold { target: name } => {
            let held = client.hold(name, true).await.map_err(failed)?;
            output.show(&held, render::handed_over)?;
            // The order is carried out; that nobody took over must not go unseen.
            output.warn(&orphaned(&held));
        }
        DaemonCommand::Release { target: name } => {
            let released = client.hold(name, false).await.map_err(failed)?;
            output.show(&released, render::handed_over)?;
        }
        DaemonCommand::Reload => {
            let reloaded = client.reload().await.map_err(failed)?;
            output.show(&reloaded, render::reload)?;
        }
    }
    Ok(OK)
}

/// Gives an order about backends, and shows what came of it.
async fn order(
    client: &Client,
    target: &Target,
    backend: &str,
    change: Change,
    output: Output,
) -> Result<(), CliError> {
    let ordered = client.order(backend, change).await.map_err(|error| CliError::from_client(error, target))?;
    output.show(&ordered, render::ordered)?;
    // The order is carried out; that it took the last backend away must not go unseen. One that is not ready yet is no news.
    if !matches!(change, Change::Drain(false) | Change::Maintenance(false))
        && let Ok(services) = client.services().await
    {
        output.warn(&unserved(services, &ordered));
    }
    Ok(())
}

/// Groups that this host was held back from, and that nobody is known to hold now.
fn orphaned(held: &HandOverView) -> Vec<Warning> {
    let groups = held.groups.iter().filter(|group| group.holder.is_none());
    let text = |group: &HandedView| {
        format!("nobody is known to hold group {}: see 'pivot vips' on the other hosts", group.group)
    };
    groups.map(|group| Warning { severity: Severity::Critical, text: text(group) }).collect()
}

/// Those of the services with a backend among the ordered ones which nobody serves now.
fn unserved(mut services: Vec<ServiceView>, ordered: &OrderView) -> Vec<Warning> {
    let named = |backend: &BackendView| ordered.backends.iter().any(|one| one.id == backend.id);
    services.retain(|service| service.backends.iter().any(named));
    let mut found = of_services(&services);
    found.retain(|warning| warning.severity == Severity::Critical);
    found
}
