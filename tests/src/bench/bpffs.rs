//! The BPF file system, mounted for as long as it is needed if it was not there.

use std::path::Path;

use anyhow::Context as _;
use lb_userspace::io::instance::BPFFS_ROOT;
use rustix::fs::statfs;
use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use tempfile::TempDir;

/// What statfs(2) says of a bpffs (`BPF_FS_MAGIC`).
const MAGIC: u64 = 0xcafe_4a11;

/// A mounted bpffs; one that was mounted for this is unmounted at the end.
#[derive(Debug)]
pub struct Bpffs {
    ours: bool,
}

impl Bpffs {
    /// Mounts it if it is not.
    ///
    /// # Errors
    /// If it cannot be mounted.
    pub fn mounted() -> anyhow::Result<Self> {
        let kind = statfs(BPFFS_ROOT).with_context(|| BPFFS_ROOT.to_owned())?.f_type;
        let ours = kind as u64 != MAGIC;
        if ours {
            mount("bpf", BPFFS_ROOT, "bpf", MountFlags::empty(), None)
                .with_context(|| format!("mounting bpffs; as root: mount -t bpf bpf {BPFFS_ROOT}"))?;
        }
        Ok(Self { ours })
    }

    /// A new folder for pins, removed with all that is in it when it is dropped.
    ///
    /// # Errors
    /// What mkdir(2) says.
    pub fn folder(&self) -> anyhow::Result<TempDir> {
        let root = Path::new(BPFFS_ROOT);
        tempfile::Builder::new().prefix("pivot-bench-").tempdir_in(root).with_context(|| BPFFS_ROOT.to_owned())
    }
}

impl Drop for Bpffs {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = unmount(BPFFS_ROOT, UnmountFlags::empty())
        {
            eprintln!("pivot-bench: {BPFFS_ROOT} stays mounted: {error}");
        }
    }
}
