//! A program that judges a backend.

use super::talk::Talk;
use crate::core::check::Attempt;
use crate::core::event::BackendKey;
use crate::core::run::{Ending, called};
use crate::io::command;

/// Runs it.
pub(super) async fn run(
    argv: &[String],
    attempt: &Attempt,
    (host, backend): (&str, &BackendKey),
    talk: &mut Talk,
) -> Result<(), String> {
    let environment = [
        ("PIVOT_HOST", host.to_owned()),
        ("PIVOT_SERVICE", backend.service.clone()),
        ("PIVOT_BACKEND", backend.backend.clone()),
        ("PIVOT_ADDRESS", attempt.target.ip().to_string()),
        ("PIVOT_PORT", attempt.target.port().to_string()),
    ];
    talk.doing(format_args!("running {}", called(argv)), "the end of the command");
    let run = command::run(argv, &environment, attempt.timeout).await;
    talk.say(&run);
    match run.ending {
        Ending::Exited(0) => {
            talk.pass(run.to_string());
            Ok(())
        }
        _ => Err(run.to_string()),
    }
}
