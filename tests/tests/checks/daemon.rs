//! Checks as pivotd makes them, and as `pivot` shows them.

use std::process::Command;

use lb_userspace::core::view::{BackendState, BackendView, CheckView};
use pivot_tests::lab::{ConfigText, wait_until};
use pivot_tests::real::service::await_listening;

use crate::rig::{SERVER, TIMEOUT, lab};

const PORT: u16 = 11211;

/// The other host has something on the port that is no memcached.
#[test]
fn what_checks_find_is_shown_and_can_be_asked_for() {
    let lab = lab();
    let host = lab.node(SERVER);
    let mut command = Command::new("/usr/bin/memcached");
    command.args(["-u", "memcache", "-U", "0", "-m", "16", "-t", "1", "-l", &host.address.to_string()]);
    let _memcached = host.spawn("memcached", command).unwrap();
    await_listening(host, PORT).unwrap();
    let other = lab.node("c2");
    let listener = other.run(|| std::net::TcpListener::bind((other.address, PORT)).unwrap()).unwrap();
    let _answering = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 64]);
            let _ = stream.write_all(b"ERROR\r\n");
        }
    });

    let mut config = ConfigText::new(&lab, SERVER).service("memcached", PORT, PORT, &["c1", "c2"]);
    config.services[0].check =
        "{ type = \"memcached\", interval = \"500ms\", timeout = \"400ms\", rise = 1, fall = 1 }".to_owned();
    let pivotd = lab.pivotd(SERVER, &config).unwrap();
    let backends = wait_until(TIMEOUT, "both backends to be judged", || {
        let backends: Vec<BackendView> = pivotd.pivot_json(&["backends"]).map_err(|error| error.to_string())?;
        let states: Vec<BackendState> = backends.iter().map(|backend| backend.state).collect();
        let judged = backends.iter().all(|backend| backend.check_ms.is_some());
        if judged && states == [BackendState::Up, BackendState::Down] {
            Ok(backends)
        } else {
            Err(format!("{backends:?}"))
        }
    })
    .unwrap();
    assert!(backends[0].last_check.contains("ms: memcached 1."), "{}", backends[0].last_check);
    assert_eq!(backends[1].last_check, "answered \"ERROR\" to `version`");
    for backend in &backends {
        assert_eq!(backend.check_type.as_deref(), Some("memcached"));
        assert!(backend.checked_s.is_some() && backend.next_check_s.is_none_or(|next| next < 1.0), "{backend:?}");
    }
    let good: CheckView = pivotd.pivot_json(&["check", "memcached/c1"]).unwrap();
    let steps: Vec<&str> = good.backends[0].steps.iter().map(|step| step.says.as_str()).collect();
    assert!(steps.contains(&"> version") && steps.contains(&"connected"), "{steps:?}");
    let bad = pivotd.pivot(&["check", "c2"]).unwrap();
    assert_eq!(bad.status.code(), Some(1));
    let page = String::from_utf8_lossy(&bad.stdout);
    assert!(page.contains("memcached/c2  memcached at 10.77.0.12:11211: FAILED in "), "{page}");
    assert!(page.contains("answered \"ERROR\" to `version`"), "{page}");
}
