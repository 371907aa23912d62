//! A datagram and its answer.

use std::io;
use std::net::SocketAddr;

use tokio::net::UdpSocket;

use super::socket;
use super::talk::Talk;
use crate::core::check::http::contains;
use crate::core::check::{Attempt, shown};
use crate::core::config::model::{UdpAnswer, UdpCheck};

/// Largest datagram that is read whole.
const DATAGRAM: usize = 64 * 1024;

/// Sends, and judges what comes back.
pub(super) async fn run(check: &UdpCheck, attempt: &Attempt, talk: &mut Talk) -> Result<(), String> {
    let local = |error: io::Error| format!("cannot check from this host: {error}");
    let socket = connected(attempt.target).await.map_err(local)?;
    talk.doing(format_args!("> {} bytes to {}", check.send.len(), attempt.target), "an answer");
    socket.send(&check.send).await.map_err(|error| refused(&error))?;
    let mut buffer = vec![0; DATAGRAM];
    let received = socket.recv(&mut buffer);
    let count = if check.expect == UdpAnswer::None {
        // Half of the time: the other half is for the kernel and this program.
        match tokio::time::timeout(attempt.timeout / 2, received).await {
            Err(_) => {
                talk.pass("nobody has refused it");
                return Ok(());
            }
            Ok(received) => received,
        }
    } else {
        received.await
    };
    let answer = &buffer[..count.map_err(|error| refused(&error))?];
    talk.say(format_args!("< {} bytes: {}", answer.len(), shown(answer)));
    match &check.expect {
        UdpAnswer::Containing(expected) if !contains(answer, expected) => {
            Err(format!("the answer of {} bytes does not contain what was expected", answer.len()))
        }
        _ => {
            talk.pass(format!("{} bytes in answer", answer.len()));
            Ok(())
        }
    }
}

/// A socket that takes datagrams from there alone, and is told if nobody listens.
async fn connected(target: SocketAddr) -> io::Result<UdpSocket> {
    let any: SocketAddr = if target.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
    let socket = UdpSocket::bind(any).await?;
    socket::mark(&socket)?;
    socket.connect(target).await?;
    Ok(socket)
}

fn refused(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => "port unreachable: nobody listens there".to_owned(),
        Some(libc::EHOSTUNREACH) => "no route to host".to_owned(),
        Some(libc::ENETUNREACH) => "network is unreachable".to_owned(),
        _ => format!("cannot check from this host: {error}"),
    }
}
