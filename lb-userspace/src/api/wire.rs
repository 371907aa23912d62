//! What both ends of the socket agree on besides the views: where it is, the bodies of orders, and every bound.

use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::ApiError;
use crate::core::config::model::Protocol;
use crate::core::event::{BackendKey, DrainTarget};
use crate::core::explain::Question;
use crate::core::order::Weight;

/// Name of the instance when none is given.
pub const DEFAULT_INSTANCE: &str = "pivot";

/// Most entries one response lists, flows or map entries.
pub const MAX_ENTRIES: usize = 100_000;

/// Entries listed when no limit is given.
pub const DEFAULT_ENTRIES: usize = 100;

/// Most bytes of a request's body.
pub const BODY_BYTES: usize = 16 * 1024;

/// Longest the head, or the body, of a request may take to arrive.
pub const ARRIVAL_TIME: Duration = Duration::from_secs(5);

/// Longest the daemon may take to answer a question.
pub const READ_TIME: Duration = Duration::from_secs(5);

/// Longest the daemon may take to carry out an order: a reload reads a file and swaps every table.
pub const CHANGE_TIME: Duration = Duration::from_secs(60);

/// Body of `POST /v1/drain`, `/v1/undrain`, `/v1/maintenance` and `/v1/ready`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DrainBody {
    /// `service/backend`, or a backend's name in every service.
    pub target: String,
}

/// Body of `POST /v1/weight`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeightBody {
    /// `service/backend`, or a backend's name in every service.
    pub target: String,
    /// `50`, `50%`, or `reset` for the configured one.
    pub weight: String,
}

/// Body of `POST /v1/switch`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SwitchBody {
    /// `service/backend`.
    pub target: String,
}

/// Body of `POST /v1/check`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckBody {
    /// `service/backend`, or a backend's name in every service.
    pub target: String,
}

/// Longest that a check takes which somebody waits for, whatever its `timeout`.
pub const CHECK_TIME: Duration = Duration::from_secs(30);

/// Body of `POST /v1/failover`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FailoverBody {
    /// A group, a VIP or its address; everything that this host holds if there is none.
    #[serde(default)]
    pub target: Option<String>,
    /// The only host that may take over; whoever is next if there is none.
    #[serde(default)]
    pub to: Option<String>,
}

/// Body of `POST /v1/hold` and `/v1/release`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldBody {
    /// A group, a VIP or its address; every group if there is none.
    #[serde(default)]
    pub target: Option<String>,
}

/// Query of `GET /v1/flows`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowsQuery {
    /// Most flows to list.
    #[serde(default = "default_entries")]
    pub limit: usize,
    /// Only flows of this service.
    pub service: Option<String>,
}

/// Query of `GET /v1/explain`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainQuery {
    /// Sender of the packet: `10.0.0.7:40000`, `[2001:db8::7]:40000`.
    pub src: String,
    /// Where it goes, in the same form.
    pub dst: String,
    /// Its protocol.
    #[serde(default = "tcp")]
    pub proto: Protocol,
    /// Its TCP flags, see [`Question::new`].
    pub flags: Option<String>,
    /// Whether to say what a host would do that holds the VIP.
    #[serde(default)]
    pub as_holder: bool,
}

impl ExplainQuery {
    /// The packet that is asked about.
    ///
    /// # Errors
    /// [`super::error::ErrorKind::Invalid`] if there can be no such packet.
    pub fn question(&self) -> Result<Question, ApiError> {
        let Self { src, dst, proto, flags, as_holder } = self;
        let (source, destination) = (parse_address(src)?, parse_address(dst)?);
        Question::new(source, destination, *proto, flags.as_deref(), *as_holder)
            .map_err(|error| ApiError::invalid(error.to_string()))
    }
}

fn parse_address(text: &str) -> Result<SocketAddr, ApiError> {
    text.parse().map_err(|_| {
        ApiError::invalid(format!("'{text}' is no address and port: write 10.0.0.7:40000 or [2001:db8::7]:40000"))
    })
}

