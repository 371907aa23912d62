//! Made-up hosts, and what is found on them.

mod host;
mod interfaces;
mod settings;
mod xdp;

use super::facts::{Both, Config, Facts, Kernel, Process, Setting, Settings};
use super::interface::{Bond, Driver, DriverXdp, Interface, InterfaceSettings, Member, Offloads, Queues};
use super::{Finding, Level, diagnose};
use crate::core::features::{self, CGROUP_MEMORY, Feature, SEVERAL_BUFFERS, State};

/// A driver's XDP that can do everything.
const ALL: DriverXdp = DriverXdp { native: true, redirect: true, target: true, several_buffers: true };

/// A host on which nothing is to be done: a card of four queues, four CPUs, root.
fn well() -> Facts {
    let settings = Settings {
        bpf_jit_enable: Setting::Is(1),
        bpf_jit_harden: Setting::Is(0),
        unprivileged_bpf_disabled: Setting::Is(2),
        tcp_syncookies: Setting::Is(1),
        ip_forward: Setting::Is(0),
        bridge_nf_call_iptables: Setting::Absent,
        bridge_nf_call_ip6tables: Setting::Absent,
        bridge_nf_call_arptables: Setting::Absent,
    };
    Facts {
        kernel: Kernel { release: "6.12.9-amd64".into(), version: Some((6, 12)) },
        cpus: 4,
        page: 4096,
        process: Process { root: true, missing: Vec::new(), refused: Vec::new() },
        config: Config::None,
        features: features::Kernel::default(),
        settings,
        memlock: Some(8 << 20),
        bpffs: Some(true),
        cgroup2: Some("/sys/fs/cgroup".into()),
        interfaces: vec![card()],
        unusable: Vec::new(),
    }
}

fn card() -> Interface {
    let zero = Both { own: Some(0), all: Some(0) };
    Interface {
        name: "eth0".into(),
        enabled: true,
        carrier: true,
        mtu: 1500,
        driver: Some(Driver { name: "ice".into(), version: "6.12.9".into(), firmware: "4.40".into() }),
        queues: Some(Queues { rx: 4, tx: 4, most: 8, combined: true }),
        offloads: Offloads { gro: Some(true), lro: Some(false), tx_checksum: Some(true), rx_vlan: Some(false) },
        xdp: Some(ALL),
        settings: InterfaceSettings { rp_filter: zero, arp_ignore: zero, arp_announce: zero, disable_ipv6: Some(0) },
        ..Interface::default()
    }
}

/// A bond of two cards, of which one has told its driver.
fn bond(mode: &str, policy: &str) -> Interface {
    let card = card();
    let told = Member { name: "eno1".into(), driver: card.driver.clone(), offloads: card.offloads };
    let members = vec![told, Member { name: "eno2".into(), ..Member::default() }];
    let bond = Bond { mode: mode.into(), hash_policy: Some(policy.into()), members };
    Interface { kind: Some("bond".into()), bond: Some(bond), ..card }
}

/// The host with its kernel replaced.
fn on_kernel(major: u32, minor: u32) -> Facts {
    let mut facts = well();
    facts.kernel = Kernel { release: format!("{major}.{minor}.0"), version: Some((major, minor)) };
    for (name, since) in [(SEVERAL_BUFFERS, (5, 18)), (CGROUP_MEMORY, (5, 11))] {
        let there = State::from((major, minor) >= since);
        facts.features.features.push(Feature::of(name, there, "for this and that", "something else"));
    }
    if (major, minor) < (6, 3) {
        facts.interfaces[0].xdp = None;
    }
    facts
}

/// What is found under a name, which has to be there once.
#[track_caller]
fn found(facts: Facts, name: &str) -> Finding {
    let findings = diagnose(facts).findings;
    let mut of_name = findings.iter().filter(|finding| finding.name == name);
    let first = of_name.next().unwrap_or_else(|| panic!("no {name} in {findings:#?}")).clone();
    assert_eq!(of_name.next(), None);
    first
}

/// The same after a change of the host, as level, text and remedy.
#[track_caller]
fn after(change: impl FnOnce(&mut Facts), name: &str) -> (Level, String, String) {
    let mut facts = well();
    change(&mut facts);
    told(found(facts, name))
}

fn told(finding: Finding) -> (Level, String, String) {
    (finding.level, finding.found, finding.remedy.unwrap_or_default())
}

#[test]
fn on_a_host_that_is_well_nothing_is_to_be_done() {
    let report = diagnose(well());
    assert!(report.findings.iter().all(|finding| finding.level == Level::Ok), "{:#?}", report.findings);
    assert!(report.findings.iter().all(|finding| finding.remedy.is_none()));
    assert!(!report.has_problem());
    assert_eq!((report.kernel.as_str(), report.interfaces.len()), ("6.12.9-amd64", 1));
}

#[test]
fn the_worst_comes_first_and_only_a_problem_is_one() {
    let mut facts = well();
    facts.interfaces[0].mtu = 9000;
    facts.interfaces[0].xdp = Some(DriverXdp { several_buffers: false, ..ALL });
    facts.settings.tcp_syncookies = Setting::Is(0);
    let levels = |facts: &Facts| diagnose(facts.clone()).findings.iter().map(|one| one.level).collect::<Vec<_>>();
    assert_eq!(levels(&facts)[..3], [Level::Warning, Level::Note, Level::Ok]);
    assert!(!diagnose(facts.clone()).has_problem());
    facts.settings.bpf_jit_enable = Setting::Is(0);
    assert_eq!(levels(&facts)[..3], [Level::Problem, Level::Warning, Level::Note]);
    assert!(diagnose(facts).has_problem());
}

#[test]
fn findings_are_one_line_each() {
    let mut facts = well();
    facts.process.missing = vec!["CAP_BPF".into()];
    facts.interfaces[0].enabled = false;
    for finding in diagnose(facts).findings {
        let remedy = finding.remedy.unwrap_or_default();
        assert!(
            !finding.found.is_empty() && !finding.found.contains('\n') && !remedy.contains('\n'),
            "{}",
            finding.name
        );
    }
}

#[test]
fn what_to_do_is_called_do_in_json() {
    let json = serde_json::to_value(found(well(), "bpffs")).unwrap();
    let expected = serde_json::json!({"name": "bpffs", "level": "ok", "found": "mounted at /sys/fs/bpf", "do": null});
    assert_eq!(json, expected);
}
