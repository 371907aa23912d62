//! When pivotd is ready, and opens its socket: once it knows where the hosts are that it deals with.
//!
//! Before that a packet from a director is one from a stranger to the agent here, which drops what strangers send to a VIP that
//! another host holds; and a director leaves a backend out that it has no MAC of. Whoever waits for the socket (a rolling
//! update, say) finds a host that takes its part. A host that does not answer keeps nobody waiting for long, and what an
//! earlier pivotd left at work is ready as it is.

use std::io;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::error::DaemonError;
use super::{Daemon, start};
use crate::api::request::Request;
use crate::api::server;
use crate::core::event::Now;

/// How long those who do not answer are waited for. Neighbours are asked 5 ms after one another: a hundred take half of it.
const PATIENCE: Duration = Duration::from_secs(1);

/// The server behind the socket.
pub(super) struct Server {
    stop: oneshot::Sender<()>,
    task: JoinHandle<io::Result<()>>,
}

impl Server {
    fn start(listener: UnixListener, requests: mpsc::Sender<Request>) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(server::serve(listener, requests, async {
            // Either way of ending means the same.
            let _ = stopped.await;
        }));
        Self { stop, task }
    }

    /// Ends it once it has answered what it was asked.
    pub(super) async fn stop(self) {
        drop(self.stop);
        // A server that panicked has nothing to stop.
        let _ = self.task.await;
    }
}

impl Daemon {
    /// When it is ready at the latest, if it begins to serve now.
    pub(super) fn ready_by(&self) -> Now {
        Now(self.now().0 + PATIENCE)
    }

    /// Opens the socket if pivotd is ready.
    ///
    /// # Errors
    /// [`DaemonError::Socket`].
    pub(super) fn open_if_ready(
        &self,
        latest: Now,
        requests: &mpsc::Sender<Request>,
    ) -> Result<Option<Server>, DaemonError> {
        let unseen = self.unseen();
        if !unseen.is_empty() && self.now() < latest {
            return Ok(None);
        }
        let server = Server::start(start::listen(&self.instance)?, requests.clone());
        let (host, instance, adopted) = (&self.host, &self.options.instance, self.adopted);
        if unseen.is_empty() {
            tracing::info!(host, instance, adopted, "pivotd is ready");
        } else {
            let silent = unseen.join(", ");
            tracing::warn!(host, instance, silent, "pivotd is ready, but not all other hosts have answered yet");
        }
        Ok(Some(server))
    }

    /// Addresses on segments of this host that nobody has answered at.
    fn unseen(&self) -> Vec<String> {
        if self.adopted {
            return Vec::new();
        }
        let asked = self.executor.ways.neighbours();
        asked.filter(|addressee| !self.controller.has_seen(addressee)).map(ToString::to_string).collect()
    }
}
