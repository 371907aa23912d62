//! What the API says when it says no: one shape for every refusal, from the daemon to the operator's terminal.

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A refusal. Its message stands on its own: it names the thing, the value and the way out, and may have several lines.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// What kind of refusal.
    pub kind: ErrorKind,
    /// For people.
    pub message: String,
    /// The same for programs, where there is more to say than one line: the errors of a configuration and their places.
    #[serde(default)]
    pub details: Vec<Value>,
}

/// Kinds of refusals; each has its HTTP status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// Something that was named does not exist: 404.
    NotFound,
    /// What was asked, or a configuration, makes no sense: 400.
    Invalid,
    /// It makes sense, but not now or not together with what is: 409.
    Conflict,
    /// pivotd failed: 500.
    Internal,
    /// pivotd is stopping, or too busy to answer in time: 503.
    Unavailable,
}

impl ErrorKind {
    /// Its name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotFound => "not_found",
            Self::Invalid => "invalid",
            Self::Conflict => "conflict",
            Self::Internal => "internal",
            Self::Unavailable => "unavailable",
        }
    }
}

/// How an [`ApiError`] is framed in a response: `{"error": {...}}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The refusal.
    pub error: ApiError,
}

impl ApiError {
    /// A refusal without details.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), details: Vec::new() }
    }

    /// What was named does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message)
    }

    /// What was asked makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Invalid, message)
    }

    /// It cannot be done now.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// pivotd failed.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Internal, message)
    }

    /// pivotd cannot answer.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message)
    }

    /// A whole error report, such as that of a configuration, for people and for programs.
    pub fn report<E: Display + Serialize>(report: &E) -> Self {
        // One that cannot be serialised still has its text.
        Self::invalid(report.to_string()).with_details(serde_json::to_value(report).unwrap_or_default())
    }

    /// The same refusal, with details: the elements of a list, or one value.
    pub fn with_details(mut self, details: Value) -> Self {
        match details {
            Value::Array(list) => self.details.extend(list),
            Value::Null => {}
            one => self.details.push(one),
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn details_of_a_list_are_its_elements() {
        let error = ApiError::invalid("two errors").with_details(json!([{"line": 1}, {"line": 2}]));
        assert_eq!(error.details, [json!({"line": 1}), json!({"line": 2})]);
        assert_eq!(ApiError::invalid("one").with_details(json!({"line": 1})).details, [json!({"line": 1})]);
        assert!(ApiError::invalid("none").with_details(Value::Null).details.is_empty());
    }

    #[test]
    fn kinds_are_named_as_in_json() {
        for kind in
            [ErrorKind::NotFound, ErrorKind::Invalid, ErrorKind::Conflict, ErrorKind::Internal, ErrorKind::Unavailable]
        {
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
    }
}
