//! Programs at an interface's TC hooks: through a bpf_link where the kernel has TCX (Linux 6.6), else as filters of a clsact
//! qdisc under a priority and a handle of pivot's own, by which the next pivotd finds and replaces them.
//!
//! A filter stays until somebody removes it. What is pinned for it is the program, so that strangers are found in bpffs
//! whatever they hang on. The qdisc goes with its last filter.

use std::path::Path;

use aya::programs::links::{FdLink, Link as _, LinkOrder};
use aya::programs::tc::{NlOptions, SchedClassifierLink, SchedClassifierLinkId, TcAttachOptions, TcHandle};
use aya::programs::{ProgramError, SchedClassifier, TcAttachType, tc};

use lb_common::net::hash;

use super::pins::{NOT_A_LINK, keep, pinned, remove_if_dead};
use super::{chain, clsact};
use crate::io::datapath::programs::{EGRESS, STEER};
use crate::io::features;

/// The hooks, in the order of attachment.
pub(super) const HOOKS: [(&str, TcAttachType); 2] = [(STEER, TcAttachType::Ingress), (EGRESS, TcAttachType::Egress)];

/// Priority of pivot's filters.
const PRIORITY: u16 = 0x7069;

/// Handle of the filter that a pin stands for: another instance of pivotd, which has other pins, has another.
fn handle(pin: &Path) -> TcHandle {
    let folder = pin.parent().unwrap_or(pin).as_os_str().as_encoded_bytes();
    let hash = folder.iter().fold(0_u64, |hash, byte| hash::fold(hash, u64::from(*byte)));
    TcHandle::new(PRIORITY, (hash >> 48) as u16)
}

/// Attaches a program, or replaces the one that an earlier pivotd attached.
pub(super) fn attach(
    program: &mut SchedClassifier,
    hook: TcAttachType,
    pin: &Path,
    interface: &str,
) -> Result<(), String> {
    if features::tcx() {
        attach_link(program, hook, pin, interface)
    } else {
        attach_filter(program, hook, pin, interface)
    }
}

fn attach_link(program: &mut SchedClassifier, hook: TcAttachType, pin: &Path, interface: &str) -> Result<(), String> {
    if let Some(link) = pinned(pin)? {
        let link = SchedClassifierLink::try_from(link).map_err(|e| e.to_string())?;
        match program.attach_to_link(link) {
            Ok(id) => return keep(link_of(program, id)?, None),
            Err(e) => remove_if_dead(pin, &e)?,
        }
    }
    let options = TcAttachOptions::TcxOrder(LinkOrder::default());
    let id = program.attach_with_options(interface, hook, options).map_err(|e| chain(&e))?;
    keep(link_of(program, id)?, Some(pin))
}

fn link_of(program: &mut SchedClassifier, id: SchedClassifierLinkId) -> Result<FdLink, String> {
    program.take_link(id).map_err(|e| chain(&e))?.try_into().map_err(|_| NOT_A_LINK.to_owned())
}

fn attach_filter(program: &mut SchedClassifier, hook: TcAttachType, pin: &Path, interface: &str) -> Result<(), String> {
    let id = match program.attach_to_link(filter(interface, hook, pin)?) {
        Ok(id) => id,
        Err(_not_there) => {
            let qdisc = tc::qdisc_add_clsact(interface);
            let options = NlOptions { priority: PRIORITY, handle: handle(pin), classid: None };
            program.attach_with_options(interface, hook, TcAttachOptions::Netlink(options)).map_err(
                |e| match qdisc {
                    // It was there already, or that is the reason.
                    Err(qdisc) => format!("{} (clsact: {})", chain(&e), chain(&qdisc)),
                    Ok(()) => chain(&e),
                },
            )?
        }
    };
    // Dropped, it would take the filter away.
    std::mem::forget(program.take_link(id).map_err(|e| chain(&e))?);
    match std::fs::remove_file(pin) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(format!("pin {}: {e}", pin.display())),
        _ => {}
    }
    program.pin(pin).map_err(|e| format!("pin {}: {}", pin.display(), chain(&e)))
}

/// pivot's filter at a hook, there or not.
fn filter(interface: &str, hook: TcAttachType, pin: &Path) -> Result<SchedClassifierLink, String> {
    SchedClassifierLink::attached(interface, hook, PRIORITY, handle(pin), None).map_err(|e| e.to_string())
}

/// Removes the filter that a pinned program stands for. One that is gone, with its interface or by hand, is no error.
pub(super) fn remove_filter(interface: &str, hook: TcAttachType, pin: &Path) -> Result<(), String> {
    let Ok(filter) = filter(interface, hook, pin) else { return Ok(()) };
    match filter.detach() {
        Err(ProgramError::NetlinkError(e)) if matches!(e.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => Ok(()),
        Err(e) => Err(chain(&e)),
        Ok(()) => clsact::remove_if_empty(interface).map_err(|e| format!("clsact: {e}")),
    }
}
