//! How large each map is, worked out from the configuration; a running map's sizes, read back, must agree.

use std::time::Duration;

use lb_common::path::verdict;
use lb_common::wire::control::Control;
use lb_common::wire::controllers;
use lb_common::wire::flow::{Set4, Set6};
use lb_common::wire::link::{MAX_LINKS, MAX_PORTS};
use lb_common::wire::word::Word;
use lb_common::wire::{LAYOUT, Line, refusal, way};

use super::clock::Clock;
use crate::core::config::model::TableSizes;

/// Elements of every map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// CPUs with counters of their own.
    pub cpus: u32,
    /// Most services and VIPs.
    pub services: u32,
    /// Most backends.
    pub backends: u32,
    /// Slots of one generation of the directory.
    pub directory: u32,
    /// Pilots of one generation.
    pub pilots: u32,
    /// Lines of Maglev tables.
    pub maglev: u32,
    /// Sets of IPv4 flows.
    pub flow_sets4: u32,
    /// Sets of IPv6 flows.
    pub flow_sets6: u32,
}

/// Flows in one set.
const WAYS4: u32 = (size_of::<Set4>() / 16) as u32;
const WAYS6: u32 = (size_of::<Set6>() / 32) as u32;

/// How long a flow is remembered that was seen once: a SYN is sent again for a minute (RFC 6298 with Linux's six
/// retries), but what opens a connection is answered within seconds or does not matter.
const LIFE_NEW: Duration = Duration::from_secs(30);
/// The same after the client's FIN: the other side may have more to say, and TIME-WAIT is twice this (RFC 9293 section 3.4.1).
const LIFE_CLOSING: Duration = Duration::from_secs(60);
/// The same after a reset.
const LIFE_RESET: Duration = Duration::from_secs(10);
/// How long the fragments of a packet are awaited, as Linux does for IPv4; RFC 8200 section 4.5 allows 60 s.
const LIFE_FRAGMENTS: Duration = Duration::from_secs(30);

impl Sizes {
    /// For this configuration on a host of `cpus` possible CPUs.
    #[must_use]
    pub fn of(tables: &TableSizes, cpus: u32) -> Self {
        // Half-empty, so that a pilot is found at once.
        let directory = (tables.services * 2).next_power_of_two().max(64);
        let table_lines = tables.maglev.div_ceil(Line::LEN);
        Self {
            cpus,
            services: tables.services,
            backends: tables.backends,
            directory,
            pilots: (directory / 4).max(Line::LEN),
            // A table's successor is written while it is in use: one in eight may be swapped at once.
            maglev: table_lines * (tables.services + tables.services / 8 + 1),
            flow_sets4: (tables.flows / WAYS4).next_power_of_two(),
            flow_sets6: (tables.flows / WAYS6).next_power_of_two(),
        }
    }

    /// Rows of counters: one for each CPU, and user space's.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.cpus + 1
    }

    /// Elements by name of map, for the loader.
    #[must_use]
    pub fn by_map(&self) -> [(&'static str, u32); 21] {
        [
            ("CONTROL", 1),
            ("LINKS", MAX_LINKS),
            ("PORTS", MAX_PORTS),
            ("EGRESS", MAX_PORTS),
            ("DEVICES", MAX_PORTS),
            ("WAYS", way::COUNT),
            ("PILOTS", 2 * self.pilots / Line::LEN),
            ("DIRECTORY", 2 * self.directory),
            ("VIPS", self.services),
            ("CONTROLLERS", controllers::LINES),
            ("SERVICES", self.services),
            ("MAGLEV", self.maglev),
            ("BACKENDS", self.backends),
            ("FLOWS4", self.flow_sets4),
            ("FLOWS6", self.flow_sets6),
            ("PACES", self.cpus),
            ("VERDICTS", self.rows() * verdict::STRIDE),
            ("SERVICE_COUNTERS", self.rows() * self.services),
            ("BACKEND_COUNTERS", self.rows() * self.backends),
            ("LISTENERS", self.backends),
            ("REFUSALS", refusal::BYTES),
        ]
    }

    /// The record that tells the packet path, on a kernel with this clock. New flows are not limited.
    #[must_use]
    pub fn control(&self, clock: Clock) -> Control {
        let life = |time| clock.ticks(time) as u16;
        Control {
            layout: LAYOUT,
            cpus: self.cpus,
            directory_mask: self.directory - 1,
            pilot_mask: self.pilots - 1,
            flow_mask4: self.flow_sets4 - 1,
            flow_mask6: self.flow_sets6 - 1,
            services: self.services,
            backends: self.backends,
            life_new: life(LIFE_NEW),
            life_closing: life(LIFE_CLOSING),
            life_reset: life(LIFE_RESET),
            life_fragments: life(LIFE_FRAGMENTS),
            limits: Word::new(clock.limits(0).pack()),
            ..Control::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_are_powers_of_two_minus_one_for_any_configuration() {
        for services in [1, 3, 256, 10_000, 16_384] {
            let sizes = Sizes::of(&TableSizes { services, ..TableSizes::default() }, 3);
            let control = sizes.control(Clock::with_hz(1000));
            for mask in [control.directory_mask, control.pilot_mask, control.flow_mask4, control.flow_mask6] {
                assert!((mask + 1).is_power_of_two());
            }
            assert!(sizes.directory >= 2 * services);
        }
    }
}
