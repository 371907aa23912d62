//! AMQP 0-9-1, as far as a check speaks it: the protocol header, and Connection.Start in answer.
//!
//! ```text
//!  0      1         3        7              7+size
//! +------+---------+--------+--------------+----------+
//! | type | channel |  size  |   payload    |   0xCE   |     AMQP 0-9-1, section 4.2.3
//! +------+---------+--------+--------------+----------+
//! method payload: class u16, method u16, arguments
//! ```
//! Numbers are big-endian.

use super::{Cursor, shown};

/// What a client begins with (section 4.2.2).
pub const HEADER: [u8; 8] = *b"AMQP\0\0\x09\x01";

/// Bytes in front of a frame's payload.
pub const FRAME_HEAD: usize = 7;
/// Largest payload that is read: Connection.Start takes some hundred bytes.
const LARGEST: usize = 64 * 1024;
const METHOD: u8 = 1;
const FRAME_END: u8 = 0xCE;
const CONNECTION: u16 = 10;
const START: u16 = 10;

/// How many bytes follow a frame's first seven, its end mark included.
///
/// # Errors
/// If these do not begin a frame: a server that does not speak 0-9-1 answers with the header of what it speaks.
pub fn rest_of_frame(head: &[u8; FRAME_HEAD]) -> Result<usize, String> {
    let [kind, _, _, size @ ..] = *head;
    if head.starts_with(b"AMQP") {
        let [.., id, major, minor] = *head;
        return Err(format!("the server refuses AMQP 0-9-1 and offers {id}-{major}-{minor}"));
    }
    let size = u32::from_be_bytes(size) as usize;
    if kind != METHOD || size > LARGEST {
        return Err(format!("answered \"{}\", which is no AMQP", shown(head)));
    }
    Ok(size + 1)
}

/// What the frame that follows such a head says of the server: name and version.
///
/// # Errors
/// If it is not Connection.Start.
pub fn start(rest: &[u8]) -> Result<String, String> {
    let Some((&FRAME_END, payload)) = rest.split_last() else { return Err("a frame without its end mark".into()) };
    let mut cursor = Cursor(payload);
    let broken = || "a Connection.Start that ends too early".to_owned();
    let (class, method) = (cursor.short().ok_or_else(broken)?, cursor.short().ok_or_else(broken)?);
    if (class, method) != (CONNECTION, START) {
        return Err(format!("sent class {class}, method {method} instead of Connection.Start"));
    }
    let version = cursor.take(2).ok_or_else(broken)?;
    if version != [0, 9] {
        return Err(format!("speaks AMQP {}-{}, not 0-9", version[0], version[1]));
    }
    let properties = cursor.long_string().ok_or_else(broken)?;
    Ok(server(properties))
}

/// Name and version in a table of server properties, as far as they can be read.
fn server(properties: &[u8]) -> String {
    let (mut product, mut version) = (None, None);
    let mut cursor = Cursor(properties);
    while let Some((name, value)) = cursor.field() {
        match name {
            b"product" => product = value,
            b"version" => version = value,
            _ => {}
        }
    }
    match (product, version) {
        (Some(product), Some(version)) => format!("{} {}", shown(product), shown(version)),
        (Some(product), None) => shown(product),
        _ => "AMQP 0-9-1".to_owned(),
    }
}

impl<'b> Cursor<'b> {
    fn short(&mut self) -> Option<u16> {
        Some(u16::from_be_bytes(self.take(2)?.try_into().ok()?))
    }

    fn long_string(&mut self) -> Option<&'b [u8]> {
        let length = u32::from_be_bytes(self.take(4)?.try_into().ok()?);
        self.take(length as usize)
    }

    /// A field of a table: its name, and its value if that is a string (section 4.2.5.5, with RabbitMQ's errata).
    fn field(&mut self) -> Option<(&'b [u8], Option<&'b [u8]>)> {
        let length = self.byte()?;
        let name = self.take(length.into())?;
        let value = match self.byte()? {
            b'S' => return Some((name, Some(self.long_string()?))),
            b'F' | b'A' | b'x' => return self.long_string().map(|_| (name, None)),
            b't' | b'b' | b'B' => 1,
            b's' | b'u' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            b'V' => 0,
            _ => return None,
        };
        self.take(value).map(|_| (name, None))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Connection.Start with these properties, without the head of its frame.
    fn start_with(properties: &[u8]) -> Vec<u8> {
        let mut rest = vec![0, 10, 0, 10, 0, 9];
        rest.extend((properties.len() as u32).to_be_bytes());
        rest.extend(properties);
        rest.extend(b"\0\0\0\x05PLAIN\0\0\0\x05en_US\xCE");
        rest
    }

    #[test]
    fn a_start_names_the_server() {
        let properties = b"\x0ccapabilitiesF\0\0\0\x03\x01xV\x04blueT\0\0\0\0\0\0\0\0\x07productS\0\0\0\x08RabbitMQ\
                           \x07versionS\0\0\0\x063.10.8";
        assert_eq!(start(&start_with(properties)), Ok("RabbitMQ 3.10.8".into()));
        assert_eq!(start(&start_with(b"\x07productS\0\0\0\x01X\x01y?")), Ok("X".into()));
        assert_eq!(start(&start_with(b"")), Ok("AMQP 0-9-1".into()));
    }

    #[test]
    fn a_length_that_nothing_bears_out_is_passed_over() {
        assert_eq!(start(&start_with(b"\x07productS\xff\xff\xff\xffRabbit")), Ok("AMQP 0-9-1".into()));
        let mut broken = start_with(b"");
        broken[6..10].copy_from_slice(&[0xff; 4]);
        assert_eq!(start(&broken), Err("a Connection.Start that ends too early".into()));
    }

    #[test]
    fn another_method_version_or_protocol_fails() {
        assert!(start(b"\0\x0a\0\x32\xCE").unwrap_err().contains("class 10, method 50"));
        assert_eq!(start(b"\0\x0a\0\x0a\x01\x00\0\0\0\0\xCE"), Err("speaks AMQP 1-0, not 0-9".into()));
        assert_eq!(start(b"\0\x0a\0\x0a\0\x09\0\0\0\0"), Err("a frame without its end mark".into()));
        assert!(start(b"").is_err());
        assert_eq!(rest_of_frame(b"AMQP\x00\x01\x00"), Err("the server refuses AMQP 0-9-1 and offers 0-1-0".into()));
        assert_eq!(rest_of_frame(b"HTTP/1."), Err("answered \"HTTP/1.\", which is no AMQP".into()));
        assert_eq!(rest_of_frame(&[1, 0, 0, 0, 0, 1, 0]), Ok(257));
        assert!(rest_of_frame(&[1, 0, 0, 0xff, 0xff, 0xff, 0xff]).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = start(&bytes);
            let _ = start(&start_with(&bytes));
            if let Some(head) = bytes.first_chunk() {
                let _ = rest_of_frame(head);
            }
        }
    }
}
