//! What a driver says of itself, by the oldest of its interfaces, which every kernel has: ioctl(SIOCETHTOOL). All of it is
//! open to every user.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::core::doctor::interface::{Driver, Offloads, Queues};

/// `SIOCETHTOOL` (include/uapi/linux/sockios.h).
const SIOCETHTOOL: libc::Ioctl = 0x8946;

/// Commands (include/uapi/linux/ethtool.h).
const GDRVINFO: u32 = 0x03;
const GTXCSUM: u32 = 0x16;
const GFLAGS: u32 = 0x25;
const GGRO: u32 = 0x2b;
const GCHANNELS: u32 = 0x3c;

/// Flags of `GFLAGS`.
const RX_VLAN: u32 = 1 << 8;
const LRO: u32 = 1 << 15;

/// `struct ethtool_drvinfo`.
#[repr(C)]
struct DriverInfo {
    command: u32,
    driver: [u8; 32],
    version: [u8; 32],
    firmware: [u8; 32],
    bus: [u8; 32],
    rom: [u8; 32],
    reserved: [u8; 12],
    numbers: [u32; 5],
}

/// `struct ethtool_value`.
#[repr(C)]
struct Value {
    command: u32,
    data: u32,
}

/// `struct ethtool_channels`: the most there may be of each kind, then how many there are.
#[repr(C)]
#[derive(Default)]
struct Channels {
    command: u32,
    most_rx: u32,
    most_tx: u32,
    most_other: u32,
    most_combined: u32,
    rx: u32,
    tx: u32,
    other: u32,
    combined: u32,
}

/// Asks after the interfaces of the network namespace in which it was opened.
pub(super) struct Ethtool {
    socket: OwnedFd,
}

impl Ethtool {
    /// Opens the socket that the questions go through.
    pub(super) fn open() -> io::Result<Self> {
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
        Ok(Self { socket })
    }

    /// The driver of an interface.
    pub(super) fn driver(&self, interface: &str) -> Option<Driver> {
        let mut info = DriverInfo {
            command: GDRVINFO,
            driver: [0; 32],
            version: [0; 32],
            firmware: [0; 32],
            bus: [0; 32],
            rom: [0; 32],
            reserved: [0; 12],
            numbers: [0; 5],
        };
        self.ask(interface, &mut info).ok()?;
        Some(Driver { name: text(&info.driver), version: text(&info.version), firmware: text(&info.firmware) })
    }

    /// Its queues.
    pub(super) fn queues(&self, interface: &str) -> Option<Queues> {
        let mut channels = Channels { command: GCHANNELS, ..Channels::default() };
        self.ask(interface, &mut channels).ok()?;
        let combined = channels.most_combined > 0;
        Some(Queues {
            rx: channels.combined + channels.rx,
            tx: channels.combined + channels.tx,
            most: if combined { channels.most_combined } else { channels.most_rx },
            combined,
        })
    }

    /// Its offloads.
    pub(super) fn offloads(&self, interface: &str) -> Offloads {
        let flags = self.value(interface, GFLAGS);
        Offloads {
            gro: self.value(interface, GGRO).map(|on| on != 0),
            lro: flags.map(|flags| flags & LRO != 0),
            tx_checksum: self.value(interface, GTXCSUM).map(|on| on != 0),
            rx_vlan: flags.map(|flags| flags & RX_VLAN != 0),
        }
    }

    fn value(&self, interface: &str, command: u32) -> Option<u32> {
        let mut value = Value { command, data: 0 };
        self.ask(interface, &mut value).ok()?;
        Some(value.data)
    }

    /// Has the kernel answer into `question`, one of the records above.
    fn ask<T>(&self, interface: &str, question: &mut T) -> io::Result<()> {
        let mut name = [0; libc::IFNAMSIZ];
        if interface.len() >= name.len() {
            return Err(io::Error::from_raw_os_error(libc::ENODEV));
        }
        for (to, from) in name.iter_mut().zip(interface.bytes()) {
            *to = from as libc::c_char;
        }
        let ifru_data = std::ptr::from_mut(question).cast();
        let mut request = libc::ifreq { ifr_name: name, ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data } };
        // SAFETY: the request and the record that it points to live through the call, and are nobody else's; the record
        // begins with its command and is as large as the kernel takes a record of that command to be.
        let answer = unsafe { libc::ioctl(self.socket.as_raw_fd(), SIOCETHTOOL, &raw mut request) };
        if answer < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }
}

/// Text up to its first zero byte.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_large_as_the_kernels() {
        assert_eq!((size_of::<DriverInfo>(), size_of::<Value>(), size_of::<Channels>()), (196, 8, 36));
    }

    #[test]
    fn the_loopback_interface_has_offloads_and_an_unknown_one_nothing() {
        let ethtool = Ethtool::open().unwrap();
        assert!(ethtool.offloads("lo").gro.is_some());
        assert_eq!(ethtool.offloads("no-such-thing"), Offloads::default());
        assert_eq!(ethtool.driver(&"x".repeat(40)), None);
        assert_eq!(text(b"veth\0rest"), "veth");
    }
}
