//! For programs that run a lab: Ctrl-C, SIGTERM and panics leave none behind.
//!
//! Programs are built with `panic = "abort"`: a panic drops nothing, so a hook removes the labs instead.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{io, panic, process, thread};

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::name;

/// Exit code of a program ended by Ctrl-C, as shells have it: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Ctrl-C and SIGTERM, for a program that may come to wait for them.
#[derive(Debug)]
pub struct Interrupts {
    awaited: Arc<AtomicBool>,
    came: Receiver<()>,
}

impl Interrupts {
    /// Waits for an interrupt. From now on it is for the caller to remove its labs, by dropping them.
    pub fn wait(&self) {
        self.awaited.store(true, Ordering::SeqCst);
        // An error means that the watching thread is gone: then nothing will come, and there is nothing to wait for.
        let _ = self.came.recv();
    }
}

/// From now on an interrupt removes this process's labs and ends it with 130 (unless one is waited for), and a panic
/// removes them before it ends the process.
pub fn remove_labs_on_interrupt() -> io::Result<Interrupts> {
    let report = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        report(panic);
        name::remove_own();
    }));

    let runtime = Builder::new_current_thread().enable_io().build()?;
    let (interrupt, terminate) = {
        let _entered = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    let awaited = Arc::<AtomicBool>::default();
    let (tell, came) = channel();
    thread::spawn({
        let awaited = Arc::clone(&awaited);
        move || runtime.block_on(watch(interrupt, terminate, &awaited, &tell))
    });
    Ok(Interrupts { awaited, came })
}

async fn watch(mut interrupt: Signal, mut terminate: Signal, awaited: &AtomicBool, tell: &Sender<()>) {
    loop {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if !awaited.load(Ordering::SeqCst) {
            name::remove_own();
            process::exit(INTERRUPTED);
        }
        if tell.send(()).is_err() {
            return;
        }
    }
}
