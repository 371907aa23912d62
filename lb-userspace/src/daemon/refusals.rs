//! Connections that backends did not take, from the packet path to the controller.
//!
//! The director learns of them by what is handed back to it, a backend's host by what finds no listener: each has its own checks made at
//! once. What is told of a backend several times at once is one refusal.

use std::collections::BTreeSet;
use std::io;

use lb_common::wire::refusal::Refusal;

use super::Daemon;
use super::error::DaemonError;
use crate::core::event::{BackendKey, Event};

impl Daemon {
    /// Takes in what was told.
    ///
    /// # Errors
    /// [`DaemonError::Refusals`] if the kernel does not let us wait for more.
    pub(super) async fn hasten(&mut self, told: io::Result<Vec<Refusal>>) -> Result<(), DaemonError> {
        let told = told.map_err(|source| DaemonError::Refusals { source })?;
        let writer = self.executor.datapath.writer();
        let refusers: BTreeSet<BackendKey> =
            told.into_iter().filter_map(|refusal| writer.refuser(refusal).cloned()).collect();
        for backend in refusers {
            self.handle(Event::Refused { backend }).await;
        }
        Ok(())
    }
}
