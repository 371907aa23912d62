//! Builds the BPF programs, for `aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/pivot"))`.
//!
//! In: the sources of lb-ebpf and lb-common, and whichever BPF toolchain this machine has (`build/toolchain.rs`).
//! Out: the object `$OUT_DIR/pivot`, or an error that names what is missing and the commands that install it.
//! Runs again only when those sources, the dependencies' versions or the linker change.

use anyhow::{Context as _, anyhow};

#[path = "build/toolchain.rs"]
mod toolchain;

fn main() -> anyhow::Result<()> {
    for source in ["../lb-common/src", "../lb-common/Cargo.toml", "../Cargo.toml", "../Cargo.lock", "build.rs", "build"]
    {
        println!("cargo:rerun-if-changed={source}");
    }
    for variable in ["CARGO_HOME", "RUSTUP_HOME"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    let toolchain = toolchain::choose(&toolchain::look()).map_err(|missing| {
        let missing: String = missing.iter().map(|what| format!("\n- {what}")).collect();
        anyhow!("cannot build the BPF programs (`cargo xtask setup` installs what they need):{missing}")
    })?;
    println!("cargo:rerun-if-changed={}", toolchain.linker.display());
    for (name, value) in toolchain.environment() {
        // SAFETY: a build script's `main` is its only thread.
        unsafe { std::env::set_var(name, value) };
    }
    // aya-build turns each line of its cargo into a warning of ours: only real ones are wanted.
    // SAFETY: as above.
    unsafe { std::env::set_var("CARGO_TERM_QUIET", "true") };
    // Whatever cargo is configured for: compiled incrementally, the programs cost the verifier up to twice as much.
    // SAFETY: as above.
    unsafe { std::env::set_var("CARGO_INCREMENTAL", "0") };
    let package = aya_build::Package { name: "lb-ebpf", root_dir: "../lb-ebpf", ..Default::default() };
    aya_build::build_ebpf([package], aya_build::Toolchain::Custom(toolchain.name))
        .with_context(|| format!("building the BPF programs with the rustup toolchain `{}`", toolchain.name))
}
