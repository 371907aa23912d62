//! Numbers as people read them: three digits and a unit, rounded to nearest, never `1000.0 k`.

use std::net::{IpAddr, SocketAddr};

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
    fn a_share_is_a_percentage() {
        assert_eq!(share(1.0 / 3.0), "33.3 %");
        assert_eq!(share(1.0), "100.0 %");
    }
}
