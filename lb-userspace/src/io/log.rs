//! pivotd's log: lines that a thread of its own writes, so that nothing else ever waits for whoever reads them.
//!
//! What must hold: who logs is never delayed. A reader that is too slow (a journald that hangs, a full pipe) costs lines, which
//! are counted; it costs no advert, no lease, no answer, and no end of pivotd.

use std::io::Write;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};

/// Lines that wait to be written: more than the largest reload says, and a megabyte or two.
const ROOM: usize = 8192;
/// Longest wait for what is left at the end: a little more than the library takes.
const PATIENCE: Duration = Duration::from_millis(1500);

/// The log of this process.
#[derive(Debug)]
pub struct Log {
    writer: NonBlocking,
    guard: WorkerGuard,
}

/// Counts lines that were lost.
#[derive(Debug, Clone)]
pub struct Lost(ErrorCounter);

impl Log {
    /// Lines go there from now on, in order.
    pub fn to(destination: impl Write + Send + 'static) -> Self {
        let (writer, guard) =
            NonBlockingBuilder::default().lossy(true).buffered_lines_limit(ROOM).thread_name("log").finish(destination);
        Self { writer, guard }
    }

    /// Takes lines in, from any thread.
    #[must_use]
    pub fn writer(&self) -> NonBlocking {
        self.writer.clone()
    }

    /// Says how many were lost so far.
    #[must_use]
    pub fn lost(&self) -> Lost {
        Lost(self.writer.error_counter())
    }

    /// Waits until what was logged is written, but not for long.
    pub fn finish(self) {
        let (over, is_over) = mpsc::channel();
        // On a thread of its own: the guard complains on stdout, which may be as stuck as what it complains of.
        let flush = thread::Builder::new().spawn(move || {
            drop(self.guard);
            // Nobody may wait any more.
            let _ = over.send(());
        });
        if flush.is_ok() {
            // Whatever is not written by now is lost.
            let _ = is_over.recv_timeout(PATIENCE);
        }
    }
}

impl Lost {
    /// Lines that were lost so far.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.dropped_lines() as u64
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::Instant;

    use super::*;

    /// Takes lines in once the lock is free.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn say(log: &Log, lines: usize) {
        (0..lines).for_each(|line| log.writer().write_all(format!("line {line}\n").as_bytes()).unwrap());
    }

    #[test]
    fn the_end_waits_for_what_was_logged() {
        let page = Page::default();
        let log = Log::to(page.clone());
        say(&log, 1000);
        let lost = log.lost();
        log.finish();
        let text = String::from_utf8(page.0.lock().unwrap().clone()).unwrap();
        assert_eq!((text.lines().count(), text.lines().last(), lost.count()), (1000, Some("line 999"), 0));
    }

    #[test]
    fn a_reader_that_hangs_delays_nobody_and_lost_lines_are_counted() {
        let page = Page::default();
        let hangs = page.0.lock().unwrap();
        let log = Log::to(page.clone());
        // One is on its way at most, the others wait or are lost.
        say(&log, ROOM + 101);
        let lost = log.lost();
        assert!((100..=101).contains(&lost.count()), "{}", lost.count());
        let began = Instant::now();
        log.finish();
        assert!(began.elapsed() < PATIENCE * 10);
        drop(hangs);
    }
}
