//! What the commands need, in groups: one table of Debian packages.

/// A group of needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    /// The compiler and the linker of the BPF crate.
    Bpf,
    /// Network namespaces and what looks into them.
    Lab,
    /// What pivot shares its VIPs with, and what reads its messages.
    Failover,
    /// The services of a real control plane and their clients.
    Real,
    /// What the benchmarks build and measure with.
    Bench,
    /// What fetches and boots other kernels.
    Vm,
    /// What CI runs beside the tests.
    Ci,
    /// What finds new inputs for the fuzzer's corpus; only if it is asked for.
    Fuzz,
}

/// A Debian package, and how to tell that what it brings is there, on any distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    /// Debian's name.
    pub(crate) name: &'static str,
    /// A program that is run, or the path of a file that is used.
    pub(crate) witness: &'static str,
}

impl Group {
    /// All of them, in the order of set-up.
    pub(crate) const ALL: [Self; 8] =
        [Self::Bpf, Self::Lab, Self::Failover, Self::Real, Self::Bench, Self::Vm, Self::Ci, Self::Fuzz];

    /// As typed on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Bpf => "bpf",
            Self::Lab => "lab",
            Self::Failover => "failover",
            Self::Real => "real",
            Self::Bench => "bench",
            Self::Vm => "vm",
            Self::Ci => "ci",
            Self::Fuzz => "fuzz",
        }
    }

    /// The packages that the group always needs. Those of `Bpf` depend on the compilers that are there (`plan`).
    pub(crate) fn packages(self) -> &'static [Package] {
        match self {
            Self::Bpf | Self::Ci | Self::Fuzz => &[],
            Self::Lab => LAB,
            Self::Failover => FAILOVER,
            Self::Real => REAL,
            Self::Bench => BENCH,
            Self::Vm => VM,
        }
    }
}

/// What the compiler and the linker of the BPF crate come from, where they are not there already.
pub(crate) const BPF: [Package; 5] = [
    package("rustc-web", "/usr/bin/rustc"),
    package("cargo-web", "/usr/bin/cargo"),
    package("rust-web-src", "/usr/lib/rustlib/src/rust/library/core"),
    package("llvm-22-dev", "/usr/lib/llvm-22/bin/llvm-config"),
    package("g++", "c++"),
];

/// Clippy of Debian's compiler; a rustup toolchain has its own.
pub(crate) const CLIPPY: Package = package("rust-web-clippy", "/usr/bin/cargo-clippy");

const LAB: &[Package] = &[package("iproute2", "ip"), package("ethtool", "ethtool"), package("tcpdump", "tcpdump")];

const FAILOVER: &[Package] = &[package("keepalived", "/usr/sbin/keepalived"), package("tshark", "tshark")];

/// Paths, not names: the tests of the real services start what Debian installs, not what is further up in `PATH`.
const REAL: &[Package] = &[
    package("mariadb-server", "/usr/sbin/mariadbd"),
    package("mariadb-client", "/usr/bin/mariadb"),
    package("galera-4", "/usr/lib/galera/libgalera_smm.so"),
    package("rsync", "/usr/bin/rsync"),
    package("rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server"),
    package("memcached", "/usr/bin/memcached"),
    package("nginx", "/usr/sbin/nginx"),
    package("haproxy", "/usr/sbin/haproxy"),
    package("curl", "/usr/bin/curl"),
    package("python3-pika", "/usr/lib/python3/dist-packages/pika"),
    package("python3-pymysql", "/usr/lib/python3/dist-packages/pymysql"),
    package("python3-pymemcache", "/usr/lib/python3/dist-packages/pymemcache"),
];

const BENCH: &[Package] =
    &[package("clang-19", "clang-19"), package("gcc", "gcc"), package("libbpf-dev", "/usr/include/bpf/bpf_helpers.h")];

/// virtme-ng itself is Python's: `cargo xtask vm` puts it below `target`. It makes an initramfs around a busybox, which must
/// be the static one; `busybox` brings the same file and is of no use, so dpkg's own list is asked.
const VM: &[Package] = &[
    package("qemu-system-x86", "qemu-system-x86_64"),
    package("busybox-static", "/var/lib/dpkg/info/busybox-static.list"),
    package("kmod", "modprobe"),
    package("python3-venv", "/var/lib/dpkg/info/python3-venv.list"),
];

const fn package(name: &'static str, witness: &'static str) -> Package {
    Package { name, witness }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::DEBIAN_PACKAGES;

    #[test]
    fn the_build_script_names_the_packages_that_set_up_installs() {
        assert_eq!(BPF.map(|package| package.name), DEBIAN_PACKAGES);
    }
}
