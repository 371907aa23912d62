//! `cargo xtask demo`: shows in the lab what pivot does, and fails if it breaks one of its promises.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Parser;
use pivot_tests::demo::{hold, story};
use pivot_tests::lab::{binaries, interrupt};
use pivot_tests::real;

/// Shows in network namespaces what pivot does: spreads requests, survives kills, drains, restarts. Needs root.
#[derive(Debug, Parser)]
struct Arguments {
    /// Print the figures as one JSON object on the last line of stdout, and the story on stderr
    #[arg(long)]
    json: bool,
    /// Keep the lab up in the end, until Ctrl-C
    #[arg(long)]
    hold: bool,
    /// Balance MariaDB Galera, RabbitMQ, memcached and nginx, used by real clients, instead of small HTTP servers
    #[arg(long)]
    real: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pivot-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the demo; success only if every promise held.
fn run(arguments: &Arguments) -> Result<ExitCode> {
    let interrupts = interrupt::remove_labs_on_interrupt().context("watching for Ctrl-C")?;
    if arguments.real {
        return real::run(arguments.json, arguments.hold.then_some(&interrupts));
    }
    let story: &mut dyn Write = if arguments.json { &mut io::stderr() } else { &mut io::stdout() };

    let mut cluster = story::begin(story)?;
    let figures = story::tell(&mut cluster, story)?;
    let broken = figures.broken_promises();
    for promise in &broken {
        writeln!(story, "BROKEN: {promise}")?;
    }
    if broken.is_empty() {
        writeln!(story, "All promises held.")?;
    }
    let code = u8::from(!broken.is_empty());
    if arguments.hold {
        let helper = binaries::find("pivot-lab")?;
        let requests = [
            format!("curl http://{}/", cluster.vip()),
            format!("{} client --target {}", helper.display(), cluster.vip()),
        ];
        hold::explain(&cluster.lab, cluster.daemons.values(), &requests, story)?;
        interrupts.wait();
    }
    drop(cluster);
    writeln!(story, "The lab is gone again.")?;
    if arguments.json {
        println!("{}", serde_json::to_string(&figures)?);
    }
    Ok(ExitCode::from(code))
}
