//! Agents: what one of them says, asked over HTTP as a check asks. What it means is `core::agent`'s to say.

use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::talk::Talk;
use super::{FAREWELL, Prober, http, socket};
use crate::core::agent::words::{Heard, LINE};
use crate::core::check::Attempt;
use crate::core::check::http::judge_status;
use crate::core::config::model::{CheckKind, HttpCheck};

/// Agents that are asked at once.
pub(super) const AT_ONCE: usize = 256;

impl Prober {
    /// Asks an agent. Whatever checks are under way, it does not wait for them, nor they for it.
    ///
    /// # Errors
    /// Why it did not answer within the question's timeout, or why its answer is not understood.
    pub async fn ask(&self, question: &Attempt) -> Result<Heard, String> {
        let CheckKind::Http(request) = &question.kind else { return Err("it is not asked over HTTP".to_owned()) };
        let Ok(_place) = timeout(question.timeout, self.agents.acquire()).await else {
            return Err(format!("cannot ask from this host: {AT_ONCE} agents are asked already"));
        };
        let (mut talk, mut heard) = (Talk::begin(), None);
        let asked = async {
            let stream = socket::connect(question, &mut talk).await?;
            let take = async |response, talk: &mut Talk| listen(request, response, talk, &mut heard).await;
            http::exchange(request, question, Box::new(stream), &mut talk, take).await
        };
        let ended = timeout(question.timeout, Box::pin(asked)).await;
        match (heard, ended) {
            (Some(heard), _) => Ok(heard),
            (None, Ok(Err(why))) => Err(why),
            (None, _) => Err(talk.timed_out(question.timeout)),
        }
    }
}

/// Takes in what an answer says: its first line counts, whatever comes after it.
async fn listen(
    request: &HttpCheck,
    response: Response<Incoming>,
    talk: &mut Talk,
    heard: &mut Option<Heard>,
) -> Result<(), String> {
    talk.doing(format_args!("< HTTP {}", response.status().as_u16()), "the body");
    judge_status(request, response.status().as_u16())?;
    let mut body = response.into_body();
    let mut line = Vec::new();
    while line.len() <= LINE && !line.contains(&b'\n') {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|error| http::in_words(&error, talk))?;
        let room = LINE + 1 - line.len();
        line.extend(frame.data_ref().into_iter().flatten().take(room));
    }
    *heard = Some(Heard::read(&line)?);
    // So that it has said all it wanted to when the connection ends: a little, for a little while.
    let rest = async {
        for _ in 0..8 {
            let Some(Ok(_)) = body.frame().await else { break };
        }
    };
    // An agent that does not end its answer is cut off.
    let _ = timeout(FAREWELL, rest).await;
    Ok(())
}
