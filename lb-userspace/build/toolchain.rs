//! Which compiler and linker build the BPF crate.
//!
//! In: what rustup and the file system say (`Found`). Out: one `Toolchain` and the environment cargo needs for it, or
//! the list of what is missing, each with the command that installs it. Choosing is a pure function of `Found`.
//! The build script of this crate and xtask both include this file, so that neither can disagree with the other; it
//! therefore depends on `std` alone.
//!
//! The BPF target has no ready-made `core`: it needs a compiler with its own library sources (`rust-src`).

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The rustup toolchain that is looked for when `nightly` has no `rust-src`: Debian's compiler, linked under this name.
pub(crate) const LINKED: &str = "bpf";

/// The LLVM that Debian's compiler is built with and for which `cargo xtask setup` builds bpf-linker.
pub(crate) const DEBIAN_LLVM: u32 = 22;

/// Debian packages that together give a compiler, its sources, and what bpf-linker is built from.
pub(crate) const DEBIAN_PACKAGES: [&str; 5] = ["rustc-web", "cargo-web", "rust-web-src", "llvm-22-dev", "g++"];

/// What there is on this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    /// Whether `rustup` runs; without it no second compiler can be named.
    pub(crate) rustup: bool,
    /// The toolchain `nightly`.
    pub(crate) nightly: Compiler,
    /// The toolchain `bpf`.
    pub(crate) linked: Compiler,
    /// `bpf-linker`, on `PATH` or in cargo's own bin directory.
    pub(crate) linker: Option<PathBuf>,
}

/// How far a rustup toolchain can be used for the BPF target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compiler {
    /// rustup does not know it, or it does not run.
    Absent,
    /// It runs, but has not the sources of `core`.
    WithoutSource,
    /// It runs and has its sources; `llvm` is the major version of its LLVM.
    Ready { llvm: u32 },
}

/// A complete toolchain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Toolchain {
    /// As rustup names it.
    pub(crate) name: &'static str,
    /// The path of bpf-linker.
    pub(crate) linker: PathBuf,
}

/// What a BPF build lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// rustup itself.
    Rustup,
    /// A compiler with `rust-src`.
    Compiler,
    /// bpf-linker that reads the bitcode of this LLVM.
    Linker { llvm: u32 },
}

/// The toolchain to build with: `nightly` if it has its sources, else `bpf`. Otherwise everything that is missing.
pub(crate) fn choose(found: &Found) -> Result<Toolchain, Vec<Missing>> {
    let compiler = compiler(found);
    match (compiler, &found.linker) {
        (Some((name, _)), Some(linker)) => Ok(Toolchain { name, linker: linker.clone() }),
        (compiler, linker) => {
            let mut missing = Vec::new();
            if !found.rustup {
                missing.push(Missing::Rustup);
            }
            if compiler.is_none() {
                missing.push(Missing::Compiler);
            }
            if linker.is_none() {
                missing.push(Missing::Linker { llvm: compiler.map_or(DEBIAN_LLVM, |(_, llvm)| llvm) });
            }
            Err(missing)
        }
    }
}

/// Looks at this machine. Never installs anything.
pub(crate) fn look() -> Found {
    let rustup = output(Command::new("rustup").arg("--version")).is_some();
    let toolchain = |name| if rustup { look_at(name) } else { Compiler::Absent };
    Found { rustup, nightly: toolchain("nightly"), linked: toolchain(LINKED), linker: find_program("bpf-linker") }
}

/// The path of a program: on `PATH`, or in cargo's own bin directory, which not every `PATH` has.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let cargo = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let cargo = cargo.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).map(|home| home.join("bin"));
    std::env::split_paths(&path).chain(cargo).map(|directory| directory.join(name)).find(|file| file.is_file())
}

impl Toolchain {
    /// The Rust target that this machine's kernel executes.
    pub(crate) const TARGET: &'static str =
        if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" };

