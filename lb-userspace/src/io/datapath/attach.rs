//! Attaches the programs to an interface by bpf_links pinned in bpffs, so that they outlive the daemon, and replaces
//! the programs of links that an earlier daemon left there.
//!
//! aya falls back to netlink attachments without saying so; those cannot be pinned and are refused here.

use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::programs::links::{FdLink, LinkOrder, PinnedLink};
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::xdp::XdpLink;
use aya::programs::{Program, ProgramError, SchedClassifier, TcAttachType, Xdp, XdpMode};

use super::chain;
use super::load::{PROGRAMS, links_dir};
use crate::io::netlink::Link;

/// Why programs cannot be attached.
#[derive(Debug, thiserror::Error)]
#[error("attaching {program} to {interface}: {message}")]
pub struct AttachError {
    program: &'static str,
    interface: String,
    message: String,
}

/// How XDP runs on an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XdpKind {
    /// In the driver.
    Native,
    /// After the kernel has made a socket buffer: slow, but it works with any driver.
    Generic,
}

/// Programs attached to one interface. Dropping it leaves them attached.
#[derive(Debug)]
pub struct Attached {
    interface: String,
    pins: Vec<PathBuf>,
    /// How XDP runs there.
    pub xdp: XdpKind,
}

/// Attaches all programs to an interface, or replaces those that are attached through pinned links.
///
/// # Errors
/// [`AttachError`]; what this call attached is detached again, what an earlier pivotd attached stays.
pub fn attach(programs: &mut Ebpf, pins: &Path, link: &Link) -> Result<Attached, AttachError> {
    let interface = link.name.as_str();
    let dir = links_dir(pins);
    std::fs::create_dir_all(&dir).map_err(|e| error("links", interface, &format!("{}: {e}", dir.display())))?;
    let pins = PROGRAMS.map(|program| dir.join(pin_name(interface, program)));
    let earlier: Vec<&PathBuf> = pins.iter().filter(|pin| pin.exists()).collect();
    let mut attached = Attached { interface: interface.to_owned(), pins: Vec::new(), xdp: XdpKind::Native };
    let result = attach_all(programs, &dir, link, &mut attached);
    match result {
        Ok(()) => Ok(attached),
        Err(error) => {
            attached.pins.retain(|pin| !earlier.contains(&pin));
            // Best effort: the first error is the one to report.
            let _ = attached.detach();
            Err(error)
        }
    }
}

fn attach_all(programs: &mut Ebpf, dir: &Path, link: &Link, attached: &mut Attached) -> Result<(), AttachError> {
    let interface = link.name.as_str();
    // The agent before the director: nobody sends here what cannot be taken.
    for (name, hook) in [("pivot_steer", TcAttachType::Ingress), ("pivot_egress", TcAttachType::Egress)] {
        let pin = dir.join(pin_name(interface, name));
        let Some(Program::SchedClassifier(program)) = programs.program_mut(name) else {
            return Err(error(name, interface, &"not in the object"));
        };
        attach_classifier(program, hook, &pin, interface).map_err(|e| error(name, interface, &e))?;
        attached.pins.push(pin);
    }
    let name = "pivot_xdp";
    let pin = dir.join(pin_name(interface, name));
    let Some(Program::Xdp(program)) = programs.program_mut(name) else {
        return Err(error(name, interface, &"not in the object"));
    };
    attached.xdp = attach_xdp(program, &pin, link).map_err(|e| error(name, interface, &e))?;
    attached.pins.push(pin);
    Ok(())
}

fn attach_classifier(
    program: &mut SchedClassifier,
    hook: TcAttachType,
    pin: &Path,
    interface: &str,
) -> Result<(), String> {
    if let Some(link) = pinned(pin)? {
        let link = SchedClassifierLink::try_from(link).map_err(|e| e.to_string())?;
        match program.attach_to_link(link) {
            Ok(id) => {
                return keep(program.take_link(id).map_err(|e| chain(&e))?.try_into().map_err(|_| NOT_A_LINK)?, None);
            }
            Err(e) => remove_if_dead(pin, &e)?,
        }
    }
    let options = TcAttachOptions::TcxOrder(LinkOrder::default());
    let id = program.attach_with_options(interface, hook, options).map_err(|e| chain(&e))?;
    keep(program.take_link(id).map_err(|e| chain(&e))?.try_into().map_err(|_| NOT_A_LINK)?, Some(pin))
}

