//! Waits for packets under way: an RCU grace period, which every XDP and TC program runs inside of.

use std::io;

/// `MEMBARRIER_CMD_GLOBAL` of membarrier(2).
const MEMBARRIER_CMD_GLOBAL: libc::c_int = 1;

/// Returns once every program run that had begun before has ended: `MEMBARRIER_CMD_GLOBAL` is `synchronize_rcu()` in
/// the kernel. Takes milliseconds.
///
/// # Errors
/// What membarrier(2) says; a kernel with `nohz_full` CPUs refuses.
pub fn wait() -> Result<(), String> {
    // SAFETY: a system call without pointers.
    match unsafe { libc::syscall(libc::SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) } {
        0 => Ok(()),
        _ => Err(format!("membarrier: {}: pivot needs a kernel without nohz_full", io::Error::last_os_error())),
    }
}
