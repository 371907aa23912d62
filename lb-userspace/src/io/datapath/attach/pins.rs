//! Links in bpffs: they hold programs in place when the daemon is gone.

use std::path::Path;

use aya::programs::ProgramError;
use aya::programs::links::{FdLink, PinnedLink};

use super::chain;

pub(super) const NOT_A_LINK: &str = "the kernel gave no bpf_link (is another program attached there? `bpftool net`)";

/// What stands for a dot in the name of a pin: bpffs takes none, and names of VLAN devices have them.
const DOT: &str = "%2e";
/// What stands for the `%` of that.
const PERCENT: &str = "%25";

/// Name of the pin of a part on an interface.
pub(super) fn name(interface: &str, part: &str) -> String {
    format!("{}-{part}", interface.replace('%', PERCENT).replace('.', DOT))
}

/// The interface that a pin of this name is for, if it is one of this part.
pub(super) fn interface(name: &str, part: &str) -> Option<String> {
    let interface = name.strip_suffix(part)?.strip_suffix('-')?;
    Some(interface.replace(DOT, ".").replace(PERCENT, "%"))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_have_no_dots_and_tell_interfaces_apart() {
        assert_eq!(name("eth0", "pivot_xdp"), "eth0-pivot_xdp");
        for known in ["eth0", "bond0.100", "eth0.200.100", "a%2eb", "a%252eb", "%", "br-ex"] {
            let pin = name(known, "pivot_xdp");
            assert!(!pin.contains('.'), "{pin}");
            assert_eq!(interface(&pin, "pivot_xdp").as_deref(), Some(known));
            assert_eq!(interface(&pin, "pivot_steer"), None);
        }
    }
}