fn attach_xdp(program: &mut Xdp, pin: &Path, interface: &Link) -> Result<XdpKind, String> {
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

fn warn_generic(interface: &Link, reason: &str) {
    tracing::warn!(
        interface = interface.name,
        "the driver has no native XDP ({reason}): generic mode, several times slower"
    );
}

const NOT_A_LINK: &str = "the kernel gave no bpf_link (is another program attached there? `bpftool net`)";

/// Name of the pin of a program's link to an interface. bpffs takes no dots, which names of VLAN devices have.
fn pin_name(interface: &str, program: &str) -> String {
    format!("{}-{program}", interface.replace('%', "%25").replace('.', "%2e"))
}

/// A pinned link, if there is one.
fn pinned(pin: &Path) -> Result<Option<FdLink>, String> {
    if !pin.exists() {
        return Ok(None);
    }
    PinnedLink::from_pin(pin).map(|link| Some(link.into())).map_err(|e| format!("pin {}: {}", pin.display(), chain(&e)))
}

/// Removes the pin of a link whose interface is gone, and with it what was attached there: another interface may have its
/// name now. Any other reason why a link cannot be updated is returned.
fn remove_if_dead(pin: &Path, error: &ProgramError) -> Result<(), String> {
    match error {
        ProgramError::SyscallError(e) if e.io_error.raw_os_error() == Some(libc::ENOLINK) => {
            std::fs::remove_file(pin).map_err(|e| format!("pin {}: {e}", pin.display()))
        }
        _ => Err(chain(error)),
    }
}

/// Pins a link, unless it is pinned already: it then outlives this process.
fn keep(link: FdLink, pin: Option<&Path>) -> Result<(), String> {
    match pin {
        Some(pin) => link.pin(pin).map(drop).map_err(|e| format!("pin {}: {}", pin.display(), chain(&e))),
        None => Ok(()),
    }
}

/// Attaches `pivot_listen` to the network namespace of this thread; in place of an earlier pivotd's, if one is pinned. Both
/// are attached for a moment: the kernel asks them in turn, so no connection meets neither.
///
/// # Errors
/// [`AttachError`].
pub fn attach_listen(programs: &mut Ebpf, pins: &Path) -> Result<(), AttachError> {
    let failed = |message: &dyn std::fmt::Display| error(LISTEN, "the network namespace", message);
    let dir = links_dir(pins);
    std::fs::create_dir_all(&dir).map_err(|e| failed(&format!("{}: {e}", dir.display())))?;
    let Some(Program::SkLookup(program)) = programs.program_mut(LISTEN) else {
        return Err(failed(&"not in the object"));
    };
    let netns = std::fs::File::open("/proc/thread-self/ns/net").map_err(|e| failed(&e))?;
    let id = program.attach(netns).map_err(|e| failed(&chain(&e)))?;
    let link = program.take_link(id).map_err(|e| failed(&chain(&e)))?;
    let (fresh, pin) = (dir.join("netns-fresh"), dir.join(LISTEN));
    // What a pivotd that was killed just here has left.
    let _ = std::fs::remove_file(&fresh);
    keep(link.into(), Some(&fresh)).map_err(|e| failed(&e))?;
    std::fs::rename(&fresh, &pin).map_err(|e| failed(&format!("pin {}: {e}", pin.display())))
}

/// The program that is attached to the namespace, not to an interface.
const LISTEN: &str = "pivot_listen";

/// Pins of links to interfaces that are not among `ours`, and to the namespace if there is none.
#[must_use]
pub fn strangers(pins: &Path, ours: &[&str]) -> Vec<PathBuf> {
    let Ok(links) = std::fs::read_dir(links_dir(pins)) else { return Vec::new() };
    let is_ours = |pin: &Path| {
        let name = pin.file_name().unwrap_or_default().to_string_lossy();
        name == LISTEN && !ours.is_empty()
            || ours.iter().any(|interface| PROGRAMS.iter().any(|program| name == pin_name(interface, program)))
    };
    links.filter_map(Result::ok).map(|entry| entry.path()).filter(|pin| !is_ours(pin)).collect()
}

impl Attached {
    /// Detaches the programs and removes the pins.
    ///
    /// # Errors
    /// The first pin that cannot be removed; the others are removed all the same.
    pub fn detach(&mut self) -> Result<(), AttachError> {
        let mut first = Ok(());
        // The director first: no packet is sent on that would not be taken.
        for pin in self.pins.drain(..).rev() {
            if let Err(e) = std::fs::remove_file(&pin) {
                first = first.and(Err(error("pin", &self.interface, &format!("{}: {e}", pin.display()))));
            }
        }
        first
    }
}

fn error(program: &'static str, interface: &str, message: &dyn std::fmt::Display) -> AttachError {
    AttachError { program, interface: interface.to_owned(), message: message.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_have_no_dots_and_tell_interfaces_apart() {
        assert_eq!(pin_name("eth0", "pivot_xdp"), "eth0-pivot_xdp");
        let names = ["eth0.100", "eth0%2e100", "eth0%100", "eth0100"].map(|interface| pin_name(interface, "pivot_xdp"));
        assert_eq!(names[0], "eth0%2e100-pivot_xdp");
        for (at, name) in names.iter().enumerate() {
            assert!(!name.contains('.') && !names[at + 1..].contains(name), "{names:?}");
        }
    }
}
