//! One pivotd per instance name: a name in; a locked run directory, a mounted bpffs and a pin directory out.
//!
//! What must hold: whoever holds an [`Instance`] is the only pivotd of that name, so what it finds under its
//! directories is an earlier one's. A clean stop removes both directories ([`Instance::release`]); a crash leaves the
//! pins, which is how packets keep flowing and the next pivotd adopts them.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::mount::MountFlags;

/// Where run directories are.
pub const RUN_ROOT: &str = "/run/pivot";

/// Where bpffs is mounted.
pub const BPFFS_ROOT: &str = "/sys/fs/bpf";

/// Longest instance name, in bytes: the socket's path must fit into a `sockaddr_un`.
const NAME_LENGTH: usize = 32;

/// What `statfs` says of a bpffs (`BPF_FS_MAGIC`).
const BPF_FS_MAGIC: u64 = 0xcafe_4a11;

/// A claimed instance name.
#[derive(Debug)]
pub struct Instance {
    run_dir: PathBuf,
    bpffs_root: PathBuf,
    pin_dir: PathBuf,
    /// Holds the flock for as long as the instance lives.
    _lock: File,
}

/// Why an instance cannot be had or handed back.
#[derive(Debug, thiserror::Error)]
pub enum InstanceError {
    /// The name cannot be one of a directory under bpffs.
    #[error(
        "bad instance name \"{0}\": use 1 to {NAME_LENGTH} of a-z, A-Z, 0-9, - and _, beginning with a letter or digit"
    )]
    Name(String),
    /// It is taken.
    #[error("another pivotd ({}) runs as instance \"{name}\": stop it, or choose another --instance", pid(*.holder))]
    Held {
        /// The name.
        name: String,
        /// Process that holds it, if it has said so yet.
        holder: Option<u32>,
    },
    /// Files or directories of the instance.
    #[error("cannot {action} {}: {cause}", .path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The answer.
        cause: io::Error,
    },
    /// There is no bpffs and none can be mounted.
    #[error("cannot mount bpffs on {path}: {cause}; mount it as root: mount -t bpf bpf {path}", path = .path.display())]
    Bpffs {
        /// Where it is missing.
        path: PathBuf,
        /// The kernel's answer.
        cause: io::Error,
    },
}

impl Instance {
    /// Claims a name: creates and locks `run_root/NAME`, mounts bpffs on `bpffs_root` if it is not, and creates
    /// `bpffs_root/pivot/NAME`. The pins of an earlier pivotd stay; its socket goes. On error nothing is left behind
    /// (but a bpffs that was mounted: it is the system's).
    pub fn claim(name: &str, run_root: &Path, bpffs_root: &Path) -> Result<Self, InstanceError> {
        check_name(name)?;
        let run_dir = run_root.join(name);
        let lock = lock(name, &run_dir)?;
        let pin_dir = shared_pin_dir(bpffs_root).join(name);
        let instance = Self { run_dir, bpffs_root: bpffs_root.to_owned(), pin_dir, _lock: lock };
        match instance.prepare() {
            Ok(()) => Ok(instance),
            Err(error) => {
                // The first error is the one to report.
                let _ = remove_tree(&instance.run_dir);
                Err(error)
            }
        }
    }

    /// Path of the API's socket (see [`socket_path`]); nothing is there yet.
    pub fn socket(&self) -> PathBuf {
        self.run_dir.join("api.sock")
    }

    /// Directory on bpffs for this instance's pins; what is there already was pinned by an earlier pivotd.
    pub fn pin_dir(&self) -> &Path {
        &self.pin_dir
    }

    /// A clean stop: removes the pins (which ends what they alone kept alive) and the run directory.
    /// Dropping an instance instead leaves both, as a crash does.
    pub fn release(self) -> Result<(), InstanceError> {
        let pins = self.remove_pins();
        let run = remove_tree(&self.run_dir);
        pins.and(run)
    }

    fn prepare(&self) -> Result<(), InstanceError> {
        match fs::remove_file(self.socket()) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
                return Err(InstanceError::File { action: "remove the old socket", path: self.socket(), cause });
            }
            _ => {}
        }
        let no_bpffs = |cause| InstanceError::Bpffs { path: self.bpffs_root.clone(), cause };
        let _turn = turn(&self.bpffs_root).map_err(no_bpffs)?;
        mount_bpffs(&self.bpffs_root).map_err(no_bpffs)?;
        create_dir(&self.pin_dir, 0o700)
    }

    /// Removes the pins, and the directory that all instances share if this was the last of them.
    fn remove_pins(&self) -> Result<(), InstanceError> {
        let failed = |action, path: &Path, cause| InstanceError::File { action, path: path.to_owned(), cause };
        let _turn = turn(&self.bpffs_root).map_err(|cause| failed("lock", &self.bpffs_root, cause))?;
        remove_tree(&self.pin_dir)?;
        let shared = shared_pin_dir(&self.bpffs_root);
        match fs::remove_dir(&shared) {
            Err(cause) if !matches!(cause.kind(), io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty) => {
                Err(failed("remove", &shared, cause))
            }
            _ => Ok(()),
        }
    }
}

/// Where the API of the pivotd that runs as `name` listens.
pub fn socket_path(name: &str, run_root: &Path) -> PathBuf {
    run_root.join(name).join("api.sock")
}

/// Whether pivotd can run under this name: bpffs reserves dots in names; the rest keeps names fit for shells and unit
/// files.
///
/// # Errors
/// [`InstanceError::Name`].
pub fn check_name(name: &str) -> Result<(), InstanceError> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let begins = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    if begins && name.len() <= NAME_LENGTH && name.bytes().all(fits) {
        Ok(())
    } else {
        Err(InstanceError::Name(name.to_owned()))
    }
}

