//! Programs that pivotd runs beside itself: tracked commands and hooks. No shell, a process group of their own, an end in time.
//!
//! What must hold: a run is over when its timeout is, and nothing of its process group outlives that, nor pivotd's interest
//! in it; whatever it writes takes a bounded amount of memory, and never makes it wait.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, Command};

use crate::core::run::{Ending, Run};

/// How long a killed program may take to be gone: longer only if the kernel holds it.
const GRACE: Duration = Duration::from_secs(1);
/// Bytes that are read at a time.
const CHUNK: usize = 4096;
/// Chunks that are read after the end: as much as a pipe holds.
const CHUNKS: usize = 16;
/// Bytes of stderr that are kept, from its end.
const KEPT: usize = 1024;
/// Longest line that is told, in characters.
const LINE: usize = 200;

/// Runs a program, named by its whole path or looked up as pivotd's own `PATH` says, with arguments, in `/`, with these
/// variables in addition to pivotd's own.
///
/// Dropping the future kills what runs.
pub async fn run(argv: &[String], environment: &[(&str, String)], timeout: Duration) -> Run {
    let started = Instant::now();
    let (ending, last_line) = match start(argv, environment) {
        Ok(child) => attend(child, timeout).await,
        Err(error) => (Ending::NotRun(error.to_string()), String::new()),
    };
    Run { ending, took: started.elapsed(), last_line }
}

