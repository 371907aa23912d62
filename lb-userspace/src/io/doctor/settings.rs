//! Settings and mounts: files below /proc, read as they are.

use std::fs;
use std::io;
use std::path::Path;

use crate::core::doctor::facts::{Both, Setting, Settings};
use crate::core::doctor::interface::InterfaceSettings;

/// Those of the whole host.
pub(super) fn of_host() -> Settings {
    Settings {
        bpf_jit_enable: read("net/core/bpf_jit_enable"),
        bpf_jit_harden: read("net/core/bpf_jit_harden"),
        unprivileged_bpf_disabled: read("kernel/unprivileged_bpf_disabled"),
        tcp_syncookies: read("net/ipv4/tcp_syncookies"),
        ip_forward: read("net/ipv4/ip_forward"),
        bridge_nf_call_iptables: read("net/bridge/bridge-nf-call-iptables"),
        bridge_nf_call_ip6tables: read("net/bridge/bridge-nf-call-ip6tables"),
        bridge_nf_call_arptables: read("net/bridge/bridge-nf-call-arptables"),
    }
}

/// Those of one interface.
pub(super) fn of_interface(interface: &str) -> InterfaceSettings {
    let value = |path: String| match read(&path) {
        Setting::Is(value) => Some(value),
        Setting::Absent | Setting::Denied => None,
    };
    let both = |setting: &str| Both {
        own: value(format!("net/ipv4/conf/{interface}/{setting}")),
        all: value(format!("net/ipv4/conf/all/{setting}")),
    };
    InterfaceSettings {
        rp_filter: both("rp_filter"),
        arp_ignore: both("arp_ignore"),
        arp_announce: both("arp_announce"),
        disable_ipv6: value(format!("net/ipv6/conf/{interface}/disable_ipv6")),
    }
}

fn read(setting: &str) -> Setting {
    match fs::read_to_string(Path::new("/proc/sys").join(setting)) {
        Ok(text) => text.trim().parse().map_or(Setting::Absent, Setting::Is),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Setting::Denied,
        Err(_) => Setting::Absent,
    }
}

/// Where the hierarchy of cgroup v2 is mounted.
pub(super) fn cgroup2() -> Option<String> {
    cgroup2_in(&fs::read_to_string("/proc/self/mountinfo").ok()?)
}

/// The mount point is the fifth field of a line; the type of the file system is the first after a lone dash.
fn cgroup2_in(mounts: &str) -> Option<String> {
    mounts.lines().find_map(|line| {
        let (before, after) = line.split_once(" - ")?;
        after.starts_with("cgroup2 ").then(|| before.split(' ').nth(4).map(str::to_owned))?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_of_cgroup_v2_is_found_among_others() {
        let mounts = "24 30 0:22 / /sys rw shared:7 - sysfs sysfs rw\n\
                      31 24 0:27 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw\n";
        assert_eq!(cgroup2_in(mounts).as_deref(), Some("/sys/fs/cgroup/unified"));
        assert_eq!(cgroup2_in("24 30 0:22 / /sys/fs/cgroup rw - cgroup cgroup rw,cpu\n"), None);
    }

    #[test]
    fn a_setting_is_a_number_or_not_there() {
        assert!(matches!(read("net/ipv4/ip_forward"), Setting::Is(_)));
        assert_eq!(read("net/no/such/setting"), Setting::Absent);
        assert!(of_interface("lo").rp_filter.all.is_some());
    }
}
