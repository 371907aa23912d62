//! Links in bpffs: they hold programs in place when the daemon is gone.

use std::path::Path;

use aya::programs::ProgramError;
use aya::programs::links::{FdLink, PinnedLink};

use super::chain;

pub(super) const NOT_A_LINK: &str = "the kernel gave no bpf_link (is another program attached there? `bpftool net`)";

/// A pinned link, if there is one.
pub(super) fn pinned(pin: &Path) -> Result<Option<FdLink>, String> {
    if !pin.exists() {
        return Ok(None);
    }
    PinnedLink::from_pin(pin).map(|link| Some(link.into())).map_err(|e| format!("pin {}: {}", pin.display(), chain(&e)))
}

/// Removes the pin of a link whose interface is gone, and with it what was attached there: another interface may have its
/// name now. Any other reason why a link cannot be updated is returned.
pub(super) fn remove_if_dead(pin: &Path, error: &ProgramError) -> Result<(), String> {
    match error {
        ProgramError::SyscallError(e) if e.io_error.raw_os_error() == Some(libc::ENOLINK) => {
            std::fs::remove_file(pin).map_err(|e| format!("pin {}: {e}", pin.display()))
        }
        _ => Err(chain(error)),
    }
}

/// Pins a link, unless it is pinned already: it then outlives this process.
pub(super) fn keep(link: FdLink, pin: Option<&Path>) -> Result<(), String> {
    match pin {
        Some(pin) => link.pin(pin).map(drop).map_err(|e| format!("pin {}: {}", pin.display(), chain(&e))),
        None => Ok(()),
    }
}
