//! The beginning of an AMQP 0-9-1 connection.
//!
//! It ends by closing the stream. Connection.Close would be the protocol's way, but not before a login: RabbitMQ (3.10, tried) takes it for
//! an error there, tells of it in six lines of its log, and keeps the connection for three seconds.

use super::socket::{self, Stream};
use super::talk::Talk;
use crate::core::check::amqp::{FRAME_HEAD, HEADER, rest_of_frame, start};

/// Begins one, and judges how the server takes it.
pub(super) async fn run(mut stream: Box<dyn Stream>, talk: &mut Talk) -> Result<(), String> {
    talk.doing("> AMQP 0-9-1", "Connection.Start");
    socket::send(&mut stream, &HEADER, talk).await?;
    let mut head = [0; FRAME_HEAD];
    socket::receive(&mut stream, &mut head, talk).await?;
    let mut rest = vec![0; rest_of_frame(&head)?];
    socket::receive(&mut stream, &mut rest, talk).await?;
    let server = start(&rest)?;
    talk.say(format_args!("< Connection.Start of {server}"));
    talk.pass(server);
    socket::leave(stream, talk).await;
    Ok(())
}
