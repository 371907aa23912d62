//! A connection to a MySQL or MariaDB server, begun and ended as a client does it.
//!
//! A server counts against this host every connection that ends before an account was named, and after
//! `max_connect_errors` of them in a row takes no more (tried with MariaDB 10.11: closing, resetting or `COM_QUIT` after the greeting
//! count; a login that is refused does not). So a check without an account names one that need not exist; and so does one that
//! finds out on the way that it must not go on (no TLS, or a certificate that it does not trust).
//!
//! How a password is proved is `mysql_common`'s part, which `mysql_async` is made of. That one itself opens its own connections:
//! without a mark, with another TLS, and without a word of what is waited for.

mod server;

use super::socket;
use super::talk::Talk;
use super::tls::Configs;
use crate::core::check::Attempt;
use crate::core::check::mysql::{MysqlError, NOBODY, greeting};
use crate::core::check::wsrep;
use crate::core::config::model::{CheckPassword, MysqlCheck, Secret};

use server::{Account, Server};

/// Error of a login that was refused: the server works (`ER_ACCESS_DENIED_ERROR`, `ER_ACCESS_DENIED_NO_PASSWORD_ERROR`).
const DENIED: [u16; 2] = [1045, 1698];

/// Greets, logs in if it may, asks, and takes leave.
pub(super) async fn run(check: &MysqlCheck, attempt: &Attempt, tls: &Configs, talk: &mut Talk) -> Result<(), String> {
    let password = match &check.login {
        Some(login) => password(&login.password).await?,
        None => Secret(String::new()),
    };
    let mut server = Server::new(socket::connect(attempt, talk).await?);
    talk.doing("waiting for the greeting", "the handshake");
    let hello = greeting(&server.read(talk).await?).map_err(in_words)?;
    talk.say(format_args!("< {}, connection {}", hello.version, hello.connection));
    let mut trouble = None;
    if let Some(settings) = &attempt.tls {
        (server, trouble) = server.secured(&hello, (tls, settings), attempt.target, talk).await?;
    }
    match (&check.login, trouble) {
        (Some(login), None) => {
            let account = Account { user: &login.user, password: &password };
            server.log_in(&hello, &account, talk).await?.map_err(in_words)?;
            match server.ask_all(check, talk).await.and_then(|said| wsrep::judge(check, &said)) {
                Ok(state) => talk.pass(state),
                Err(why) => talk.fail(why),
            }
        }
        (_, trouble) => {
            trouble.into_iter().for_each(|why| talk.fail(why));
            let nobody = Account { user: NOBODY, password: &Secret(String::new()) };
            match server.log_in(&hello, &nobody, talk).await? {
                Ok(()) => talk.pass(hello.version),
                Err(MysqlError::Refused(refusal)) if DENIED.contains(&refusal.code) => {
                    talk.pass(hello.version);
                    server.leave(talk).await;
                    return Ok(());
                }
                Err(error) => return Err(in_words(error)),
            }
        }
    }
    server.quit(talk).await;
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
