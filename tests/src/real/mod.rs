//! `cargo xtask demo --real`: pivot in front of the services of a real control plane, driven by real clients.
//!
//! - [`packages`]: what has to be installed.
//! - [`plane`]: the services on three controllers of a lab, a pivotd on each.
//! - [`story`]: what is done to them, told on the way; [`figures`]: what it came to, and whether that is as promised.
//! - [`service`]: what the story asks of a service; [`galera`] (by [`replication`]), [`rabbitmq`] (of [`broker`]s), [`memcached`],
//!   [`nginx`].
//! - [`batch`]: operations counted; [`python`]: clients written in Python; [`stayers`] of RabbitMQ and
//!   [`writers`] of a database go on whatever happens, and keep a [`diary`].
//!
//! Everything runs below the lab's directory and inside its namespaces, bound to the node addresses, and ends with the
//! lab; nothing of the machine's own configuration, data or services is used or touched.

pub mod batch;
pub mod broker;
pub mod diary;
pub mod figures;
pub mod galera;
pub mod memcached;
pub mod nginx;
pub mod packages;
pub mod plane;
mod python;
pub mod rabbitmq;
pub mod replication;
pub mod service;
pub mod stayers;
pub mod story;
pub mod writers;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;

use crate::demo::hold;
use crate::lab::interrupt::Interrupts;

/// Plays the whole story. With `json` it is told on stderr, and the last line of stdout is one JSON object. With `hold`
/// the lab is kept up in the end until there is an interrupt.
///
/// The exit code is 0 only if no promise was broken. Needs root and the [`packages`].
pub fn run(json: bool, hold: Option<&Interrupts>) -> Result<ExitCode> {
    let told: &mut dyn Write = if json { &mut io::stderr() } else { &mut io::stdout() };
    let mut plane = story::begin(told)?;
    let figures = story::tell(&mut plane, told)?;
    let broken = figures.broken_promises();
    broken.iter().try_for_each(|promise| writeln!(told, "BROKEN: {promise}"))?;
    if broken.is_empty() {
        writeln!(told, "All promises held.")?;
    }
    if let Some(interrupts) = hold {
        hold::explain(&plane.lab, &plane.daemons, &plane.requests(), told)?;
        interrupts.wait();
    }
    drop(plane);
    writeln!(told, "The lab is gone again.")?;
    if json {
        println!("{}", serde_json::to_string(&figures)?);
    }
    Ok(ExitCode::from(u8::from(!broken.is_empty())))
}
