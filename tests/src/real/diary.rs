//! What a client that runs on its own writes down: lines of the time, what happened, and what about.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Something that happened to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// When, on the monotonic clock: see [`now`].
    pub at: Duration,
    /// What: "connected", "lost", or a word of the client's own.
    pub what: String,
    /// What about.
    pub about: String,
}

/// A time without a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// When it was lost.
    pub lost: Duration,
    /// How long there was none; `None`: there still is none.
    pub lasted: Option<Duration>,
    /// Why, in the client's words.
    pub why: String,
}

/// Now, on the clock of [`Entry::at`].
#[must_use]
pub fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), now.tv_nsec.unsigned_abs() as u32)
}

/// All whole lines.
#[must_use]
pub fn read(text: &str) -> Vec<Entry> {
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().filter_map(parse).collect()
}

fn parse(line: &str) -> Option<Entry> {
    let mut words = line.splitn(3, ' ');
    let at = Duration::try_from_secs_f64(words.next()?.parse().ok()?).ok()?;
    let (what, about) = (words.next()?.to_owned(), words.next().unwrap_or_default().to_owned());
    Some(Entry { at, what, about })
}

/// The times without a connection that began since then, each from the first loss to the next connection.
#[must_use]
pub fn gaps(entries: &[Entry], since: Duration) -> Vec<Gap> {
    let mut gaps: Vec<Gap> = Vec::new();
    for entry in entries.iter().filter(|entry| entry.at >= since) {
        let open = gaps.last_mut().filter(|gap| gap.lasted.is_none());
        match (&*entry.what, open) {
            ("lost", None) => gaps.push(Gap { lost: entry.at, lasted: None, why: entry.about.clone() }),
            ("connected", Some(gap)) => gap.lasted = Some(entry.at.saturating_sub(gap.lost)),
            _ => {}
        }
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_lasts_from_the_first_loss_to_the_next_connection() {
        let text = "1.0 connected \n1.5 confirmed 7\n2.0 lost StreamLostError reset\n2.1 lost refused \n2.75 connected \n3.0 lost x\n4.0 conn";
        let entries = read(text);
        assert_eq!(entries.len(), 6, "half a line is none");
        let gap = |lost: f64, lasted: Option<u64>, why: &str| Gap {
            lost: Duration::from_secs_f64(lost),
            lasted: lasted.map(Duration::from_millis),
            why: why.to_owned(),
        };
        let all = [gap(2.0, Some(750), "StreamLostError reset"), gap(3.0, None, "x")];
        assert_eq!(gaps(&entries, Duration::ZERO), all);
        assert_eq!(gaps(&entries, Duration::from_millis(2900)), all[1..]);
        assert_eq!((&*entries[1].what, &*entries[1].about), ("confirmed", "7"));
    }

    #[test]
    fn the_clock_goes_on() {
        let (before, after) = (now(), now());
        assert!(before > Duration::ZERO && after >= before);
    }
}
