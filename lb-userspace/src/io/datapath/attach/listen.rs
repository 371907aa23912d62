//! `pivot_listen` at a network namespace.

use std::path::Path;

use aya::Ebpf;
use aya::programs::Program;

use super::pins::keep;
use super::{AttachError, chain, error};
use crate::io::datapath::load::links_dir;
use crate::io::datapath::programs::LISTEN;

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
