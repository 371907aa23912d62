//! A server as a client meets it: packets, TLS, a login, questions.
//!
//! What must hold: whatever goes wrong on this side after the greeting, the handshake is brought to an end.

use std::net::SocketAddr;

use mysql_common::auth::plugins::{AuthProc, ChallengeResponsePlugin, Context};
use mysql_common::packets::AuthPlugin;

use super::in_words;
use crate::core::check::mysql::{Greeting, HEAD, MysqlError, QUIT, Reply, Rows, head, packet, query, reply};
use crate::core::check::shown;
use crate::core::check::wsrep::{self, Said};
use crate::core::config::model::{MysqlCheck, Secret, Tls};
use crate::io::check::socket::{self, Stream};
use crate::io::check::talk::Talk;
use crate::io::check::tls::{Configs, Secured};

/// Most packets of a proof: each known way needs four at most.
const PROOF: usize = 8;

/// A server that has greeted, or is about to.
pub(super) struct Server {
    stream: Box<dyn Stream>,
    /// Number of the next packet.
    sequence: u8,
    /// Whether over TLS, by now.
    tls: bool,
}

/// Who logs in, and with what that is proved.
pub(super) struct Account<'a> {
    pub(super) user: &'a str,
    pub(super) password: &'a Secret,
}

/// What a proof is made with.
struct Means<'a> {
    account: &'a Account<'a>,
    hello: &'a Greeting,
    tls: bool,
}

impl Context for &Means<'_> {
    fn pass(&self) -> &[u8] {
        self.account.password.0.as_bytes()
    }

    fn is_ipc_transport(&self) -> bool {
        false
    }

    fn is_tls_transport(&self) -> bool {
        self.tls
    }

    fn scramble(&self) -> &[u8] {
        &self.hello.nonce
    }

    fn server_key_pem(&self) -> Option<&[u8]> {
        None
    }
}

impl Server {
    pub(super) fn new(stream: impl Stream + 'static) -> Self {
        Self { stream: Box::new(stream), sequence: 0, tls: false }
    }

    pub(super) async fn read(&mut self, talk: &Talk) -> Result<Vec<u8>, String> {
        let mut bytes = [0; HEAD];
        socket::receive(&mut self.stream, &mut bytes, talk).await?;
        let (length, sequence) = head(bytes).map_err(in_words)?;
        self.sequence = sequence.wrapping_add(1);
        let mut payload = vec![0; length];
        socket::receive(&mut self.stream, &mut payload, talk).await?;
        Ok(payload)
    }

    async fn write(&mut self, payload: &[u8], talk: &Talk) -> Result<(), String> {
        let packet = packet(self.sequence, payload);
        self.sequence = self.sequence.wrapping_add(1);
        socket::send(&mut self.stream, &packet, talk).await
    }

    /// Speaks TLS from now on. Beside the server is said what is wrong with its TLS, if its handshake can be finished all the same.
    pub(super) async fn secured(
        mut self,
        hello: &Greeting,
        (tls, settings): (&Configs, &Tls),
        target: SocketAddr,
        talk: &mut Talk,
    ) -> Result<(Self, Option<String>), String> {
        if !hello.offers_tls() {
            return Ok((self, Some("the server does not offer TLS".to_owned())));
        }
        self.write(&hello.tls_request(), talk).await?;
        let Secured { stream, distrust } = tls.secure(self.stream, settings, target, talk).await?;
        Ok((Self { stream, sequence: self.sequence, tls: true }, distrust))
    }

