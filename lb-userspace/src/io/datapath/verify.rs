//! What the kernel's verifier says of each program, without attaching or pinning anything.
//!
//! The programs are those that [`super::load`] would load, over maps of their own. The count is read from the verifier's log:
//! Linux tells it in a program's info only from 5.16 on.

use std::collections::{HashMap, HashSet};
use std::os::fd::{AsFd as _, AsRawFd as _};

use aya::maps::MapData;
use aya_obj::generated::{BPF_F_XDP_HAS_FRAGS, bpf_attach_type, bpf_insn, bpf_prog_type};
use aya_obj::{Object, ProgramSection};

use super::chain;
use super::programs::{Buffers, OBJECT};
use crate::core::features::ProgramReport;
use crate::io::features::bpf::Attempt;
use crate::io::memlock;

/// Instructions that the verifier goes through at most, since Linux 5.2 (`BPF_COMPLEXITY_LIMIT_INSNS`).
pub const LIMIT: u32 = 1_000_000;
/// The last line of the log only (`BPF_LOG_STATS`).
const STATS: u32 = 4;
/// Every step, and that line (`BPF_LOG_LEVEL1 | BPF_LOG_STATS`).
const STEPS: u32 = 5;

/// Has the kernel verify every program that it would be given.
#[must_use]
pub fn programs() -> Vec<ProgramReport> {
    memlock::raise();
    let names = Buffers::of_kernel().programs();
    let refused =
        |name, error| ProgramReport { name, loads: false, instructions: None, limit: LIMIT, error: Some(error) };
    match Linked::new() {
        Ok(linked) => names.into_iter().map(|name| linked.verify(name).unwrap_or_else(|e| refused(name, e))).collect(),
        Err(error) => names.into_iter().map(|name| refused(name, error.clone())).collect(),
    }
}

/// The object, tied to maps.
struct Linked {
    object: Object,
    _maps: HashMap<String, (MapData, aya_obj::Map)>,
}

impl Linked {
    fn new() -> Result<Self, String> {
        let mut object = Object::parse(OBJECT).map_err(|e| chain(&e))?;
        let mut maps = HashMap::new();
        for (name, map) in object.maps.drain() {
            let data = MapData::create(map.clone(), &name, None).map_err(|e| format!("map {name}: {}", chain(&e)))?;
            maps.insert(name, (data, map));
        }
        let sections: HashSet<usize> = object.functions.keys().map(|(section, _)| *section).collect();
        let tied = maps.iter().map(|(name, (data, map))| (name.as_str(), data.fd().as_fd().as_raw_fd(), map));
        object.relocate_maps(tied, &sections).map_err(|e| chain(&e))?;
        object.relocate_calls(&sections).map_err(|e| chain(&e))?;
        object.sanitize_functions(aya::features());
        Ok(Self { object, _maps: maps })
    }

    fn verify(&self, name: &'static str) -> Result<ProgramReport, String> {
        let program = self.object.programs.get(name).ok_or("not in the object")?;
        let function = self.object.functions.get(&program.function_key()).ok_or("not in the object")?;
        let instructions: Vec<u64> = function.instructions.iter().map(encoded).collect();
        let (kind, flags, hook) = match program.section {
            ProgramSection::Xdp { frags, .. } => (
                bpf_prog_type::BPF_PROG_TYPE_XDP,
                if frags { BPF_F_XDP_HAS_FRAGS } else { 0 },
                bpf_attach_type::BPF_XDP as u32,
            ),
            ProgramSection::SchedClassifier => (bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS, 0, 0),
            ProgramSection::SkLookup => {
                (bpf_prog_type::BPF_PROG_TYPE_SK_LOOKUP, 0, bpf_attach_type::BPF_SK_LOOKUP as u32)
            }
            ref other => return Err(format!("is of a kind that pivot has not: {other:?}")),
        };
        let attempt = Attempt { kind, instructions: &instructions, flags, attach_type: hook };
        let mut log = vec![0; 4096];
        match attempt.load_with(STATS, &mut log) {
            Ok(_program) => {
                Ok(ProgramReport { name, loads: true, instructions: processed(&text(&log)), limit: LIMIT, error: None })
            }
            Err(error) => {
                let mut log = vec![0; 16 << 20];
                let again = attempt.load_with(STEPS, &mut log).err().unwrap_or(error);
                let log = text(&log);
                let mut last: Vec<&str> = log.lines().rev().take(8).collect();
                last.reverse();
                let error = format!("{again}: {}", last.join("\n"));
                Ok(ProgramReport {
                    name,
                    loads: false,
                    instructions: processed(&log),
                    limit: LIMIT,
                    error: Some(error),
                })
            }
        }
    }
}

/// An instruction as the kernel reads it.
fn encoded(instruction: &bpf_insn) -> u64 {
    const { assert!(size_of::<bpf_insn>() == size_of::<u64>()) };
    // SAFETY: of the same size, without padding; any bytes are a number.
    unsafe { std::mem::transmute_copy(instruction) }
}

fn text(log: &[u8]) -> String {
    let end = log.iter().position(|byte| *byte == 0).unwrap_or(log.len());
    String::from_utf8_lossy(&log[..end]).into_owned()
}

/// The count of `processed 2116 insns (limit 1000000) max_states_per_insn 4 …`.
fn processed(log: &str) -> Option<u32> {
    let line = log.lines().rev().find_map(|line| line.strip_prefix("processed "))?;
    line.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::processed;

    #[test]
    fn the_count_is_in_the_last_line_of_the_log() {
        let log = "func#0 @0\nverification time 125747 usec\nstack depth 0+328+0\n\
                   processed 4018 insns (limit 1000000) max_states_per_insn 7 total_states 230 peak_states 212 mark_read 43\n";
        assert_eq!(processed(log), Some(4018));
        assert_eq!(processed("R2 invalid mem access 'scalar'\n"), None);
    }
}
