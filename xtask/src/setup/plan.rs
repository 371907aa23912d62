//! Decides what to install: a pure function of the machine and the groups.

use std::fmt;

use thiserror::Error;

use super::groups::{self, Group, Package};
use super::machine::Machine;
use crate::toolchain::{self, Compiler, DEBIAN_LLVM, LINKED, LinkerInstall, Missing};

/// One thing to install. Shown, it says what and with which command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Debian packages, without starting the services in them.
    Packages(Vec<&'static str>),
    /// Debian's compiler becomes the rustup toolchain `bpf`.
    Link,
    /// bpf-linker.
    Linker(LinkerInstall),
    /// cargo-deny.
    Deny,
    /// cargo-fuzz.
    Fuzz,
}

/// Why set-up does nothing: what is missing here only a person can install.
#[derive(Debug, PartialEq, Eq, Error)]
#[error("something is missing that cannot be installed from here:{}", .missing.iter().map(|line| format!("\n- {line}")).collect::<String>())]
pub(crate) struct Refusal {
    /// One sentence for each, with its command.
    pub(crate) missing: Vec<String>,
}

/// The steps that make the groups there, none if they are; all or nothing.
pub(crate) fn plan(machine: &Machine, groups: &[Group]) -> Result<Vec<Step>, Refusal> {
    let packages = packages(machine, groups);
    let missing = refused(machine, groups, &packages);
    if !missing.is_empty() {
        return Err(Refusal { missing });
    }
    let mut steps = Vec::new();
    if !packages.is_empty() {
        steps.push(Step::Packages(packages.iter().map(|package| package.name).collect()));
    }
    if groups.contains(&Group::Bpf) {
        let compiler = toolchain::compiler(&machine.bpf);
        if compiler.is_none() && machine.bpf.linked == Compiler::Absent {
            steps.push(Step::Link);
        }
        if machine.bpf.linker.is_none() {
            steps.push(Step::Linker(LinkerInstall::of(compiler.map_or(DEBIAN_LLVM, |(_, llvm)| llvm))));
        }
    }
    if groups.contains(&Group::Ci) && !machine.deny {
        steps.push(Step::Deny);
    }
    if groups.contains(&Group::Fuzz) && !machine.fuzz {
        steps.push(Step::Fuzz);
    }
    Ok(steps)
}

/// The packages whose contents are not there.
fn packages(machine: &Machine, groups: &[Group]) -> Vec<Package> {
    let bpf = if groups.contains(&Group::Bpf) { bpf_packages(machine) } else { &[] };
    let clippy = groups.contains(&Group::Ci) && !matches!(machine.bpf.nightly, Compiler::Ready { .. });
    let always = groups.iter().flat_map(|group| group.packages());
    let wanted = bpf.iter().chain(always).chain(clippy.then_some(&groups::CLIPPY));
    wanted.filter(|package| !(machine.has)(package)).copied().collect()
}

/// Without a compiler, all that makes one; without a linker, what it is built from.
fn bpf_packages(machine: &Machine) -> &'static [Package] {
    match (toolchain::compiler(&machine.bpf), &machine.bpf.linker) {
        (None, _) => &groups::BPF,
        (Some((_, llvm)), None) if llvm <= DEBIAN_LLVM => &groups::BPF[3..],
        (Some(_), _) => &[],
    }
}

