//! The story: every service used through the VIP, then one backend of each ended, told line by line.

use std::io::Write;
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use lb_userspace::core::view::BackendState;

use super::batch::Batch;
use super::figures::{AfterKill, Figures, ServiceFigures};
use super::plane::{HOLDER, Plane};
use super::service::Service;
use crate::lab::{Node, Pivotd, VIP};

/// Operations of each service: with nothing in their way, at a time until a death is detected, and after its
/// detection.
const OPERATIONS: [(&str, [usize; 3]); 4] = [
    ("mysql", [150, 3, 50]),
    ("rabbitmq", [300, 10, 100]),
    ("memcached", [2000, 40, 500]),
    ("keystone", [2000, 40, 500]),
];

/// Builds the control plane, with pivot in front of it.
pub fn begin(story: &mut dyn Write) -> Result<Plane> {
    let began = Instant::now();
    writeln!(story, "Building three controllers c1, c2, c3 and a client as network namespaces; on each controller:")?;
    let mut plane = Plane::without_pivot()?;
    for service in &plane.services {
        writeln!(story, "    {:<10} port {:<5}  {}", service.name(), service.port(), service.description())?;
    }
    writeln!(story, "Each bound to its node address, clusters complete after {:.0} s.", began.elapsed().as_secs_f64())?;
    plane.start_pivot()?;
    writeln!(story, "pivotd runs on each, {HOLDER} holds the VIP {VIP}, and shows all 12 backends up.")?;
    Ok(plane)
}

/// Uses every service, then ends one backend of each, one at a time.
pub fn tell(plane: &mut Plane, story: &mut dyn Write) -> Result<Figures> {
    let client = plane.client().clone();
    let mut undisturbed = Vec::new();
    for service in &mut plane.services {
        let [ops, ..] = operations(service.name())?;
        undisturbed.push(drive(service.as_mut(), &client, ops)?);
        let name = service.name();
        let Batch { ops, failed, backends, clients, .. } = &undisturbed[undisturbed.len() - 1];
        writeln!(story, "{name}: {ops} operations through the VIP, {failed} failed; {backends:?} saw {clients:?}.")?;
    }
    let holder = plane.daemons.iter().find(|daemon| daemon.host().name == HOLDER).context("no pivotd on the holder")?;
    let mut figures = Figures::default();
    for (service, batch) in plane.services.iter_mut().zip(undisturbed) {
        let after_kill = end_backend(service.as_mut(), holder, &client)?;
        let AfterKill { backend, detect_ms, ops_until_detection, failed_until_detection, .. } = &after_kill;
        writeln!(
            story,
            "{}: ended on {backend}, down after {detect_ms} ms; {failed_until_detection} of {ops_until_detection} \
             operations failed until then, {} of {} after it.",
            service.name(),
            after_kill.failed_after_detection,
            after_kill.ops
        )?;
        let client_address_seen = batch.saw_only(client.address.into());
        let Batch { ops, failed, backends, errors, .. } = batch;
        let entry = ServiceFigures { ops, failed, client_address_seen, backends, errors, after_kill };
        figures.services.insert(service.name().to_owned(), entry);
    }
    show_status(holder, story)?;
    Ok(figures)
}

/// Ends one backend of a service, goes on using the service until pivot has seen it, and after it.
fn end_backend(service: &mut dyn Service, holder: &Pivotd, client: &Node) -> Result<AfterKill> {
    let [_, ops_at_a_time, ops_after] = operations(service.name())?;
    let host = service.victim()?;
    let backend = format!("{}/{host}", service.name());
    let ended = Instant::now();
    service.end_on(&host).with_context(|| format!("ending {backend}"))?;
    // An operation may take longer than the detection, so that is awaited beside them.
    let (detected, until_detection) = thread::scope(|scope| {
        let detection = scope.spawn(|| holder.await_state(&backend, BackendState::Down).map(|()| Instant::now()));
        let mut batch = Batch::default();
        while !detection.is_finished() {
            batch += drive(service, client, ops_at_a_time)?;
        }
        Ok::<_, anyhow::Error>((detection.join().map_err(|_| anyhow!("waiting for {backend} panicked"))??, batch))
    })?;
    let after = drive(service, client, ops_after)?;
    Ok(AfterKill {
        backend: host,
        detect_ms: (detected - ended).as_millis(),
        ops_until_detection: until_detection.ops,
        failed_until_detection: until_detection.failed,
        ops: after.ops,
        failed_after_detection: after.failed,
        errors: after.errors,
    })
}

fn drive(service: &mut dyn Service, client: &Node, ops: usize) -> Result<Batch> {
    let name = service.name();
    service.drive(client, VIP, ops).with_context(|| format!("using {name} through the VIP"))
}

fn operations(service: &str) -> Result<[usize; 3]> {
    let found = OPERATIONS.iter().find(|(name, _)| *name == service);
    Ok(found.with_context(|| format!("no numbers of operations for {service}"))?.1)
}

fn show_status(holder: &Pivotd, story: &mut dyn Write) -> Result<()> {
    let output = holder.pivot(&["status"])?;
    writeln!(story, "\n{HOLDER}$ pivot status")?;
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        writeln!(story, "    {line}")?;
    }
    writeln!(story)?;
    Ok(())
}
