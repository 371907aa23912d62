//! What the story asks of a real service, and what the services have in common.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::batch::Batch;
use crate::lab::{Node, Process, wait_until};

/// How long a server may take to get ready: with three Erlang nodes and three databases starting on two busy cores.
pub const START: Duration = Duration::from_secs(120);

/// One service of the control plane, running on every controller, with its clients.
pub trait Service: Send {
    /// Its name in pivot's configuration.
    fn name(&self) -> &'static str;

    /// The port it is bound to on its node address, and reached at on the VIP.
    fn port(&self) -> u16;

    /// What its servers and clients are, in a few words.
    fn description(&self) -> &'static str;

    /// A command with which a person uses the service at `target`.
    fn request(&self, target: Ipv4Addr) -> String;

    /// Carries out `ops` operations with a real client on `client`, against `target`. A failed operation is counted; an
    /// error means that the client could not be run, or that the servers could not be asked what they saw.
    fn drive(&mut self, client: &Node, target: Ipv4Addr, ops: usize) -> Result<Batch>;

    /// The host on which it should be ended next, to make it hard for nobody but new clients.
    fn victim(&self) -> Result<String>;

    /// Ends it on one host at once, as a crash would.
    fn end_on(&mut self, host: &str) -> Result<()>;
}

/// Waits until a daemon has printed `text` (or fails as soon as it has ended), within [`START`].
pub fn await_printed(process: &mut Process, text: &str) -> Result<()> {
    let what = format!("{process} to print {text:?}");
    let seen = wait_until(START, &what, || match process.ended() {
        Ok(Some(status)) => Ok(Err(format!("{process} ended at its start: {status}"))),
        Ok(None) if process.stdout().contains(text) || process.stderr().contains(text) => Ok(Ok(())),
        Ok(None) => Err("nothing of the kind".to_owned()),
        Err(error) => Err(format!("{error:#}")),
    });
    match seen.with_context(|| format!("its log:{}", process.tail()))? {
        Ok(()) => Ok(()),
        Err(ended) => bail!("{ended}{}", process.tail()),
    }
}

/// Waits until something accepts connections on a host's node address, within [`START`].
pub fn await_listening(host: &Node, port: u16) -> Result<()> {
    let address = SocketAddr::from((host.address, port));
    let what = format!("a listener on {address}");
    host.run(|| wait_until(START, &what, || TcpStream::connect_timeout(&address, Duration::from_secs(1)).map(drop)))?
}

/// Writes a file below a directory, which is made if need be.
pub fn write(directory: &Path, name: &str, content: &str) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| format!("making {}", directory.display()))?;
    let path = directory.join(name);
    fs::write(&path, content).with_context(|| format!("writing {}", path.display()))
}
