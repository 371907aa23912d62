//! The two network cards that a virtual machine has for the lab: virtio-net with several queues each, joined by one segment.
//!
//! They are in the machine's own namespace while no lab has borrowed them; a namespace that ends gives them back.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use lb_userspace::core::event::Mac;

use super::netns::{self, Namespace};
use super::wait::wait_until;

/// MAC of the one that becomes a port of the switch.
pub const SWITCH: Mac = Mac([0x52, 0x54, 0, 0x70, 0x76, 1]);

/// MAC of the one that becomes a controller's interface.
pub const HOST: Mac = Mac([0x52, 0x54, 0, 0x70, 0x76, 2]);

/// Moves a card into a namespace, under another name and down. Waits for one that another lab is just giving back.
pub(super) fn lend(mac: Mac, to: &Namespace, name: &str) -> Result<()> {
    let found = wait_until(Duration::from_secs(5), &format!("a network card with MAC {mac}"), || find(mac))
        .context("the lab needs two network cards of a virtual machine: `cargo xtask vm` gives it them")?;
    netns::ip_outside(&format!("link set {found} down\nlink set {found} netns {} name {name}", to.name()))
}

/// Name of an interface of the calling process's namespace that is neither a bridge, nor on top of another one.
fn find(mac: Mac) -> Result<String> {
    for entry in fs::read_dir("/sys/class/net").context("listing /sys/class/net")? {
        let entry = entry?;
        let has_device = entry.path().join("device").exists();
        // One that is just being renamed or moved is looked at again.
        let address = fs::read_to_string(entry.path().join("address")).unwrap_or_default();
        if has_device && address.trim() == mac.to_string() {
            return Ok(entry.file_name().to_string_lossy().into_owned());
        }
    }
    bail!("none")
}
