//! Threads that run before others, and those that starve them: the real-time scheduler (sched(7)) and affinity.
//!
//! pivotd's election runs at the lowest real-time priority. What watches it from outside has a higher one, and so has what
//! is to keep it from running.

use std::fs;
use std::mem::{self, size_of};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use std::{hint, io};

use anyhow::{Context as _, Result};

use super::process::Process;

/// Of whoever measures: above all that is measured.
pub const OBSERVER: i32 = 50;

/// Of services that are to answer at once, however busy the machine is.
const SERVICE: i32 = 20;

/// Of what starves others: above the election's, below the observers'.
const HOG: i32 = 10;

/// Longest that anything is starved: the machine has other users.
const LONGEST: Duration = Duration::from_secs(2);

/// Has the calling thread run before all of a lower priority (1..=99), and before everything that has none.
pub fn run_before_others(priority: i32) -> io::Result<()> {
    // The calling thread.
    schedule(0, priority)
}

/// Has a process of one thread, a service of the lab, do so.
pub fn raise(service: &Process) -> Result<()> {
    schedule(service.pid().cast_signed(), SERVICE).with_context(|| format!("giving {service} a real-time priority"))
}

fn schedule(thread: libc::pid_t, priority: i32) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: priority };
    let policy = libc::SCHED_FIFO | libc::SCHED_RESET_ON_FORK;
    // SAFETY: the parameters are readable.
    check(unsafe { libc::sched_setscheduler(thread, policy, &raw const parameters) })
}

/// A process that gets no CPU for a while; given back all of them when dropped.
#[derive(Debug)]
pub struct Starved {
    process: u32,
    cpus: libc::cpu_set_t,
    hog: Option<JoinHandle<Result<()>>>,
}

impl Starved {
    /// Ties a process to one CPU, which something of a higher priority keeps busy for this long, two seconds at most.
    pub fn begin(process: &Process, time: Duration) -> Result<Self> {
        let (process, cpus) = (process.pid(), affinity()?);
        let cpu = last_of(&cpus).context("a thread that may run on no CPU")?;
        // From here on it is given back what it had, come what may.
        let mut starved = Self { process, cpus, hog: None };
        tie(process, &only(cpu))?;
        starved.hog = Some(thread::spawn(move || {
            run_before_others(HOG).context("asking for a real-time priority")?;
            set_affinity(0, &only(cpu)).context("keeping to a CPU")?;
            let end = Instant::now() + time.min(LONGEST);
            while Instant::now() < end {
                hint::spin_loop();
            }
            Ok(())
        }));
        Ok(starved)
    }

    /// Waits until it is over.
    pub fn end(mut self) -> Result<()> {
        self.hog.take().map_or(Ok(()), |hog| hog.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload)))
    }
}

impl Drop for Starved {
    fn drop(&mut self) {
        if let Some(hog) = self.hog.take() {
            // It ends by itself, and soon.
            let _ = hog.join();
        }
        // One that has ended needs no CPU.
        let _ = tie(self.process, &self.cpus);
    }
}

/// Has all threads of a process run on these CPUs alone.
fn tie(process: u32, cpus: &libc::cpu_set_t) -> Result<()> {
    let tasks = format!("/proc/{process}/task");
    for task in fs::read_dir(&tasks).with_context(|| format!("reading {tasks}"))? {
        let thread = task?.file_name().to_string_lossy().parse().context("a thread's number")?;
        match set_affinity(thread, cpus) {
            // It has ended since.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
            other => other.with_context(|| format!("tying thread {thread} to a CPU"))?,
        }
    }
    Ok(())
}

fn affinity() -> Result<libc::cpu_set_t> {
    // SAFETY: all-zero bytes are an empty set.
    let mut cpus: libc::cpu_set_t = unsafe { mem::zeroed() };
    // SAFETY: the set is writable for its size; 0 is the calling thread.
    check(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut cpus) })
        .context("asking which CPUs there are")?;
    Ok(cpus)
}

fn set_affinity(thread: libc::pid_t, cpus: &libc::cpu_set_t) -> io::Result<()> {
    // SAFETY: the set is readable for its size.
    check(unsafe { libc::sched_setaffinity(thread, size_of::<libc::cpu_set_t>(), &raw const *cpus) })
}

fn last_of(cpus: &libc::cpu_set_t) -> Option<usize> {
    // SAFETY: every number is below the size of the set.
    (0..libc::CPU_SETSIZE as usize).rev().find(|cpu| unsafe { libc::CPU_ISSET(*cpu, cpus) })
}

fn only(cpu: usize) -> libc::cpu_set_t {
    // SAFETY: all-zero bytes are an empty set; the number came out of such a set.
    unsafe {
        let mut cpus = mem::zeroed();
        libc::CPU_SET(cpu, &mut cpus);
        cpus
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_one_cpu_has_that_one() {
        assert_eq!(last_of(&only(1)), Some(1));
        assert_eq!(last_of(&only(63)), Some(63));
    }
}
