//! The kernels that pivot is tested on: Debian's, and the one that runs here.
//!
//! A kernel is fetched once and kept below `target/vm/kernels/<series>`. That folder appears at once and whole, so what
//! is there can be booted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};

use super::apt::Apt;
use super::interrupt::{Guard, Undo};
use crate::command::output;

/// A long-lived kernel, as a release of Debian has it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Series {
    /// As typed on the command line: the kernel's version.
    pub(super) name: &'static str,
    /// The Debian release that it comes from.
    pub(super) suite: &'static str,
    /// The same as a person would call it.
    pub(super) debian: &'static str,
}

/// All of them, oldest first.
pub(super) const SERIES: [Series; 3] = [
    Series { name: "5.10", suite: "bullseye", debian: "Debian 11" },
    Series { name: "6.1", suite: "bookworm", debian: "Debian 12" },
    Series { name: "6.12", suite: "trixie", debian: "Debian 13" },
];

/// The name of the kernel that runs here.
const HOST: &str = "host";

/// The package that depends on the newest image of a release.
const META_PACKAGE: &str = "linux-image-amd64";

/// How names of packages with an image begin; the rest is the kernel's release.
const IMAGE_PACKAGE: &str = "linux-image-";

/// A kernel that can be booted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kernel {
    /// What `uname -r` says in it.
    pub(super) release: String,
    /// Its image. The modules are in `../lib/modules`.
    pub(super) image: PathBuf,
}

/// The names of all kernels, in the order of the support table.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    SERIES.iter().map(|series| series.name).chain([HOST])
}

/// A kernel of Debian, fetched unless it is there.
pub(super) fn of_series(series: &Series, target: &Path) -> Result<Kernel> {
    let folder = target.join("kernels").join(series.name);
    if let Some(kernel) = in_folder(&folder) {
        return Ok(kernel);
    }
    eprintln!("xtask: fetching the kernel of {} ({})", series.debian, series.suite);
    fetch(series, &folder).with_context(|| format!("fetching kernel {} of {}", series.name, series.debian))?;
    in_folder(&folder).with_context(|| format!("no kernel in {} after it was fetched", folder.display()))
}

/// The kernel that runs here, if its image and its modules are installed.
pub(super) fn of_host() -> Option<Kernel> {
    let release = running_release();
    let kernel = Kernel { image: format!("/boot/vmlinuz-{release}").into(), release };
    let modules = PathBuf::from("/lib/modules").join(&kernel.release).join("modules.dep");
    (kernel.image.is_file() && modules.is_file()).then_some(kernel)
}

/// What `uname -r` says here.
pub(super) fn running_release() -> String {
    rustix::system::uname().release().to_string_lossy().into_owned()
}

fn fetch(series: &Series, folder: &Path) -> Result<()> {
    let part = folder.with_added_extension("part");
    let _ = fs::remove_dir_all(&part);
    let ((), guard) = Guard::make(|| {
        fs::create_dir_all(&part).with_context(|| format!("making {}", part.display()))?;
        Ok(((), Undo::Folder(part.clone())))
    })?;
    let (lists, root) = (part.join("apt"), part.join("root"));
    let apt = Apt::of_suite(series.suite, &lists)?;
    let package = apt.dependency(META_PACKAGE, IMAGE_PACKAGE)?;
    eprintln!("xtask: fetching {package}");
    apt.unpack(&package, &root)?;
    complete(&root, release_of(&package))?;
    fs::rename(&root, folder).with_context(|| format!("moving the kernel to {}", folder.display()))?;
    // The rest of what was made: lists and the package itself.
    drop(guard);
    Ok(())
}

/// What a package's installation would have added: a list of the modules; and `/lib`, where they are looked for.
fn complete(root: &Path, release: &str) -> Result<()> {
    if !root.join("lib").exists() {
        std::os::unix::fs::symlink("usr/lib", root.join("lib")).context("linking lib to usr/lib")?;
    }
    output(Command::new("/sbin/depmod").arg("-b").arg(root).arg(release)).context("listing the modules")?;
    Ok(())
}

fn release_of(package: &str) -> &str {
    let release = package.strip_prefix(IMAGE_PACKAGE).unwrap_or(package);
    release.strip_suffix("-unsigned").unwrap_or(release)
}

/// The kernel in a folder like Debian's root.
fn in_folder(folder: &Path) -> Option<Kernel> {
    let images = fs::read_dir(folder.join("boot")).ok()?.flatten();
    let mut kernels = images.filter_map(|image| {
        let release = image.file_name().to_str()?.strip_prefix("vmlinuz-")?.to_owned();
        Some(Kernel { release, image: image.path() })
    });
    kernels.next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_named_after_its_kernels_release() {
        assert_eq!(release_of("linux-image-5.10.0-32-amd64"), "5.10.0-32-amd64");
        assert_eq!(release_of("linux-image-6.12.107+deb13-amd64"), "6.12.107+deb13-amd64");
        assert_eq!(release_of("linux-image-6.1.0-9-amd64-unsigned"), "6.1.0-9-amd64");
    }

    #[test]
    fn a_kernel_is_found_where_it_was_unpacked_and_nowhere_else() {
        let folder = std::env::temp_dir().join(format!("pivot-kernels-{}", std::process::id()));
        assert_eq!(in_folder(&folder), None);
        fs::create_dir_all(folder.join("boot")).unwrap();
        assert_eq!(in_folder(&folder), None);
        fs::write(folder.join("boot/System.map-6.1.0-9-amd64"), "").unwrap();
        fs::write(folder.join("boot/vmlinuz-6.1.0-9-amd64"), "").unwrap();
        let kernel = in_folder(&folder).unwrap();
        assert_eq!(kernel.release, "6.1.0-9-amd64");
        assert!(kernel.image.ends_with("boot/vmlinuz-6.1.0-9-amd64"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn kernels_are_named_once_and_oldest_first() {
        assert_eq!(names().collect::<Vec<_>>(), ["5.10", "6.1", "6.12", "host"]);
    }
}
