//! What runs inside a lab as a process of its own: the backends' services, and a load for people to start by hand.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use pivot_tests::lab::{Load, http, stream, teller, udp};

/// Services and client of pivot's lab
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer HTTP requests with this service's name and the client's address
    ServeHttp {
        #[command(flatten)]
        service: Service,
        /// File that says how it answers
        #[arg(long, value_name = "FILE")]
        mood: Option<PathBuf>,
    },
    /// Answer HTTP requests as an agent: with what a file says of a backend
    ServeAgent {
        #[command(flatten)]
        service: Service,
        /// File that holds its answer
        #[arg(long, value_name = "FILE")]
        says: PathBuf,
    },
    /// Send, take in or send back bytes over TCP
    ServeStream(Service),
    /// Answer datagrams from the address they were sent to
    ServeUdp(Service),
    /// Send HTTP requests, each over a fresh connection; exit with 1 if one failed
    Client {
        /// Where to connect to
        #[arg(long, value_name = "IP:PORT")]
        target: SocketAddr,
        /// How many requests
        #[arg(long, default_value_t = 1000)]
        requests: usize,
        /// How many at a time
        #[arg(long, default_value_t = 8)]
        concurrency: usize,
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
    },
}

/// A service
#[derive(Debug, Args)]
struct Service {
    /// Address and port to be bound to; may be repeated
    #[arg(long, value_name = "IP:PORT", required = true)]
    bind: Vec<SocketAddr>,
    /// Name to answer with
    #[arg(long)]
    name: String,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("pivot-lab: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::ServeHttp { service: Service { bind, name }, mood } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(http::serve(name, &bind, mood))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::ServeAgent { service: Service { bind, .. }, says } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(teller::serve(&bind, says))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::ServeStream(Service { bind, name }) => {
            stream::serve(&name, &bind)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::ServeUdp(Service { bind, name }) => {
            udp::serve(&name, &bind)?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Client { target, requests, concurrency, json } => {
            let report = Load { concurrency, ..Load::to(target).requests(requests) }.run()?;
            let summary = report.summary();
            if json {
                println!("{}", serde_json::to_string(&summary)?);
            } else {
                println!("{summary}");
            }
            Ok(if summary.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
    }
}
