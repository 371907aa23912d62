//! Programs that are run until they end or this one is interrupted: then all that was made can still be removed.

use std::process::Output;

use anyhow::{Context as _, bail};
use tokio::process::Command;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Keeps Ctrl-C, SIGTERM and SIGHUP from ending this process, from now on.
#[derive(Debug)]
pub struct Interruptible {
    runtime: Runtime,
    signals: [Signal; 3],
}

impl Interruptible {
    /// To be called before anything is made that must be removed.
    ///
    /// # Errors
    /// If the signals cannot be watched.
    pub fn watch() -> anyhow::Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let signals = {
            let _entered = runtime.enter();
            [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]
        };
        Ok(Self { runtime, signals })
    }

    /// Runs a command to its end; ends it when this process is interrupted, also if that was before.
    ///
    /// # Errors
    /// If it cannot be started, or was interrupted.
    pub fn run(&mut self, command: &mut Command) -> anyhow::Result<Output> {
        let name = command.as_std().get_program().display().to_string();
        let [interrupt, terminate, hangup] = &mut self.signals;
        self.runtime.block_on(async {
            let child = command.kill_on_drop(true).spawn().with_context(|| name.clone())?;
            tokio::select! {
                biased;
                _ = interrupt.recv() => bail!("interrupted"),
                _ = terminate.recv() => bail!("terminated"),
                _ = hangup.recv() => bail!("hung up"),
                output = child.wait_with_output() => output.with_context(|| name.clone()),
            }
        })
    }
}
