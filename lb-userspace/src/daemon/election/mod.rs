//! The election, on a thread of its own: nothing that the rest of pivotd waits for may delay an advert or a lease.
//!
//! - [`thread`]: its loop: what waits, then what is due.
//! - [`seat`]: what it has to know of one group, and how that follows from the configuration.
//! - [`complaints`]: messages that were ignored, each kind told once. [`duplicates`]: whether other machines have the VIPs.
//! - [`ledger`]: what is remembered of a group. [`report`]: how things stand, for whoever asks.

mod complaints;
mod duplicates;
mod ledger;
pub(super) mod report;
pub(super) mod seat;
mod thread;

use std::io;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use tokio::sync::{mpsc as tokio_mpsc, oneshot};

use self::report::Report;
use self::seat::Seat;
use self::thread::Order;
use crate::core::election::{Fitness, Peer, Role};
use crate::core::event::Now;
use crate::io::jiffies;
use crate::tables::lease::{Jiffies, Leases};

/// How long the election has to say how things stand. It takes microseconds; one that hangs has lost its leases by then.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the election says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elected {
    /// The group.
    pub(super) group: String,
    /// What this host is for it.
    pub(super) role: Role,
    /// Why it is that.
    pub(super) why: String,
    /// The other host that holds it, if it is known.
    pub(super) holder: Option<Peer>,
    /// Whether it takes part: before that it is unfit because nobody has told it what it is fit for.
    pub(super) begun: bool,
    /// Since when this host may lack what others know, by the election's clock.
    pub(super) behind: Option<Now>,
}

/// The thread, from outside.
pub(super) struct Elections {
    orders: mpsc::Sender<Order>,
    bell: OwnedFd,
    thread: Option<JoinHandle<()>>,
    /// How it tells the packet path's time.
    jiffies: Jiffies,
    /// What it says, in order.
    pub(super) said: tokio_mpsc::UnboundedReceiver<Elected>,
}

impl Elections {
    /// Starts it on the host of this name; what it seals has sequences behind this one. It takes no part in anything before the
    /// first [`Elections::seat`].
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn start(memory: &crate::tables::memory::TableMemory, host: &str, sequence: u64) -> io::Result<Self> {
        let jiffies = jiffies::measure()?;
        let leases = Leases::new(std::sync::Arc::clone(&memory.vips), jiffies);
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let (orders, inbox) = mpsc::channel();
        let (says, said) = tokio_mpsc::unbounded_channel();
        let (heard, host) = (bell.try_clone()?, host.to_owned());
        let thread = std::thread::Builder::new()
            .name("election".to_owned())
            .spawn(move || thread::run(&inbox, &heard, says, leases, host, sequence))?;
        Ok(Self { orders, bell, thread: Some(thread), jiffies, said })
    }

    /// The groups that it is to take part in from now on.
    pub(super) fn seat(&self, seats: Vec<Seat>) {
        self.order(Order::Seat(seats));
    }

    /// The packet path's time, as exactly as leases go by it.
    pub(super) fn jiffies(&self) -> u64 {
        self.jiffies.at(jiffies::monotonic())
    }

    /// What this host is fit for.
    pub(super) fn judge(&self, group: &str, fitness: Fitness) {
        self.order(Order::Judge { group: group.to_owned(), fitness });
    }

    /// This host lacks nothing any more of what it did since then, by the election's clock.
    pub(super) fn catch_up(&self, group: &str, since: Now) {
        self.order(Order::CatchUp { group: group.to_owned(), since });
    }

    /// Lets another host hold a group that this one holds.
    pub(super) fn yield_to_others(&self, group: &str) {
        self.order(Order::Yield { group: group.to_owned() });
    }

    /// How things stand, once all earlier orders are carried out; `None` if the election has ended or hangs.
    pub(super) async fn report(&self) -> Option<Report> {
        let (answer, report) = oneshot::channel();
        self.order(Order::Report(answer));
        tokio::time::timeout(PATIENCE, report).await.ok()?.ok()
    }

    /// Hands everything over, and waits until that is done.
    pub(super) fn stop(&mut self) {
        self.order(Order::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the election had panicked: its leases run out by themselves");
        }
    }

    fn order(&self, order: Order) {
        // A thread that is gone has nothing to be told.
        if self.orders.send(order).is_ok() {
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }
}
