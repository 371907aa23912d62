//! Sysctls: those of the host, and those of an interface. pivot needs none changed; some that were changed hurt.

use super::facts::{Facts, Setting};
use super::finding::Finding;
use super::interface::Interface;

/// Those of the whole host.
pub(super) fn findings(facts: &Facts) -> Vec<Finding> {
    let settings = &facts.settings;
    let mut found = Vec::from([
        jit(settings.bpf_jit_enable),
        unprivileged(settings.unprivileged_bpf_disabled),
        cookies(settings.tcp_syncookies),
        forwarding(settings.ip_forward),
    ]);
    found.extend(hardening(settings.bpf_jit_harden));
    found.extend(reverse_path_of_all(facts));
    found.extend(bridges(facts));
    found
}

fn jit(setting: Setting) -> Finding {
    const NAME: &str = "net.core.bpf_jit_enable";
    match setting {
        Setting::Is(0) => Finding::problem(NAME, "0: BPF programs are interpreted, and pivot's need the compiler")
            .remedy("sysctl -w net.core.bpf_jit_enable=1, and write it into /etc/sysctl.d"),
        Setting::Is(2) => Finding::warning(NAME, "2: compiled, and every program is dumped into the kernel's log")
            .remedy("sysctl -w net.core.bpf_jit_enable=1"),
        Setting::Is(value) => Finding::ok(NAME, value.to_string()),
        Setting::Denied => Finding::note(NAME, "only root may read it").remedy("run it again with sudo"),
        Setting::Absent => Finding::note(NAME, "not to be seen from this network namespace")
            .remedy("read it in the host's own: it must be 1"),
    }
}

fn hardening(setting: Setting) -> Option<Finding> {
    const NAME: &str = "net.core.bpf_jit_harden";
    let found = "2: root's programs are hardened, too: every constant is blinded, and the path is slower";
    match setting {
        Setting::Is(2) => Some(Finding::note(NAME, found).remedy("1 hardens the programs of other users only")),
        Setting::Is(value) => Some(Finding::ok(NAME, value.to_string())),
        Setting::Denied | Setting::Absent => None,
    }
}

fn unprivileged(setting: Setting) -> Finding {
    const NAME: &str = "kernel.unprivileged_bpf_disabled";
    match setting {
        Setting::Is(0) => Finding::note(NAME, "0: any user may load BPF programs; pivot does not need that")
            .remedy("sysctl -w kernel.unprivileged_bpf_disabled=1"),
        Setting::Is(value) => Finding::ok(NAME, format!("{value}: only who has the capabilities, as pivotd has")),
        Setting::Denied | Setting::Absent => Finding::ok(NAME, "not to be read here; pivotd has its capabilities"),
    }
}

fn cookies(setting: Setting) -> Finding {
    const NAME: &str = "net.ipv4.tcp_syncookies";
    match setting {
        Setting::Is(0) => Finding::note(NAME, "0: a flood of SYNs keeps clients out of the services on this host")
            .remedy("sysctl -w net.ipv4.tcp_syncookies=1"),
        Setting::Is(2) => Finding::note(NAME, "2: cookies for every connection, also without a flood: meant for tests")
            .remedy("sysctl -w net.ipv4.tcp_syncookies=1"),
        Setting::Is(value) => Finding::ok(NAME, value.to_string()),
        Setting::Denied | Setting::Absent => Finding::ok(NAME, "not to be read here"),
    }
}

fn forwarding(setting: Setting) -> Finding {
    let value = if let Setting::Is(value) = setting { value.to_string() } else { "not to be read here".into() };
    Finding::ok("net.ipv4.ip_forward", format!("{value}: XDP forwards with either"))
}

/// Bridged frames that go through netfilter meet rules, and a connection tracker that sees half of each connection.
fn bridges(facts: &Facts) -> Vec<Finding> {
    let is_bridge = |interface: &Interface| {
        let own = interface.kind.as_deref() == Some("bridge");
        own || interface.port_of.as_ref().is_some_and(|(_, kind)| kind == "bridge")
    };
    if !facts.interfaces.iter().any(is_bridge) {
        return Vec::new();
    }
    let settings = &facts.settings;
    let each = [
        ("iptables", settings.bridge_nf_call_iptables),
        ("ip6tables", settings.bridge_nf_call_ip6tables),
        ("arptables", settings.bridge_nf_call_arptables),
    ];
    let warning = "1: bridged frames go through netfilter, which sees one direction of a VIP's connections only";
    let judge = |(which, setting): (&str, Setting)| {
        let name = format!("net.bridge.bridge-nf-call-{which}");
        match setting {
            Setting::Is(1) => {
                let remedy = format!("sysctl -w {name}=0, unless rules for bridged frames are wanted");
                Some(Finding::warning(name, warning).remedy(remedy))
            }
            Setting::Is(value) => Some(Finding::ok(name, value.to_string())),
            Setting::Denied | Setting::Absent => None,
        }
    };
    each.into_iter().filter_map(judge).collect()
}

