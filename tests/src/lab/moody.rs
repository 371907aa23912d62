//! An HTTP service that fails on demand: unavailable, silent, or breaking off in the midst of an answer; always, or only towards
//! health checks.
//!
//! The mood is in a file, which the service reads at each request.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use anyhow::{Context as _, Result};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use hyper::body::{Bytes, Frame};

use super::process::Process;

/// The path that checks ask for.
pub const HEALTH: &str = "/health";

/// Whom it concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Everyone.
    All,
    /// Requests for [`HEALTH`].
    Checks,
}

/// How requests are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// As they should be.
    Well,
    /// 503.
    Unavailable,
    /// Not at all.
    Hanging,
    /// With less of an answer than it says it has.
    Cut,
}

/// Such a service.
#[derive(Debug)]
pub struct Moody {
    /// Its process.
    pub process: Process,
    file: PathBuf,
}

impl Moody {
    pub(super) fn new(process: Process, file: PathBuf) -> Self {
        Self { process, file }
    }

    /// Changes its mood, from the next request on.
    pub fn set(&self, scope: Scope, mood: Mood) -> Result<()> {
        write(&self.file, scope, mood)
    }
}

pub(super) fn write(file: &Path, scope: Scope, mood: Mood) -> Result<()> {
    let scope = if scope == Scope::All { "all" } else { "checks" };
    let mood = match mood {
        Mood::Well => "well",
        Mood::Unavailable => "unavailable",
        Mood::Hanging => "hanging",
        Mood::Cut => "cut",
    };
    // Whoever reads it sees one mood or the other, never half of one.
    let fresh = file.with_extension("new");
    fs::write(&fresh, format!("{scope} {mood}"))
        .and_then(|()| fs::rename(&fresh, file))
        .with_context(|| format!("writing {}", file.display()))
}

/// Answers as the file says, or has it answered.
pub(super) async fn answer(State(file): State<PathBuf>, request: Request, next: Next) -> Response {
    let said = fs::read_to_string(&file).unwrap_or_default();
    let mood = match said.split_once(' ') {
        Some(("checks", _)) if request.uri().path() != HEALTH => "well",
        Some((_, mood)) => mood,
        None => "well",
    };
    match mood {
        "unavailable" => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "hanging" => std::future::pending().await,
        "cut" => ([(header::CONTENT_LENGTH, "1000")], Body::new(Half::Begin)).into_response(),
        _ => next.run(request).await,
    }
}

/// The beginning of an answer, which is let go, and an error.
enum Half {
    Begin,
    Rest,
    End,
}

impl hyper::body::Body for Half {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let (next, polled) = match *self {
            Self::Begin => (Self::Rest, Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"half of it")))))),
            // Now what is there is sent.
            Self::Rest => {
                task.waker().wake_by_ref();
                (Self::End, Poll::Pending)
            }
            Self::End => (Self::End, Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())))),
        };
        *self = next;
        polled
    }
}