/// What set-up may not, or cannot, install.
fn refused(machine: &Machine, groups: &[Group], packages: &[Package]) -> Vec<String> {
    let may_install = machine.root && machine.debian;
    let mut lines = Vec::new();
    if groups.contains(&Group::Bpf) {
        let missing = toolchain::choose(&machine.bpf).err().unwrap_or_default();
        let wants_packages = missing.contains(&Missing::Compiler) || !packages.is_empty();
        if missing.contains(&Missing::Rustup) || (wants_packages && !may_install) {
            lines.extend(missing.iter().map(ToString::to_string));
        }
    }
    if groups.contains(&Group::Fuzz) && machine.bpf.nightly == Compiler::Absent {
        lines.push("no nightly compiler, which fuzz targets need: `rustup toolchain install nightly`".to_owned());
    }
    if !packages.is_empty() && !may_install {
        let names: Vec<_> = packages.iter().map(|package| package.name).collect();
        let names = names.join(" ");
        lines.push(if machine.debian {
            format!("Debian packages, which only root can install: `apt-get install {names}`")
        } else {
            let witnesses: Vec<_> = packages.iter().map(|package| package.witness).collect();
            format!("{} (in Debian these are the packages {names})", witnesses.join(", "))
        });
    }
    lines
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Packages(names) => write!(f, "installing Debian packages: {}", names.join(" ")),
            Self::Link => write!(f, "linking Debian's compiler into rustup: `rustup toolchain link {LINKED} /usr`"),
            Self::Linker(install) => write!(f, "building bpf-linker (about a minute): `{install}`"),
            Self::Deny => write!(f, "building cargo-deny (some minutes): `cargo install cargo-deny --locked`"),
            Self::Fuzz => write!(f, "building cargo-fuzz (a minute): `cargo install cargo-fuzz --locked`"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::toolchain::Found;

    /// A fresh Debian with Rust, as root.
    fn fresh() -> Machine {
        let nightly = Compiler::WithoutSource;
        let bpf = Found { rustup: true, nightly, linked: Compiler::Absent, linker: None };
        Machine { root: true, debian: true, indexed: false, bpf, deny: false, fuzz: false, has: |_| false }
    }

    /// The same after a set-up.
    fn complete() -> Machine {
        let linker = Some(PathBuf::from("/opt/cargo/bin/bpf-linker"));
        let bpf = Found { linked: Compiler::Ready { llvm: 22 }, linker, ..fresh().bpf };
        Machine { bpf, indexed: true, deny: true, fuzz: true, has: |_| true, ..fresh() }
    }

    fn refusal(machine: &Machine, groups: &[Group]) -> String {
        plan(machine, groups).unwrap_err().to_string()
    }

    #[test]
    fn a_fresh_debian_gets_packages_then_the_link_then_the_linker() {
        let steps = plan(&fresh(), &[Group::Bpf]).unwrap();
        let packages = vec!["rustc-web", "cargo-web", "rust-web-src", "llvm-22-dev", "g++"];
        assert_eq!(steps, [Step::Packages(packages), Step::Link, Step::Linker(LinkerInstall::of(22))]);
    }

    #[test]
    fn a_second_set_up_does_nothing() {
        assert_eq!(plan(&complete(), &Group::ALL), Ok(vec![]));
    }

    #[test]
    fn only_what_the_named_groups_need_is_installed() {
        let steps = plan(&fresh(), &[Group::Lab]).unwrap();
        assert_eq!(steps, [Step::Packages(Group::Lab.packages().iter().map(|package| package.name).collect())]);
    }

    #[test]
    fn only_packages_whose_contents_are_missing_are_installed() {
        let machine = Machine { has: |package| package.name != "ethtool", ..complete() };
        assert_eq!(plan(&machine, &Group::ALL), Ok(vec![Step::Packages(vec!["ethtool"])]));
    }

    #[test]
    fn a_nightly_with_its_sources_needs_no_other_compiler_nor_its_clippy() {
        let bpf = Found { nightly: Compiler::Ready { llvm: 22 }, ..fresh().bpf };
        let machine = Machine { bpf, ..fresh() };
        let linker_needs = Step::Packages(vec!["llvm-22-dev", "g++"]);
        let steps = plan(&machine, &[Group::Bpf, Group::Ci]).unwrap();
        assert_eq!(steps, [linker_needs, Step::Linker(LinkerInstall::of(22)), Step::Deny]);
    }

    #[test]
    fn a_linker_for_a_newer_llvm_than_debians_is_built_with_its_own_defaults() {
        let bpf = Found { nightly: Compiler::Ready { llvm: 23 }, ..fresh().bpf };
        let steps = plan(&Machine { bpf, ..fresh() }, &[Group::Bpf]).unwrap();
        assert_eq!(
            steps,
            [Step::Linker(LinkerInstall { prefix: None, arguments: &["install", "bpf-linker", "--locked"] })]
        );
    }

    #[test]
    fn without_root_everything_missing_is_named_with_its_command() {
        let refusal = refusal(&Machine { root: false, ..fresh() }, &[Group::Bpf, Group::Lab]);
        assert!(refusal.contains("rustup toolchain install nightly --component rust-src"), "{refusal}");
        assert!(refusal.contains("rustup toolchain link bpf /usr"), "{refusal}");
        assert!(refusal.contains("cargo install bpf-linker"), "{refusal}");
        assert!(
            refusal.contains("`apt-get install rustc-web cargo-web rust-web-src llvm-22-dev g++ iproute2"),
            "{refusal}"
        );
    }

    #[test]
    fn without_root_what_needs_no_root_is_still_installed() {
        let machine = Machine { root: false, bpf: Found { linker: None, ..complete().bpf }, ..complete() };
        assert_eq!(plan(&machine, &[Group::Bpf]), Ok(vec![Step::Linker(LinkerInstall::of(22))]));
    }

    #[test]
    fn another_distribution_is_told_which_programs_are_missing() {
        let refusal = refusal(&Machine { debian: false, ..fresh() }, &[Group::Lab]);
        assert!(refusal.contains("ip, ethtool, tcpdump"), "{refusal}");
    }

    #[test]
    fn the_fuzzer_needs_a_nightly_compiler() {
        assert_eq!(plan(&fresh(), &[Group::Fuzz]), Ok(vec![Step::Fuzz]));
        let bpf = Found { nightly: Compiler::Absent, ..complete().bpf };
        let refusal = refusal(&Machine { bpf, ..complete() }, &[Group::Fuzz]);
        assert!(refusal.contains("`rustup toolchain install nightly`"), "{refusal}");
    }

    #[test]
    fn rustup_is_for_a_person_to_install() {
        let bpf = Found { rustup: false, nightly: Compiler::Absent, ..fresh().bpf };
        let refusal = refusal(&Machine { bpf, ..fresh() }, &[Group::Bpf]);
        assert!(refusal.contains("https://rustup.rs"), "{refusal}");
    }
}
