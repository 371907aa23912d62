//! The VRRP messages that a host sends, as they pass its port of the switch.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pivot_tests::lab::capture::Capture;
use pivot_tests::lab::{Lab, wait_until};

/// One of them.
#[derive(Debug, Clone)]
pub(crate) struct Said {
    pub(crate) at: Instant,
    pub(crate) from: IpAddr,
    pub(crate) payload: Vec<u8>,
}

/// What one host says, as long as this lives.
#[derive(Debug)]
pub(crate) struct Adverts {
    said: Arc<Mutex<Vec<Said>>>,
    _capture: Capture,
}

impl Said {
    pub(crate) fn priority(&self) -> Option<u8> {
        self.payload.get(2).copied()
    }
}

impl Adverts {
    /// Begins to listen to a host.
    pub(crate) fn of(lab: &Lab, host: &str) -> Self {
        let said = Arc::<Mutex<Vec<Said>>>::default();
        let (heard, mac) = (Arc::clone(&said), lab.node(host).mac);
        let capture = Capture::start(lab.switch(), host, move |frame| {
            if let Some((from, payload)) = frame.vrrp().filter(|_| frame.source() == Some(mac)) {
                lock(&heard).push(Said { at: Instant::now(), from, payload: payload.to_vec() });
            }
            false
        });
        Self { said, _capture: capture.unwrap() }
    }

    /// Everything so far.
    pub(crate) fn all(&self) -> Vec<Said> {
        lock(&self.said).clone()
    }

    /// Waits until there are this many more than now.
    pub(crate) fn await_more(&self, more: usize) {
        let wanted = self.all().len() + more;
        wait_until(Duration::from_secs(30), &format!("{more} more messages"), || match self.all().len() {
            count if count >= wanted => Ok(()),
            count => Err(format!("{} of them are to come", wanted - count)),
        })
        .unwrap();
    }

    /// The priorities so far.
    pub(crate) fn priorities(&self) -> Vec<u8> {
        self.all().iter().filter_map(Said::priority).collect()
    }
}

fn lock(said: &Mutex<Vec<Said>>) -> MutexGuard<'_, Vec<Said>> {
    said.lock().unwrap_or_else(PoisonError::into_inner)
}
