//! How long a backup waits (RFC 9568 section 6.1, RFC 3768 section 6.1).
//!
//! Exact, not in whole centiseconds as the RFC counts: with adverts every 10 ms all skews would be 0 then, and every backup
//! would wake up at the same instant. keepalived does not round either.

use std::time::Duration;

use super::advert::Version;

/// How much longer a backup of this priority waits than one of the highest: the higher its priority, the shorter.
///
/// Version 2: `(256 - priority) / 256` s. Version 3: that share of the holder's interval.
#[must_use]
pub fn skew(version: Version, priority: u8, interval: Duration) -> Duration {
    let whole = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => interval,
    };
    whole * (256 - u32::from(priority)) / 256
}

/// How long a backup hears nothing before it takes over: three adverts of the holder's, and its skew.
#[must_use]
pub fn master_down(version: Version, priority: u8, interval: Duration) -> Duration {
    interval * 3 + skew(version, priority, interval)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_3_scales_its_skew_by_the_holders_interval() {
        let second = Duration::from_secs(1);
        assert_eq!(skew(Version::V3, 100, second), Duration::from_micros(609_375));
        assert_eq!(master_down(Version::V3, 100, second), Duration::from_micros(3_609_375));
        assert_eq!(master_down(Version::V3, 100, second / 100), Duration::from_nanos(36_093_750));
        assert_eq!(master_down(Version::V3, 255, second * 40), Duration::from_micros(120_156_250));
    }

    #[test]
    fn version_2_has_a_skew_of_parts_of_a_second_whatever_the_interval() {
        for seconds in [1, 255] {
            assert_eq!(skew(Version::V2, 100, Duration::from_secs(seconds)), Duration::from_micros(609_375));
        }
        assert_eq!(skew(Version::V2, 1, Duration::from_secs(1)), Duration::from_nanos(996_093_750));
    }

    #[test]
    fn no_two_priorities_wake_up_at_the_same_time() {
        for interval in [10, 1000, 40_950].map(Duration::from_millis) {
            for priority in 1..=254 {
                let (lower, higher) = (priority, priority + 1);
                let waits = [lower, higher].map(|priority| master_down(Version::V3, priority, interval));
                assert!(waits[0] > waits[1], "{lower} and {higher} at {interval:?}");
            }
        }
    }
}
