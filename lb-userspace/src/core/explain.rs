//! What `pivot explain` asks: a packet that might come to a VIP.

use std::net::SocketAddr;

use super::config::model::Protocol;

/// A packet, and as what it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Its sender.
    pub source: SocketAddr,
    /// Where it goes; of the same family.
    pub destination: SocketAddr,
    /// Protocol.
    pub protocol: Protocol,
    /// TCP flags; 0 for UDP.
    pub flags: u8,
    /// Whether to say what a host would do that holds the VIP, whether or not this one does.
    pub as_holder: bool,
}

/// Why there can be no such packet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuestionError {
    /// Sender and receiver are of two families.
    #[error("{source_address} and {destination} are not of one family: give two IPv4 or two IPv6 addresses")]
    Families {
        /// Sender.
        source_address: SocketAddr,
        /// Receiver.
        destination: SocketAddr,
    },
    /// No packet has this port.
    #[error("{which} {address} has port 0: ports are 1 to 65535")]
    Port {
        /// Source or destination.
        which: &'static str,
        /// Its address.
        address: SocketAddr,
    },
    /// UDP has none.
    #[error("UDP has no flags: leave {0:?} out, or ask about TCP")]
    FlagsOfUdp(String),
    /// There is no such flag.
    #[error("there is no TCP flag {0:?}: write some of fin, syn, rst, psh, ack, urg with commas between, or none")]
    Flag(String),
}

/// TCP flags by name.
const FLAGS: [(&str, u8); 6] =
    [("fin", 0x01), ("syn", 0x02), ("rst", 0x04), ("psh", 0x08), ("ack", 0x10), ("urg", 0x20)];

impl Question {
    /// Checks what was typed. Without flags, TCP is asked about the SYN that opens a connection.
    ///
    /// # Errors
    /// [`QuestionError`].
    pub fn new(
        source: SocketAddr,
        destination: SocketAddr,
        protocol: Protocol,
        flags: Option<&str>,
        as_holder: bool,
    ) -> Result<Self, QuestionError> {
        if source.is_ipv4() != destination.is_ipv4() {
            return Err(QuestionError::Families { source_address: source, destination });
        }
        for (which, address) in [("source", source), ("destination", destination)] {
            if address.port() == 0 {
                return Err(QuestionError::Port { which, address });
            }
        }
        let flags = match (protocol, flags) {
            (Protocol::Tcp, flags) => parse_flags(flags.unwrap_or("syn"))?,
            (Protocol::Udp, None) => 0,
            (Protocol::Udp, Some(flags)) => return Err(QuestionError::FlagsOfUdp(flags.to_owned())),
        };
        Ok(Self { source, destination, protocol, flags, as_holder })
    }

    /// The packet in a few words: `tcp syn 10.0.0.7:40000 -> 10.0.0.100:80`.
    #[must_use]
    pub fn packet(&self) -> String {
        let named: Vec<&str> = FLAGS.iter().filter(|(_, bit)| self.flags & bit != 0).map(|(name, _)| *name).collect();
        let flags = match self.protocol {
            Protocol::Udp => String::new(),
            Protocol::Tcp if named.is_empty() => " without flags".to_owned(),
            Protocol::Tcp => format!(" {}", named.join(",")),
        };
        format!("{}{flags} {} -> {}", self.protocol.name(), self.source, self.destination)
    }
}

fn parse_flags(text: &str) -> Result<u8, QuestionError> {
    if text == "none" {
        return Ok(0);
    }
    text.split(',').try_fold(0, |flags, name| {
        let name = name.trim().to_ascii_lowercase();
        let bit = FLAGS.iter().find(|(known, _)| *known == name).map(|(_, bit)| *bit);
        Ok(flags | bit.ok_or(QuestionError::Flag(name))?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(source: &str, destination: &str, protocol: Protocol, flags: Option<&str>) -> Result<Question, String> {
        let (source, destination) = (source.parse().unwrap(), destination.parse().unwrap());
        Question::new(source, destination, protocol, flags, false).map_err(|error| error.to_string())
    }

    #[test]
    fn tcp_is_asked_about_the_first_segment_unless_flags_are_given() {
        let packet = |flags| ask("10.0.0.7:40000", "10.0.0.100:80", Protocol::Tcp, flags).unwrap();
        assert_eq!(packet(None).packet(), "tcp syn 10.0.0.7:40000 -> 10.0.0.100:80");
        assert_eq!(packet(Some("ACK, psh")).flags, 0x18);
        assert_eq!(packet(Some("none")).packet(), "tcp without flags 10.0.0.7:40000 -> 10.0.0.100:80");
        let udp = ask("[fd00::7]:4", "[fd00::100]:53", Protocol::Udp, None).unwrap();
        assert_eq!(udp.packet(), "udp [fd00::7]:4 -> [fd00::100]:53");
    }

    #[test]
    fn what_can_be_no_packet_is_refused_by_name() {
        let refused = |source, destination, protocol, flags| ask(source, destination, protocol, flags).unwrap_err();
        let error = refused("10.0.0.7:1", "[fd00::1]:2", Protocol::Tcp, None);
        assert!(error.contains("10.0.0.7:1 and [fd00::1]:2 are not of one family"), "{error}");
        let error = refused("10.0.0.7:1", "10.0.0.1:0", Protocol::Tcp, None);
        assert!(error.starts_with("destination 10.0.0.1:0 has port 0"), "{error}");
        let error = refused("10.0.0.7:0", "10.0.0.1:1", Protocol::Udp, None);
        assert!(error.starts_with("source 10.0.0.7:0"), "{error}");
        assert!(refused("10.0.0.7:1", "10.0.0.1:1", Protocol::Udp, Some("syn")).contains("UDP has no flags"));
        assert!(refused("10.0.0.7:1", "10.0.0.1:1", Protocol::Tcp, Some("syn,akc")).contains("no TCP flag \"akc\""));
    }
}
