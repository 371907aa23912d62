//! Health checks: one bounded attempt, one outcome in words an operator knows.
//!
//! What must hold: an attempt ends within its timeout, keeps nothing open, and leaves no trace in the service it
//! checks: no TIME_WAIT on either side, and no accepted connection that dies at once.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::{TcpSocket, TcpStream};

use crate::core::config::model::CheckKind;
use crate::core::event::ProbeOutcome;

/// Makes one attempt.
pub async fn run(kind: &CheckKind, target: SocketAddr, timeout: Duration) -> ProbeOutcome {
    let started = Instant::now();
    let attempt = async {
        match kind {
            CheckKind::Tcp => tcp_connect(target).await.map(drop),
            CheckKind::None => Ok(()),
        }
    };
    match tokio::time::timeout(timeout, attempt).await {
        Ok(Ok(())) => ProbeOutcome::Passed(started.elapsed()),
        Ok(Err(error)) => ProbeOutcome::Failed(in_words(&error, timeout)),
        Err(_) => ProbeOutcome::Failed(no_answer(timeout)),
    }
}

/// Connects as HAProxy's checks do: the ACK of the SYN-ACK is delayed (`TCP_QUICKACK` off) and closing sends an RST
/// (linger 0), so that a connection closed at once is SYN, SYN-ACK, RST on the wire. The service never sees it;
/// MySQL, for one, would count it against this host until it blocks it (`max_connect_errors`).
async fn tcp_connect(target: SocketAddr) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_zero_linger()?;
    rustix::net::sockopt::set_tcp_quickack(&socket, false)?;
    socket.connect(target).await
}

fn no_answer(timeout: Duration) -> String {
    format!("no answer within {timeout:?}")
}

fn in_words(error: &io::Error, timeout: Duration) -> String {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => "connection refused".to_owned(),
        Some(libc::ECONNRESET) => "connection reset".to_owned(),
        Some(libc::EHOSTUNREACH) => "no route to host".to_owned(),
        Some(libc::ENETUNREACH) => "network is unreachable".to_owned(),
        Some(libc::ETIMEDOUT) => no_answer(timeout),
        // Anything else is trouble of this host (no descriptors, no ports, a local firewall), not of the service.
        _ => format!("cannot check from this host: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn failed(words: &str) -> ProbeOutcome {
        ProbeOutcome::Failed(words.to_owned())
    }

    #[test]
    fn what_the_kernel_says_becomes_words_of_an_operator() {
        let cases = [
            (libc::ECONNREFUSED, "connection refused"),
            (libc::EHOSTUNREACH, "no route to host"),
            (libc::ENETUNREACH, "network is unreachable"),
            (libc::ETIMEDOUT, "no answer within 1s"),
            (libc::EMFILE, "cannot check from this host: Too many open files (os error 24)"),
        ];
        for (errno, words) in cases {
            assert_eq!(in_words(&io::Error::from_raw_os_error(errno), SECOND), words);
        }
    }

    #[tokio::test]
    async fn a_listener_passes() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let outcome = run(&CheckKind::Tcp, listener.local_addr().unwrap(), SECOND).await;
        assert!(matches!(outcome, ProbeOutcome::Passed(took) if took < SECOND), "{outcome:?}");
    }

    #[tokio::test]
    async fn a_port_without_a_listener_is_refused() {
        // Bound but not listening: the port stays ours and answers with an RST.
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let outcome = run(&CheckKind::Tcp, socket.local_addr().unwrap(), SECOND).await;
        assert_eq!(outcome, failed("connection refused"));
    }

    #[tokio::test]
    async fn a_service_without_a_check_passes_at_once() {
        let outcome = run(&CheckKind::None, "127.0.0.1:1".parse().unwrap(), SECOND).await;
        assert!(matches!(outcome, ProbeOutcome::Passed(_)), "{outcome:?}");
    }

    /// The accept queue of a listener that never accepts fills up (backlog + 1), and the kernel drops further SYNs:
    /// a hung service.
    #[tokio::test]
    async fn a_silent_service_fails_at_the_timeout() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let target = listener.local_addr().unwrap();
        let _queued = [TcpStream::connect(target).await.unwrap(), TcpStream::connect(target).await.unwrap()];

        let timeout = Duration::from_millis(200);
        assert_eq!(run(&CheckKind::Tcp, target, timeout).await, failed("no answer within 200ms"));
    }

    #[tokio::test]
    async fn the_service_is_not_bothered_by_checks() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let target = listener.local_addr().unwrap();
        const CHECKS: usize = 20;
        for _ in 0..CHECKS {
            assert!(matches!(run(&CheckKind::Tcp, target, SECOND).await, ProbeOutcome::Passed(_)));
        }
        // On a machine so busy that 200 ms pass between the answer and the close, the kernel sends the ACK after all.
        let accepted = std::iter::from_fn(|| listener.accept().ok()).count();
        assert!(accepted < CHECKS / 2, "{accepted} of {CHECKS} checks reached the service");
    }
}
