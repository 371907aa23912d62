//! Sysctls.

use std::net::IpAddr;

use super::*;

fn carrying(vip: &str) -> Config {
    let vips = vec![(vip.parse::<IpAddr>().unwrap(), "eth0".to_owned())];
    Config::Good { file: "pivot.toml".into(), hosts: vec!["c1".into()], own: "c1".into(), vips }
}

#[test]
fn programs_have_to_be_compiled() {
    let jit = |setting| move |facts: &mut Facts| facts.settings.bpf_jit_enable = setting;
    const NAME: &str = "net.core.bpf_jit_enable";
    assert_eq!(after(jit(Setting::Is(0)), NAME).0, Level::Problem);
    assert_eq!(after(jit(Setting::Is(2)), NAME).0, Level::Warning);
    assert_eq!(after(jit(Setting::Denied), NAME).2, "run it again with sudo");
    assert_eq!(after(jit(Setting::Absent), NAME).0, Level::Note);
    let harden = |facts: &mut Facts| facts.settings.bpf_jit_harden = Setting::Is(2);
    assert_eq!(after(harden, "net.core.bpf_jit_harden").0, Level::Note);
}

#[test]
fn what_is_open_to_all_or_to_floods_is_noted() {
    let open = |facts: &mut Facts| facts.settings.unprivileged_bpf_disabled = Setting::Is(0);
    assert_eq!(after(open, "kernel.unprivileged_bpf_disabled").0, Level::Note);
    for value in [0, 2] {
        let cookies = |facts: &mut Facts| facts.settings.tcp_syncookies = Setting::Is(value);
        let (level, _, remedy) = after(cookies, "net.ipv4.tcp_syncookies");
        assert_eq!((level, remedy.as_str()), (Level::Note, "sysctl -w net.ipv4.tcp_syncookies=1"));
    }
}

#[test]
fn forwarding_by_the_kernel_does_not_matter() {
    for value in [0, 1] {
        let forward = |facts: &mut Facts| facts.settings.ip_forward = Setting::Is(value);
        assert_eq!(after(forward, "net.ipv4.ip_forward").0, Level::Ok);
    }
}

#[test]
fn a_strict_reverse_path_is_warned_of_where_it_is_set() {
    let strict = |own, all| {
        move |facts: &mut Facts| facts.interfaces[0].settings.rp_filter = Both { own: Some(own), all: Some(all) }
    };
    let (level, _, remedy) = after(strict(1, 0), "eth0 rp_filter");
    assert_eq!(level, Level::Warning);
    assert!(remedy.starts_with("sysctl -w net.ipv4.conf.eth0.rp_filter=2"), "{remedy}");
    let (level, _, remedy) = after(strict(0, 1), "net.ipv4.conf.all.rp_filter");
    assert_eq!(level, Level::Warning);
    assert!(remedy.starts_with("sysctl -w net.ipv4.conf.all.rp_filter=2"), "{remedy}");
    // Loose wins over strict, and the setting of all is told once.
    assert_eq!(after(strict(1, 2), "eth0 rp_filter").0, Level::Ok);
    let several = |facts: &mut Facts| {
        strict(0, 1)(facts);
        facts.interfaces.push(Interface { name: "eth1".into(), ..facts.interfaces[0].clone() });
    };
    assert_eq!(after(several, "net.ipv4.conf.all.rp_filter").0, Level::Warning);
}

#[test]
fn settings_of_ipv4_do_not_matter_to_a_vip_of_ipv6() {
    let mut facts = well();
    facts.config = carrying("fd00::100");
    facts.interfaces[0].settings.rp_filter.own = Some(1);
    assert!(diagnose(facts).findings.iter().all(|finding| finding.name != "eth0 rp_filter"));
    let strict = |facts: &mut Facts| {
        facts.config = carrying("10.0.0.100");
        facts.interfaces[0].settings.rp_filter.own = Some(1);
    };
    assert_eq!(after(strict, "eth0 rp_filter").0, Level::Warning);
}

#[test]
fn a_holder_must_answer_arp() {
    let ignore = |value| {
        move |facts: &mut Facts| {
            facts.interfaces[0].settings.arp_ignore.own = Some(value);
            facts.interfaces[0].settings.arp_announce.all = Some(2);
        }
    };
    assert_eq!(after(ignore(8), "eth0 arp_ignore").0, Level::Problem);
    assert_eq!(after(ignore(2), "eth0 arp_ignore").0, Level::Note);
    let (level, text, _) = after(ignore(1), "eth0 arp_ignore");
    assert_eq!((level, text.as_str()), (Level::Ok, "1, arp_announce 2: pivot needs neither"));
}

#[test]
fn an_interface_without_ipv6_matters_to_a_vip_of_ipv6() {
    let without = |config: Config| {
        move |facts: &mut Facts| {
            facts.config = config;
            facts.interfaces[0].settings.disable_ipv6 = Some(1);
        }
    };
    assert_eq!(after(without(carrying("fd00::100")), "eth0 disable_ipv6").0, Level::Problem);
    assert_eq!(after(without(carrying("10.0.0.100")), "eth0 disable_ipv6").0, Level::Ok);
    assert_eq!(after(without(Config::None), "eth0 disable_ipv6").0, Level::Note);
}

#[test]
fn bridged_frames_in_netfilter_matter_where_there_is_a_bridge() {
    const NAME: &str = "net.bridge.bridge-nf-call-iptables";
    let called = |facts: &mut Facts| facts.settings.bridge_nf_call_iptables = Setting::Is(1);
    let mut facts = well();
    called(&mut facts);
    assert!(diagnose(facts).findings.iter().all(|finding| finding.name != NAME));
    let bridged = |facts: &mut Facts| {
        called(facts);
        facts.interfaces[0].port_of = Some(("br0".into(), "bridge".into()));
    };
    let (level, _, remedy) = after(bridged, NAME);
    assert_eq!(level, Level::Warning);
    assert!(remedy.starts_with("sysctl -w net.bridge.bridge-nf-call-iptables=0"), "{remedy}");
}
