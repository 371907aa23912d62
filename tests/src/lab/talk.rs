//! Connections that are never silent: on each, a byte goes there and back, again and again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::node::Node;
use super::patience::patient;
use super::stream::{self, Order};
use super::wait::wait_until;

/// Connections under way; ended when dropped.
#[derive(Debug)]
pub struct Talks {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<Vec<Talk>>>>,
}

/// What became of one connection.
#[derive(Debug, Clone)]
pub struct Talk {
    /// Name of the service at its other end.
    pub name: String,
    /// Bytes that came back.
    pub exchanged: u64,
    /// The longest that a byte took.
    pub longest: Duration,
    /// Why it broke, if it did.
    pub broken: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    open: AtomicU64,
    /// Of each connection.
    exchanged: Vec<AtomicU64>,
    broken: AtomicU64,
    stop: AtomicBool,
}

/// Rest between two bytes.
const PAUSE: Duration = Duration::from_millis(50);

/// Longest that a byte may take: TCP has sent it again some five times by then.
const PATIENCE: Duration = Duration::from_secs(10);

impl Node {
    /// Opens connections to the service of [`stream`], and talks on each of them; returns once all are open.
    pub fn talk(&self, target: impl Into<SocketAddr>, connections: u64) -> Result<Talks> {
        let (node, target) = (self.clone(), target.into());
        let exchanged = (0..connections).map(|_| AtomicU64::new(0)).collect();
        let shared = Arc::new(Shared { exchanged, ..Shared::default() });
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || node.run(|| run(target, &shared))?
        });
        let talks = Talks { shared, thread: Some(thread) };
        let ended = || talks.thread.as_ref().is_none_or(JoinHandle::is_finished);
        wait_until(Duration::from_secs(30), &format!("{connections} connections to {target}"), || {
            match talks.shared.open.load(Ordering::Relaxed) {
                _ if ended() => Ok(()),
                open if open == connections => Ok(()),
                open => Err(format!("{open}")),
            }
        })?;
        // If it ended so early, it is for a reason.
        if ended() {
            talks.stop()?;
            bail!("the connections to {target} ended before they began");
        }
        Ok(talks)
    }
}

impl Talks {
    /// Bytes that came back so far, on all of them.
    pub fn exchanged(&self) -> u64 {
        self.shared.exchanged.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Waits until so many more bytes have come back on each of them, or some are broken.
    pub fn await_each(&self, more: u64) -> Result<()> {
        let counts = || self.shared.exchanged.iter().map(|count| count.load(Ordering::Relaxed));
        let before: Vec<u64> = counts().collect();
        wait_until(Duration::from_secs(20), &format!("{more} bytes on each connection"), || {
            let least = counts().zip(&before).map(|(count, before)| count - before).min();
            match (least, self.broken()) {
                (Some(least), 0) if least < more => Err(least),
                _ => Ok(()),
            }
        })
    }

    /// How many of them broke so far.
    pub fn broken(&self) -> u64 {
        self.shared.broken.load(Ordering::Relaxed)
    }

    /// Ends them, each after the byte under way, and returns what became of them.
    pub fn stop(mut self) -> Result<Vec<Talk>> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("connections that were stopped already")?;
        thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }
}

impl Drop for Talks {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // What it saw is of no use to anyone now.
            let _ = thread.join();
        }
    }
}

fn run(target: SocketAddr, shared: &Arc<Shared>) -> Result<Vec<Talk>> {
    let runtime = Builder::new_current_thread().enable_all().build().context("starting a runtime")?;
    runtime.block_on(async {
        let mut talks = JoinSet::new();
        for number in 0..shared.exchanged.len() {
            let (stream, answer) = stream::give(target, Order::Echo)?;
            let stream = stream.into_inner();
            stream.set_nonblocking(true)?;
            talks.spawn(talk(TcpStream::from_std(stream)?, answer.name, number, Arc::clone(shared)));
            shared.open.fetch_add(1, Ordering::Relaxed);
        }
        Ok(talks.join_all().await)
    })
}

async fn talk(mut stream: TcpStream, name: String, number: usize, shared: Arc<Shared>) -> Talk {
    let patience = patient(PATIENCE);
    let mut talk = Talk { name, exchanged: 0, longest: Duration::ZERO, broken: None };
    while !shared.stop.load(Ordering::Relaxed) {
        let byte = talk.exchanged as u8;
        let began = Instant::now();
        let exchange = timeout(patience, exchange(&mut stream, byte)).await;
        if let Err(error) = exchange.unwrap_or_else(|_| bail!("no byte within {patience:?}")) {
            shared.broken.fetch_add(1, Ordering::Relaxed);
            talk.broken = Some(format!("{error:#}"));
            break;
        }
        talk.exchanged += 1;
        talk.longest = talk.longest.max(began.elapsed());
        shared.exchanged[number].fetch_add(1, Ordering::Relaxed);
        sleep(patient(PAUSE)).await;
    }
    talk
}

async fn exchange(stream: &mut TcpStream, byte: u8) -> Result<()> {
    stream.write_all(&[byte]).await?;
    let mut back = [0];
    stream.read_exact(&mut back).await?;
    if back != [byte] {
        bail!("{byte} was sent, and {} came back", back[0]);
    }
    Ok(())
}
