//! Instances on a real bpffs, in a mount namespace of the test's own. Needs root (CAP_SYS_ADMIN); fails without it.

use std::fs;
use std::path::Path;

use lb_userspace::io::instance::{Instance, InstanceError, socket_path};
use lb_userspace::io::preflight;
use rustix::mount::{MountPropagationFlags, mount_change};
use rustix::thread::UnshareFlags;

#[test]
fn bpffs_is_mounted_once_and_a_clean_stop_leaves_nothing() {
    in_a_mount_namespace(|root| {
        let (run, bpffs) = (root.join("run"), root.join("bpf"));
        fs::create_dir(&bpffs).unwrap();
        let first = Instance::claim("c1", &run, &bpffs).unwrap();
        assert_eq!(mounts_on(&bpffs), ["bpf"]);
        let second = Instance::claim("c2", &run, &bpffs).unwrap();
        assert_eq!(mounts_on(&bpffs), ["bpf"], "a second mount hides the first one's pins");

        assert_eq!(first.pin_dir(), bpffs.join("pivot/c1"));
        pin_something(&first.pin_dir().join("map"));
        fs::create_dir(first.pin_dir().join("links")).unwrap();
        fs::write(first.socket(), "").unwrap();
        first.release().unwrap();
        assert!(!run.join("c1").exists() && !bpffs.join("pivot/c1").exists());
        assert!(second.pin_dir().is_dir() && run.join("c2").is_dir(), "the other instance lost something");

        second.release().unwrap();
        assert!(!bpffs.join("pivot").exists());
        assert_eq!(fs::read_dir(&run).unwrap().count(), 0);
    });
}

#[test]
fn pivotds_that_start_at_once_share_one_bpffs() {
    in_a_mount_namespace(|root| {
        let (run, bpffs) = (&root.join("run"), &root.join("bpf"));
        fs::create_dir(bpffs).unwrap();
        // Threads that are started here share this thread's mount namespace.
        let instances: Vec<Instance> = std::thread::scope(|scope| {
            let claim = |name| scope.spawn(move || Instance::claim(name, run, bpffs));
            let claims = ["c1", "c2", "c3", "c4", "c5", "c6"].map(claim);
            claims.into_iter().map(|claim| claim.join().unwrap().unwrap()).collect()
        });
        assert_eq!(mounts_on(bpffs), ["bpf"]);
        for instance in instances {
            assert!(instance.pin_dir().is_dir());
            instance.release().unwrap();
        }
        assert!(!bpffs.join("pivot").exists());
    });
}

#[test]
fn a_crash_leaves_the_pins_to_the_next_pivotd() {
    in_a_mount_namespace(|root| {
        let (run, bpffs) = (root.join("run"), root.join("bpf"));
        fs::create_dir(&bpffs).unwrap();
        let crashed = Instance::claim("pivot", &run, &bpffs).unwrap();
        pin_something(&crashed.pin_dir().join("map"));
        fs::write(crashed.socket(), "").unwrap();
        drop(crashed);

        let next = Instance::claim("pivot", &run, &bpffs).unwrap();
        assert!(next.pin_dir().join("map").exists());
        assert!(!socket_path("pivot", &run).exists(), "the dead pivotd's socket is in the way");
        next.release().unwrap();
    });
}

#[test]
fn a_second_pivotd_disturbs_nothing_of_the_first() {
    in_a_mount_namespace(|root| {
        let (run, bpffs) = (root.join("run"), root.join("bpf"));
        fs::create_dir(&bpffs).unwrap();
        let first = Instance::claim("pivot", &run, &bpffs).unwrap();
        fs::write(first.socket(), "").unwrap();
        let error = Instance::claim("pivot", &run, &bpffs).unwrap_err();
        assert!(matches!(error, InstanceError::Held { holder: Some(pid), .. } if pid == std::process::id()), "{error}");
        assert!(first.socket().exists() && first.pin_dir().is_dir());
        first.release().unwrap();
    });
}

#[test]
fn this_host_passes_the_preflight() {
    require_root();
    preflight::check().unwrap();
}

/// The kernel's own disguise for programs that cannot bear new version numbers.
#[test]
fn a_kernel_is_judged_by_what_it_does_not_by_its_number() {
    require_root();
    let disguised = std::thread::spawn(|| {
        const UNAME26: u64 = 0x0002_0000;
        // SAFETY: personality(2) takes no pointer, and changes this thread only.
        assert!(unsafe { libc::personality(UNAME26) } >= 0);
        assert!(rustix::system::uname().release().to_bytes().starts_with(b"2.6."));
        preflight::check()
    });
    assert_eq!(disguised.join().unwrap(), Ok(()));
}

/// Runs a test where its mounts are its own and vanish with its thread.
fn in_a_mount_namespace(test: impl FnOnce(&Path) + Send) {
    require_root();
    let root = tempfile::tempdir().unwrap();
    let inside = || {
        // SAFETY: CLONE_NEWNS takes this thread's working directory and umask along, which it shares with nobody then.
        unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWNS) }.unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        test(root.path());
    };
    let ended = std::thread::scope(|scope| scope.spawn(inside).join());
    if let Err(panic) = ended {
        std::panic::resume_unwind(panic);
    }
}

fn require_root() {
    assert!(rustix::process::geteuid().is_root(), "this test mounts bpffs and creates maps: run it as root");
}

/// File systems mounted on a path, as this thread sees them.
fn mounts_on(path: &Path) -> Vec<String> {
    let mounts = fs::read_to_string("/proc/thread-self/mounts").unwrap();
    let on = |line: &&str| line.split(' ').nth(1) == path.to_str();
    mounts.lines().filter(on).map(|line| line.split(' ').nth(2).unwrap().to_owned()).collect()
}

fn pin_something(path: &Path) {
    aya::maps::Array::<_, u32>::create(1, 0).unwrap().pin(path).unwrap();
}
