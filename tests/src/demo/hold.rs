//! Ways into a lab that is kept up.

use std::io::{self, Write};

use crate::lab::{Lab, Pivotd, binaries};

/// Says how to enter each namespace, how to talk to each pivotd, and how to end; `requests` are commands to try in the
/// client's namespace.
pub fn explain<'a>(
    lab: &Lab,
    daemons: impl IntoIterator<Item = &'a Pivotd>,
    requests: &[String],
    out: &mut dyn Write,
) -> io::Result<()> {
    let pivot = binaries::find("pivot").map_or_else(|_| "pivot".to_owned(), |path| path.display().to_string());
    writeln!(out, "The lab stays up until Ctrl-C. To enter a host:")?;
    for node in lab.nodes() {
        writeln!(out, "    nsenter --net=/run/netns/{}    # {}, {}", node.netns().name(), node.name, node.address)?;
    }
    writeln!(out, "    nsenter --net=/run/netns/{}    # the switch", lab.switch().name())?;
    writeln!(out, "To talk to a pivotd, from anywhere:")?;
    for daemon in daemons {
        writeln!(out, "    {pivot} --socket {} status", daemon.socket().display())?;
    }
    let client = lab.node("client").netns().name();
    writeln!(out, "To send requests, in the client's namespace:")?;
    for request in requests {
        writeln!(out, "    nsenter --net=/run/netns/{client} {request}")?;
    }
    writeln!(out, "Logs and configuration: {}", lab.directory().display())
}
