//! How the backends of a service are checked.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::core::check::http::StatusSet;

/// Health check of every backend of a service, with HAProxy's semantics (REQUIREMENTS).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Check {
    /// What is sent and expected.
    pub kind: CheckKind,
    /// Whether that is spoken over TLS, and how.
    pub tls: Option<Tls>,
    /// Port that is asked, if it is not the backend's own.
    pub port: Option<u16>,
    /// Address that is asked, if it is not the backend's own.
    pub address: Option<IpAddr>,
    /// Pause between the end of a check and the next one.
    pub interval: Duration,
    /// The same while a backend's state is in doubt (neither at the top nor at 0).
    pub fast_interval: Duration,
    /// The same while a backend is down.
    pub down_interval: Duration,
    /// Longest a check may take.
    pub timeout: Duration,
    /// Passes in a row that bring a backend up.
    pub rise: u32,
    /// Failures in a row that take it down.
    pub fall: u32,
}

impl Default for Check {
    fn default() -> Self {
        let interval = Duration::from_secs(2);
        Self {
            kind: CheckKind::Tcp,
            tls: None,
            port: None,
            address: None,
            interval,
            fast_interval: interval,
            down_interval: interval,
            timeout: Duration::from_secs(1),
            rise: 2,
            fall: 3,
        }
    }
}

impl Check {
    /// Where a backend that is bound there is asked.
    #[must_use]
    pub fn target(&self, bound: SocketAddr) -> SocketAddr {
        SocketAddr::new(self.address.unwrap_or(bound.ip()), self.port.unwrap_or(bound.port()))
    }

    /// Its `type`, as the file calls it.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        self.kind.name(self.tls.is_some())
    }
}

/// The kind of a check.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CheckKind {
    /// A connection is accepted; with TLS, its handshake succeeds.
    Tcp,
    /// A request is answered as expected.
    Http(HttpCheck),
    /// A MySQL or MariaDB server greets; with an account, it says that it is fit.
    Mysql(MysqlCheck),
    /// An AMQP 0-9-1 server begins a connection.
    Amqp,
    /// A memcached says its version.
    Memcached,
    /// A datagram is answered as expected.
    Udp(UdpCheck),
    /// A program by its whole path, with its arguments, ends with exit code 0.
    Command(Vec<String>),
    /// No check: the backend is always taken to be up.
    None,
}

impl CheckKind {
    /// As the file calls it, over TLS or not.
    #[must_use]
    pub fn name(&self, tls: bool) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Http(_) if tls => "https",
            Self::Http(_) => "http",
            Self::Mysql(_) => "mysql",
            Self::Amqp => "amqp",
            Self::Memcached => "memcached",
            Self::Udp(_) => "udp",
            Self::Command(_) => "command",
            Self::None => "none",
        }
    }
}

/// How TLS is spoken.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Tls {
    /// File of the certificates (PEM) by which the server's is to be signed; the system's own unless given.
    pub ca: Option<PathBuf>,
    /// Name that the server's certificate is to be for, and that it is told (SNI); the address unless given.
    pub sni: Option<String>,
    /// Take any certificate.
    pub insecure: bool,
}

/// A request, and the answer that passes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpCheck {
    /// Its method.
    pub method: String,
    /// Its target: begins with `/`, or is `*`.
    pub path: String,
    /// What it says for `Host`; address and port unless given.
    pub host: Option<String>,
    /// Further headers, in the order of their names.
    pub headers: Vec<(String, String)>,
    /// Status codes that pass.
    pub expect_status: StatusSet,
    /// Text that the answer's body must contain.
    pub expect_body: Option<String>,
}

/// What is asked of a MySQL or MariaDB server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct MysqlCheck {
    /// The account that logs in; without one the server only has to greet.
    pub login: Option<MysqlLogin>,
    /// Whether it must be a synchronised member of a Galera cluster; `None`: if it is a member of one.
    pub wsrep: Option<bool>,
    /// Whether a member passes that is a donor, or desynchronised (`wsrep_local_state` 2).
    pub donor_ok: bool,
    /// What it must say of `read_only`.
    pub read_only: ReadOnly,
}

/// An account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MysqlLogin {
    /// Its name.
    pub user: String,
    /// Its password.
    pub password: CheckPassword,
}

/// A password, or where it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CheckPassword {
    /// There is none.
    Empty,
    /// This.
    Given(Secret),
    /// The first line of a file, read for each check.
    File(PathBuf),
}

/// What is not to be shown.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What a server must say of `read_only`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ReadOnly {
    /// That it takes writes.
    #[default]
    Off,
    /// That it takes none.
    On,
    /// Anything.
    Any,
}

impl ReadOnly {
    /// As the file calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Any => "any",
        }
    }
}

/// A datagram, and the answer that passes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UdpCheck {
    /// What is sent.
    pub send: Vec<u8>,
    /// What is awaited.
    pub expect: UdpAnswer,
}

/// The answer to a datagram.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UdpAnswer {
    /// Any.
    Any,
    /// One that contains this.
    Containing(Vec<u8>),
    /// None is awaited: it passes unless the host says that nobody listens there (ICMP).
    None,
}
