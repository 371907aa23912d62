//! `pivot doctor` on hosts with something the matter.

use pivot_tests::lab::cluster::web_config;
use pivot_tests::lab::{Device, Lab, Node, Topology, binaries, pass};
use serde_json::Value;

/// What doctor found on a host, and its exit code.
struct Diagnosis {
    report: Value,
    code: Option<i32>,
}

fn doctor(host: &Node, arguments: &[&str]) -> Diagnosis {
    let mut command = host.netns().command(binaries::find("pivot").unwrap()).unwrap();
    let output = command.args(["doctor", "--json"]).args(arguments).output().unwrap();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {output:?}"));
    Diagnosis { report, code: output.status.code() }
}

impl Diagnosis {
    /// Level, text and remedy of a finding.
    #[track_caller]
    fn of(&self, name: &str) -> (&str, &str, &str) {
        let findings = self.report["findings"].as_array().unwrap();
        let found = findings.iter().find(|one| one["name"] == name);
        let found = found.unwrap_or_else(|| panic!("no {name} in {:#}", self.report));
        let text = |key: &str| found[key].as_str().unwrap_or_default();
        (text("level"), text("found"), text("do"))
    }

    #[track_caller]
    fn level(&self, name: &str) -> &str {
        self.of(name).0
    }

    /// Whether drivers tell on this kernel what their XDP can do.
    fn is_told(&self) -> bool {
        let release = self.report["kernel"].as_str().unwrap();
        let mut numbers = release.split(['.', '-']).map(|number| number.parse::<u32>().unwrap());
        (numbers.next(), numbers.next()) >= (Some(6), Some(3))
    }

    /// One of the two, depending on that.
    fn told<T>(&self, told: T, untold: T) -> T {
        if self.is_told() { told } else { untold }
    }
}

#[test]
fn a_host_of_the_lab_is_found_to_be_well() {
    let lab = Lab::new().unwrap();
    let found = doctor(lab.node("c1"), &[]);
    let driver = found.report["interfaces"][0]["driver"]["name"].as_str();
    assert_eq!((found.report["interfaces"].as_array().unwrap().len(), driver), (1, Some("veth")));
    for name in ["privileges", "eth0 link", "eth0 native XDP", "eth0 mtu", "eth0 checksums", "eth0 rp_filter"] {
        assert_eq!(found.level(name), "ok", "{:?}", found.of(name));
    }
    assert_eq!(found.level("eth0 other end"), found.told("ok", "note"));
    assert_eq!(found.code, Some(0), "{:#}", found.report);
}

#[test]
fn another_xdp_program_is_a_problem_until_it_is_gone() {
    let lab = Lab::new().unwrap();
    let c1 = lab.node("c1");
    let foreign = c1.run(|| pass::attach("eth0")).unwrap().unwrap();
    let found = doctor(c1, &[]);
    let (level, text, remedy) = found.of("eth0 XDP program");
    assert_eq!((level, found.code), ("problem", Some(1)));
    assert!(text.contains("native") && remedy.contains("ip link set eth0 xdp off"), "{text} {remedy}");
    drop(foreign);
    let found = doctor(c1, &[]);
    assert_eq!((found.code, found.report["interfaces"][0]["programs"].as_array().unwrap().len()), (Some(0), 0));
}

#[test]
fn pivots_own_program_is_none() {
    let lab = Lab::new().unwrap();
    let mut pivotd = lab.pivotd("c1", web_config(&lab)).unwrap();
    let file = lab.directory().join("c1.toml");
    let found = doctor(lab.node("c1"), &["--config", file.to_str().unwrap()]);
    let (level, text, _) = found.of("eth0 XDP program");
    assert!(level == "ok" && text.starts_with("pivot's own"), "{text}");
    assert_eq!(found.of("eth0 native XDP").1, "pivot's program runs in the driver");
    assert_eq!(found.level("configuration"), "note", "the lab's hosts are not named as this machine is");
    assert_eq!(found.code, Some(0), "{:#}", found.report);
    pivotd.stop().unwrap();
}

#[test]
fn long_frames_take_a_driver_of_several_buffers() {
    let lab = Lab::build(Topology { mtu: 9000, hosts: 1, ..Topology::default() }).unwrap();
    let found = doctor(lab.node("c1"), &[]);
    let (level, text, remedy) = found.of("eth0 mtu");
    assert!(text.starts_with("9000: "), "{text}");
    if found.is_told() {
        assert_eq!((level, text.contains("several buffers")), ("ok", true), "{text}");
    } else {
        assert!(level != "ok" && remedy.starts_with("ip link set eth0 mtu 3506"), "{level} {remedy}");
    }
}

#[test]
fn an_interface_without_xdp_in_its_driver_is_warned_of() {
    let lab = Lab::build(Topology { device: Device::Macvlan, hosts: 1, ..Topology::default() }).unwrap();
    let found = doctor(lab.node("c1"), &["--interface", "eth0"]);
    let (level, text, _) = found.of("eth0 native XDP");
    assert!(level == "warning" && text.contains("macvlan") && text.contains("generic mode"), "{level} {text}");
    assert_eq!(found.code, Some(0), "{:#}", found.report);
}

#[test]
fn an_interface_with_everything_the_matter_says_so() {
    let lab = Lab::build(Topology { hosts: 1, ..Topology::default() }).unwrap();
    let c1 = lab.node("c1");
    c1.netns().ip("link add sick0 type veth peer name end0\nlink set sick0 up\nlink set end0 up").unwrap();
    let settings = [
        ("ipv4/conf/all/rp_filter", "0"),
        ("ipv4/conf/sick0/rp_filter", "1"),
        ("ipv4/conf/sick0/arp_ignore", "8"),
        ("ipv6/conf/sick0/disable_ipv6", "1"),
    ];
    c1.netns().sysctl(&settings).unwrap();
    let found = doctor(c1, &["--interface", "sick0", "--interface", "gone0"]);
    assert_eq!(found.level("sick0 link"), "ok");
    assert_eq!(found.level("sick0 other end"), found.told("warning", "note"), "{:?}", found.of("sick0 other end"));
    assert_eq!(found.level("sick0 checksums"), "note");
    let (level, _, remedy) = found.of("sick0 rp_filter");
    assert!(level == "warning" && remedy.starts_with("sysctl -w net.ipv4.conf.sick0.rp_filter=2"), "{remedy}");
    assert_eq!(found.level("sick0 arp_ignore"), "problem");
    assert_eq!(found.level("sick0 disable_ipv6"), "note");
    let (level, text, _) = found.of("gone0 link");
    assert!(level == "problem" && text.contains("eth0"), "{text}");
    assert_eq!(found.code, Some(1));

    c1.netns().ip("link set end0 down").unwrap();
    assert_eq!(doctor(c1, &["--interface", "sick0"]).level("sick0 link"), "warning");
}

#[test]
fn a_port_of_a_bridge_is_looked_at_with_the_bridges_settings() {
    let lab = Lab::build(Topology { hosts: 1, ..Topology::default() }).unwrap();
    let c1 = lab.node("c1");
    c1.netns().ip("link add br7 type bridge\nlink add p0 type veth peer name p1\nlink set p0 master br7").unwrap();
    let found = doctor(c1, &["--interface", "p0", "--interface", "br7"]);
    let (level, text, _) = found.of("p0 port");
    assert!(level == "note" && text.contains("bridge br7"), "{text}");
    assert_eq!(found.level("br7 native XDP"), "warning");
}
