//! A crowd of clients: one request per fresh connection, several at a time, every outcome kept.
//!
//! A failure here is what a user would call one: refused, reset, silent for too long, or not an answer.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::http::Answer;
use super::node::Node;
use super::report::{Outcome, Report};
use super::request;

/// What the clients are to do.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Where to connect to.
    pub target: SocketAddr,
    /// The client's address; `None`: the one that the kernel chooses.
    pub from: Option<IpAddr>,
    /// How many requests in all; `None`: until stopped.
    pub requests: Option<usize>,
    /// How many at the same time.
    pub concurrency: usize,
    /// How long each client rests after a request.
    pub pause: Duration,
    /// Bytes by which each answer is to be longer.
    pub pad: usize,
}

/// A load that runs while other things happen; stopped when dropped.
#[derive(Debug)]
pub struct RunningLoad {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<Report>>>,
}

#[derive(Debug, Default)]
struct Shared {
    begun: AtomicUsize,
    done: AtomicUsize,
    stop: AtomicBool,
}

impl Load {
    /// Requests as fast as eight clients get their answers, until stopped or limited.
    pub fn to(target: impl Into<SocketAddr>) -> Self {
        Self { target: target.into(), from: None, requests: None, concurrency: 8, pause: Duration::ZERO, pad: 0 }
    }

    /// A gentle load that leaves the machine time for other things: four clients that rest 5 ms after each request.
    pub fn gently_to(target: impl Into<SocketAddr>) -> Self {
        Self { concurrency: 4, pause: Duration::from_millis(5), ..Self::to(target) }
    }

    /// The same with this many requests in all.
    #[must_use]
    pub fn requests(self, requests: usize) -> Self {
        Self { requests: Some(requests), ..self }
    }

    /// The same from this address of the client.
    #[must_use]
    pub fn from(self, address: impl Into<IpAddr>) -> Self {
        Self { from: Some(address.into()), ..self }
    }

    /// The same with longer answers.
    #[must_use]
    pub fn padded(self, bytes: usize) -> Self {
        Self { pad: bytes, ..self }
    }

    /// Carries it out in the calling thread, hence in its network namespace.
    pub fn run(self) -> Result<Report> {
        self.run_shared(&Arc::default())
    }

    fn run_shared(self, shared: &Arc<Shared>) -> Result<Report> {
        let runtime = Builder::new_current_thread().enable_all().build().context("starting the client's runtime")?;
        let start = Instant::now();
        let outcomes = runtime.block_on(async {
            let mut clients = JoinSet::new();
            for _ in 0..self.concurrency {
                clients.spawn(self.client(Arc::clone(shared)));
            }
            clients.join_all().await.concat()
        });
        Ok(Report::new(start, outcomes))
    }

    async fn client(self, shared: Arc<Shared>) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        let limit = self.requests.unwrap_or(usize::MAX);
        while !shared.stop.load(Ordering::Relaxed) && shared.begun.fetch_add(1, Ordering::Relaxed) < limit {
            outcomes.push(self.request().await);
            shared.done.fetch_add(1, Ordering::Relaxed);
            if !self.pause.is_zero() {
                sleep(self.pause).await;
            }
        }
        outcomes
    }

    async fn request(self) -> Outcome {
        let at = Instant::now();
        let mut port = None;
        let result = self.fresh_connection(&mut port).await;
        Outcome { at, took: at.elapsed(), port, result: result.map_err(|error| format!("{error:#}")) }
    }

    async fn fresh_connection(self, port: &mut Option<u16>) -> Result<Answer> {
        request::within_patience("the answer", async {
            let connecting = request::begin_connecting(self.from, self.target)?;
            *port = connecting.local_addr().ok().map(|address| address.port());
            let (mut sender, _connection) = request::finish_connecting(connecting, self.target).await?;
            request::exchange(&mut sender, self.pad, "close").await
        })
        .await
    }
}

impl Node {
    /// Carries out a load from this host, to its end.
    pub fn load(&self, load: Load) -> Result<Report> {
        self.run(|| load.run())?
    }

    /// Begins a load from this host; returns once the first request is done.
    pub fn start_load(&self, load: Load) -> Result<RunningLoad> {
        let shared = Arc::<Shared>::default();
        let thread = thread::spawn({
            let (node, shared) = (self.clone(), Arc::clone(&shared));
            move || node.run(|| load.run_shared(&shared))?
        });
        let load = RunningLoad { shared, thread: Some(thread) };
        load.await_more(1)?;
        Ok(load)
    }
}

impl RunningLoad {
    /// Waits until this many more requests are done.
    pub fn await_more(&self, requests: usize) -> Result<()> {
        let done = || self.shared.done.load(Ordering::Relaxed);
        let goal = done() + requests;
        super::wait_until(Duration::from_secs(60), &format!("{requests} more requests"), || {
            if done() >= goal { Ok(()) } else { Err(format!("{} to go", goal - done())) }
        })
    }

    /// Ends it after the requests under way, and returns what it saw.
    pub fn stop(mut self) -> Result<Report> {
        self.shared.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("a load that was stopped already")?;
        thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload))
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its report is of no use to anyone now.
            let _ = thread.join();
        }
    }
}
