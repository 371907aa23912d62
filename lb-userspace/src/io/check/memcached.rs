//! `version` to a memcached.

use tokio::io::AsyncReadExt as _;

use super::socket::{self, Stream};
use super::talk::Talk;
use crate::core::check::memcached::{LINE, QUIT, VERSION, judge, line};
use crate::core::check::shown;

/// Asks, and judges the answer.
pub(super) async fn run(mut stream: Box<dyn Stream>, talk: &mut Talk) -> Result<(), String> {
    talk.doing("> version", "the version");
    socket::send(&mut stream, VERSION, talk).await?;
    let mut received = Vec::new();
    let answer = loop {
        if let Some(line) = line(&received)? {
            break line.to_vec();
        }
        let mut chunk = [0; LINE];
        match stream.read(&mut chunk).await.map_err(|error| socket::cut(&error, talk))? {
            0 => return Err(socket::cut(&std::io::ErrorKind::UnexpectedEof.into(), talk)),
            count => received.extend_from_slice(&chunk[..count]),
        }
    };
    talk.say(format_args!("< {}", shown(&answer)));
    let found = judge(&answer)?;
    talk.pass(found);
    talk.say("> quit");
    let _ = socket::send(&mut stream, QUIT, talk).await;
    socket::leave(stream, talk).await;
    Ok(())
}
