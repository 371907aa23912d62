//! An HTTP/1.1 request and its answer.

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, Version, header};
use hyper_util::rt::TokioIo;

use super::socket::Stream;
use super::talk::Talk;
use crate::core::check::http::{contains, judge_body, judge_status};
use crate::core::check::{Attempt, shown};
use crate::core::config::model::HttpCheck;

/// As much of a body is searched.
const BODY: usize = 256 * 1024;

/// Asks, and judges the answer.
pub(super) async fn run(
    check: &HttpCheck,
    attempt: &Attempt,
    stream: Box<dyn Stream>,
    talk: &mut Talk,
) -> Result<(), String> {
    exchange(check, attempt, stream, talk, async |response, talk: &mut Talk| judge(check, response, talk).await).await
}

/// Asks, and has the answer taken in by `take` while the connection brings it.
pub(super) async fn exchange<T>(
    check: &HttpCheck,
    attempt: &Attempt,
    stream: Box<dyn Stream>,
    talk: &mut Talk,
    take: impl AsyncFnOnce(Response<Incoming>, &mut Talk) -> Result<T, String>,
) -> Result<T, String> {
    let request = request(check, attempt)?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| in_words(&error, talk))?;
    talk.doing(format_args!("> {} {}", check.method, check.path), "the answer");
    let answered = async {
        let response = sender.send_request(request).await.map_err(|error| in_words(&error, talk))?;
        take(response, talk).await
    };
    tokio::pin!(answered);
    tokio::select! {
        taken = &mut answered => taken,
        // What the connection has brought is still to be read; how it ended, its request says.
        _ = connection => answered.await,
    }
}

fn request(check: &HttpCheck, attempt: &Attempt) -> Result<Request<Empty<Bytes>>, String> {
    let host = check.host.clone().unwrap_or_else(|| attempt.target.to_string());
    let mut request = Request::builder()
        .method(check.method.as_str())
        .uri(check.path.as_str())
        .version(Version::HTTP_11)
        .header(header::HOST, host)
        .header(header::CONNECTION, "close");
    let given = |name: &str| check.headers.iter().any(|(header, _)| header.eq_ignore_ascii_case(name));
    for (name, value) in [("User-Agent", "pivot"), ("Accept", "*/*")] {
        if !given(name) {
            request = request.header(name, value);
        }
    }
    for (name, value) in &check.headers {
        request = request.header(name.as_str(), value.as_str());
    }
    request.body(Empty::new()).map_err(|error| format!("cannot make the request: {error}"))
}

async fn judge(check: &HttpCheck, response: Response<Incoming>, talk: &mut Talk) -> Result<(), String> {
    let status = response.status();
    let reason = status.canonical_reason().unwrap_or_default();
    talk.doing(format_args!("< HTTP {} {reason}", status.as_u16()), "the body");
    let found = judge_status(check, status.as_u16());
    let Some(expected) = &check.expect_body else {
        match found {
            Ok(found) => talk.pass(found),
            Err(why) => talk.fail(why),
        }
        // So that the server has said all it wanted to when the connection ends. An answer that breaks off is none.
        if let Ok(Err(why)) = tokio::time::timeout(super::FAREWELL, read(response.into_body(), None, talk)).await {
            talk.take_back(why);
        }
        return Ok(());
    };
    let found = found?;
    let (body, whole) = read(response.into_body(), Some(expected.as_bytes()), talk).await?;
    talk.say(format_args!("< {} bytes: {}", body.len(), shown(&body)));
    judge_body(expected, &body, whole)?;
    talk.pass(found);
    Ok(())
}

/// A body, as far as is wanted of it; whether that is all.
async fn read(mut body: Incoming, wanted: Option<&[u8]>, talk: &Talk) -> Result<(Vec<u8>, bool), String> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| in_words(&error, talk))?;
        read.extend(frame.data_ref().into_iter().flatten());
        if read.len() >= BODY || wanted.is_some_and(|wanted| contains(&read, wanted)) {
            return Ok((read, false));
        }
    }
    Ok((read, true))
}

/// Why there is no answer, or not all of it.
pub(super) fn in_words(error: &hyper::Error, talk: &Talk) -> String {
    let awaited = talk.awaited();
    if error.is_incomplete_message() || error.is_closed() {
        format!("the server closed the connection while {awaited} was waited for")
    } else if error.is_canceled() {
        "the server spoke before it was asked, or closed the connection: this is no HTTP".to_owned()
    } else if error.is_parse() {
        "the answer is no HTTP".to_owned()
    } else {
        match std::error::Error::source(error).and_then(|source| source.downcast_ref()) {
            Some(error) => super::socket::cut(error, talk),
            None => format!("{error} while {awaited} was waited for"),
        }
    }
}
