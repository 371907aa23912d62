//! How large each map is, worked out from the configuration; a running map's sizes, read back, must agree.

use lb_common::path::verdict;
use lb_common::wire::control::Control;
use lb_common::wire::flow::Set4;
use lb_common::wire::link::MAX_LINKS;
use lb_common::wire::{LAYOUT, Line};

use crate::core::config::model::TableSizes;

/// Elements of every map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// CPUs with counters and a flow cache of their own.
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
    /// Sets of one CPU's flow cache.
    pub flow_sets: u32,
    /// Flows of the shared table.
    pub flows: u32,
}

/// Flows in one set of the cache.
const WAYS: u32 = (size_of::<Set4>() / 16) as u32;

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
            flow_sets: (tables.flow_cache / WAYS).next_power_of_two(),
            flows: tables.flows,
        }
    }

    /// Elements by name of map, for the loader.
    #[must_use]
    pub fn by_map(&self) -> [(&'static str, u32); 14] {
        [
            ("CONTROL", 1),
            ("LINKS", MAX_LINKS),
            ("PILOTS", 2 * self.pilots / Line::LEN),
            ("DIRECTORY", 2 * self.directory),
            ("VIPS", self.services),
            ("SERVICES", self.services),
            ("MAGLEV", self.maglev),
            ("BACKENDS", self.backends),
            ("FLOW_CACHE4", self.cpus * self.flow_sets),
            ("FLOWS", self.flows),
            ("VERDICTS", self.cpus * verdict::STRIDE),
            ("SERVICE_COUNTERS", self.cpus * self.services),
            ("BACKEND_COUNTERS", self.cpus * self.backends),
            ("LISTENERS", self.backends),
        ]
    }

    /// The record that tells the packet path.
    #[must_use]
    pub fn control(&self) -> Control {
        Control {
            layout: LAYOUT,
            cpus: self.cpus,
            directory_mask: self.directory - 1,
            pilot_mask: self.pilots - 1,
            flow_mask: self.flow_sets - 1,
            services: self.services,
            backends: self.backends,
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
            let control = sizes.control();
            for mask in [control.directory_mask, control.pilot_mask, control.flow_mask] {
                assert!((mask + 1).is_power_of_two());
            }
            assert!(sizes.directory >= 2 * services);
        }
    }
}
