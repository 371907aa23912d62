//! Durations as operators write them: a whole number and a unit, `"200ms"`, `"2s"`, `"1m"`, `"1h"`, `"5d"`.

use std::time::Duration;

/// Units and their milliseconds, largest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// Why a text is no duration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DurationError {
    #[error("has no unit")]
    NoUnit,
    #[error("is not a whole number and a unit")]
    Malformed,
    #[error("is too large")]
    TooLarge,
}

/// Reads a duration.
///
/// # Errors
/// If it is not digits directly followed by `ms`, `s`, `m`, `h` or `d`, or exceeds 2^64 ms.
pub(super) fn parse(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err(DurationError::Malformed);
    }
    if unit.is_empty() {
        return Err(DurationError::NoUnit);
    }
    let (_, millis) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or(DurationError::Malformed)?;
    let number: u64 = number.parse().map_err(|_| DurationError::TooLarge)?;
    number.checked_mul(millis).map(Duration::from_millis).ok_or(DurationError::TooLarge)
}

/// Writes a duration of whole milliseconds so that [`parse`] reads it back, in the largest unit that is exact.
pub(super) fn format(duration: Duration) -> String {
    let millis = duration.as_millis();
    let exact = UNITS.into_iter().find(|(_, unit)| millis > 0 && millis.is_multiple_of(u128::from(*unit)));
    let (name, unit) = exact.unwrap_or(("ms", 1));
    format!("{}{name}", millis / u128::from(unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_in_every_unit() {
        for (text, millis) in
            [("200ms", 200), ("2s", 2000), ("1m", 60_000), ("1h", 3_600_000), ("5d", 432_000_000), ("0s", 0)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "s", "2 s", "-2s", "1.5s", "2sec", "2é", " 2s", "+2s", "1d12h", "2D", "1w", "٢s"] {
            assert_eq!(parse(text), Err(DurationError::Malformed), "{text:?}");
        }
        assert_eq!(parse("2"), Err(DurationError::NoUnit));
        assert_eq!(parse("99999999999999999999ms"), Err(DurationError::TooLarge));
        assert_eq!(parse("9999999999999999999h"), Err(DurationError::TooLarge));
        assert_eq!(parse("213503982335d"), Err(DurationError::TooLarge), "just past 2^64 ms");
        assert_eq!(parse("213503982334d").map(|d| d.as_secs()), Ok(213_503_982_334 * 86_400));
    }

    #[test]
    fn what_is_written_reads_back() {
        for millis in [0, 1, 999, 1000, 1500, 60_000, 61_000, 90_000, 3_600_000, 86_400_000, 90_000_000] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse(&format(duration)), Ok(duration));
        }
        assert_eq!(format(Duration::from_millis(1500)), "1500ms");
        assert_eq!(format(Duration::from_secs(120)), "2m");
        assert_eq!(format(Duration::from_secs(6 * 86_400)), "6d");
        assert_eq!(format(Duration::from_secs(36 * 3600)), "36h");
    }
}
