//! What must not outlive this command, also if it is interrupted: the virtual machine, its network, half-made folders.
//!
//! Ctrl-C, SIGTERM and SIGHUP end processes and remove things in the reverse order of their making, then this one with
//! 130. What is left by SIGKILL goes with the parent (`setpriv --pdeathsig`) or with the next run's sweep.

use std::fs;
use std::path::PathBuf;
use std::process;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::segment;

/// Exit code of a program ended by Ctrl-C, as shells have it: 128 + SIGINT.
const INTERRUPTED: i32 = 130;

/// Something to be undone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Undo {
    /// A process to kill.
    Process(Pid),
    /// A group of processes to kill.
    Group(Pid),
    /// A network namespace, by name.
    Namespace(String),
    /// A folder.
    Folder(PathBuf),
}

static UNDONE_AT_THE_END: Mutex<Vec<Undo>> = Mutex::new(Vec::new());

/// Something that is undone when this is dropped, or at an interrupt.
#[derive(Debug)]
pub(super) struct Guard(Undo);

impl Guard {
    /// Makes it and takes it on, with no interrupt in between.
    pub(super) fn make<T>(make: impl FnOnce() -> Result<(T, Undo)>) -> Result<(T, Self)> {
        let mut list = list();
        let (made, undo) = make()?;
        list.push(undo.clone());
        Ok((made, Self(undo)))
    }

    /// Lets go of it: it is gone, or has become something that stays.
    pub(super) fn forget(self) {
        list().retain(|undo| *undo != self.0);
        std::mem::forget(self);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let mut list = list();
        list.retain(|undo| *undo != self.0);
        self.0.carry_out();
    }
}

impl Undo {
    /// Quiet: what is gone already is as it should be.
    fn carry_out(&self) {
        match self {
            Self::Process(pid) => {
                let _ = kill_process(*pid, Signal::KILL);
            }
            Self::Group(group) => {
                let _ = kill_process_group(*group, Signal::KILL);
            }
            Self::Namespace(name) => segment::remove(name),
            Self::Folder(path) => {
                let _ = fs::remove_dir_all(path);
            }
        }
    }
}

/// From now on an interrupt undoes everything that is guarded, and ends this process.
pub(super) fn watch() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("listening for signals")?;
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            // Held to the end: nothing new is made.
            let list = list();
            eprintln!("xtask: interrupted");
            list.iter().rev().for_each(Undo::carry_out);
            process::exit(INTERRUPTED);
        }
    });
    Ok(())
}

fn list() -> MutexGuard<'static, Vec<Undo>> {
    UNDONE_AT_THE_END.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    fn folder(name: &str) -> (PathBuf, Guard) {
        let path = env::temp_dir().join(format!("pivot-guard-{name}-{}", process::id()));
        Guard::make(|| {
            fs::create_dir(&path)?;
            Ok((path.clone(), Undo::Folder(path)))
        })
        .unwrap()
    }

    #[test]
    fn what_is_guarded_is_undone_when_the_guard_goes() {
        let (path, guard) = folder("dropped");
        assert!(path.is_dir() && list().contains(&Undo::Folder(path.clone())));
        drop(guard);
        assert!(!path.exists() && !list().contains(&Undo::Folder(path)));
    }

    #[test]
    fn what_is_let_go_of_stays() {
        let (path, guard) = folder("forgotten");
        guard.forget();
        assert!(path.is_dir() && !list().contains(&Undo::Folder(path.clone())));
        fs::remove_dir(path).unwrap();
    }

    #[test]
    fn what_could_not_be_made_is_not_undone() {
        let undo = Undo::Folder(env::temp_dir().join("pivot-guard-never"));
        assert!(Guard::make(|| Ok((fs::create_dir("/proc/never")?, undo.clone()))).is_err());
        assert!(!list().contains(&undo));
    }
}
