//! What a kernel complained of on its console.

/// How a complaint begins, after time stamps and the names of those who noticed it.
const COMPLAINTS: [&str; 9] = [
    "WARNING: ",
    "BUG: ",
    "Oops: ",
    "Oops:",
    "Call Trace",
    "Kernel panic",
    "general protection fault",
    "Unable to handle",
    "INFO: task ",
];

/// Who notices, and says so first.
const WITNESSES: [&str; 3] = ["watchdog: ", "rcu: ", "NMI watchdog: "];

/// Lines told from a complaint on: a whole trace.
const LINES: usize = 40;

/// The complaints, each with the lines that follow it; `None`: there are none.
pub(super) fn complaints(console: &str) -> Option<String> {
    let lines: Vec<&str> = console.lines().collect();
    let (mut told, mut text) = (0, String::new());
    for (number, _) in lines.iter().enumerate().filter(|(_, line)| is_complaint(line)) {
        if number < told {
            continue;
        }
        if !text.is_empty() {
            text += "...\n";
        }
        told = lines.len().min(number + LINES);
        text += &lines[number..told].join("\n");
        text += "\n";
    }
    (!text.is_empty()).then_some(text)
}

/// Whether a kernel says with this line that something is wrong with it.
fn is_complaint(line: &str) -> bool {
    let mut message = line.trim();
    // A time stamp, and perhaps the processor or the task: `[    1.234567][  T12] `.
    while let Some((_, rest)) = message.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        message = rest.trim_start();
    }
    for witness in WITNESSES {
        message = message.strip_prefix(witness).unwrap_or(message);
    }
    COMPLAINTS.iter().any(|complaint| message.starts_with(complaint))
}

/// The last lines.
pub(super) fn last_lines(console: &str) -> String {
    let lines: Vec<&str> = console.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOT: &str = "[    0.000000] Linux version 6.1.0\n\
        [    0.100000] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on\n\
        [    1.000000] virtme-ng-init: WARNING: failed to mount cgroup\n\
        [    2.000000] debug: BUG_ON is compiled in\n";

    #[test]
    fn a_boot_like_any_other_is_no_complaint() {
        assert_eq!(complaints(BOOT), None);
        assert_eq!(complaints(""), None);
    }

    #[test]
    fn a_complaint_is_told_with_its_trace() {
        let trace = "[   12.345678] ------------[ cut here ]------------\n\
            [   12.345678] WARNING: CPU: 1 PID: 77 at net/core/dev.c:1 f+0x1/0x2\n\
            [   12.345679] Call Trace:\n[   12.345680]  <TASK>\n";
        let told = complaints(&(BOOT.to_owned() + trace)).unwrap();
        assert!(told.starts_with("[   12.345678] WARNING: CPU: 1") && told.ends_with("<TASK>\n"), "{told}");
        assert_eq!(told.matches("Call Trace").count(), 1);
    }

    #[test]
    fn every_kind_of_complaint_is_heard() {
        for line in [
            "[    9.000000] BUG: kernel NULL pointer dereference, address: 0000000000000008",
            "[    9.000000] watchdog: BUG: soft lockup - CPU#1 stuck for 26s! [lab:77]",
            "[    9.000000] Oops: 0002 [#1] PREEMPT SMP NOPTI",
            "[    9.000000][   T77] Kernel panic - not syncing: Fatal exception",
            "[    9.000000] general protection fault, probably for non-canonical address",
            "[    9.000000] INFO: task pivotd:77 blocked for more than 120 seconds.",
            "Call Trace:",
        ] {
            assert!(is_complaint(line), "{line}");
        }
    }

    #[test]
    fn complaints_far_apart_are_told_apart() {
        let calm = "[    1.000000] calm\n".repeat(100);
        let told = complaints(&format!("{BOOT}BUG: one\n{calm}BUG: two\n")).unwrap();
        assert_eq!(told.matches("...\n").count(), 1);
        assert!(told.ends_with("...\nBUG: two\n"), "{told}");
    }
}
