//! Who runs the guest's instructions: KVM where it works, QEMU's emulation elsewhere.
//!
//! `/dev/kvm` may be there and hang, or break down: only a boot that ends tells. It is tried once for each boot of this
//! machine, and remembered.

use std::fs::{self, File};
use std::num::NonZero;
use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use super::kernels::Kernel;
use super::virtme::{Machine, Purpose};
use super::watch::{self, End, Limits};

/// Who runs the guest's instructions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Accelerator {
    /// The processor.
    Kvm,
    /// QEMU, some ten times slower.
    Emulation {
        /// Why not KVM.
        why: String,
    },
}

/// How long a boot with KVM that works takes at most: it takes some five seconds.
const DEADLINE: Duration = Duration::from_secs(40);

/// How many times slower programs run if they are emulated: measured 10 to 15; deadlines have room for more.
const SLOWNESS: u32 = 10;

/// Machines that share a kernel's tests at most: each has 4 GiB of memory.
const MOST_MACHINES: usize = 4;

/// What was found, and during which boot of this machine.
#[derive(Debug, Serialize, Deserialize)]
struct Memory {
    boot_id: String,
    found: Accelerator,
}

impl Accelerator {
    /// The one to take, tried with this kernel unless it is remembered.
    pub(super) fn choose(kernel: &Kernel, programs: &Path, target: &Path) -> Result<Self> {
        let memory = target.join("accelerator.json");
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id").context("reading this boot's id")?;
        let text = fs::read_to_string(&memory).unwrap_or_default();
        if let Some(found) = remembered(&text, boot_id.trim()) {
            return Ok(found);
        }
        let found = Self::look(kernel, programs, target)?;
        let text = serde_json::to_string(&Memory { boot_id: boot_id.trim().to_owned(), found: found.clone() })?;
        fs::write(&memory, text).with_context(|| format!("writing {}", memory.display()))?;
        Ok(found)
    }

    fn look(kernel: &Kernel, programs: &Path, target: &Path) -> Result<Self> {
        if let Err(error) = File::options().read(true).write(true).open("/dev/kvm") {
            return Ok(Self::Emulation { why: format!("/dev/kvm: {error}") });
        }
        eprintln!("xtask: trying KVM, for {} s at most", DEADLINE.as_secs());
        Ok(match Self::try_kvm(kernel, programs, target) {
            Ok(()) => Self::Kvm,
            Err(error) => Self::Emulation { why: format!("{error:#}") },
        })
    }

    /// Boots a kernel that does nothing but leave a word.
    fn try_kvm(kernel: &Kernel, programs: &Path, target: &Path) -> Result<()> {
        let shared = target.join("kvm");
        let _ = fs::remove_dir_all(&shared);
        fs::create_dir_all(&shared).with_context(|| format!("making {}", shared.display()))?;
        let (word, console) = (shared.join("word"), shared.join("console.log"));
        let purpose = Purpose::Script(format!("echo works > {}", word.display()));
        let machine = Machine { kernel, accelerator: &Self::Kvm, segment: None, shared: &shared, purpose };
        let limits = Limits { silence: DEADLINE, total: DEADLINE };
        match watch::run(machine.command(programs)?, &console, limits, || Ok(0))? {
            End::Ended(_) if word.is_file() => Ok(()),
            End::Ended(status) => {
                bail!("a boot with KVM failed ({status}): {}", last_line(&fs::read_to_string(&console)?))
            }
            End::Silent | End::TooLong => bail!("a boot with KVM had not ended after {} s", DEADLINE.as_secs()),
        }
    }

    /// How many times slower than usual programs run.
    pub(super) fn slowness(&self) -> u32 {
        match self {
            Self::Kvm => 1,
            Self::Emulation { .. } => SLOWNESS,
        }
    }

    /// How many machines share a kernel's tests: emulated, each keeps one processor busy, however many it seems to have.
    pub(super) fn machines(&self) -> usize {
        match self {
            Self::Kvm => 1,
            Self::Emulation { .. } => thread::available_parallelism().map_or(1, NonZero::get).min(MOST_MACHINES),
        }
    }

    /// Its name, in reports.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Kvm => "KVM",
            Self::Emulation { .. } => "emulation",
        }
    }

    /// Which it is and why, in a line.
    pub(super) fn explained(&self) -> String {
        match self {
            Self::Kvm => "KVM: a boot with it worked".to_owned(),
            Self::Emulation { why } => format!("emulation: {why}"),
        }
    }
}

/// What an earlier run found, if that was since this machine was booted.
fn remembered(text: &str, boot_id: &str) -> Option<Accelerator> {
    let memory: Memory = serde_json::from_str(text).ok()?;
    (memory.boot_id == boot_id).then_some(memory.found)
}

fn last_line(text: &str) -> &str {
    text.lines().rev().map(str::trim).find(|line| !line.is_empty()).unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_holds_until_the_next_boot() {
        let found = Accelerator::Emulation { why: "it hangs".into() };
        let text = serde_json::to_string(&Memory { boot_id: "a".into(), found: found.clone() }).unwrap();
        assert_eq!(remembered(&text, "a"), Some(found));
        assert_eq!(remembered(&text, "b"), None);
        assert_eq!(remembered("", "a"), None);
    }

    #[test]
    fn emulation_is_told_with_its_reason() {
        assert_eq!(Accelerator::Emulation { why: "no /dev/kvm".into() }.explained(), "emulation: no /dev/kvm");
        assert_eq!(last_line("qemu: no such luck\n\n"), "qemu: no such luck");
    }
}
