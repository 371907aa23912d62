//! Why an image was not written.

use lb_common::wire::link::{MAX_LINKS, MAX_PORTS};

use crate::tables::directory::NoPilot;

/// Why an image was not written. Nothing of it was, but see [`TableError::Grace`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TableError {
    /// More services and VIPs than records.
    #[error("{wanted} services and VIPs do not fit into tables of {room}: raise tables.services and restart pivotd")]
    Services {
        /// How many there would be.
        wanted: usize,
        /// How many can be.
        room: usize,
    },
    /// More backends than records, those that are being replaced included.
    #[error(
        "{wanted} backends, with those that are replaced, do not fit into a table of {room}: \
         replace fewer at a time, or raise tables.backends and restart pivotd"
    )]
    Backends {
        /// How many there would be at once.
        wanted: usize,
        /// How many can be.
        room: usize,
    },
    /// No room for a Maglev table.
    #[error(
        "no {lines} free lines for the Maglev table of service {service:?}: \
         lower tables.maglev or raise tables.services, and restart pivotd"
    )]
    Maglev {
        /// The service.
        service: String,
        /// Lines it needs.
        lines: u32,
    },
    /// See [`NoPilot`].
    #[error(transparent)]
    Directory(#[from] NoPilot),
    /// More MACs of other controllers than find a place.
    #[error(
        "{wanted} MACs of other hosts do not fit into a table of {room}: have fewer hosts, or fewer addresses of each"
    )]
    Controllers {
        /// How many there would be.
        wanted: usize,
        /// How many can be at most.
        room: usize,
    },
    /// An image that contradicts itself.
    #[error("service {service:?} {fault}: a fault in pivot, please report it")]
    Image {
        /// The service.
        service: String,
        /// What is wrong with it.
        fault: String,
    },
    /// An interface index beyond the table.
    #[error(
        "interface {name:?} has index {index}, beyond the {MAX_LINKS} that pivot can tell apart: recreate it early at boot"
    )]
    Interface {
        /// Its name.
        name: String,
        /// Its index.
        index: u32,
    },
    /// More interfaces than ports.
    #[error(
        "interface {name:?} would be one more than the {MAX_PORTS} by which packets may leave: \
         have the VIPs and the backends on fewer interfaces"
    )]
    Ports {
        /// Its name.
        name: String,
    },
    /// The kernel refused to wait for packets under way. The tables are good, but half-way to the image; the next call
    /// goes on from there.
    #[error("waiting for packets under way: {0}")]
    Grace(String),
}