/// Those of one interface.
pub(super) fn findings_of(facts: &Facts, interface: &Interface) -> Vec<Finding> {
    let v4 = facts.config.carries(&interface.name, false);
    let v6 = facts.config.carries(&interface.name, true);
    let mut found = Vec::new();
    if v4 != Some(false) {
        found.extend(reverse_path(interface));
        found.extend(arp(interface));
    }
    found.extend(ipv6(interface, v6));
    found
}

/// What strict filtering by the reverse path does: a backend's host gets the clients' packets from the holder, by whatever
/// interface leads there.
const STRICT: &str =
    "1, strict: a client's packet is dropped on a backend's host if its route back is by another interface";

/// The setting of all interfaces, which makes each strict that is not loose.
fn reverse_path_of_all(facts: &Facts) -> Option<Finding> {
    let strict = |interface: &&Interface| {
        let setting = interface.settings.rp_filter;
        setting.all == Some(1) && setting.effective() == Some(1)
    };
    let carries = |interface: &&Interface| facts.config.carries(&interface.name, false) != Some(false);
    facts.interfaces.iter().filter(carries).find(strict)?;
    let remedy =
        "sysctl -w net.ipv4.conf.all.rp_filter=2 (loose), unless clients are routed by the VIP's interface alone";
    Some(Finding::warning("net.ipv4.conf.all.rp_filter", STRICT).remedy(remedy))
}

/// The same of one interface.
fn reverse_path(interface: &Interface) -> Option<Finding> {
    let name = &interface.name;
    let setting = interface.settings.rp_filter;
    let about = format!("{name} rp_filter");
    match (setting.effective()?, setting.own) {
        (1, Some(1)) => {
            let remedy = format!(
                "sysctl -w net.ipv4.conf.{name}.rp_filter=2 (loose), unless clients are routed by {name} alone"
            );
            Some(Finding::warning(about, STRICT).remedy(remedy))
        }
        (1, _) => None,
        (value, _) => Some(Finding::ok(about, value.to_string())),
    }
}

/// pivot keeps hosts that do not hold a VIP silent by its programs, whatever these say; they must let the holder answer.
fn arp(interface: &Interface) -> Option<Finding> {
    let name = &interface.name;
    let (ignore, announce) = (interface.settings.arp_ignore, interface.settings.arp_announce.effective());
    let about = format!("{name} arp_ignore");
    let value = ignore.effective()?;
    let announce = announce.map(|value| format!(", arp_announce {value}")).unwrap_or_default();
    let remedy = format!("sysctl -w net.ipv4.conf.{}.arp_ignore=0: pivot needs no silence from it", ignore.whose(name));
    Some(match value {
        8 => Finding::problem(about, "8: this host answers no ARP request, so nobody finds a VIP that it holds")
            .remedy(remedy),
        2 => {
            Finding::note(about, "2: only who has an address of the VIP's subnet gets an answer by ARP").remedy(remedy)
        }
        _ => Finding::ok(about, format!("{value}{announce}: pivot needs neither")),
    })
}

fn ipv6(interface: &Interface, carries: Option<bool>) -> Option<Finding> {
    let name = &interface.name;
    let about = format!("{name} disable_ipv6");
    let remedy = format!("sysctl -w net.ipv6.conf.{name}.disable_ipv6=0");
    match (interface.settings.disable_ipv6?, carries) {
        (0, _) => Some(Finding::ok(about, "0")),
        (_, Some(true)) => {
            Some(Finding::problem(about, "1: the IPv6 VIP of the configuration cannot be put here").remedy(remedy))
        }
        (_, Some(false)) => Some(Finding::ok(about, "1, and no IPv6 VIP is meant to be here")),
        (_, None) => Some(Finding::note(about, "1: no IPv6 VIP can be put here").remedy(remedy)),
    }
}
