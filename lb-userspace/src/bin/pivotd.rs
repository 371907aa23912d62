//! pivotd, the daemon: one on each controller.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use lb_userspace::daemon::{self, Options};
use lb_userspace::io::holds::STATE_ROOT;
use lb_userspace::io::instance::{BPFFS_ROOT, RUN_ROOT};
use lb_userspace::io::log::Log;
use tracing_subscriber::EnvFilter;

/// Balances virtual IPs over the controllers of a cluster: checks backends, writes the BPF maps, owns the VIPs.
///
/// Runs in the foreground and logs to standard error (RUST_LOG=debug for more). SIGHUP reloads the configuration, as
/// `pivot reload` does; SIGTERM and SIGINT stop cleanly and remove what pivotd added. If it is killed, packets keep
/// flowing, and the next pivotd of the same instance takes over.
#[derive(Parser)]
#[command(name = "pivotd", version, after_help = EXIT_CODES)]
struct Args {
    /// Configuration file, the same on every controller
    #[arg(long, value_name = "FILE", default_value = "/etc/pivot/pivot.toml", env = "PIVOT_CONFIG")]
    config: PathBuf,
    /// Name of this host in the configuration [default: what `uname -n` prints]
    #[arg(long, value_name = "NAME", env = "PIVOT_HOST")]
    host: Option<String>,
    /// Name of this instance; one pivotd runs under each
    #[arg(long, value_name = "NAME", default_value = "pivot", env = "PIVOT_INSTANCE")]
    instance: String,
    /// Directory of the instances' run directories (lock and API socket)
    #[arg(long, value_name = "DIR", default_value = RUN_ROOT)]
    run_root: PathBuf,
    /// Where bpffs is mounted; mounted there if it is not
    #[arg(long, value_name = "DIR", default_value = BPFFS_ROOT)]
    bpffs: PathBuf,
    /// Directory of what instances remember over restarts: groups of VIPs that this host is held back from
    #[arg(long, value_name = "DIR", default_value = STATE_ROOT)]
    state_root: PathBuf,
}

const EXIT_CODES: &str = "Exit codes:
  0  stopped as told
  1  failed: the message says at what
  2  wrong usage
  3  the configuration is wrong, or does not fit this host
  4  privileges are missing
  5  the kernel lacks something
  6  another pivotd runs as this instance";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args = Args::parse();
    let log = Log::to(std::io::stderr());
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(log.writer())
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    let options = Options {
        config: args.config,
        host: args.host,
        instance: args.instance,
        run_root: args.run_root,
        bpffs: args.bpffs,
        state_root: args.state_root,
    };
    let code = match daemon::run(options, log.lost()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // What it takes in it writes in time, or counts as lost.
            let _ = log.writer().write_all(format!("pivotd: {error}\n").as_bytes());
            ExitCode::from(error.exit_code())
        }
    };
    log.finish();
    code
}
