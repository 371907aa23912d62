//! Numbers as people read them: three digits and a unit, rounded to nearest, never `1000.0 k`.

use std::net::{IpAddr, SocketAddr};

/// Milliseconds in a day.
const DAY: u64 = 86_400_000;
/// In the Gregorian calendar.
const DAYS_IN_400_YEARS: u64 = 146_097;
/// From the first of March of the year 0 on.
const DAYS_BEFORE_1970: u64 = 719_468;

/// A count: `345`, `12.3 k`, `4.5 M`.
pub fn count(n: u64) -> String {
    scaled(n, ["", "k", "M", "G", "T", "P", "E"])
}

/// Bytes, in powers of a thousand: `345 B`, `12.3 kB`, `1.2 MB`.
pub fn bytes(n: u64) -> String {
    scaled(n, ["B", "kB", "MB", "GB", "TB", "PB", "EB"])
}

/// A time in its two largest units: `45 s`, `3 m 12 s`, `2 h 5 m`, `3 d 4 h`.
pub fn duration(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{minutes} m {} s", seconds % 60),
        3600..86_400 => format!("{hours} h {} m", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Milliseconds: `231 ms`, `1.2 s`, and from a minute on as [`duration`].
pub fn millis(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis} ms"),
        1000..60_000 => format!("{}.{} s", millis / 1000, millis % 1000 / 100),
        _ => duration(millis / 1000),
    }
}

/// A date and time of day, from milliseconds since the beginning of 1970: `2026-03-01 04:05:06.789`.
pub fn utc(millis: u64) -> String {
    let (day, time) = (millis / DAY, millis % DAY);
    let (hours, minutes, seconds) = (time / 3_600_000, time / 60_000 % 60, time / 1000 % 60);
    // Years that begin in March have their odd day at the end; 400 of them have always as many days.
    let days = day + DAYS_BEFORE_1970;
    let (era, day) = (days / DAYS_IN_400_YEARS, days % DAYS_IN_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = 400 * era + year + next;
    format!("{year:04}-{month:02}-{day:02} {hours:02}:{minutes:02}:{seconds:02}.{:03}", millis % 1000)
}

/// A part of a whole, 0.0..=1.0: `33.3 %`.
pub fn share(part: f64) -> String {
    format!("{:.1} %", part * 100.0)
}

/// An address and port: `10.0.0.1:80`, `[2001:db8::1]:80`.
pub fn endpoint(address: IpAddr, port: u16) -> String {
    SocketAddr::new(address, port).to_string()
}

/// `1 service`, `2 services`.
pub fn plural(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

fn scaled(n: u64, units: [&str; 7]) -> String {
    if n < 1000 {
        return format!("{n} {}", units[0]).trim_end().to_owned();
    }
    // In tenths of the unit, so that what rounds up to 1000.0 is seen and moves on to the next one.
    let (mut unit, mut size) = (1, 1000_u128);
    let tenths = |size: u128| (u128::from(n) * 10 + size / 2) / size;
    while tenths(size) >= 10_000 {
        (unit, size) = (unit + 1, size * 1000);
    }
    format!("{}.{} {}", tenths(size) / 10, tenths(size) % 10, units[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_three_digits_and_a_unit() {
        let cases = [(0, "0"), (999, "999"), (1000, "1.0 k"), (12_345, "12.3 k"), (999_949, "999.9 k")];
        for (n, text) in cases.into_iter().chain([(999_950, "1.0 M"), (4_500_000, "4.5 M"), (u64::MAX, "18.4 E")]) {
            assert_eq!(count(n), text);
        }
        assert_eq!(bytes(345), "345 B");
        assert_eq!(bytes(1_234_567), "1.2 MB");
    }

    #[test]
    fn times_have_two_units() {
        let cases = [(0, "0 s"), (59, "59 s"), (60, "1 m 0 s"), (192, "3 m 12 s"), (7_500, "2 h 5 m")];
        for (seconds, text) in cases.into_iter().chain([(86_399, "23 h 59 m"), (273_600, "3 d 4 h")]) {
            assert_eq!(duration(seconds), text);
        }
    }

    #[test]
    fn short_times_have_milliseconds() {
        let cases = [(0, "0 ms"), (999, "999 ms"), (1000, "1.0 s"), (59_999, "59.9 s"), (60_000, "1 m 0 s")];
        for (given, text) in cases {
            assert_eq!(millis(given), text);
        }
    }

    #[test]
    fn dates_are_those_of_the_calendar() {
        // By date(1): `date -u -d @SECONDS`.
        let cases = [
            (0, "1970-01-01 00:00:00.000"),
            (951_782_399_999, "2000-02-28 23:59:59.999"),
            (951_868_800_000, "2000-03-01 00:00:00.000"),
            (1_709_164_800_001, "2024-02-29 00:00:00.001"),
            (1_772_337_906_789, "2026-03-01 04:05:06.789"),
            (4_107_542_399_000, "2100-02-28 23:59:59.000"),
            (4_107_542_400_000, "2100-03-01 00:00:00.000"),
        ];
        for (given, text) in cases {
            assert_eq!(utc(given), text);
        }
    }

    #[test]
    fn a_share_is_a_percentage() {
        assert_eq!(share(1.0 / 3.0), "33.3 %");
        assert_eq!(share(1.0), "100.0 %");
    }
}
