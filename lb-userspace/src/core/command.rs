//! What leaves the controller: everything that is to be done, in order.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::check::Attempt;
use super::event::{Addressee, BackendKey};
use super::plan::Image;

/// A command. The daemon carries them out in the order given.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Bring the kernel tables to this state (the writer works out the difference and the safe order).
    Tables(Box<Image>),
    /// Attach the programs to this interface (idempotent).
    Attach {
        /// Interface name.
        interface: String,
    },
    /// Detach them and remove what was added there.
    Detach {
        /// Interface name.
        interface: String,
    },
    /// Add a VIP to an interface, or label it otherwise if it is there (idempotent).
    AddAddress {
        /// Interface name.
        interface: String,
        /// The VIP.
        address: IpAddr,
        /// Its prefix length.
        prefix: u8,
        /// What it is labelled with, if it is of IPv4; the interface's name if nothing is said.
        label: Option<String>,
    },
    /// Remove it (idempotent).
    RemoveAddress {
        /// Interface name.
        interface: String,
        /// The VIP.
        address: IpAddr,
        /// Its prefix length.
        prefix: u8,
    },
    /// Add a `local` route for a VIP, so that this host accepts its packets without owning the address (idempotent).
    AddLocalRoute {
        /// The VIP.
        address: IpAddr,
    },
    /// Remove it (idempotent).
    RemoveLocalRoute {
        /// The VIP.
        address: IpAddr,
    },
    /// Tell the segment that this host holds a VIP: gratuitous ARPs, or unsolicited neighbour advertisements (RFC 4861,
    /// section 7.2.6).
    Announce {
        /// Interface name.
        interface: String,
        /// The VIP.
        address: IpAddr,
        /// How many, back to back.
        count: u32,
    },
    /// Keep resolved which interface leads to this address, by the kernel's routes, and which MAC answers there, by its
    /// neighbour entry; report both as [`super::event::Event::Neighbour`].
    Resolve {
        /// Whom.
        addressee: Addressee,
        /// What for.
        purpose: Purpose,
    },
    /// Stop doing so.
    Forget {
        /// Whom.
        addressee: Addressee,
    },
    /// Start a check now; its end comes back as [`super::event::Event::ProbeEnded`] with the same `id`.
    Probe {
        /// The backend; where several go by this check, one of them.
        backend: BackendKey,
        /// Tells this check from all others.
        id: u64,
        /// Where, what to send and expect, and how long it may take.
        attempt: Arc<Attempt>,
        /// How long ago it was due.
        late: Duration,
    },
    /// Ask an agent now; its answer comes back as [`super::event::Event::AgentAnswered`] with the same `id`.
    Ask {
        /// Tells this question from all others.
        id: u64,
        /// Where, what, and how long it may take.
        question: Arc<Attempt>,
    },
    /// A line for the operator's log.
    Log {
        /// How bad.
        level: Level,
        /// The line: names the thing, the value and the way out.
        message: String,
    },
}

/// The same commands without tables that the next ones replace before anything depends on them: each state that is written
/// costs a grace period, and of what happens at once (a host with thirty services is gone) only the outcome counts.
#[must_use]
pub fn without_overtaken(commands: Vec<Command>) -> Vec<Command> {
    let mut overtaken = false;
    let mut left: Vec<Command> = Vec::with_capacity(commands.len());
    for command in commands.into_iter().rev() {
        let skipped = overtaken && matches!(command, Command::Tables(_));
        overtaken = match command {
            Command::Tables(_) => true,
            Command::Probe { .. } | Command::Ask { .. } | Command::Log { .. } => overtaken,
            _ => false,
        };
        if !skipped {
            left.push(command);
        }
    }
    left.reverse();
    left
}

/// What an address is resolved for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Frames for a backend are sent there: whatever interface leads there gets the programs, and it is told if none does.
    Backend,
    /// A controller is known by its MAC on segments where the programs run anyhow; elsewhere nobody asks for it.
    Controller,
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Happens all the time.
    Debug,
    /// As expected.
    Info,
    /// Degraded, or will be.
    Warn,
    /// Broken.
    Error,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::plan::{Hold, VipImage};

    /// Tables that can be told from others.
    fn tables(name: &str) -> Command {
        let vip = VipImage {
            name: name.to_owned(),
            address: [10, 0, 0, 1].into(),
            interface: "eth0".to_owned(),
            hold: Hold::No,
            speaker: None,
            holder: None,
        };
        Command::Tables(Box::new(Image { vips: vec![vip], ..Image::default() }))
    }

    fn log(message: &str) -> Command {
        Command::Log { level: Level::Info, message: message.to_owned() }
    }

    #[test]
    fn of_tables_in_a_row_the_last_are_written() {
        let commands = vec![tables("1"), log("a"), tables("2"), log("b"), tables("3"), log("c")];
        assert_eq!(without_overtaken(commands), [log("a"), log("b"), tables("3"), log("c")]);
    }

    #[test]
    fn tables_that_something_depends_on_are_written() {
        let route = || Command::AddLocalRoute { address: [10, 0, 0, 1].into() };
        let commands = vec![tables("1"), tables("2"), route(), log("a"), tables("3"), tables("4")];
        assert_eq!(without_overtaken(commands), [tables("2"), route(), log("a"), tables("4")]);
        assert_eq!(without_overtaken(vec![log("a"), route()]), [log("a"), route()]);
        assert_eq!(without_overtaken(vec![]), []);
    }
}
