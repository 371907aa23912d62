//! VRRP messages as a dissector of others reads them: tcpdump writes them down, tshark says what they are.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::node::Node;
use super::process::Process;
use super::wait::wait_until;

/// What is written down.
const FILTER: &str = "ip proto 112 or ip6 proto 112";

/// How long tcpdump has to begin.
const START: Duration = Duration::from_secs(10);

/// What tshark is asked for; columns of its answer in this order.
const FIELDS: [&str; 21] = [
    "eth.dst",
    "ip.src",
    "ip.dst",
    "ip.ttl",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.hlim",
    "vrrp.version",
    "vrrp.type",
    "vrrp.virt_rtr_id",
    "vrrp.prio",
    "vrrp.addr_count",
    "vrrp.auth_type",
    "vrrp.adver_int",
    "vrrp.short_adver_int",
    "vrrp.checksum.status",
    "vrrp.ip_addr",
    "vrrp.ipv6_addr",
    "vrrp.auth_string",
    "_ws.malformed",
    "_ws.expert",
];

/// Messages that are being written down.
#[derive(Debug)]
pub struct Recording {
    tcpdump: Process,
    path: PathBuf,
}

/// Messages that were written down.
#[derive(Debug)]
pub struct Recorded {
    path: PathBuf,
}

/// One message, in tshark's words; what does not apply is empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dissected {
    /// MAC that the frame went to.
    pub mac: String,
    /// Sender.
    pub source: String,
    /// Receiver.
    pub destination: String,
    /// TTL or hop limit.
    pub hops: String,
    /// Version of VRRP.
    pub version: String,
    /// Type of the message.
    pub kind: String,
    /// Number of the virtual router.
    pub vrid: String,
    /// Priority.
    pub priority: String,
    /// Number of addresses.
    pub count: String,
    /// Authentication type (version 2).
    pub authentication: String,
    /// Interval: seconds (version 2), centiseconds (version 3).
    pub interval: String,
    /// `1`: the checksum is good.
    pub checksum: String,
    /// The addresses.
    pub addresses: String,
    /// The password (version 2).
    pub password: String,
    /// What is wrong with it.
    pub complaints: String,
}

impl Node {
    /// Begins to write down the VRRP messages on this host's interface.
    pub fn record_vrrp(&self) -> Result<Recording> {
        let path = self.directory.join(format!("{}.pcap", self.name));
        let mut command = Command::new("tcpdump");
        // Root reads what root wrote; every packet at once.
        command.args(["-Z", "root", "-U", "--immediate-mode", "-i", self.interface, "-w"]).arg(&path).arg(FILTER);
        let tcpdump = self.spawn(&format!("tcpdump-{}", self.name), command)?;
        wait_until(START, "tcpdump to listen", || {
            let said = tcpdump.stderr();
            if said.contains("listening on") { Ok(()) } else { Err(said) }
        })?;
        Ok(Recording { tcpdump, path })
    }
}

impl Recording {
    /// Ends it.
    pub fn stop(mut self) -> Result<Recorded> {
        let status = self.tcpdump.stop()?;
        if !status.success() {
            bail!("{} ended with {status}{}", self.tcpdump, self.tcpdump.tail());
        }
        Ok(Recorded { path: self.path })
    }
}

impl Recorded {
    /// The messages as tshark reads them; `pseudo_header`: it takes the checksum of version 3 over IPv4 to cover that.
    pub fn dissect(&self, pseudo_header: bool) -> Result<Vec<Dissected>> {
        let without = format!("vrrp.v3_checksum_as_in_v2:{}", if pseudo_header { "FALSE" } else { "TRUE" });
        let mut command = Command::new("tshark");
        command.args(["-n", "-o", &without, "-T", "fields", "-E", "separator=|", "-r"]).arg(&self.path);
        command.args(FIELDS.iter().flat_map(|field| ["-e", field]));
        let output = command.output().context("running tshark")?;
        if !output.status.success() {
            bail!("{command:?}: {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8_lossy(&output.stdout).lines().map(read).collect()
    }
}

fn read(line: &str) -> Result<Dissected> {
    let columns: Vec<&str> = line.split('|').collect();
    if columns.len() != FIELDS.len() {
        bail!("tshark says {line:?}: not {} columns", FIELDS.len());
    }
    // Of columns that exclude each other the one that is not empty.
    let of = |names: &[&str]| {
        let place = |name: &&str| FIELDS.iter().position(|field| field == name).map(|index| columns[index]);
        names.iter().filter_map(place).collect::<String>()
    };
    Ok(Dissected {
        mac: of(&["eth.dst"]),
        source: of(&["ip.src", "ipv6.src"]),
        destination: of(&["ip.dst", "ipv6.dst"]),
        hops: of(&["ip.ttl", "ipv6.hlim"]),
        version: of(&["vrrp.version"]),
        kind: of(&["vrrp.type"]),
        vrid: of(&["vrrp.virt_rtr_id"]),
        priority: of(&["vrrp.prio"]),
        count: of(&["vrrp.addr_count"]),
        authentication: of(&["vrrp.auth_type"]),
        interval: of(&["vrrp.adver_int", "vrrp.short_adver_int"]),
        checksum: of(&["vrrp.checksum.status"]),
        addresses: of(&["vrrp.ip_addr", "vrrp.ipv6_addr"]),
        password: of(&["vrrp.auth_string"]),
        complaints: of(&["_ws.malformed", "_ws.expert"]),
    })
}
