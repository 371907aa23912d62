//! The director at an interface's XDP hook: native where the driver can, else generic.

use std::path::Path;

use aya::programs::xdp::{XdpLink, XdpLinkId};
use aya::programs::{ProgramError, Xdp, XdpMode};

use super::pins::{NOT_A_LINK, keep, pinned, remove_if_dead};
use super::{XdpKind, chain};
use crate::io::netlink::Link;

/// Why it is not attached.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What the kernel says.
    pub(super) message: String,
    /// Whether it says that there is a program already: here, or (from Linux 5.15 on) on an interface above this one.
    pub(super) occupied: bool,
}

impl From<String> for Refusal {
    fn from(message: String) -> Self {
        Self { message, occupied: false }
    }
}

impl From<ProgramError> for Refusal {
    fn from(error: ProgramError) -> Self {
        let occupied =
            matches!(&error, ProgramError::SyscallError(e) if e.io_error.raw_os_error() == Some(libc::EEXIST));
        Self { message: chain(&error), occupied }
    }
}

/// Attaches it, or replaces the one that is attached through the pinned link.
pub(super) fn attach(program: &mut Xdp, pin: &Path, interface: &Link) -> Result<XdpKind, Refusal> {
    if let Some(link) = pinned(pin)? {
        let link = XdpLink::try_from(link).map_err(|e| e.to_string())?;
        match program.attach_to_link(link) {
            Ok(id) => {
                pin_link(program, id, None)?;
                if !interface.xdp_generic {
                    return Ok(XdpKind::Native);
                }
                warn_generic(interface, "as an earlier pivotd found");
                return Ok(XdpKind::Generic);
            }
            Err(e) => remove_if_dead(pin, &e)?,
        }
    }
    match program.attach_to_if_index(interface.index, XdpMode::Driver) {
        Ok(id) => pin_link(program, id, Some(pin)).map(|()| XdpKind::Native),
        Err(native) => {
            let native = Refusal::from(native);
            attach_generic(program, pin, interface).map_err(|generic| Refusal {
                message: format!("native: {}; generic: {}", native.message, generic.message),
                occupied: native.occupied,
            })?;
            warn_generic(interface, &native.message);
            Ok(XdpKind::Generic)
        }
    }
}

/// Attaches it behind the driver, where it is not attached at all.
pub(super) fn attach_generic(program: &mut Xdp, pin: &Path, interface: &Link) -> Result<(), Refusal> {
    let id = program.attach_to_if_index(interface.index, XdpMode::Skb)?;
    pin_link(program, id, Some(pin))
}

fn pin_link(program: &mut Xdp, id: XdpLinkId, pin: Option<&Path>) -> Result<(), Refusal> {
    Ok(keep(program.take_link(id)?.try_into().map_err(|_| NOT_A_LINK.to_owned())?, pin)?)
}

fn warn_generic(interface: &Link, reason: &str) {
    tracing::warn!(
        interface = interface.name,
        "the driver has no native XDP ({reason}): generic mode, several times slower"
    );
}