/// Locks the run directory by a file in it, and writes our pid there for whoever comes second.
fn lock(name: &str, run_dir: &Path) -> Result<File, InstanceError> {
    let path = run_dir.join("lock");
    let failed = |action, cause| InstanceError::File { action, path: path.clone(), cause };
    loop {
        create_dir(run_dir, 0o755)?;
        let mut file = match OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue, // released since `create_dir`
            Err(cause) => return Err(failed("open", cause)),
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                let mut holder = String::new();
                let read = file.read_to_string(&mut holder);
                let holder = read.ok().and_then(|_| holder.trim().parse().ok());
                return Err(InstanceError::Held { name: name.to_owned(), holder });
            }
            Err(errno) => return Err(failed("lock", errno.into())),
        }
        // A pivotd that was ending may have removed the file between `open` and `flock`: the lock of a file that
        // nobody else can find any more keeps nobody out.
        let ours = file.metadata().map_err(|cause| failed("look at", cause))?;
        match fs::metadata(&path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                write_pid(&mut file).map_err(|cause| failed("write the process id to", cause))?;
                return Ok(file);
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(cause) => return Err(failed("look at", cause)),
        }
    }
}

fn write_pid(file: &mut File) -> io::Result<()> {
    file.rewind()?;
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

/// Creates a directory and its parents; it may exist. The mode is not subject to the umask.
fn create_dir(path: &Path, mode: u32) -> Result<(), InstanceError> {
    let create = || {
        DirBuilder::new().recursive(true).mode(mode).create(path)?;
        fs::set_permissions(path, Permissions::from_mode(mode))
    };
    create().map_err(|cause| InstanceError::File { action: "create", path: path.to_owned(), cause })
}

/// Removes a directory with what is in it; it may be gone.
fn remove_tree(path: &Path) -> Result<(), InstanceError> {
    match fs::remove_dir_all(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            Err(InstanceError::File { action: "remove", path: path.to_owned(), cause })
        }
        _ => Ok(()),
    }
}

/// The directory that holds every instance's pin directory.
pub(in crate::io) fn shared_pin_dir(bpffs_root: &Path) -> PathBuf {
    bpffs_root.join("pivot")
}

/// Pivotds that start or stop at the same moment take turns where bpffs is mounted, until the file is dropped: a second
/// mount would hide the first one's pins, and the shared directory must not go while another pivotd enters it.
fn turn(bpffs_root: &Path) -> io::Result<File> {
    let turn = File::open(bpffs_root)?;
    rustix::fs::flock(&turn, FlockOperation::LockExclusive)?;
    Ok(turn)
}

/// Whether bpffs is mounted there.
///
/// # Errors
/// There is no such directory, or it cannot be looked at.
pub fn is_bpffs(root: &Path) -> io::Result<bool> {
    Ok(rustix::fs::statfs(root)?.f_type as u64 == BPF_FS_MAGIC)
}

/// Mounts bpffs unless it is mounted.
fn mount_bpffs(root: &Path) -> io::Result<()> {
    if is_bpffs(root)? {
        return Ok(());
    }
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    rustix::mount::mount("bpf", root, "bpf", flags, c"mode=0700")?;
    tracing::info!("mounted bpffs on {}", root.display());
    Ok(())
}

fn pid(holder: Option<u32>) -> String {
    holder.map_or_else(|| "still starting".to_owned(), |pid| format!("pid {pid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_directory_that_bpffs_takes() {
        for good in ["pivot", "c1", "a-b_C9", &"x".repeat(NAME_LENGTH)] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "a.b", "a/b", "-a", "a b", "ä", &"x".repeat(NAME_LENGTH + 1)] {
            assert!(matches!(check_name(bad), Err(InstanceError::Name(_))), "{bad}");
        }
    }

    #[test]
    fn a_second_pivotd_is_told_who_holds_the_name() {
        let root = tempfile::tempdir().unwrap();
        let run_dir = root.path().join("pivot");
        let _first = lock("pivot", &run_dir).unwrap();
        let error = lock("pivot", &run_dir).unwrap_err().to_string();
        let expected = format!(
            "another pivotd (pid {}) runs as instance \"pivot\": stop it, or choose another --instance",
            std::process::id()
        );
        assert_eq!(error, expected);
    }

    #[test]
    fn other_names_are_free() {
        let root = tempfile::tempdir().unwrap();
        let _first = lock("c1", &root.path().join("c1")).unwrap();
        lock("c2", &root.path().join("c2")).unwrap();
    }

    #[test]
    fn the_name_of_a_dead_pivotd_is_free() {
        let root = tempfile::tempdir().unwrap();
        let run_dir = root.path().join("pivot");
        fs::create_dir(&run_dir).unwrap();
        fs::write(run_dir.join("lock"), "4194304999\n").unwrap();
        lock("pivot", &run_dir).unwrap();
        assert_eq!(fs::read_to_string(run_dir.join("lock")).unwrap(), format!("{}\n", std::process::id()));
    }

    #[test]
    fn a_failed_claim_leaves_nothing_behind() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("no-such-mount-point");
        let error = Instance::claim("pivot", root.path(), &missing).unwrap_err();
        assert!(error.to_string().contains("mount -t bpf bpf"), "{error}");
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    #[test]
    fn everybody_may_enter_the_run_directory() {
        let root = tempfile::tempdir().unwrap();
        let _lock = lock("pivot", &root.path().join("pivot")).unwrap();
        let mode = fs::metadata(root.path().join("pivot")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }
}
