//! Waiting for a condition, with a deadline and an account of what was seen instead.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::patience::patient;

/// Pause between two looks at the condition: short against any deadline, long against the cost of a look.
const PAUSE: Duration = Duration::from_millis(5);

/// Looks at `condition` until it answers `Ok`, and returns that.
///
/// Its `Err` is what was seen instead; the last one is part of the error once `deadline`, which is that of a usual
/// machine ([`patient`]), has passed. `what` completes the sentence "waited 5 s for ...". At least one look is taken, also
/// with a deadline of zero.
pub fn wait_until<T, E: Display>(
    deadline: Duration,
    what: &str,
    mut condition: impl FnMut() -> Result<T, E>,
) -> Result<T> {
    let deadline = patient(deadline);
    let start = Instant::now();
    loop {
        match condition() {
            Ok(reached) => return Ok(reached),
            Err(seen) if start.elapsed() >= deadline => bail!("waited {deadline:?} for {what}; last seen: {seen:#}"),
            Err(_) => thread::sleep(patient(PAUSE)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_what_the_condition_reached() {
        let mut looks = 0;
        let reached = wait_until(Duration::from_secs(5), "three looks", || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(format!("{looks} looks")) }
        });
        assert_eq!(reached.unwrap(), 3);
    }

    #[test]
    fn says_what_was_awaited_and_what_was_seen() {
        let error = wait_until(Duration::ZERO, "the sun", || Err::<(), _>("rain")).unwrap_err().to_string();
        assert_eq!(error, "waited 0ns for the sun; last seen: rain");
    }
}
