//! A command watched to its end: its console kept in a file, its silence bounded.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::process::Pid;

use super::interrupt::{Guard, Undo};

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(200);

/// When a command counts as hanging.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// Without a word on its console and without progress.
    pub(super) silence: Duration,
    /// In all.
    pub(super) total: Duration,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By itself.
    Ended(ExitStatus),
    /// Killed after it had been silent for too long.
    Silent,
    /// Killed after it had taken too long.
    TooLong,
}

/// Runs a command with all it prints in a file; `progress` is asked again and again for a number that grows.
///
/// The command and all it started are gone when this returns.
pub(super) fn run(
    mut command: Command,
    console: &Path,
    limits: Limits,
    mut progress: impl FnMut() -> Result<u64>,
) -> Result<End> {
    let file = File::create(console).with_context(|| format!("making {}", console.display()))?;
    // A pipe: QEMU opens what it writes to several times, and each would write over the others in a file.
    let (reader, writer) = io::pipe().context("making a pipe")?;
    let errors = writer.try_clone().context("copying a pipe")?;
    // Its own group: it hears of Ctrl-C by us alone.
    command.stdin(Stdio::null()).stdout(writer).stderr(errors).process_group(0);
    let (mut child, guard) = Guard::make(|| {
        let child = command.spawn().with_context(|| format!("starting {}", command.get_program().display()))?;
        let group = Pid::from_child(&child);
        Ok((child, Undo::Group(group)))
    })?;
    // Else the writing ends stay open here.
    drop(command);
    let read = Arc::<AtomicU64>::default();
    let keeper = thread::spawn({
        let read = Arc::clone(&read);
        move || keep(reader, file, &read)
    });
    let ended = wait(&mut child, limits, || Ok(progress()? + read.load(Ordering::Relaxed)));
    match ended {
        // Reaped: its process id may soon be another's.
        Ok(End::Ended(_)) => guard.forget(),
        _ => {
            drop(guard);
            child.wait().context("waiting for what was killed")?;
        }
    }
    keeper.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload)).context("keeping the console")?;
    ended
}

fn wait(child: &mut Child, limits: Limits, mut progress: impl FnMut() -> Result<u64>) -> Result<End> {
    let start = Instant::now();
    let (mut last, mut heard) = (0, start);
    loop {
        if let Some(status) = child.try_wait().context("waiting for a command")? {
            progress()?;
            return Ok(End::Ended(status));
        }
        let now = progress()?;
        if now != last {
            (last, heard) = (now, Instant::now());
        }
        if heard.elapsed() > limits.silence {
            return Ok(End::Silent);
        }
        if start.elapsed() > limits.total {
            return Ok(End::TooLong);
        }
        thread::sleep(PAUSE);
    }
}

/// Copies until the other end is closed by all.
fn keep(mut reader: io::PipeReader, mut file: File, read: &AtomicU64) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(length) => {
                file.write_all(&buffer[..length])?;
                read.fetch_add(length as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{env, fs, process};

    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn watched(name: &str, script: &str, limits: Limits) -> (End, String) {
        let console = env::temp_dir().join(format!("pivot-watch-{name}-{}", process::id()));
        let end = run(shell(script), &console, limits, || Ok(0)).unwrap();
        let text = fs::read_to_string(&console).unwrap();
        fs::remove_file(console).unwrap();
        (end, text)
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn what_it_says_is_kept_and_how_it_ended_told() {
        let (end, text) = watched("said", "echo one; echo two >&2; exit 7", Limits { silence: LONG, total: LONG });
        assert!(matches!(end, End::Ended(status) if status.code() == Some(7)), "{end:?}");
        assert_eq!(text, "one\ntwo\n");
    }

    #[test]
    fn one_that_falls_silent_is_ended_with_all_it_started() {
        let limits = Limits { silence: Duration::from_millis(300), total: LONG };
        // The reader of the console comes to an end only once the child's child has, too.
        let (end, text) = watched("silent", "echo one; sleep 1000 & sleep 1000", limits);
        assert_eq!((end, text.as_str()), (End::Silent, "one\n"));
    }

    #[test]
    fn one_that_talks_on_is_ended_in_the_end() {
        let limits = Limits { silence: LONG, total: Duration::from_millis(500) };
        let (end, _) = watched("long", "while :; do echo on; sleep 0.1; done", limits);
        assert_eq!(end, End::TooLong);
    }
}
