//! How slow the machine is: one factor for everything in the lab that has to do with real time.
//!
//! `PIVOT_PATIENCE=10` says that programs run ten times slower than usual, as in an emulated machine. Then every deadline
//! is ten times as long, health checks are ten times as far apart, and where a test moves a large amount only so that it
//! takes a while, a tenth is moved. What is proved stays the same; nothing is skipped.

use std::sync::OnceLock;
use std::time::Duration;
use std::{env, num::NonZeroU32};

/// The variable that tells the factor: a whole number, 1 unless it is set.
pub const VARIABLE: &str = "PIVOT_PATIENCE";

/// How many times slower than usual this machine is.
///
/// # Panics
/// If the variable is no whole number above 0: a test would wait for too short or too long a time, and not say why.
pub fn factor() -> u32 {
    static FACTOR: OnceLock<u32> = OnceLock::new();
    *FACTOR.get_or_init(|| match env::var(VARIABLE) {
        Ok(text) => parse(&text).unwrap_or_else(|| panic!("{VARIABLE}={text}: a whole number above 0, such as 10")),
        Err(_) => 1,
    })
}

/// A time that is enough on a usual machine, as it is enough on this one.
pub fn patient(time: Duration) -> Duration {
    time * factor()
}

/// An amount that takes a while on a usual machine, as it takes about as long on this one; never none at all.
pub fn eased(amount: u64) -> u64 {
    (amount / u64::from(factor())).max(1)
}

fn parse(text: &str) -> Option<u32> {
    text.parse().ok().map(NonZeroU32::get)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_is_a_whole_number_above_zero() {
        assert_eq!(parse("10"), Some(10));
        for text in ["0", "-1", "1.5", "", "ten"] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn time_grows_by_the_factor_and_amounts_shrink_by_it() {
        assert_eq!(patient(Duration::from_millis(7)), Duration::from_millis(7) * factor());
        assert_eq!(eased(1 << 30), (1 << 30) / u64::from(factor()));
        assert_eq!(eased(0), 1);
    }
}