    /// Names an account and proves it. The inner result is the server's answer.
    pub(super) async fn log_in(
        &mut self,
        hello: &Greeting,
        account: &Account<'_>,
        talk: &mut Talk,
    ) -> Result<Result<(), MysqlError>, String> {
        let means = Means { account, hello, tls: self.tls };
        // A server may prefer a way that only some accounts have: this one tells the right one then.
        let preferred = AuthPlugin::from_bytes(&hello.plugin);
        let plugin = match preferred {
            AuthPlugin::CachingSha2Password => preferred,
            _ => AuthPlugin::MysqlNativePassword,
        };
        let mut proof = proof_by(&plugin, self.tls)?;
        let first = step(&mut proof, &means, &hello.nonce)?.unwrap_or_default();
        talk.doing(format_args!("> login as {}", account.user), "the answer to the login");
        self.write(&hello.login(account.user, &first, plugin.as_bytes(), self.tls), talk).await?;
        for _ in 0..PROOF {
            let next = match reply(&self.read(talk).await?) {
                Ok(Reply::Ok) => {
                    talk.say("< logged in");
                    return Ok(Ok(()));
                }
                Ok(Reply::More(data)) => step(&mut proof, &means, &data),
                Ok(Reply::Switch { plugin, challenge }) => {
                    talk.say(format_args!("< prove it by {}", shown(&plugin)));
                    proof_by(&AuthPlugin::from_bytes(&plugin), self.tls).and_then(|other| {
                        proof = other;
                        step(&mut proof, &means, &challenge).map(|first| Some(first.unwrap_or_default()))
                    })
                }
                Err(error) => {
                    talk.say(format_args!("< {error}"));
                    return Ok(Err(error));
                }
            };
            match next {
                Ok(Some(payload)) => self.write(&payload, talk).await?,
                Ok(None) => {}
                Err(why) => {
                    talk.fail(why.clone());
                    // Nothing proves nothing: the login is refused, and the handshake over.
                    self.write(&[], talk).await?;
                    self.read(talk).await?;
                    return Err(why);
                }
            }
        }
        Err("the login has no end".to_owned())
    }

    /// Leaves in good order.
    pub(super) async fn quit(mut self, talk: &mut Talk) {
        talk.say("> quit");
        self.sequence = 0;
        if self.write(QUIT, talk).await.is_ok() {
            self.leave(talk).await;
        }
    }

    /// Leaves after a login that was refused: the server closes the connection by itself.
    pub(super) async fn leave(self, talk: &mut Talk) {
        socket::leave(self.stream, talk).await;
    }

    /// Asks for all that is judged.
    pub(super) async fn ask_all(&mut self, check: &MysqlCheck, talk: &mut Talk) -> Result<Said, String> {
        let mut said = self.ask(wsrep::VARIABLES, "the variables", talk).await?;
        if wsrep::wants_status(check, &said) {
            said.extend(self.ask(wsrep::STATUS, "the status", talk).await?);
        }
        Ok(said)
    }

    async fn ask(&mut self, question: &str, awaited: &'static str, talk: &mut Talk) -> Result<Said, String> {
        self.sequence = 0;
        talk.doing(format_args!("> {question}"), awaited);
        self.write(&query(question), talk).await?;
        let mut rows = Rows::default();
        while !rows.take(&self.read(talk).await?).map_err(in_words)? {}
        let values: Vec<String> = rows.pairs.iter().map(|(name, value)| format!("{name} {value}")).collect();
        talk.say(format_args!("< {}", values.join(", ")));
        Ok(rows.pairs.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect())
    }
}

/// The ways that do not give the password away to whoever listens.
fn proof_by(plugin: &AuthPlugin<'_>, tls: bool) -> Result<AuthProc, String> {
    let name = || shown(plugin.as_bytes());
    match plugin {
        AuthPlugin::MysqlOldPassword => Err(format!("the account is proved by {}, which is broken", name())),
        AuthPlugin::MysqlClearPassword if !tls => Err(format!("the account is proved by {}: set `tls`", name())),
        AuthPlugin::Parsec | AuthPlugin::Other(_) => {
            Err(format!("the account is proved by {}, which is not supported", name()))
        }
        _ => plugin.init().map_err(|error| error.to_string()),
    }
}

/// What is to be sent next, if anything is.
fn step(proof: &mut AuthProc, means: &Means<'_>, challenge: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let response = proof.run(means, challenge).map_err(|error| format!("the login fails here: {error}"))?;
    Ok(response.data().map(<[u8]>::to_vec))
}
