//! What hosts run when they become holder, backup or unfit.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use lb_userspace::core::election::Role;
use lb_userspace::core::view::hooks::{EndingView, HooksView};
use pivot_tests::lab::capture::Capture;
use pivot_tests::lab::cluster::{BACKEND_PORT, web_config};
use pivot_tests::lab::frame::Frame;
use pivot_tests::lab::trial::story;
use pivot_tests::lab::{Cluster, Lab, Load, Topology, wait_until};

/// Ten adverts in a second.
const FAST: &str = "advert = \"100ms\"";

const AMPLE: Duration = Duration::from_secs(10);

/// A cluster that elects c1, with the hooks that `hooks` makes of the lab's directory.
fn hooked(hooks: impl FnOnce(&Path) -> String) -> Cluster {
    let lab = Lab::build(Topology::default()).unwrap();
    let config = web_config(&lab).elected(&format!("{FAST}\n{}", hooks(lab.directory())));
    let cluster = Cluster::start(lab, config, |host| host.serve_http(BACKEND_PORT)).unwrap();
    cluster.await_holder("c1").unwrap();
    cluster
}

/// Writes a script and returns the start of a `command` that runs it.
fn script(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, text).unwrap();
    format!("command = [\"/bin/sh\", {path:?}")
}

/// A command that notes its argument and what it is told, of each host in a file.
fn record(directory: &Path) -> String {
    let told = "$1 $PIVOT_GROUP $PIVOT_ROLE $PIVOT_VIPS: $PIVOT_REASON";
    script(directory, "record", &format!("echo \"{told}\" >> '{}/ran-'$PIVOT_HOST\n", directory.display()))
}

/// A command that hangs, with another process of its own, whose number it notes, of each host in a file.
fn hang(directory: &Path) -> String {
    let file = format!("{}/hangs-$PIVOT_HOST", directory.display());
    let text =
        format!("echo 'it hangs' >&2\nsleep 1000 &\necho $! > \"{file}.new\"\nmv \"{file}.new\" \"{file}\"\nwait\n");
    script(directory, "hang", &text)
}

