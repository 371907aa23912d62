//! Attaches the programs to an interface so that they outlive the daemon, and replaces those that an earlier daemon left there.
//!
//! What is attached is known by a pin in bpffs: that of a bpf_link, or of the program itself where TC has no links
//! ([`classifier`]). aya falls back from links to netlink attachments without saying so; that is refused here.

mod classifier;
mod clsact;
mod listen;
mod pins;
mod xdp;

pub use listen::attach_listen;

use std::path::{Path, PathBuf};

use aya::Ebpf;
use aya::programs::{Program, Xdp};

use self::xdp::Refusal;
use super::chain;
use super::load::links_dir;
use super::programs::{Buffers, EGRESS, LISTEN, STEER};
use crate::io::features::{self, bpf};
use crate::io::netlink::Link;

/// Why programs cannot be attached.
#[derive(Debug, thiserror::Error)]
#[error("attaching {program} to {interface}: {message}")]
pub struct AttachError {
    program: &'static str,
    interface: String,
    message: String,
    /// Whether the kernel says that there is a program already, there or on an interface above.
    pub occupied: bool,
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

/// What is attached to an interface, in the order of attachment: the agent before the director, so that nobody sends here
/// what cannot be taken.
const PARTS: [&str; 3] = [STEER, EGRESS, DIRECTOR];

/// Name of the director's pin, whichever program that is.
const DIRECTOR: &str = "pivot_xdp";

/// What holds the director on an interface, below an instance's pins.
#[must_use]
pub fn director_pin(pins: &Path, interface: &str) -> PathBuf {
    pin(&links_dir(pins), interface, DIRECTOR)
}

fn pin(dir: &Path, interface: &str, part: &str) -> PathBuf {
    dir.join(pin_name(interface, part))
}

/// Name of the pin of what is attached to an interface. bpffs takes no dots, which names of VLAN devices have.
fn pin_name(interface: &str, part: &str) -> String {
    format!("{}-{part}", interface.replace('%', "%25").replace('.', "%2e"))
}

/// The interface that a part's pin of this name is for.
fn interface_of(name: &str, part: &str) -> Option<String> {
    Some(name.strip_suffix(part)?.strip_suffix('-')?.replace("%2e", ".").replace("%25", "%"))
}

/// Attaches all programs to an interface, or replaces those that an earlier pivotd attached.
///
/// # Errors
/// [`AttachError`]; what this call attached is detached again, what an earlier pivotd attached stays.
pub fn attach(programs: &mut Ebpf, buffers: Buffers, pins: &Path, link: &Link) -> Result<Attached, AttachError> {
    let interface = link.name.as_str();
    let dir = links_dir(pins);
    std::fs::create_dir_all(&dir).map_err(|e| error("links", interface, &format!("{}: {e}", dir.display())))?;
    let pins = PARTS.map(|part| pin(&dir, interface, part));
    let earlier: Vec<&PathBuf> = pins.iter().filter(|pin| pin.exists()).collect();
    let mut attached = Attached { interface: interface.to_owned(), pins: Vec::new(), xdp: XdpKind::Native };
    match attach_all(programs, buffers, &dir, link, &mut attached) {
        Ok(()) => Ok(attached),
        Err(error) => {
            attached.pins.retain(|pin| !earlier.contains(&pin));
            // Best effort: the first error is the one to report.
            let _ = attached.detach();
            Err(error)
        }
    }
}

fn attach_all(
    programs: &mut Ebpf,
    buffers: Buffers,
    dir: &Path,
    link: &Link,
    attached: &mut Attached,
) -> Result<(), AttachError> {
    let interface = link.name.as_str();
    for (name, hook) in classifier::HOOKS {
        let pin = pin(dir, interface, name);
        let Some(Program::SchedClassifier(program)) = programs.program_mut(name) else {
            return Err(error(name, interface, &"not in the object"));
        };
        classifier::attach(program, hook, &pin, interface).map_err(|e| error(name, interface, &e))?;
        attached.pins.push(pin);
    }
    let pin = pin(dir, interface, DIRECTOR);
    attached.xdp = with_director(programs, buffers, link, |director| xdp::attach(director, &pin, link))?;
    attached.pins.push(pin);
    Ok(())
}

/// Takes the director off an interface that keeps everything else.
///
/// # Errors
/// [`AttachError`]
pub fn take_director_off(pins: &Path, link: &Link) -> Result<(), AttachError> {
    let pin = director_pin(pins, &link.name);
    if pin.exists() {
        detach_pin(&pin).map_err(|e| error(DIRECTOR, &link.name, &e))?;
    }
    Ok(())
}

/// Attaches the director to an interface that it was taken off, in generic mode.
///
/// # Errors
/// [`AttachError`].
pub fn attach_generic(programs: &mut Ebpf, buffers: Buffers, pins: &Path, link: &Link) -> Result<(), AttachError> {
    let pin = director_pin(pins, &link.name);
    with_director(programs, buffers, link, |director| xdp::attach_generic(director, &pin, link))
}

fn with_director<T>(
    programs: &mut Ebpf,
    buffers: Buffers,
    link: &Link,
    attach: impl FnOnce(&mut Xdp) -> Result<T, Refusal>,
) -> Result<T, AttachError> {
    let name = buffers.director();
    let Some(Program::Xdp(program)) = programs.program_mut(name) else {
        return Err(error(name, &link.name, &"not in the object"));
    };
    attach(program)
        .map_err(|refusal| AttachError { occupied: refusal.occupied, ..error(name, &link.name, &refusal.message) })
}

/// Pins of what is attached to interfaces that are not among `ours`, and to the namespace if there is none.
#[must_use]
pub fn strangers(pins: &Path, ours: &[&str]) -> Vec<PathBuf> {
    let Ok(links) = std::fs::read_dir(links_dir(pins)) else { return Vec::new() };
    let is_ours = |pin: &Path| {
        let name = pin.file_name().unwrap_or_default().to_string_lossy();
        name == LISTEN && !ours.is_empty()
            || ours.iter().any(|interface| PARTS.iter().any(|part| name == pin_name(interface, part)))
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
            if let Err(e) = detach_pin(&pin) {
                first = first.and(Err(error("pin", &self.interface, &format!("{}: {e}", pin.display()))));
            }
        }
        first
    }
}