fn start(argv: &[String], environment: &[(&str, String)]) -> io::Result<Child> {
    let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program)
        .args(arguments)
        .envs(environment.iter().map(|(name, value)| (name, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Waits until it has ended, by itself or not; how, and its last line.
async fn attend(mut child: Child, timeout: Duration) -> (Ending, String) {
    let mut group = Group::of(&child);
    let (mut stderr, mut tail) = (child.stderr.take(), Tail::default());
    let deadline = tokio::time::sleep(timeout);
    tokio::pin!(deadline);
    let ending = loop {
        tokio::select! {
            biased;
            ended = child.wait() => break ended.map_or_else(|error| Ending::NotRun(error.to_string()), ending),
            () = &mut deadline => {
                group.kill();
                // It is reaped later if the kernel holds it for longer.
                let _ = tokio::time::timeout(GRACE, child.wait()).await;
                break Ending::TimedOut(timeout);
            }
            more = tail.follow(&mut stderr), if stderr.is_some() => if !more { stderr = None },
        }
    };
    group.leave();
    if let Some(stderr) = stderr {
        tail.finish(&stderr);
    }
    (ending, tail.last_line())
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Killed(signal.unwrap_or_default()),
    }
}

/// The process group of a child that is not reaped yet, so that its number is still its own. Killed when dropped.
struct Group(Option<Pid>);

impl Group {
    fn of(child: &Child) -> Self {
        Self(child.id().and_then(|id| Pid::from_raw(id.cast_signed())))
    }

    /// Kills all of it.
    fn kill(&mut self) {
        if let Some(group) = self.0.take() {
            // ESRCH: all of it has ended meanwhile.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    /// Lets what is left of it go on: the child has ended by itself, and what it leaves behind is its own affair.
    fn leave(&mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The end of what was written.
#[derive(Debug, Default)]
struct Tail(Vec<u8>);

impl Tail {
    /// Reads on; `false` at the end.
    async fn follow(&mut self, stderr: &mut Option<ChildStderr>) -> bool {
        let Some(stderr) = stderr else { return false };
        let mut chunk = [0; CHUNK];
        match stderr.read(&mut chunk).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.push(&chunk[..count]);
                true
            }
        }
    }

    /// Takes in what is there, without waiting: others may hold the pipe open for ever.
    fn finish(&mut self, stderr: &impl AsFd) {
        let mut chunk = [0; CHUNK];
        for _ in 0..CHUNKS {
            match rustix::io::read(stderr, &mut chunk) {
                Ok(count) if count > 0 => self.push(&chunk[..count]),
                Ok(_) | Err(_) => return,
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
        self.0.drain(..self.0.len().saturating_sub(KEPT));
    }

    /// The last line that is not blank, safe to print.
    fn last_line(&self) -> String {
        let text = String::from_utf8_lossy(&self.0);
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        line.chars().take(LINE).map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    /// More than any of these programs takes.
    const AMPLE: Duration = Duration::from_secs(20);

    async fn shell(script: &str, timeout: Duration) -> Run {
        run(&["/bin/sh", "-c", script].map(str::to_owned), &[], timeout).await
    }

    fn ended(run: &Run) -> (Ending, &str) {
        (run.ending.clone(), &run.last_line)
    }

    #[tokio::test]
    async fn an_exit_code_and_the_last_line_are_taken_in() {
        assert_eq!(ended(&shell("exit 0", AMPLE).await), (Ending::Exited(0), ""));
        let run = shell("echo out; echo first >&2; printf 'last\\033[2J\\n\\n' >&2; exit 3", AMPLE).await;
        assert_eq!(ended(&run), (Ending::Exited(3), "last\u{fffd}[2J"));
    }

    #[tokio::test]
    async fn a_signal_is_told_from_an_exit_code() {
        assert_eq!(shell("kill -TERM $$", AMPLE).await.ending, Ending::Killed(libc::SIGTERM));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_not_run() {
        let run = run(&["/nonexistent/check".to_owned()], &[], SECOND).await;
        assert!(matches!(&run.ending, Ending::NotRun(why) if why.contains("No such file")), "{run:?}");
    }

    #[tokio::test]
    async fn variables_come_in_addition_to_pivotds_own() {
        let script = ["/bin/sh", "-c", "test \"$PIVOT_ROLE\" = holder && test -n \"$PATH\" && test \"$PWD\" = /"];
        let run = run(&script.map(str::to_owned), &[("PIVOT_ROLE", "holder".to_owned())], AMPLE).await;
        assert!(run.passed(), "{run:?}");
    }

    #[tokio::test]
    async fn who_takes_too_long_is_killed_with_all_that_it_started() {
        let run = shell("sleep 1000 & echo $! >&2; wait", Duration::from_millis(300)).await;
        assert_eq!(run.ending, Ending::TimedOut(Duration::from_millis(300)));
        assert!(run.took < AMPLE, "{run:?}");
        let sleeper: i32 = run.last_line.parse().expect("a process id");
        await_gone(sleeper).await;
    }

    #[tokio::test]
    async fn a_run_that_nobody_waits_for_any_more_is_killed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("pid");
        let script = format!("sleep 1000 & echo $! > {0}.new; mv {0}.new {0}; wait", file.display());
        let task = tokio::spawn(async move { shell(&script, AMPLE).await });
        let sleeper = loop {
            match std::fs::read_to_string(&file) {
                Ok(pid) => break pid.trim().parse().expect("a process id"),
                Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        };
        task.abort();
        await_gone(sleeper).await;
    }

    /// What a program leaves behind may hold its stderr open: that is not waited for.
    #[tokio::test]
    async fn the_end_is_that_of_the_program_and_not_of_what_it_leaves_behind() {
        let run = shell("sleep 1000 & echo $! >&2; exit 4", AMPLE).await;
        assert_eq!(run.ending, Ending::Exited(4));
        let sleeper: i32 = run.last_line.parse().expect("a process id");
        assert!(!is_gone(sleeper), "it was not killed: it may be wanted");
        rustix::process::kill_process(Pid::from_raw(sleeper).unwrap(), Signal::KILL).unwrap();
        await_gone(sleeper).await;
    }

    #[tokio::test]
    async fn a_flood_of_words_neither_blocks_nor_fills_memory() {
        let run = shell("yes 0123456789 | head -n 300000 >&2; echo the end >&2; exit 5", AMPLE).await;
        assert_eq!(ended(&run), (Ending::Exited(5), "the end"));
        let mut tail = Tail::default();
        (0..1000).for_each(|_| tail.push(&[b'x'; CHUNK]));
        assert_eq!((tail.0.len(), tail.last_line().len()), (KEPT, LINE));
    }

    /// Waits until a process has ended, or is only left to be reaped.
    async fn await_gone(pid: i32) {
        for _ in 0..2000 {
            if is_gone(pid) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("process {pid} still runs");
    }

    fn is_gone(pid: i32) -> bool {
        match std::fs::read_to_string(format!("/proc/{pid}/stat")) {
            Ok(stat) => stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')),
            Err(_) => true,
        }
    }
}
