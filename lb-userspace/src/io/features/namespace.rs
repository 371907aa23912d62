//! A network namespace for trying what would disturb the host's.

use rustix::thread::{UnshareFlags, unshare_unsafe};

/// Runs `attempt` in an empty network namespace, which is gone afterwards; `None` if this process may not have one
/// (CAP_SYS_ADMIN).
pub(super) fn within<T: Send>(attempt: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let tried = scope.spawn(|| {
            // SAFETY: what is unshared is the namespace of this thread, which opens nothing in the other one.
            unsafe { unshare_unsafe(UnshareFlags::NEWNET) }.ok()?;
            Some(attempt())
        });
        tried.join().ok().flatten()
    })
}
