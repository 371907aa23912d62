//! virtme-ng: boots a kernel with this machine's own root as its root, read-only, by QEMU.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::accelerator::Accelerator;
use super::kernels::Kernel;
use super::segment::Segment;
use crate::command::output;

/// The version on PyPI.
const VERSION: &str = "1.42";

/// Processors of the machine: as many as its network cards have queues for, with XDP programs.
const PROCESSORS: &str = "2";

/// Its memory.
const MEMORY: &str = "4G";

/// What is emulated, in QEMU's terms: everything that it can, but for what the kernel takes to be fast and is slow in
/// emulation: string instructions (`rep stosb`, byte by byte, for each page that is cleared) and a fifth level of page tables.
const EMULATED_CPU: &str = "max,-erms,-fsrm,-la57,family=15,model=1";

/// One thread for all processors. With several, QEMU 7.2 seems to keep now and then what one of them translated while another
/// changed it: a kernel, which changes its own code with each XDP program that comes or goes, hung at a breakpoint for good.
const ONE_THREAD: &str = "tcg,thread=single";

/// Kernel parameters of an emulated machine: what costs time and protects nothing here, and a clock that is not asked of a device.
const EMULATED_PARAMETERS: [&str; 4] = ["-a", "mitigations=off", "-a", "tsc=reliable"];

/// Folders that the guest may write to, which this machine never sees.
const SCRATCH: [&str; 4] = ["/etc", "/lib", "/tmp", "/var"];

/// A machine to be started.
#[derive(Debug)]
pub(super) struct Machine<'a> {
    /// The kernel to boot.
    pub(super) kernel: &'a Kernel,
    /// Who runs its instructions.
    pub(super) accelerator: &'a Accelerator,
    /// The wire of its network cards; `None`: it has none.
    pub(super) segment: Option<&'a Segment>,
    /// A folder that it shares with this machine, at the same path.
    pub(super) shared: &'a Path,
    /// What it does.
    pub(super) purpose: Purpose,
}

/// What a machine is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A line of shell, and then power off.
    Script(String),
    /// A person at the console, with this program as shell.
    Shell(PathBuf),
}

/// The programs of virtme-ng: installed below `target/vm` unless they are there.
pub(super) fn installed(target: &Path) -> Result<PathBuf> {
    let venv = target.join("venv");
    let (programs, complete) = (venv.join("bin"), venv.join(format!("virtme-ng-{VERSION}")));
    if !complete.is_file() {
        eprintln!("xtask: installing virtme-ng {VERSION}");
        let _ = fs::remove_dir_all(&venv);
        output(Command::new("python3").args(["-m", "venv"]).arg(&venv)).context("making a Python environment")?;
        output(
            Command::new(programs.join("pip"))
                .args(["install", "--quiet", "--disable-pip-version-check"])
                .arg(format!("virtme-ng=={VERSION}")),
        )
        .context("installing virtme-ng")?;
        fs::write(&complete, "").with_context(|| format!("writing {}", complete.display()))?;
    }
    Ok(programs)
}

impl Machine<'_> {
    /// The command that runs it to its end.
    ///
    /// It is one process to kill: QEMU and whatever else lives in its namespace of processes ends with it, and it with
    /// this process.
    pub(super) fn command(&self, programs: &Path) -> Result<Command> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths([programs.to_owned()].into_iter().chain(std::env::split_paths(&path)))
            .context("adding virtme-ng to PATH")?;
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        command.args(["unshare", "--pid", "--fork", "--kill-child"]);
        if let Some(segment) = self.segment {
            command.args(["nsenter".to_owned(), format!("--net={}", segment.path())]);
        }
        command.arg(programs.join("virtme-run")).args(self.arguments()).env("PATH", path);
        Ok(command)
    }

    /// virtme-run's arguments. An oops ends the machine: what came after would prove nothing.
    fn arguments(&self) -> Vec<String> {
        let mut arguments: Vec<String> = ["--kimg".to_owned(), self.kernel.image.display().to_string()].into();
        let mut add = |more: &[&str]| arguments.extend(more.iter().map(|&argument| argument.to_owned()));
        add(&["--mods", "auto", "--force-9p", "--disable-microvm", "--user", "root", "--verbose"]);
        add(&["--cpus", PROCESSORS, "--memory", MEMORY, "-a", "net.ifnames=0", "-a", "oops=panic"]);
        for folder in SCRATCH {
            add(&["--overlay-rwdir", folder]);
        }
        add(&["--rwdir", &self.shared.display().to_string()]);
        match &self.purpose {
            Purpose::Script(script) => add(&["--show-boot-console", "--script-sh", script]),
            Purpose::Shell(shell) => add(&["--shell", &shell.display().to_string()]),
        }
        match self.accelerator {
            Accelerator::Kvm => {}
            Accelerator::Emulation { .. } => {
                add(&["--disable-kvm"]);
                add(&EMULATED_PARAMETERS);
            }
        }
        // These take all that follows.
        add(&["--qemu-opts"]);
        match self.accelerator {
            // Not "or else emulation".
            Accelerator::Kvm => add(&["-machine", "accel=kvm"]),
            Accelerator::Emulation { .. } => add(&["-accel", ONE_THREAD, "-cpu", EMULATED_CPU]),
        }
        if self.segment.is_some() {
            arguments.extend(Segment::qemu_arguments());
        }
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(accelerator: &Accelerator, purpose: Purpose) -> String {
        let kernel = Kernel { release: "6.1.0-9-amd64".into(), image: "/k/boot/vmlinuz-6.1.0-9-amd64".into() };
        let shared = Path::new("/t/vm/reports/6.1");
        Machine { kernel: &kernel, accelerator, segment: None, shared, purpose }.arguments().join(" ")
    }

    #[test]
    fn an_emulated_machine_never_asks_for_kvm() {
        let emulation = Accelerator::Emulation { why: "no /dev/kvm".into() };
        let arguments = arguments(&emulation, Purpose::Script("sh /x".into()));
        assert!(arguments.contains("--disable-kvm") && !arguments.contains("accel=kvm"), "{arguments}");
        assert!(arguments.contains("--rwdir /t/vm/reports/6.1 --show-boot-console --script-sh sh /x"), "{arguments}");
    }

    #[test]
    fn a_machine_with_kvm_never_falls_back_to_emulation() {
        let arguments = arguments(&Accelerator::Kvm, Purpose::Shell("/x/shell".into()));
        assert!(arguments.ends_with("--qemu-opts -machine accel=kvm"), "{arguments}");
        assert!(arguments.contains("--shell /x/shell") && !arguments.contains("--script-sh"), "{arguments}");
    }
}
