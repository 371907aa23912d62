//! Makes the maps or adopts pinned ones, and loads the programs over them.

use std::cell::Cell;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use aya::maps::{DevMap, Map, MapData, ProgramArray};
use aya::programs::{Program, ProgramError};
use aya::{Ebpf, EbpfError, EbpfLoader};
use lb_common::wire::LAYOUT;
use lb_common::wire::control::Control;
use lb_common::wire::directory::Slot;
use lb_common::wire::link::MAX_PORTS;

use super::chain;
use super::programs::{self, Buffers};
use crate::io::features::bpf;
use crate::io::memlock;
use crate::tables::clock::Clock;
use crate::tables::memory::{Flows, TableMemory};
use crate::tables::region::Region;
use crate::tables::sizes::Sizes;

/// Name of the table of ways out.
const EGRESS_MAP: &str = "EGRESS";

/// Why the data path cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The object, a map or a pin.
    #[error("loading the BPF object: {}", chain(.0))]
    Object(#[from] EbpfError),
    /// The verifier or the kernel refused a program.
    #[error("loading program {name}: {}", chain(.source))]
    Program {
        /// Its name.
        name: &'static str,
        /// Why.
        source: Box<ProgramError>,
    },
    /// A map that cannot be used.
    #[error("map {name}: {message}")]
    Map {
        /// Its name.
        name: &'static str,
        /// Why.
        message: String,
    },
    /// Pins of another version.
    #[error(
        "the maps pinned in {dir} have layout {found}, this pivotd has {LAYOUT}: \
         stop the pivotd that made them with SIGTERM first (or `rm -r {dir}`, which cuts its flows)"
    )]
    Layout {
        /// Where.
        dir: String,
        /// Their layout.
        found: u32,
    },
    /// A kernel that does not let us wait for packets under way.
    #[error("waiting for packets under way: {0}")]
    Grace(String),
    /// The pin directory.
    #[error("pin directory {dir}: {source}")]
    Pins {
        /// Where.
        dir: String,
        /// Why.
        source: io::Error,
    },
}

/// Loaded programs and mapped tables.
pub struct Loaded {
    /// Programs, ready to be attached.
    pub programs: Ebpf,
    /// Which of them.
    pub buffers: Buffers,
    /// Tables; moved into the writer.
    pub memory: TableMemory,
    /// The interfaces that frames may leave by, for the kernel.
    pub egress: DevMap<MapData>,
    /// Sizes of the maps that are there, which may be those of an earlier configuration.
    pub sizes: Sizes,
    /// Whether pinned maps were found and taken over.
    pub adopted: bool,
}

/// Makes the maps in `pins`, or adopts those that are pinned there, and loads the programs.
///
/// # Errors
/// [`LoadError`]; maps made by this call are unpinned again.
pub fn load(pins: &Path, wanted: &Sizes, clock: Clock) -> Result<Loaded, LoadError> {
    let whole = whole(pins, wanted)?;
    if whole.is_none() {
        // A pivotd may have been killed while it made or removed them.
        remove_maps(pins, wanted)?;
    }
    let result = load_over(pins, wanted, clock, whole.as_ref());
    if result.is_err() && whole.is_none() {
        // Best effort: the error to report is the first one.
        let _ = remove_maps(pins, wanted);
    }
    result
}

/// The control record of pinned maps that are all there and were made to the end: it is written last.
fn whole(pins: &Path, wanted: &Sizes) -> Result<Option<Control>, LoadError> {
    if !pins.join("CONTROL").exists() {
        return Ok(None);
    }
    let map = MapData::from_pin(pins.join("CONTROL")).map_err(|e| map_error("CONTROL", &e))?;
    let control = Region::<Control>::mapped(map.fd(), 1).map_err(|e| map_error("CONTROL", &e))?;
    let control = control.get(0).cloned().unwrap_or_default();
    match control.layout {
        0 => Ok(None),
        LAYOUT => Ok(wanted.by_map().iter().all(|(name, _)| pins.join(name).exists()).then_some(control)),
        found => Err(LoadError::Layout { dir: pins.display().to_string(), found }),
    }
}

fn remove_maps(pins: &Path, wanted: &Sizes) -> Result<(), LoadError> {
    for (name, _) in wanted.by_map() {
        match std::fs::remove_file(pins.join(name)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(LoadError::Pins { dir: pins.display().to_string(), source });
            }
            _ => {}
        }
    }
    Ok(())
}

