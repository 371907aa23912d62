//! The lab itself: that what is proved in it is proved by pivot, and that it leaves nothing behind.

use std::fs;
use std::process::Command;
use std::time::Duration;

use pivot_tests::lab::netns::Namespace;
use pivot_tests::lab::{Lab, Process, name, wait_until};

/// Namespaces, directories and mounts of one lab that exist now.
fn traces_of(lab: &str) -> Vec<String> {
    let listed = |directory| fs::read_dir(directory).into_iter().flatten().flatten();
    let files = ["/run/netns", "/run/pivot-lab"].into_iter().flat_map(listed);
    let files = files.map(|entry| entry.path().display().to_string());
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let mounts: Vec<String> = mounts.lines().map(str::to_owned).collect();
    files.chain(mounts).filter(|trace| trace.contains(&format!("{lab}-")) || trace.ends_with(lab)).collect()
}

fn sleep() -> Command {
    let mut command = Command::new("sleep");
    command.arg("1000");
    command
}

#[test]
fn a_dropped_lab_leaves_nothing_behind() {
    let lab = Lab::new().unwrap();
    let name = lab.name().to_owned();
    assert!(!traces_of(&name).is_empty());
    drop(lab);
    assert_eq!(traces_of(&name), Vec::<String>::new());
}

#[test]
fn a_lab_is_removed_when_its_test_panics() {
    let mut name = String::new();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let lab = Lab::new().unwrap();
        lab.name().clone_into(&mut name);
        panic!("the test fails");
    }));
    assert!(result.is_err());
    assert_eq!(traces_of(&name), Vec::<String>::new());
}

#[test]
fn the_sweep_takes_a_dead_creators_lab_and_never_a_living_ones() {
    let logs = tempfile::tempdir().unwrap();
    let mut creator = Process::spawn(sleep(), "creator", logs.path()).unwrap();
    let lab = format!("{}-0", name::prefix(creator.pid()).unwrap());
    let _removed_in_the_end = Namespace::create(format!("{lab}-c1")).unwrap();
    fs::create_dir_all(format!("/run/pivot-lab/{lab}/bpf")).unwrap();

    name::sweep();
    for trace in ["/run/netns/{lab}-c1", "/run/pivot-lab/{lab}"] {
        assert!(traces_of(&lab).contains(&trace.replace("{lab}", &lab)), "{trace}: {:?}", traces_of(&lab));
    }

    creator.kill().unwrap();
    name::sweep();
    assert_eq!(traces_of(&lab), Vec::<String>::new());
}

#[test]
fn a_process_is_started_in_its_hosts_namespace_and_ended_with_its_guard() {
    let lab = Lab::new().unwrap();
    let host = lab.node("c2");
    let process = host.spawn("sleep", sleep()).unwrap();
    let namespace = fs::read_link(format!("/proc/{}/ns/net", process.pid())).unwrap();
    assert_eq!(namespace, host.run(|| fs::read_link("/proc/thread-self/ns/net")).unwrap().unwrap());
    let pid = process.pid();
    drop(process);
    assert!(!fs::exists(format!("/proc/{pid}")).unwrap());
}

#[test]
fn a_process_left_over_ends_with_the_lab() {
    let lab = Lab::new().unwrap();
    let logs = tempfile::tempdir().unwrap();
    let mut command = sleep();
    lab.node("c1").netns().enter(&mut command).unwrap();
    let mut process = Process::spawn(command, "sleep", logs.path()).unwrap();
    drop(lab);
    assert!(!process.wait(Duration::from_secs(5)).unwrap().success());
}

#[test]
fn a_failing_process_tells_its_last_words() {
    let lab = Lab::new().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "echo no such luck >&2; exec sleep 1000"]);
    let mut process = lab.node("c1").spawn("unlucky", command).unwrap();
    wait_until(
        Duration::from_secs(5),
        "its words",
        || {
            if process.stderr().is_empty() { Err("nothing") } else { Ok(()) }
        },
    )
    .unwrap();
    let error = process.wait(Duration::from_millis(1)).unwrap_err().to_string();
    assert!(error.contains("unlucky") && error.ends_with("\n    no such luck"), "{error}");
}
