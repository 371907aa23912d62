//! HAProxy on a host of the lab, as a rival: started with a configuration, asked over its socket.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::lab::{Lab, Node, Process};

/// A running one; ends when dropped.
#[derive(Debug)]
pub struct Haproxy {
    /// Its process.
    pub process: Process,
    stats: PathBuf,
}

/// One line of `show stat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// The server's name.
    pub server: String,
    /// `UP`, `DOWN`, `UP 1/3`, `no check`, ...
    pub status: String,
    /// How its last check ended: `L4OK`, `L4CON`, ...; empty before it has.
    pub check: String,
}

impl Haproxy {
    /// Starts it with these sections besides `global`. One thread, as pivotd checks with one.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(lab: &Lab, host: &Node, sections: &str) -> Result<Self> {
        let config = lab.directory().join("haproxy.cfg");
        let stats = config.with_extension("sock");
        let global = format!("global\n  stats socket {} level admin\n  nbthread 1\n", stats.display());
        fs::write(&config, global + sections).with_context(|| format!("writing {}", config.display()))?;
        let mut command = Command::new("/usr/sbin/haproxy");
        command.args(["-db", "-f"]).arg(config);
        Ok(Self { process: host.spawn("haproxy", command)?, stats })
    }

    /// How each server stands.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn standings(&self) -> Result<Vec<Standing>> {
        let asked = || -> Result<Vec<Standing>> {
            let mut socket = UnixStream::connect(&self.stats)?;
            socket.write_all(b"show stat\n")?;
            Ok(parse(BufReader::new(socket).lines().map_while(Result::ok)))
        };
        asked().with_context(|| format!("HAProxy said:{}", self.process.tail()))
    }
}

/// The servers of its table, which begins with a line of column names.
fn parse(mut lines: impl Iterator<Item = String>) -> Vec<Standing> {
    let head = lines.next().unwrap_or_default();
    let columns: Vec<&str> = head.trim_start_matches("# ").split(',').collect();
    let place = |name: &str| columns.iter().position(|column| *column == name);
    let (Some(server), Some(status), Some(check)) = (place("svname"), place("status"), place("check_status")) else {
        return Vec::new();
    };
    let standing = |line: String| {
        let fields: Vec<&str> = line.split(',').collect();
        let field = |place: usize| fields.get(place).map(|field| (*field).to_owned());
        let (server, status, check) = (field(server)?, field(status)?, field(check)?);
        (!["FRONTEND", "BACKEND"].contains(&&*server)).then_some(Standing { server, status, check })
    };
    lines.filter_map(standing).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_by_the_names_of_columns() {
        let table = "# pxname,svname,scur,status,check_status,\nweb,FRONTEND,1,OPEN,,\nweb,c2,0,DOWN,L4CON,\nweb,BACKEND,0,UP,,\n\n";
        let c2 = Standing { server: "c2".into(), status: "DOWN".into(), check: "L4CON".into() };
        assert_eq!(parse(table.lines().map(str::to_owned)), [c2]);
        assert!(parse(std::iter::empty()).is_empty());
    }
}