fn load_over(pins: &Path, wanted: &Sizes, clock: Clock, adopted: Option<&Control>) -> Result<Loaded, LoadError> {
    let pins_error = |source| LoadError::Pins { dir: pins.display().to_string(), source };
    std::fs::create_dir_all(pins).map_err(pins_error)?;
    let sizes = adopted.map_or(Ok(*wanted), |control| pinned_sizes(pins, control))?;
    let mut loader = EbpfLoader::new();
    loader.default_map_pin_directory(pins);
    for (name, elements) in sizes.by_map() {
        loader.map_max_entries(name, elements);
    }
    memlock::raise();
    make_egress(pins)?;
    let mut programs = loader.load(programs::OBJECT)?;
    let mut memory = map_tables(&mut programs, &sizes)?;
    if adopted.is_none() {
        for index in 0..memory.directory.len() {
            memory.directory.write(index, Slot::EMPTY);
        }
        memory.control.write(0, sizes.control(clock));
    }
    let buffers = Buffers::of_kernel();
    for name in buffers.programs() {
        load_program(&mut programs, name)?;
    }
    let ways = programs.take_map("WAYS").ok_or_else(|| map_error("WAYS", &"not in the object"))?;
    let mut ways = ProgramArray::try_from(ways).map_err(|e| map_error("WAYS", &e))?;
    for (name, place) in buffers.long_ways() {
        // Programs that an earlier pivotd attached go on with these at once: the tables are the same.
        let program = programs.program(name).ok_or_else(|| map_error("WAYS", &"a program is missing"))?;
        let fd = program.fd().map_err(|source| LoadError::Program { name, source: Box::new(source) })?;
        ways.set(place, fd, 0).map_err(|e| map_error("WAYS", &e))?;
    }
    let egress = programs.take_map(EGRESS_MAP).ok_or_else(|| map_error(EGRESS_MAP, &"not in the object"))?;
    let egress = DevMap::try_from(egress).map_err(|e| map_error(EGRESS_MAP, &e))?;
    Ok(Loaded { programs, buffers, memory, egress, sizes, adopted: adopted.is_some() })
}

/// The table of ways out, for the loader to find: before Linux 5.15 no program can be attached in generic mode that uses
/// one with room for programs, as the loader's own has.
fn make_egress(pins: &Path) -> Result<(), LoadError> {
    let pin = pins.join(EGRESS_MAP);
    if pin.exists() {
        return Ok(());
    }
    bpf::pin_devmap(&pin, EGRESS_MAP, MAX_PORTS).map_err(|e| map_error(EGRESS_MAP, &e))
}

fn load_program(programs: &mut Ebpf, name: &'static str) -> Result<(), LoadError> {
    let failed = |source| LoadError::Program { name, source: Box::new(source) };
    match programs.program_mut(name) {
        Some(Program::Xdp(program)) => program.load().map_err(failed),
        Some(Program::SchedClassifier(program)) => program.load().map_err(failed),
        Some(Program::SkLookup(program)) => program.load().map_err(failed),
        _ => Err(failed(ProgramError::NotLoaded)),
    }
}

/// Sizes of the maps that are pinned.
fn pinned_sizes(pins: &Path, control: &Control) -> Result<Sizes, LoadError> {
    let elements = |name: &'static str| -> Result<u32, LoadError> {
        let map = MapData::from_pin(pins.join(name)).map_err(|e| map_error(name, &e))?;
        map.info().map(|info| info.max_entries()).map_err(|e| map_error(name, &e))
    };
    Ok(Sizes {
        cpus: control.cpus,
        services: control.services,
        backends: control.backends,
        directory: control.directory_mask + 1,
        pilots: control.pilot_mask + 1,
        maglev: elements("MAGLEV")?,
        flow_sets4: control.flow_mask4 + 1,
        flow_sets6: control.flow_mask6 + 1,
    })
}

fn map_tables(programs: &mut Ebpf, sizes: &Sizes) -> Result<TableMemory, LoadError> {
    Ok(TableMemory {
        control: region(programs, sizes, "CONTROL")?,
        links: region(programs, sizes, "LINKS")?,
        ports: region(programs, sizes, "PORTS")?,
        devices: region(programs, sizes, "DEVICES")?,
        pilots: region(programs, sizes, "PILOTS")?,
        directory: region(programs, sizes, "DIRECTORY")?,
        vips: Arc::new(region(programs, sizes, "VIPS")?),
        controllers: region(programs, sizes, "CONTROLLERS")?,
        services: region(programs, sizes, "SERVICES")?,
        maglev: region(programs, sizes, "MAGLEV")?,
        backends: region(programs, sizes, "BACKENDS")?,
        flows: Flows {
            v4: Arc::new(region(programs, sizes, "FLOWS4")?),
            v6: Arc::new(region(programs, sizes, "FLOWS6")?),
        },
        paces: region(programs, sizes, "PACES")?,
        verdicts: region(programs, sizes, "VERDICTS")?,
        service_counters: region(programs, sizes, "SERVICE_COUNTERS")?,
        backend_counters: region(programs, sizes, "BACKEND_COUNTERS")?,
        now: Cell::new(0),
    })
}

/// Maps an array, having made sure that the kernel's is as large as is taken for granted.
fn region<T>(programs: &mut Ebpf, sizes: &Sizes, name: &'static str) -> Result<Region<T>, LoadError> {
    let Some(Map::Array(map)) = programs.map(name) else { return Err(map_error(name, &"not an array")) };
    let info = map.info().map_err(|e| map_error(name, &e))?;
    let elements = sizes.by_map().iter().find(|(n, _)| *n == name).map_or(0, |(_, elements)| *elements);
    if info.max_entries() != elements || info.value_size() as usize != size_of::<T>() {
        return Err(map_error(
            name,
            &format!(
                "has {} values of {} bytes, not {elements} of {}",
                info.max_entries(),
                info.value_size(),
                size_of::<T>()
            ),
        ));
    }
    Region::mapped(map.fd(), elements as usize).map_err(|e| map_error(name, &e))
}

fn map_error(name: &'static str, message: &dyn std::fmt::Display) -> LoadError {
    LoadError::Map { name, message: message.to_string() }
}

/// Where the pins of an interface's links lie.
#[must_use]
pub fn links_dir(pins: &Path) -> PathBuf {
    pins.join("links")
}
