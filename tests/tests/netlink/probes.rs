//! Health checks of hosts that answer, refuse, and do not.

use std::net::SocketAddr;
use std::time::Duration;

use lb_userspace::core::check::Attempt;
use lb_userspace::core::config::model::CheckKind;
use lb_userspace::core::event::BackendKey;
use lb_userspace::io::check::Prober;

use crate::segment::{on_a_segment, run, set_neighbour};

async fn probed(target: &str, timeout_ms: u64) -> Result<String, String> {
    let target: SocketAddr = target.parse().unwrap();
    let attempt = Attempt { target, kind: CheckKind::Tcp, tls: None, timeout: Duration::from_millis(timeout_ms) };
    let backend = BackendKey { service: "web".to_owned(), backend: "c1".to_owned() };
    Prober::new("c1".to_owned()).run(&attempt, &backend).await.outcome.verdict
}

fn failed(words: &str) -> Result<String, String> {
    Err(words.to_owned())
}

#[test]
fn a_listener_on_another_host_passes() {
    on_a_segment(|lab| async move {
        for (address, port) in [("10.0.0.2", 80), ("[fd00::2]", 80)] {
            let target = format!("{address}:{port}");
            let _listener = lab.at_the_peer(|| std::net::TcpListener::bind(&target).unwrap());
            let outcome = probed(&target, 15_000).await;
            assert!(outcome.is_ok(), "{target}: {outcome:?}");
        }
    });
}

#[test]
fn an_unreachable_backend_is_told_from_a_silent_one() {
    on_a_segment(|lab| async move {
        set_neighbour("mcast_solicit", 1);
        set_neighbour("retrans_time_ms", 100);
        for [absent, unrouted, refusing] in
            [["10.0.0.77:80", "203.0.113.1:80", "10.0.0.2:80"], ["[fd00::77]:80", "[2001:db8::1]:80", "[fd00::2]:80"]]
        {
            assert_eq!(probed(absent, 15_000).await, failed("no route to host"), "{absent}");
            assert_eq!(probed(unrouted, 15_000).await, failed("network is unreachable"), "{unrouted}");
            assert_eq!(probed(refusing, 15_000).await, failed("connection refused"), "{refusing}");
        }
        // They are there, but their answers are lost.
        run(&format!("ip -n {} route add blackhole 10.0.0.1/32", lab.peer));
        run(&format!("ip -n {} route add blackhole fd00::1/128", lab.peer));
        for silent in ["10.0.0.2:80", "[fd00::2]:80"] {
            assert_eq!(probed(silent, 300).await, failed("no answer within 300 ms"), "{silent}");
        }
    });
}
