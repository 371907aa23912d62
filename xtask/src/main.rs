//! The commands a person types: `cargo xtask setup | demo | test | vm | bench | bpf`.
//!
//! Each command first makes sure that what it needs is on the machine (`setup`), then builds and runs. Standard output
//! belongs to what is run; everything xtask itself has to say goes to standard error.

mod bench;
mod bpf;
mod cargo;
mod command;
mod demo;
mod setup;
mod test;
#[path = "../../lb-userspace/build/toolchain.rs"]
mod toolchain;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Install what the other commands need; they also do it themselves.
    Setup(setup::Options),
    /// Show pivot at work in network namespaces.
    Demo(demo::Options),
    /// Run the tests.
    Test(test::Options),
    /// Run tests on other kernels, in a virtual machine.
    Vm(vm::Options),
    /// Measure what pivot costs.
    Bench(bench::Options),
    /// Run a cargo command (clippy, check, build) on the BPF crate, with its toolchain and for its target.
    Bpf(bpf::Options),
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Command::Setup(options) => setup::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Demo(options) => demo::run(&options),
        Command::Test(options) => test::run(&options),
        Command::Vm(options) => vm::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Bpf(options) => bpf::run(&options),
    };
    result.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}
