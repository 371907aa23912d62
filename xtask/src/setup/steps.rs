//! Takes the steps of a plan. What a command prints is shown only if it fails.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use rustix::fs::{FlockOperation, fcntl_lock};

use super::machine::Machine;
use super::plan::Step;
use crate::command::output;
use crate::toolchain::LINKED;

/// Keeps services from being started while packages are installed.
const QUIET_SERVICES: &str = include_str!("quiet-services.sh");

/// What apt holds while it fetches the list of packages.
const LISTS_LOCK: &str = "/var/lib/apt/lists/lock";

/// What Debian's maintainer scripts ask whether they may start a service.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Does it, or says which command failed and what that printed.
pub(crate) fn execute(step: &Step, machine: &Machine) -> Result<()> {
    match step {
        Step::Packages(names) => install(names, machine.indexed),
        Step::Link => run(Command::new("rustup").args(["toolchain", "link", LINKED, "/usr"])),
        Step::Linker(linker) => {
            let mut command = cargo_install();
            command.args(linker.arguments).envs(linker.prefix.map(|prefix| ("LLVM_PREFIX", prefix)));
            run(&mut command)
        }
        Step::Deny => run(cargo_install().args(["install", "cargo-deny", "--locked"])),
        Step::Fuzz => run(cargo_install().args(["install", "cargo-fuzz", "--locked"])),
    }
}

/// Installs packages. The list of packages is fetched if there is none, and once more if it proves too old to be of use.
fn install(names: &[&str], indexed: bool) -> Result<()> {
    if !indexed {
        update()?;
    }
    match run(apt("install").args(["--yes", "--no-install-recommends"]).args(names)) {
        Err(error) if indexed => {
            eprintln!("xtask: fetching the list of packages again, as that failed: {error:#}");
            update()?;
            run(apt("install").args(["--yes", "--no-install-recommends"]).args(names))
        }
        outcome => outcome,
    }
}

/// Fetches the list of packages. For this lock apt does not wait (a new machine's own first update holds it): we do.
fn update() -> Result<()> {
    wait_for_lock(Path::new(LISTS_LOCK))?;
    run(&mut apt("update"))
}

/// Returns when nobody holds this lock of the POSIX kind.
fn wait_for_lock(path: &Path) -> Result<()> {
    let file = File::options().write(true).create(true).truncate(false).open(path);
    let file = file.with_context(|| format!("opening {}", path.display()))?;
    fcntl_lock(&file, FlockOperation::LockExclusive).with_context(|| format!("waiting for {}", path.display()))
}

/// apt-get, asking nothing, starting no service, and waiting up to ten minutes for another that installs packages.
fn apt(command: &str) -> Command {
    let mut apt = Command::new("sh");
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt.args(["-c", QUIET_SERVICES, "quiet-services.sh", POLICY]);
    apt.args(["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=600", command]);
    apt
}

/// cargo as a person would call it: not the one of a `cargo run`, whose settings are for this workspace.
fn cargo_install() -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir("/").env_remove("CARGO_TARGET_DIR").env("CARGO_TERM_QUIET", "true");
    cargo
}

fn run(command: &mut Command) -> Result<()> {
    output(command).map(drop)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::PathBuf;
    use std::process::{self, Stdio};
    use std::{env, fs};

    use super::*;

    /// A folder with room for a policy, removed at the end.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = env::temp_dir().join(format!("pivot-policy-{name}-{}", process::id()));
            fs::create_dir(&folder).unwrap();
            Self(folder)
        }

        fn policy(&self) -> PathBuf {
            self.0.join("policy-rc.d")
        }

        fn names(&self) -> Vec<String> {
            fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    fn quietly(policy: &Path, script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", QUIET_SERVICES, "quiet-services.sh"]).arg(policy).args(["sh", "-c", script]);
        command.env("POLICY", policy);
        command
    }

    #[test]
    fn no_service_may_start_during_an_installation_and_any_may_after_it() {
        let folder = Folder::new("none");
        let status = quietly(&folder.policy(), r#""$POLICY"; test $? = 101"#).status().unwrap();
        assert!(status.success());
        assert!(folder.names().is_empty());
    }

    #[test]
    fn a_policy_that_was_there_is_back_after_a_failure_with_the_failures_code() {
        let folder = Folder::new("theirs");
        fs::write(folder.policy(), "#!/bin/sh\nexit 104\n").unwrap();
        fs::set_permissions(folder.policy(), fs::Permissions::from_mode(0o750)).unwrap();
        let status = quietly(&folder.policy(), r#""$POLICY"; test $? = 101 && exit 7"#).status().unwrap();
        assert_eq!(status.code(), Some(7));
        assert_eq!(fs::read_to_string(folder.policy()).unwrap(), "#!/bin/sh\nexit 104\n");
        assert_eq!(fs::metadata(folder.policy()).unwrap().permissions().mode() & 0o777, 0o750);
        assert_eq!(folder.names(), ["policy-rc.d"]);
    }

    #[test]
    fn a_killed_run_is_made_up_for_by_the_next() {
        let folder = Folder::new("killed");
        fs::write(folder.policy(), "theirs").unwrap();
        let mut killed = quietly(&folder.policy(), "echo ready; read line")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        BufReader::new(killed.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        killed.kill().unwrap();
        killed.wait().unwrap();
        assert_ne!(fs::read_to_string(folder.policy()).unwrap(), "theirs");
        assert!(quietly(&folder.policy(), "true").status().unwrap().success());
        assert_eq!(fs::read_to_string(folder.policy()).unwrap(), "theirs");
        assert_eq!(folder.names(), ["policy-rc.d"]);
    }
}