/// Detaches what a pin holds in place, and removes it.
///
/// # Errors
/// What the kernel says.
pub fn detach_pin(pin: &Path) -> Result<(), String> {
    if !features::tcx() {
        let name = pin.file_name().unwrap_or_default().to_string_lossy();
        for (part, hook) in classifier::HOOKS {
            if let Some(interface) = interface_of(&name, part) {
                classifier::remove_filter(&interface, hook, pin)?;
            }
        }
    }
    // Its place is free at once then; without its pin alone, a link goes a moment later. There may be no link, or a dead one.
    let _ = bpf::detach(pin);
    std::fs::remove_file(pin).map_err(|e| e.to_string())
}

fn error(program: &'static str, interface: &str, message: &dyn std::fmt::Display) -> AttachError {
    AttachError { program, interface: interface.to_owned(), message: message.to_string(), occupied: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_have_no_dots_and_tell_interfaces_apart() {
        assert_eq!(pin_name("eth0", DIRECTOR), "eth0-pivot_xdp");
        let interfaces = ["eth0.100", "eth0%2e100", "eth0%100", "eth0100", "a-pivot_steer"];
        let names = interfaces.map(|interface| pin_name(interface, STEER));
        for (at, name) in names.iter().enumerate() {
            assert!(!name.contains('.') && !names[at + 1..].contains(name), "{names:?}");
            assert_eq!(interface_of(name, STEER).as_deref(), Some(interfaces[at]));
        }
        assert_eq!(interface_of("pivot_listen", STEER), None);
    }
}
