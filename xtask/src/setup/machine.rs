//! What is on this machine: the facts that set-up decides by. Looks only, changes nothing.

use std::fs;
use std::path::{Path, PathBuf};

use super::groups::Package;
use crate::toolchain::{self, Found};

/// The facts.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    /// Whether this process may install packages.
    pub(crate) root: bool,
    /// Whether this is Debian, whose package names are known.
    pub(crate) debian: bool,
    /// Whether apt has ever fetched the lists of packages.
    pub(crate) indexed: bool,
    /// The compilers and the linker for BPF.
    pub(crate) bpf: Found,
    /// Whether cargo-deny is installed.
    pub(crate) deny: bool,
    /// Whether cargo-fuzz is installed.
    pub(crate) fuzz: bool,
    /// Whether a program or a file is there.
    pub(crate) has: fn(&Package) -> bool,
}

impl Machine {
    /// Looks at the machine it runs on.
    pub(crate) fn look() -> Self {
        Self {
            root: Self::is_root(),
            debian: is_debian(&fs::read_to_string("/etc/os-release").unwrap_or_default()),
            indexed: has_index(Path::new("/var/lib/apt/lists")),
            bpf: toolchain::look(),
            deny: toolchain::find_program("cargo-deny").is_some(),
            fuzz: toolchain::find_program("cargo-fuzz").is_some(),
            has,
        }
    }

    /// Whether the effective user is root.
    pub(crate) fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }
}

fn is_debian(os_release: &str) -> bool {
    os_release.lines().any(|line| line == "ID=debian")
}

fn has_index(lists: &Path) -> bool {
    let is_index = |entry: fs::DirEntry| entry.file_name().to_string_lossy().contains("_Packages");
    fs::read_dir(lists).is_ok_and(|entries| entries.flatten().any(is_index))
}

/// Root's daemons are in folders that not every `PATH` has.
fn has(package: &Package) -> bool {
    let witness = package.witness;
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"];
    Path::new(witness).is_absolute() && Path::new(witness).exists()
        || toolchain::find_program(witness).is_some()
        || system.iter().any(|folder| PathBuf::from(folder).join(witness).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_is_known_by_its_id_and_its_descendants_are_not_taken_for_it() {
        assert!(is_debian("PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n"));
        assert!(!is_debian("ID=ubuntu\nID_LIKE=debian\n"));
    }

    #[test]
    fn a_program_is_found_by_name_and_a_file_by_path() {
        assert!(has(&Package { name: "", witness: "sh" }));
        assert!(has(&Package { name: "", witness: "/proc/self" }));
        assert!(!has(&Package { name: "", witness: "no-such-program" }));
        assert!(!has(&Package { name: "", witness: "/no/such/file" }));
    }
}
