//! A connection to a MySQL or MariaDB server, begun and ended as a client does it.
//!
//! A server counts against this host every connection that ends before an account was named, and after
//! `max_connect_errors` of them in a row takes no more (tried with MariaDB 10.11: closing, resetting or `COM_QUIT` after the greeting
//! count; a login that is refused does not). So a check without an account names one that need not exist.
//!
//! How a password is proved is `mysql_common`'s part, which `mysql_async` is made of. That one itself opens its own connections:
//! without a mark, with another TLS, and without a word of what is waited for.

use std::net::SocketAddr;

use mysql_common::auth::plugins::{AuthProc, ChallengeResponsePlugin, Context};
use mysql_common::packets::AuthPlugin;

use super::socket::{self, Stream};
use super::talk::Talk;
use super::tls::Configs;
use crate::core::check::mysql::{
    Greeting, HEAD, MysqlError, NOBODY, QUIT, Reply, Rows, greeting, head, packet, query, reply,
};
use crate::core::check::wsrep::{self, Said};
use crate::core::check::{Attempt, shown};
use crate::core::config::model::{CheckPassword, MysqlCheck, Secret, Tls};

/// Error of a login that was refused: the server works (`ER_ACCESS_DENIED_ERROR`, `ER_ACCESS_DENIED_NO_PASSWORD_ERROR`).
const DENIED: [u16; 2] = [1045, 1698];
/// Most packets of a proof: each known way needs four at most.
const PROOF: usize = 8;

/// Greets, logs in if it may, asks, and takes leave.
pub(super) async fn run(check: &MysqlCheck, attempt: &Attempt, tls: &Configs, talk: &mut Talk) -> Result<(), String> {
    let password = match &check.login {
        Some(login) => password(&login.password).await?,
        None => Secret(String::new()),
    };
    let stream = socket::connect(attempt, talk).await?;
    let mut server = Server { stream: Box::new(stream), sequence: 0 };
    talk.doing("waiting for the greeting", "the handshake");
    let hello = greeting(&server.read(talk).await?).map_err(in_words)?;
    talk.say(format!("< {}, connection {}", hello.version, hello.connection));
    if let Some(settings) = &attempt.tls {
        server = server.secured(&hello, (tls, settings), attempt.target, talk).await?;
    }
    let account = Account { hello: &hello, password: &password, tls: attempt.tls.is_some() };
    match &check.login {
        Some(login) => {
            server.log_in(&account, &login.user, talk).await?.map_err(in_words)?;
            let state = server.ask_all(check, talk).await;
            match state.and_then(|said| wsrep::judge(check, &said)) {
                Ok(state) => talk.pass(state),
                Err(why) => talk.fail(why),
            }
        }
        None => {
            let ended = server.log_in(&account, NOBODY, talk).await?;
            match ended {
                Ok(()) => talk.pass(hello.version.clone()),
                Err(MysqlError::Refused(refusal)) if DENIED.contains(&refusal.code) => {
                    talk.pass(hello.version.clone());
                    // It closes the connection by itself.
                    socket::leave(server.stream, talk).await;
                    return Ok(());
                }
                Err(error) => return Err(in_words(error)),
            }
        }
    }
    talk.say("> quit");
    server.sequence = 0;
    if server.write(QUIT, talk).await.is_ok() {
        socket::leave(server.stream, talk).await;
    }
    Ok(())
}

/// The first line of the file, if it is in one.
async fn password(password: &CheckPassword) -> Result<Secret, String> {
    let file = match password {
        CheckPassword::Empty => return Ok(Secret(String::new())),
        CheckPassword::Given(secret) => return Ok(secret.clone()),
        CheckPassword::File(file) => file.clone(),
    };
    let said = format!("cannot read the password from {}", file.display());
    let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(file)).await;
    match read.map_err(std::io::Error::other).flatten() {
        Ok(text) => Ok(Secret(text.lines().next().unwrap_or_default().to_owned())),
        Err(error) => Err(format!("{said}: {error}")),
    }
}

fn in_words(error: MysqlError) -> String {
    match error {
        MysqlError::Refused(refusal) if refusal.code == 1040 => format!("too many connections ({refusal})"),
        other => other.to_string(),
    }
}

/// A server that has greeted, or is about to.
struct Server {
    stream: Box<dyn Stream>,
    /// Number of the next packet.
    sequence: u8,
}

