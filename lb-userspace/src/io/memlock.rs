//! Before Linux 5.11 memory of BPF maps and programs counts against RLIMIT_MEMLOCK, whose usual 64 KiB are too little.

use std::sync::OnceLock;

use aya_obj::generated::bpf_prog_type;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::features::bpf::{Attempt, RETURN};

/// Whether this kernel counts BPF memory against RLIMIT_MEMLOCK: then it loads no program while that is 0. `None` if it loads
/// none in any case.
///
/// Asked once, at start: for a moment the limit of the whole process is another.
pub fn is_counted() -> Option<bool> {
    static COUNTED: OnceLock<Option<bool>> = OnceLock::new();
    *COUNTED.get_or_init(|| {
        let limit = getrlimit(Resource::Memlock);
        let loads_within = |current| {
            setrlimit(Resource::Memlock, Rlimit { current, ..limit }).ok()?;
            let loads = Attempt::new(bpf_prog_type::BPF_PROG_TYPE_XDP, &RETURN).load().is_ok();
            setrlimit(Resource::Memlock, limit).ok()?;
            Some(loads)
        };
        if loads_within(Some(0))? {
            return Some(false);
        }
        loads_within(limit.maximum)?.then_some(true)
    })
}

/// Lifts the limit where it may count. A process that may not (CAP_SYS_RESOURCE) goes on with the one it has, and is told by
/// the kernel if that is too low.
pub fn raise() {
    if is_counted() != Some(false) {
        let _ = setrlimit(Resource::Memlock, Rlimit { current: None, maximum: None });
    }
}
