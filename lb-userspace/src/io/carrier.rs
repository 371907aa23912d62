//! Whether an interface has a carrier at this very instant.
//!
//! The kernel tells of a lost carrier when it gets round to it: at most once a second, if it was told of another one just before. What
//! is sent meanwhile is lost without an error. Its counter of changes is exact, and reading it takes no lock that others hold.

use std::io;

use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::{Errno, pread};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags, fsconfig_create, fsmount, fsopen};

/// An interface's carrier, from when it was asked for.
#[derive(Debug)]
pub struct Carrier {
    changes: OwnedFd,
    /// The counter at a time at which there was one.
    with: u64,
}

impl Carrier {
    /// Of an interface of the calling thread's network namespace that is up.
    ///
    /// # Errors
    /// What the kernel says: it has no such interface, or the interface is down.
    pub fn of(interface: &str) -> io::Result<Self> {
        let folder = format!("class/net/{interface}");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder = match sysfs() {
            Ok(root) => openat(root, folder, flags, Mode::empty())?,
            // Not allowed: that of the namespace in which pivotd was started is there.
            Err(_) => openat(CWD, format!("/sys/{folder}"), flags, Mode::empty())?,
        };
        let file = |name: &str| openat(&folder, name, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let (changes, carrier) = (file("carrier_changes")?, file("carrier")?);
        // It may change between the one and the other.
        loop {
            let before = number(&changes)?;
            let is_there = number(&carrier)? == 1;
            if number(&changes)? == before {
                return Ok(Self { changes, with: before + u64::from(!is_there) });
            }
        }
    }

    /// Whether there is one now. An interface that is gone has none.
    #[must_use]
    pub fn is_there(&self) -> bool {
        number(&self.changes).is_ok_and(|changes| changes.wrapping_sub(self.with).is_multiple_of(2))
    }
}

/// A sysfs that shows this network namespace, whatever is mounted where.
fn sysfs() -> Result<OwnedFd, Errno> {
    let context = fsopen("sysfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    fsconfig_create(&context)?;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::MOUNT_ATTR_RDONLY)
}

fn number(file: &OwnedFd) -> io::Result<u64> {
    let mut text = [0; 24];
    let length = pread(file, &mut text, 0)?;
    let text = str::from_utf8(&text[..length]).map_err(|_| io::ErrorKind::InvalidData)?;
    text.trim().parse().map_err(|_| io::ErrorKind::InvalidData.into())
}
