//! What may be typed: the one definition from which parsing and every help text come. Nothing here does I/O.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::api::wire::{DEFAULT_ENTRIES, MAX_ENTRIES, parse_backend, parse_target, parse_weight};
use crate::core::config::model::Protocol;
use crate::io::instance::check_name;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  refused or failed: an unknown backend, a configuration with errors, pivotd does not answer;
     'pivot doctor' found a problem; a backend does not pass 'pivot check'
  2  wrong usage
  3  pivotd is not running
  4  no permission to use its socket
  5  degraded (only from 'pivot status --exit-code')

Environment:
  PIVOT_INSTANCE  the instance, where --instance is not given
  PIVOT_SOCKET    the socket, where neither --socket nor --instance is given
  PIVOT_CONFIG    the configuration file, where 'pivot doctor' is given no --config
  NO_COLOR        if set and not empty, no colour is used";

/// See and steer pivotd, the packet-level load balancer on this host.
#[derive(Debug, Parser)]
#[command(name = "pivot", version, arg_required_else_help = true, after_help = EXIT_CODES, max_term_width = 100)]
pub(super) struct Args {
    /// Where pivotd is found.
    #[command(flatten)]
    pub(super) daemon: DaemonArgs,

    /// Print JSON: views on stdout, an error as one object on stderr
    #[arg(long, global = true)]
    pub(super) json: bool,

    /// What to do.
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, ClapArgs)]
pub(super) struct DaemonArgs {
    /// Instance of pivotd to talk to [default: pivot]
    #[arg(long, global = true, help_heading = "Daemon", value_name = "NAME", value_parser = instance)]
    pub(super) instance: Option<String>,

