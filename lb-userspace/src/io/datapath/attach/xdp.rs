//! The director at an interface's XDP hook: native where the driver can, else generic.

use std::path::Path;

use aya::programs::xdp::XdpLink;
use aya::programs::{Xdp, XdpMode};

use super::pins::{NOT_A_LINK, keep, pinned, remove_if_dead};
use super::{XdpKind, chain};
use crate::io::features::bpf;
use crate::io::netlink::Link;

/// Attaches it, or replaces the one that is attached through the pinned link.
pub(super) fn attach(program: &mut Xdp, pin: &Path, interface: &Link) -> Result<XdpKind, String> {
    if let Some(link) = pinned(pin)? {
        let link = XdpLink::try_from(link).map_err(|e| e.to_string())?;
        match program.attach_to_link(link) {
            Ok(id) => {
                keep(program.take_link(id).map_err(|e| chain(&e))?.try_into().map_err(|_| NOT_A_LINK)?, None)?;
                if !interface.xdp_generic {
                    return Ok(XdpKind::Native);
                }
                warn_generic(interface, "as an earlier pivotd found");
                return Ok(XdpKind::Generic);
            }
            Err(e) => remove_if_dead(pin, &e)?,
        }
    }
    let (id, kind) = match program.attach_to_if_index(interface.index, XdpMode::Driver) {
        Ok(id) => (id, XdpKind::Native),
        Err(native) => {
            let id = program
                .attach_to_if_index(interface.index, XdpMode::Skb)
                .map_err(|generic| format!("native: {}; generic: {}", chain(&native), chain(&generic)))?;
            warn_generic(interface, &chain(&native));
            (id, XdpKind::Generic)
        }
    };
    keep(program.take_link(id).map_err(|e| chain(&e))?.try_into().map_err(|_| NOT_A_LINK)?, Some(pin))?;
    Ok(kind)
}

/// Detaches it from the driver, and attaches it behind.
pub(super) fn make_generic(program: &mut Xdp, pin: &Path, interface: &Link) -> Result<(), String> {
    let failed = |e| format!("pin {}: {e}", pin.display());
    // The kernel does not take both at once.
    bpf::detach(pin).map_err(failed)?;
    std::fs::remove_file(pin).map_err(failed)?;
    let id = program.attach_to_if_index(interface.index, XdpMode::Skb).map_err(|e| chain(&e))?;
    keep(program.take_link(id).map_err(|e| chain(&e))?.try_into().map_err(|_| NOT_A_LINK)?, Some(pin))
}

fn warn_generic(interface: &Link, reason: &str) {
    tracing::warn!(
        interface = interface.name,
        "the driver has no native XDP ({reason}): generic mode, several times slower"
    );
}
