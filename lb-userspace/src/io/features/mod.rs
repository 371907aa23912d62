//! Tries what the running kernel offers. Nothing in, what was found out; nothing stays loaded.

use aya::maps::MapType;
use aya::programs::ProgramType;
use aya::sys::{is_map_supported, is_program_supported};

use crate::core::features::{Feature, Kernel, State};
use crate::io::preflight;

/// Kinds of maps: name, kind, what they are for.
const MAPS: [(&str, MapType, &str); 4] = [
    ("array maps", MapType::Array, "every table of the packet path"),
    ("program arrays", MapType::ProgramArray, "the long way, a program of its own"),
    ("device maps", MapType::DevMap, "backends behind another interface"),
    ("socket maps", MapType::SockMap, "listeners of the backends on this host"),
];

/// Kinds of programs: name, kind, what they are for.
const PROGRAMS: [(&str, ProgramType, &str); 3] = [
    ("XDP programs", ProgramType::Xdp, "forwarding"),
    ("TC programs", ProgramType::SchedClassifier, "steering, and silence about VIPs that are not held"),
    ("sk_lookup programs", ProgramType::SkLookup, "handing connections to a VIP to a backend's listener"),
];

/// Tries everything. Without privileges everything is unknown.
#[must_use]
pub fn probe() -> Kernel {
    let allowed = preflight::missing().is_ok_and(|missing| missing.is_empty());
    let judge = |name, purpose: &str, tried: &dyn Fn() -> Result<bool, String>| {
        let (state, detail) = match if allowed { tried() } else { Err("needs root".to_owned()) } {
            Ok(true) => (State::Yes, purpose.to_owned()),
            Ok(false) => (State::No, purpose.to_owned()),
            Err(why) => (State::Unknown, why),
        };
        Feature { name, state, detail, instead: None }
    };
    let maps = MAPS.iter().map(|(name, kind, purpose)| {
        judge(name, purpose, &|| is_map_supported(*kind).map_err(|error| error.to_string()))
    });
    let programs = PROGRAMS.iter().map(|(name, kind, purpose)| {
        judge(name, purpose, &|| is_program_supported(*kind).map_err(|error| error.to_string()))
    });
    Kernel { features: maps.chain(programs).collect(), programs: Vec::new() }
}
