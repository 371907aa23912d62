//! Privileges, configuration, memory, kernel.

use super::*;
use crate::core::features::{Feature, ProgramReport, State};

fn good(hosts: &[&str]) -> Config {
    Config::Good {
        file: "pivot.toml".into(),
        hosts: hosts.iter().map(ToString::to_string).collect(),
        own: "c1".into(),
        vips: Vec::new(),
    }
}

#[test]
fn a_user_is_told_what_could_not_be_looked_at_and_root_what_is_missing() {
    let missing = |root| {
        move |facts: &mut Facts| {
            facts.process.root = root;
            facts.process.missing = vec!["CAP_BPF".into(), "CAP_NET_RAW".into()];
        }
    };
    let (level, text, remedy) = after(missing(false), "privileges");
    assert_eq!(level, Level::Note);
    assert!(text.starts_with("no CAP_BPF CAP_NET_RAW here") && remedy.contains("sudo"), "{text} {remedy}");
    let (level, text, _) = after(missing(true), "privileges");
    assert_eq!(level, Level::Problem);
    assert!(text.starts_with("root lacks CAP_BPF CAP_NET_RAW"), "{text}");
}

#[test]
fn what_would_keep_pivotd_from_starting_is_a_problem() {
    let refused = |facts: &mut Facts| facts.process.refused = vec!["bpf() is refused".into()];
    assert_eq!(after(refused, "pivotd's start").0, Level::Problem);
}

#[test]
fn a_configuration_without_this_host_is_noted_and_a_bad_one_is_a_problem() {
    assert_eq!(after(|facts| facts.config = good(&["c1", "c2"]), "configuration").0, Level::Ok);
    let (level, text, remedy) = after(|facts| facts.config = good(&["a", "b"]), "configuration");
    assert_eq!(level, Level::Note);
    assert!(text.contains("no host c1") && remedy.contains("--host") && remedy.ends_with("a, b"), "{text} {remedy}");
    let bad = Config::Bad { file: "pivot.toml".into(), why: "2 errors".into(), remedy: "look".into() };
    let problem = after(|facts| facts.config = bad, "configuration");
    assert_eq!(problem, (Level::Problem, "pivot.toml: 2 errors".into(), "look".into()));
}

#[test]
fn an_interface_that_is_not_there_is_a_problem() {
    let absent = |facts: &mut Facts| facts.unusable = vec![("eth7".into(), "no such interface".into())];
    assert_eq!(after(absent, "eth7 link").0, Level::Problem);
}

#[test]
fn locked_memory_matters_before_5_11_only() {
    let (level, text, remedy) = told(found(on_kernel(5, 10), "locked memory"));
    assert_eq!(level, Level::Warning);
    assert!(text.starts_with("limited to 8192 KiB") && remedy.contains("LimitMEMLOCK=infinity"), "{text} {remedy}");
    assert_eq!(found(on_kernel(5, 11), "locked memory").level, Level::Ok);
    let mut unlimited = on_kernel(5, 10);
    unlimited.memlock = None;
    assert_eq!(found(unlimited, "locked memory").level, Level::Ok);
}

#[test]
fn mounts_that_are_missing_are_noted() {
    let (level, _, remedy) = after(|facts| facts.bpffs = Some(false), "bpffs");
    assert!(level == Level::Note && remedy.starts_with("mount -t bpf bpf /sys/fs/bpf"), "{remedy}");
    assert_eq!(after(|facts| facts.bpffs = None, "bpffs").0, Level::Note);
    assert_eq!(after(|facts| facts.cgroup2 = None, "cgroup v2").0, Level::Note);
}

#[test]
fn a_feature_without_a_substitute_is_a_problem() {
    let feature = |name, state, instead| Feature { name, state, detail: "for links".into(), instead };
    let facts = |facts: &mut Facts| {
        facts.features.features = vec![
            feature("TCX", State::No, Some("a clsact filter")),
            feature("sk_lookup", State::No, None),
            feature("XDP", State::Yes, None),
            feature("BTF", State::Unknown, None),
        ];
    };
    let (level, text, remedy) = after(facts, "kernel TCX");
    assert_eq!((level, remedy.as_str()), (Level::Note, ""));
    assert_eq!(text, "not in this kernel; instead: a clsact filter");
    let (level, text, remedy) = after(facts, "kernel sk_lookup");
    assert_eq!((level, remedy.as_str()), (Level::Problem, "boot a newer kernel"));
    assert_eq!(text, "not in this kernel: for links");
    assert_eq!(after(facts, "kernel features").1, "could not be tried: BTF");
    let mut all = well();
    facts(&mut all);
    assert!(diagnose(all).findings.iter().all(|finding| finding.name != "kernel XDP"));
}

#[test]
fn a_program_that_is_refused_is_a_problem_and_one_near_the_limit_is_noted() {
    let report = |name, instructions, error: Option<&str>| ProgramReport {
        name,
        loads: error.is_none(),
        instructions,
        limit: 1_000_000,
        error: error.map(str::to_owned),
    };
    let programs = |facts: &mut Facts| {
        facts.features.programs = vec![
            report("pivot_xdp", Some(20_000), None),
            report("pivot_long4", Some(800_001), None),
            report("pivot_long6", None, Some("0: (85) call\ninvalid stack off\n\n")),
        ];
    };
    let (level, text, _) = after(programs, "program pivot_long6");
    assert_eq!((level, text.as_str()), (Level::Problem, "refused by this kernel: invalid stack off"));
    assert_eq!(after(programs, "program pivot_long4").0, Level::Note);
    let mut all = well();
    programs(&mut all);
    assert!(diagnose(all).findings.iter().all(|finding| finding.name != "program pivot_xdp"));
}