    /// Socket of pivotd to talk to [default: /run/pivot/INSTANCE/api.sock]
    #[arg(long, global = true, help_heading = "Daemon", value_name = "PATH", conflicts_with = "instance")]
    pub(super) socket: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// What pivotd is asked.
    #[command(flatten)]
    Ask(DaemonCommand),
    /// Look at this host, and say what keeps pivot from working well here and what to do about it
    ///
    /// pivotd need not run, and nothing is changed. Without root, some things cannot be looked at; it says which. Exits with
    /// 1 if there is a problem: something without which pivot does not work. Notes and warnings are none.
    Doctor {
        /// Configuration file whose interfaces are looked at [default: /etc/pivot/pivot.toml, if it is there]
        #[arg(long, value_name = "FILE", env = "PIVOT_CONFIG", hide_env = true)]
        config: Option<PathBuf>,
        /// Interface to look at, instead of those of the configuration; may be given again [default: without a
        /// configuration, all that lead to other hosts]
        #[arg(long, value_name = "NAME")]
        interface: Vec<String>,
    },
    /// Work with configuration files
    Config {
        /// What to do with one.
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum DaemonCommand {
    /// Show everything at a glance: warnings, VIPs, services with their backends, verdicts
    Status {
        /// Exit with 5 if there is anything to warn of
        #[arg(long)]
        exit_code: bool,
    },
    /// Show who holds the VIPs: role of this host and why, since when, who was heard, the last changes, counters
    Vips,
    /// List the services: address, backends that are up, traffic, flows that the flow table had no place for
    Services,
    /// List the backends of all services: state, health, share, how they are reached, what their last checks found, what their agents say
    Backends,
    /// List what has become of backends: when, from which state to which, and why; the newest last
    ///
    /// pivotd remembers the last 1000 since it began.
    Events {
        /// Only those of this service
        #[arg(long, value_name = "SERVICE")]
        service: Option<String>,
        /// Most of them to list
        #[arg(long, value_name = "N", default_value_t = DEFAULT_ENTRIES, value_parser = limit)]
        limit: usize,
    },
    /// Check a backend now, and tell what was said on the way; exits with 1 unless it passes
    ///
    /// It is checked from this host, as the configuration says. What is found counts for nothing: the backend's state does not
    /// change.
    Check {
        /// The backend: SERVICE/BACKEND, or BACKEND to mean it in every service
        #[arg(value_parser = target)]
        target: String,
    },
    /// List flows: client, backend, its state, how far the flow has come, when it is forgotten
    Flows {
        /// Only flows of this service
        #[arg(long, value_name = "SERVICE")]
        service: Option<String>,
        /// Most flows to list
        #[arg(long, value_name = "N", default_value_t = DEFAULT_ENTRIES, value_parser = limit)]
        limit: usize,
    },
    /// Tell what would become of a packet, stage by stage and why; changes nothing
    Explain {
        /// Its sender: 10.0.0.7:40000 or [2001:db8::7]:40000
        #[arg(long, value_name = "ADDRESS:PORT")]
        src: String,
        /// Where it goes: a VIP and the port of a service
        #[arg(long, value_name = "ADDRESS:PORT")]
        dst: String,
        /// Its protocol: tcp or udp
        #[arg(long, value_name = "PROTOCOL", default_value = "tcp", value_parser = protocol)]
        proto: Protocol,
        /// Its TCP flags: some of fin, syn, rst, psh, ack, urg with commas between, or none [default: syn]
        #[arg(long, value_name = "FLAGS")]
        flags: Option<String>,
        /// Tell what a host would do that holds the VIP, whether or not this one does
        #[arg(long)]
        as_holder: bool,
    },
    /// List the kernel maps, or dump one
    Maps {
        /// Without one, the maps are listed.
        #[command(subcommand)]
        command: Option<MapsCommand>,
    },
    /// Send no new flows to a backend; those it has stay with it
    ///
    /// This and the other orders about backends are about what this host sends; give them on every host that may hold the VIP.
    /// They stand until they are undone, also over restarts of pivotd and of the host.
    Drain {
        /// The backend: SERVICE/BACKEND, or BACKEND to mean it in every service
        #[arg(value_parser = target)]
        target: String,
    },
    /// Send new flows to a drained backend again
    Undrain {
        /// The backend: SERVICE/BACKEND, or BACKEND to mean it in every service
        #[arg(value_parser = target)]
        target: String,
    },
    /// Put a backend into maintenance: its flows are cut, it gets no new ones, and it is not checked
    ///
    /// What is checked for several services is checked as long as one of its backends is not in maintenance. 'pivot ready' ends it.
    Maintenance {
        /// The backend: SERVICE/BACKEND, or BACKEND to mean it in every service
        #[arg(value_parser = target)]
        target: String,
    },
    /// End the maintenance of a backend: it gets flows again once a check passes; one that is drained stays so
    Ready {
        /// The backend: SERVICE/BACKEND, or BACKEND to mean it in every service
        #[arg(value_parser = target)]
        target: String,
    },
    /// Give a backend another weight than the configured one; it keeps its flows
    Weight {
        /// The backend: SERVICE/BACKEND, or BACKEND to mean it in every service
        #[arg(value_parser = target)]
        target: String,
        /// 0 to 256 (0: no new flows), 0% to 1000% of the configured one, or 'reset' to have that again
        #[arg(value_name = "N|N%|reset", value_parser = weight)]
        weight: String,
    },
    /// Make a backend the writer of its service ('balance = "single"'): the one before it is cut, then this one has all flows
    ///
    /// On the host that holds the service's VIP. It stays the writer as long as it is fit, whatever 'failback' says.
    Switch {
        /// The backend: SERVICE/BACKEND
        #[arg(value_name = "SERVICE/BACKEND", value_parser = backend)]
        target: String,
    },
    /// Hand VIPs that this host holds over to the next host; it does not take them back while that one lives
    ///
    /// The host with the highest priority of those that are left takes over; with --to, it is made sure that this is the right
    /// one. Returns once it has. Exits with 1 if no other host does.
    Failover {
        /// A group, a VIP or its address [default: everything that this host holds]
        #[arg(value_name = "VIP|GROUP")]
        target: Option<String>,
        /// Refuse unless this host is next
        #[arg(long, value_name = "HOST")]
        to: Option<String>,
    },
    /// Keep this host from holding VIPs until 'pivot release', also over restarts; what it holds it hands over
    Hold {
        /// A group, a VIP or its address [default: all groups]
        #[arg(value_name = "VIP|GROUP")]
        target: Option<String>,
    },
    /// Have this host take part in elections again, after 'pivot hold'
    Release {
        /// A group, a VIP or its address [default: all groups]
        #[arg(value_name = "VIP|GROUP")]
        target: Option<String>,
    },
    /// Have pivotd read its configuration again; one with errors changes nothing
    Reload,
}

#[derive(Debug, Subcommand)]
pub(super) enum MapsCommand {
    /// Print the entries of a map, decoded
    Dump {
        /// Name of the map, as 'pivot maps' lists it
        name: String,
        /// Most entries to print
        #[arg(long, value_name = "N", default_value_t = DEFAULT_ENTRIES, value_parser = limit)]
        limit: usize,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Report every error in a configuration file; pivotd need not run
    Check {
        /// The file
        file: PathBuf,
    },
}

/// The name of an instance, by pivotd's rule.
pub(super) fn instance(name: &str) -> Result<String, String> {
    check_name(name).map(|()| name.to_owned()).map_err(|error| error.to_string())
}

fn target(text: &str) -> Result<String, String> {
    parse_target(text).map(|_| text.to_owned()).map_err(|error| error.message)
}

fn backend(text: &str) -> Result<String, String> {
    parse_backend(text).map(|_| text.to_owned()).map_err(|error| error.message)
}

fn weight(text: &str) -> Result<String, String> {
    parse_weight(text).map(|_| text.to_owned()).map_err(|error| error.message)
}

fn protocol(text: &str) -> Result<Protocol, String> {
    let known = [Protocol::Tcp, Protocol::Udp];
    known.into_iter().find(|protocol| protocol.name() == text).ok_or_else(|| "not tcp or udp".to_owned())
}

fn limit(text: &str) -> Result<usize, String> {
    let wrong = || format!("not a number from 1 to {MAX_ENTRIES}");
    text.parse().ok().filter(|limit| (1..=MAX_ENTRIES).contains(limit)).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_instance_is_one_component_of_a_path() {
        for good in ["pivot", "c1", "lab-7_1"] {
            assert_eq!(instance(good).unwrap(), good);
        }
        for bad in ["", ".", "..", "a.b", "a/b", "-x", "ä", &"a".repeat(33)] {
            assert!(instance(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_stand_before_or_after_the_command() {
        for line in ["pivot --json --instance c1 status", "pivot status --instance c1 --json"] {
            let args = Args::try_parse_from(line.split(' ')).unwrap();
            assert!(args.json && args.daemon.instance.as_deref() == Some("c1"), "{line}");
        }
    }
}
