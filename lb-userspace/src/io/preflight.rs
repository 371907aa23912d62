//! What this host must offer before anything is touched: privileges and a kernel. Nothing in; every problem out, each
//! with its way out. Interfaces are looked up when the configuration is known ([`super::netlink::Netlink::link`]).

use std::io;

use aya::maps::MapType;
use rustix::thread::CapabilitySet;

use super::{features, memlock};

/// Oldest kernel that pivot is tested on. It is not asked for its number: it is tried.
const OLDEST_KERNEL: &str = "5.10";

/// What pivotd is to be allowed. The second column grants it, too: CAP_SYS_ADMIN was both before 5.8.
const CAPABILITIES: [(&str, CapabilitySet); 4] = [
    ("CAP_BPF", CapabilitySet::BPF.union(CapabilitySet::SYS_ADMIN)),
    ("CAP_PERFMON", CapabilitySet::PERFMON.union(CapabilitySet::SYS_ADMIN)),
    ("CAP_NET_ADMIN", CapabilitySet::NET_ADMIN),
    ("CAP_NET_RAW", CapabilitySet::NET_RAW),
];

/// Something that pivotd cannot do without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// What is missing.
    pub kind: ProblemKind,
    /// For the operator: names what is missing and the way out.
    pub message: String,
}

/// What is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// A permission: another user, unit file or container setting helps.
    Privileges,
    /// A kernel that can do it.
    Kernel,
}

/// Checks this process and this kernel; every problem at once.
pub fn check() -> Result<(), Vec<Problem>> {
    let mut problems = Vec::new();
    match rustix::thread::capabilities(None) {
        Ok(sets) => problems.extend(privileges(sets.effective).err()),
        Err(errno) => problems.push(Problem {
            kind: ProblemKind::Privileges,
            message: format!("cannot read this process's capabilities: {errno}"),
        }),
    }
    // A refusal that the above explains would only be told twice.
    if problems.is_empty() {
        memlock::raise();
        problems.extend(bpf_syscall().and_then(|()| kernel(features::loads_sk_lookup())).err());
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// Judges a kernel by the newest of what it must have.
fn kernel(sk_lookup: io::Result<()>) -> Result<(), Problem> {
    sk_lookup.map_err(|error| {
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        let message = format!(
            "kernel {release} cannot hand connections to listeners (BPF_PROG_TYPE_SK_LOOKUP: {error}): \
             pivot needs Linux {OLDEST_KERNEL} or later; boot a newer kernel"
        );
        Problem { kind: ProblemKind::Kernel, message }
    })
}

/// Names of the capabilities that pivotd needs and this process lacks.
///
/// # Errors
/// They cannot be read.
pub fn missing() -> io::Result<Vec<&'static str>> {
    Ok(missing_of(rustix::thread::capabilities(None)?.effective))
}

fn missing_of(effective: CapabilitySet) -> Vec<&'static str> {
    CAPABILITIES.iter().filter(|(_, granting)| !effective.intersects(*granting)).map(|(name, _)| *name).collect()
}

fn privileges(effective: CapabilitySet) -> Result<(), Problem> {
    let missing = missing_of(effective);
    if missing.is_empty() {
        return Ok(());
    }
    let missing = missing.join(" ");
    let message =
        format!("missing privileges: {missing}; run pivotd as root, or set AmbientCapabilities={missing} in its unit");
    Err(Problem { kind: ProblemKind::Privileges, message })
}

/// Creates (and drops) a map of one byte: what capabilities cannot tell, such as seccomp, lockdown, a user namespace.
fn bpf_syscall() -> Result<(), Problem> {
    let (kind, message) = match aya::sys::is_map_supported(MapType::Array) {
        Ok(true) => return Ok(()),
        Ok(false) => {
            (ProblemKind::Kernel, "this kernel refuses BPF array maps; boot a distribution's kernel".to_owned())
        }
        Err(error) => refusal(&error.io_error),
    };
    Err(Problem { kind, message })
}

fn refusal(cause: &io::Error) -> (ProblemKind, String) {
    match cause.raw_os_error() {
        Some(libc::ENOSYS) => {
            (ProblemKind::Kernel, "this kernel has no bpf(): it needs CONFIG_BPF_SYSCALL=y; boot another".to_owned())
        }
        _ => (
            ProblemKind::Privileges,
            format!(
                "bpf() is refused ({cause}) although the capabilities are there: run pivotd outside of user namespaces, \
                 allow bpf() in the container's seccomp profile, and see whether `ulimit -l` is too low"
            ),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_is_too_old_is_told_by_what_it_lacks() {
        assert_eq!(kernel(Ok(())), Ok(()));
        let problem = kernel(Err(io::Error::from_raw_os_error(libc::EINVAL))).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::Kernel);
        assert!(problem.message.contains("SK_LOOKUP: Invalid argument"), "{problem}");
        assert!(problem.message.ends_with("pivot needs Linux 5.10 or later; boot a newer kernel"), "{problem}");
    }

    #[test]
    fn every_missing_capability_is_named() {
        let problem = privileges(CapabilitySet::NET_ADMIN).unwrap_err();
        assert_eq!(problem.kind, ProblemKind::Privileges);
        assert!(problem.message.starts_with("missing privileges: CAP_BPF CAP_PERFMON CAP_NET_RAW; "), "{problem}");
    }

    #[test]
    fn the_capabilities_of_the_unit_file_suffice() {
        let unit = CapabilitySet::BPF | CapabilitySet::PERFMON | CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
        assert_eq!(privileges(unit), Ok(()));
    }

    #[test]
    fn sys_admin_stands_in_for_bpf_and_perfmon() {
        let old_style = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
        assert_eq!(privileges(old_style), Ok(()));
    }

    /// Capabilities belong to threads, and any thread may drop its own: no privileges needed to have none.
    #[test]
    fn a_process_without_privileges_is_told_so() {
        let checked = std::thread::spawn(|| {
            let mut sets = rustix::thread::capabilities(None).unwrap();
            sets.effective = CapabilitySet::empty();
            rustix::thread::set_capabilities(None, sets).unwrap();
            check()
        });
        let problems = checked.join().unwrap().unwrap_err();
        assert!(problems.iter().any(|problem| problem.kind == ProblemKind::Privileges), "{problems:?}");
    }

    #[test]
    fn a_kernel_without_bpf_is_told_from_a_refusal() {
        assert_eq!(refusal(&io::Error::from_raw_os_error(libc::ENOSYS)).0, ProblemKind::Kernel);
        assert_eq!(refusal(&io::Error::from_raw_os_error(libc::EPERM)).0, ProblemKind::Privileges);
    }
}