/// Has c2 take over, and waits until its hook hangs; returns the number of the process that it has started.
fn taken_over(cluster: &mut Cluster) -> String {
    // It may have held the VIP before c1 was there: its pivotd of now has not.
    let c2 = cluster.daemon_mut("c2");
    c2.stop().unwrap();
    c2.restart().unwrap();
    let file = cluster.lab.directory().join("hangs-c2");
    for note in [&file, &cluster.lab.directory().join("ran-c2")] {
        fs::remove_file(note).or_else(|error| if note.exists() { Err(error) } else { Ok(()) }).unwrap();
    }
    let c2 = &cluster.daemons["c2"];
    wait_until(AMPLE, "c2 to hear c1", || match c2.vips().unwrap().groups.remove(0).holder {
        Some(holder) if holder == "c1" => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .unwrap();
    cluster.daemon_mut("c1").kill9().unwrap();
    wait_until(AMPLE, "the hook of c2 to hang", || fs::read_to_string(&file)).unwrap()
}

/// What the hooks of a host have noted.
fn ran(cluster: &Cluster, host: &str) -> Vec<String> {
    ran_in(cluster.lab.directory(), host)
}

fn ran_in(directory: &Path, host: &str) -> Vec<String> {
    let text = fs::read_to_string(directory.join(format!("ran-{host}"))).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Waits until the last notes of a host are of these commands, for a role and a reason that contains this.
fn await_last(cluster: &Cluster, host: &str, commands: &[&str], role: &str, why: &str) {
    let is_of = |line: &String, command: &str| {
        let reason = line.strip_prefix(&format!("{command} control {role} 10.77.0.100: "));
        reason.is_some_and(|reason| reason.contains(why))
    };
    wait_until(AMPLE, &format!("{commands:?} of {host} for {role}: {why}"), || {
        let ran = ran(cluster, host);
        let last = &ran[ran.len().saturating_sub(commands.len())..];
        let are_these =
            last.len() == commands.len() && last.iter().zip(commands).all(|(line, &word)| is_of(line, word));
        if are_these { Ok(()) } else { Err(format!("{ran:?}")) }
    })
    .unwrap_or_else(|error| panic!("{error:#}{}", story(cluster)));
}

#[test]
fn hooks_run_in_order_and_are_told_what_has_happened() {
    let mut cluster = hooked(|directory| {
        let record = record(directory);
        let both = format!("[ {{ {record}, \"first\"] }}, {{ {record}, \"second\"] }} ]");
        format!("on_holder = {both}\non_backup = {both}\non_fault = {both}")
    });
    const BOTH: &[&str] = &["first", "second"];
    let [c1, c2] = ["c1", "c2"].map(|host| cluster.lab.node(host).address);
    // Which of them was there first is nobody's affair.
    await_last(&cluster, "c1", BOTH, "holder", "");
    await_last(&cluster, "c2", BOTH, "backup", "");
    assert_eq!(ran(&cluster, "c1")[0], "first control backup 10.77.0.100: this host is fit");

    cluster.daemon_mut("c1").kill9().unwrap();
    await_last(&cluster, "c2", BOTH, "holder", &format!("{c1} is silent"));
    cluster.daemon_mut("c1").restart().unwrap();
    await_last(&cluster, "c1", BOTH, "holder", &format!("{c2} has priority 240, this host 250"));
    await_last(&cluster, "c2", BOTH, "backup", &format!("{c1} has priority 250, this host 240"));

    cluster.lab.node("c1").netns().ip("link set eth0 down").unwrap();
    await_last(&cluster, "c1", BOTH, "fault", "eth0 has no carrier");
}

#[test]
fn a_hook_that_hangs_is_killed_at_its_timeout_and_delays_no_advert() {
    let mut cluster = hooked(|directory| {
        let (hang, record) = (hang(directory), record(directory));
        format!("on_holder = [ {{ {hang}], timeout = \"5s\" }}, {{ {record}, \"after\"] }} ]")
    });
    let sleeper = taken_over(&mut cluster);
    assert!(runs(&sleeper), "the hook hangs");
    let shown = shown(&cluster, "c2");
    let running = shown.running.as_ref().unwrap_or_else(|| panic!("{shown:?}"));
    assert_eq!((running.hook.role, running.hook.place, running.hook.of), (Role::Holder, 1, 2), "{shown:?}");
    assert!(running.timeout_ms == 5000 && running.for_ms < 6000, "{shown:?}");
    let waiting: Vec<_> =
        shown.waiting.iter().map(|hook| (hook.place, hook.command.last().unwrap().as_str())).collect();
    assert_eq!((waiting, shown.ended.len()), (vec![(2, "after")], 0), "{shown:?}");

    let adverts = Capture::start(cluster.lab.switch(), "client", is_advert).unwrap();
    let report = cluster.client().load(Load::gently_to(cluster.vip()).requests(100)).unwrap();
    assert_eq!(report.failed(), 0, "{}", report.summary());
    assert!(runs(&sleeper), "the load was over too late: the hook does not hang any more");
    assert_eq!(ran(&cluster, "c2"), [""; 0], "the second hook waits for the first");
    await_last(&cluster, "c2", &["after"], "holder", "is silent");
    let gone = || if runs(&sleeper) { Err("it runs") } else { Ok(()) };
    wait_until(AMPLE, "what the hook had started to be gone with it", gone).unwrap();

    let adverts = adverts.stop().unwrap();
    let holder = cluster.lab.node("c2").mac;
    assert!(adverts.iter().all(|advert| advert.source() == Some(holder)), "another host took over");
    // The rest of the five seconds, with ten in each.
    assert!(adverts.len() >= 10, "{} adverts", adverts.len());
    cluster.await_holder("c2").unwrap();
    assert_hang_is_shown(&cluster);
    let log = cluster.daemon_mut("c2").process().stderr();
    let said = "hook 1 of 2 of `holder`";
    let line = log.lines().find(|line| line.contains(said)).unwrap_or_else(|| panic!("{log}"));
    assert!(line.contains("killed, as it was not over after 5s"), "{line}");
}

/// Of a hook that was killed, and of the one after it.
fn assert_hang_is_shown(cluster: &Cluster) {
    let ended = wait_until(AMPLE, "both to be shown as ended", || {
        let shown = shown(cluster, "c2");
        if shown.ended.len() == 2 { Ok(shown.ended) } else { Err(format!("{shown:?}")) }
    });
    let [after, hang] = &ended.unwrap()[..] else { unreachable!("two were awaited") };
    assert_eq!((&after.ending, after.hook.place), (&EndingView::Exited { exit_code: 0 }, 2), "{after:?}");
    assert_eq!((&hang.ending, hang.last_line.as_str()), (&EndingView::TimedOut { timeout_ms: 5000 }, "it hangs"));
    assert!(hang.took_ms >= 5000 && hang.date_ms + hang.took_ms <= after.date_ms + 1, "{hang:?}, {after:?}");
    let page = cluster.daemons["c2"].pivot(&["vips"]).unwrap();
    let page = String::from_utf8_lossy(&page.stdout).into_owned();
    for expected in ["HOOKS (UTC)", "TIMEOUT", "    it hangs\n", "exit code 0"] {
        assert!(page.contains(expected), "{page}");
    }
}

/// What `pivot vips` shows of a host's hooks.
fn shown(cluster: &Cluster, host: &str) -> HooksView {
    cluster.daemons[host].vips().unwrap().groups.remove(0).hooks
}

/// Whether there is a process of this number that has not ended.
fn runs(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| stat.rsplit(')').next().is_some_and(|rest| !rest.trim_start().starts_with('Z')))
}

fn is_advert(frame: &Frame) -> bool {
    // VRRP over IPv4.
    frame.0.get(12..14) == Some(&[8, 0]) && frame.0.get(23) == Some(&112)
}

#[test]
fn hooks_of_what_a_host_is_not_any_more_are_not_run() {
    let mut cluster = hooked(|directory| {
        let (hang, record) = (hang(directory), record(directory));
        format!(
            "on_holder = [ {{ {hang}], timeout = \"3s\" }}, {{ {record}, \"late\"] }} ]\n\
             on_fault = [ {{ {record}, \"first\"] }} ]"
        )
    });
    taken_over(&mut cluster);
    cluster.lab.node("c2").netns().ip("link set eth0 down").unwrap();
    await_last(&cluster, "c2", &["first"], "fault", "eth0 has no carrier");
    assert_eq!(ran(&cluster, "c2").len(), 1);
    let log = cluster.daemons["c2"].log();
    assert!(log.contains("hook 2 of 2 of `holder`") && log.contains("record late` is not run: this host is"), "{log}");
}

#[test]
fn units_are_started_and_stopped_also_when_pivotd_itself_is_stopped() {
    let lab = Lab::build(Topology { hosts: 1, ..Topology::default() }).unwrap();
    let directory = lab.directory().to_owned();
    // In the place of systemd's own.
    let systemctl = directory.join("systemctl");
    fs::write(&systemctl, format!("#!/bin/sh\necho \"$@\" >> '{}/ran-c1'\n", directory.display())).unwrap();
    fs::set_permissions(&systemctl, fs::Permissions::from_mode(0o755)).unwrap();

    let hooks = "on_holder = [{ start = \"haproxy.service\" }]\non_backup = [{ stop = \"haproxy.service\" }]";
    let config = web_config(&lab).elected(&format!("{FAST}\n{hooks}"));
    let path = format!("PATH={}:/usr/sbin:/usr/bin:/sbin:/bin", directory.display());
    let mut pivotd = lab.start_pivotd_under(&["/usr/bin/env", &path], "c1", config).unwrap();
    let runs = |expected: &[&str]| {
        wait_until(AMPLE, &format!("{expected:?}"), || {
            let ran = ran_in(&directory, "c1");
            if ran == expected { Ok(()) } else { Err(format!("{ran:?}")) }
        })
    };
    let mut expected = vec!["stop haproxy.service", "start haproxy.service"];
    runs(&expected).unwrap_or_else(|error| panic!("{error:#}{}", pivotd.log()));
    pivotd.stop().unwrap();
    expected.push("stop haproxy.service");
    runs(&expected).unwrap();
}