    /// What cargo must find in its environment to build the BPF crate in its release profile.
    ///
    /// The instruction set is v3 (32-bit ALU and jumps; kernel 5.1). The flags are cargo's profile flags, as aya-build
    /// replaces all others; the build scripts of dependencies run on the host and must not get them.
    pub(crate) fn environment(&self) -> Vec<(String, OsString)> {
        let linker = format!("CARGO_TARGET_{}_LINKER", Self::TARGET.to_uppercase().replace('-', "_"));
        vec![
            ("RUSTC_BOOTSTRAP".into(), "1".into()),
            (linker, self.linker.clone().into()),
            ("CARGO_UNSTABLE_PROFILE_RUSTFLAGS".into(), "true".into()),
            ("CARGO_PROFILE_RELEASE_RUSTFLAGS".into(), "-Ctarget-cpu=v3".into()),
            ("CARGO_PROFILE_RELEASE_BUILD_OVERRIDE_RUSTFLAGS".into(), "".into()),
        ]
    }
}

/// What is missing and the command that installs it, in one sentence.
impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rustup => write!(f, "rustup is not installed: see https://rustup.rs"),
            Self::Compiler => write!(
                f,
                "no compiler with rust-src: `rustup toolchain install nightly --component rust-src`, \
                 or on Debian `apt-get install {}` and then `rustup toolchain link {LINKED} /usr`",
                DEBIAN_PACKAGES.join(" "),
            ),
            Self::Linker { llvm } => {
                write!(f, "bpf-linker is neither on PATH nor in cargo's bin directory: `{}`", LinkerInstall::of(*llvm))
            }
        }
    }
}

/// The command that builds a bpf-linker which reads the bitcode of a given LLVM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkerInstall {
    /// `LLVM_PREFIX`, where the command needs one.
    pub(crate) prefix: Option<&'static str>,
    /// The arguments of cargo.
    pub(crate) arguments: &'static [&'static str],
}

impl LinkerInstall {
    /// A linker reads the bitcode of its own LLVM and of older ones, so Debian's LLVM serves up to its own version; for
    /// a newer compiler the linker's default is the best guess, and needs that LLVM's development files.
    pub(crate) fn of(llvm: u32) -> Self {
        if llvm <= DEBIAN_LLVM {
            let arguments = &["install", "bpf-linker", "--locked", "--no-default-features", "--features", "llvm-22"];
            Self { prefix: Some("/usr/lib/llvm-22"), arguments }
        } else {
            Self { prefix: None, arguments: &["install", "bpf-linker", "--locked"] }
        }
    }
}

impl fmt::Display for LinkerInstall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(prefix) = self.prefix {
            write!(f, "LLVM_PREFIX={prefix} ")?;
        }
        write!(f, "cargo {}", self.arguments.join(" "))
    }
}

/// The compiler to use and the major version of its LLVM, whether or not there is a linker for it.
pub(crate) fn compiler(found: &Found) -> Option<(&'static str, u32)> {
    match (found.nightly, found.linked) {
        (Compiler::Ready { llvm }, _) => Some(("nightly", llvm)),
        (_, Compiler::Ready { llvm }) => Some((LINKED, llvm)),
        _ => None,
    }
}

fn look_at(name: &str) -> Compiler {
    let rustc = |arguments: &[&str]| {
        let mut command = Command::new("rustup");
        // Looking must not download: rustup may otherwise install what is asked for.
        output(command.env("RUSTUP_AUTO_INSTALL", "0").args(["run", name, "rustc"]).args(arguments))
    };
    let Some(sysroot) = rustc(&["--print", "sysroot"]) else {
        return Compiler::Absent;
    };
    if !Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/core").is_dir() {
        return Compiler::WithoutSource;
    }
    match rustc(&["-vV"]).as_deref().and_then(llvm_major) {
        Some(llvm) => Compiler::Ready { llvm },
        None => Compiler::Absent,
    }
}

/// The major version in rustc's line `LLVM version: 22.1.4`.
fn llvm_major(version: &str) -> Option<u32> {
    version.lines().find_map(|line| line.strip_prefix("LLVM version: "))?.split('.').next()?.parse().ok()
}

/// The standard output of a command that succeeded.
fn output(command: &mut Command) -> Option<String> {
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