/// Whose proof it is, and with what it is made.
struct Account<'a> {
    hello: &'a Greeting,
    password: &'a Secret,
    tls: bool,
}

impl Context for &Account<'_> {
    fn pass(&self) -> &[u8] {
        self.password.0.as_bytes()
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
    async fn read(&mut self, talk: &Talk) -> Result<Vec<u8>, String> {
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

    async fn secured(
        mut self,
        hello: &Greeting,
        (tls, settings): (&Configs, &Tls),
        target: SocketAddr,
        talk: &mut Talk,
    ) -> Result<Self, String> {
        if !hello.offers_tls() {
            return Err("the server does not offer TLS".to_owned());
        }
        self.write(&hello.tls_request(), talk).await?;
        let stream = tls.secure(self.stream, settings, target, talk).await?;
        Ok(Self { stream, ..self })
    }

    /// Names an account and proves it. The inner result is the server's answer.
    async fn log_in(
        &mut self,
        account: &Account<'_>,
        user: &str,
        talk: &mut Talk,
    ) -> Result<Result<(), MysqlError>, String> {
        // A server may prefer a way that only some accounts have: this one tells the right one then.
        let preferred = AuthPlugin::from_bytes(&account.hello.plugin);
        let plugin = match preferred {
            AuthPlugin::CachingSha2Password => preferred,
            _ => AuthPlugin::MysqlNativePassword,
        };
        let mut proof = proof_by(&plugin, account.tls)?;
        let first = step(&mut proof, account, &account.hello.nonce)?.unwrap_or_default();
        talk.doing(format!("> login as {user}"), "the answer to the login");
        let payload = account.hello.login(user, &first, plugin.as_bytes(), account.tls);
        self.write(&payload, talk).await?;
        for _ in 0..PROOF {
            let next = match reply(&self.read(talk).await?) {
                Ok(Reply::Ok) => {
                    talk.say("< logged in");
                    return Ok(Ok(()));
                }
                Ok(Reply::More(data)) => step(&mut proof, account, &data)?,
                Ok(Reply::Switch { plugin, challenge }) => {
                    talk.say(format!("< prove it by {}", shown(&plugin)));
                    proof = proof_by(&AuthPlugin::from_bytes(&plugin), account.tls)?;
                    Some(step(&mut proof, account, &challenge)?.unwrap_or_default())
                }
                Err(error) => {
                    talk.say(format!("< {error}"));
                    return Ok(Err(error));
                }
            };
            if let Some(payload) = next {
                self.write(&payload, talk).await?;
            }
        }
        Err("the login has no end".to_owned())
    }

    /// Asks for all that is judged.
    async fn ask_all(&mut self, check: &MysqlCheck, talk: &mut Talk) -> Result<Said, String> {
        let mut said = self.ask(wsrep::VARIABLES, "the variables", talk).await?;
        if wsrep::wants_status(check, &said) {
            said.extend(self.ask(wsrep::STATUS, "the status", talk).await?);
        }
        Ok(said)
    }

    async fn ask(&mut self, question: &str, awaited: &'static str, talk: &mut Talk) -> Result<Said, String> {
        self.sequence = 0;
        talk.doing(format!("> {question}"), awaited);
        self.write(&query(question), talk).await?;
        let mut rows = Rows::default();
        while !rows.take(&self.read(talk).await?).map_err(in_words)? {}
        let values: Vec<String> = rows.pairs.iter().map(|(name, value)| format!("{name} {value}")).collect();
        talk.say(format!("< {}", values.join(", ")));
        Ok(rows.pairs.into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect())
    }
}

/// The ways that do not give the password away to whoever listens.
fn proof_by(plugin: &AuthPlugin<'_>, tls: bool) -> Result<AuthProc, String> {
    let name = || shown(plugin.as_bytes());
    match plugin {
        AuthPlugin::MysqlOldPassword => Err(format!("the account is proved by {}, which is broken", name())),
        AuthPlugin::MysqlClearPassword if !tls => Err(format!("the account is proved by {}: set `tls`", name())),
        _ => plugin.init().map_err(|_| format!("the account is proved by {}, which is not supported", name())),
    }
}

/// What is to be sent next, if anything is.
fn step(proof: &mut AuthProc, account: &Account<'_>, challenge: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let response = proof.run(account, challenge).map_err(|error| format!("the login fails here: {error}"))?;
    Ok(response.data().map(<[u8]>::to_vec))
}
