//! Connections on which nobody says anything, and when they end.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::node::Node;
use super::stream::{self, Order};

/// Open connections to the service of [`stream`], each silent since it was opened.
#[derive(Debug)]
pub struct Idles {
    connections: Vec<Idle>,
}

#[derive(Debug)]
struct Idle {
    /// Name of the service at its other end.
    name: String,
    stream: TcpStream,
}

impl Node {
    /// Opens connections that are silent from then on.
    pub fn open_idle(&self, target: impl Into<SocketAddr>, connections: u64) -> Result<Idles> {
        let target = target.into();
        let open = |_| {
            let (stream, answer) = stream::give(target, Order::Echo)?;
            Ok(Idle { name: answer.name, stream: stream.into_inner() })
        };
        self.run(|| Ok(Idles { connections: (0..connections).map(open).collect::<Result<_>>()? }))?
    }
}

impl Idles {
    /// How many go to each backend.
    pub fn spread(&self) -> BTreeMap<&str, usize> {
        let mut spread = BTreeMap::new();
        self.connections.iter().for_each(|idle| *spread.entry(idle.name.as_str()).or_insert(0) += 1);
        spread
    }

    /// Waits until all connections to a backend have been reset, though their client says nothing, and takes them out; returns how long
    /// after `since` the last one was. An error if one ends in another way, or is open after `patience`.
    pub fn await_reset(&mut self, name: &str, since: Instant, patience: Duration) -> Result<Duration> {
        let (mut waiting, others): (Vec<Idle>, Vec<Idle>) =
            std::mem::take(&mut self.connections).into_iter().partition(|idle| idle.name == name);
        self.connections = others;
        let all = waiting.len();
        ensure!(all > 0, "no connection goes to {name}");
        while !waiting.is_empty() {
            let left = patience.checked_sub(since.elapsed());
            let Some(left) = left else {
                bail!("{} of {all} connections to {name} are open after {patience:?}", waiting.len())
            };
            let ended: Vec<bool> = {
                let mut polled: Vec<PollFd<'_>> =
                    waiting.iter().map(|idle| PollFd::new(&idle.stream, PollFlags::IN)).collect();
                poll(&mut polled, Some(&Timespec::try_from(left).context("waiting")?))?;
                polled.iter().map(|polled| !polled.revents().is_empty()).collect()
            };
            let mut ended = ended.into_iter();
            for idle in waiting.extract_if(.., |_| ended.next().unwrap_or_default()) {
                idle.expect_reset()?;
            }
        }
        Ok(since.elapsed())
    }

    /// Has a byte go there and back on each: an error unless all are at work.
    pub fn ask_each(&mut self) -> Result<()> {
        self.connections.iter_mut().try_for_each(Idle::ask)
    }

    /// How many of them have ended.
    pub fn ended(&self) -> Result<usize> {
        let mut polled: Vec<PollFd<'_>> =
            self.connections.iter().map(|idle| PollFd::new(&idle.stream, PollFlags::IN)).collect();
        Ok(poll(&mut polled, Some(&Timespec::default()))?)
    }
}

impl Idle {
    fn expect_reset(mut self) -> Result<()> {
        match self.stream.read(&mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(()),
            other => bail!("a connection to {} ended by {other:?}, not by a reset", self.name),
        }
    }

    fn ask(&mut self) -> Result<()> {
        let asked = || format!("asking {} on an open connection", self.name);
        let mut back = [0];
        (&self.stream).write_all(&[7]).with_context(asked)?;
        (&self.stream).read_exact(&mut back).with_context(asked)?;
        ensure!(back == [7], "{} came back from {}", back[0], self.name);
        Ok(())
    }
}