fn tcp() -> Protocol {
    Protocol::Tcp
}

/// Query of `GET /v1/maps/{name}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DumpQuery {
    /// Most entries to list.
    #[serde(default = "default_entries")]
    pub limit: usize,
}

/// Reads a drain target: `service/backend`, or a backend's name alone.
///
/// # Errors
/// [`super::error::ErrorKind::Invalid`] if a name is empty or there is more than one `/`.
pub fn parse_target(text: &str) -> Result<DrainTarget, ApiError> {
    let names: Vec<&str> = text.split('/').collect();
    match names[..] {
        [backend] if !backend.is_empty() => Ok(DrainTarget::Everywhere(backend.to_owned())),
        [service, backend] if !service.is_empty() && !backend.is_empty() => {
            Ok(DrainTarget::One(BackendKey { service: service.to_owned(), backend: backend.to_owned() }))
        }
        _ => Err(ApiError::invalid(format!(
            "'{text}' names no backend: write service/backend, or a backend's name to mean it in every service"
        ))),
    }
}

/// Reads `service/backend`.
///
/// # Errors
/// [`super::error::ErrorKind::Invalid`] if it is anything else.
pub fn parse_backend(text: &str) -> Result<BackendKey, ApiError> {
    match parse_target(text) {
        Ok(DrainTarget::One(backend)) => Ok(backend),
        Ok(DrainTarget::Everywhere(_)) | Err(_) => {
            Err(ApiError::invalid(format!("'{text}' names no backend of a service: write service/backend")))
        }
    }
}

/// Reads a weight: a number, a percentage, or `reset` (`None`).
///
/// # Errors
/// [`super::error::ErrorKind::Invalid`] for anything else.
pub fn parse_weight(text: &str) -> Result<Option<Weight>, ApiError> {
    match text {
        "reset" => Ok(None),
        weight => weight
            .parse()
            .map(Some)
            .map_err(|error| ApiError::invalid(format!("{error}, or `reset` to have the configured one again"))),
    }
}

/// Checks how many entries were asked for.
///
/// # Errors
/// [`super::error::ErrorKind::Invalid`] outside of 1..=[`MAX_ENTRIES`].
pub fn check_limit(limit: usize) -> Result<usize, ApiError> {
    if (1..=MAX_ENTRIES).contains(&limit) {
        Ok(limit)
    } else {
        Err(ApiError::invalid(format!("limit {limit} is out of range: ask for 1 to {MAX_ENTRIES} entries")))
    }
}

fn default_entries() -> usize {
    DEFAULT_ENTRIES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_backend_or_a_service_and_a_backend() {
        let key = BackendKey { service: "keystone".into(), backend: "c1".into() };
        assert_eq!(parse_target("keystone/c1").unwrap(), DrainTarget::One(key));
        assert_eq!(parse_target("c1").unwrap(), DrainTarget::Everywhere("c1".into()));
        assert!(parse_backend("keystone/c1").is_ok() && parse_backend("c1").is_err() && parse_backend("/c1").is_err());
        for bad in ["", "/", "keystone/", "/c1", "a/b/c"] {
            let error = parse_target(bad).unwrap_err();
            assert!(error.message.starts_with(&format!("'{bad}' names no backend")), "{error}");
        }
    }

    #[test]
    fn a_weight_is_given_or_taken_back() {
        assert_eq!(parse_weight("reset").unwrap(), None);
        assert_eq!(parse_weight("50%").unwrap(), Some(Weight::Percent(50)));
        let error = parse_weight("heavy").unwrap_err().message;
        assert!(error.starts_with("\"heavy\" is no weight") && error.contains("`reset`"), "{error}");
    }

    #[test]
    fn a_limit_is_at_least_one_and_bounded() {
        assert_eq!(check_limit(1).unwrap(), 1);
        assert_eq!(check_limit(MAX_ENTRIES).unwrap(), MAX_ENTRIES);
        assert!(check_limit(0).is_err());
        assert!(check_limit(MAX_ENTRIES + 1).is_err());
    }
}
