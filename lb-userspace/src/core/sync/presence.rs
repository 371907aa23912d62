//! Whether a host that beats is heard.
//!
//! Every message says how often its sender beats, so a host is missed by its own measure; one that says that it stops is not
//! missed at all. Whoever has not looked for a while, as it hung or had no CPU, knows nothing of that time, and gives the others
//! the same time again.

use std::time::Duration;

use crate::core::event::{Now, Silent};

/// How long a host is waited for, in halves of its beats: three may be lost, and the next one may be late.
const HALF_BEATS: u32 = 7;
/// How long its backends have to show that it lives, in its beats.
const WITHIN: u32 = 2;

/// What is known of a host's being there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pulse {
    /// How often it beats; `None`: it does not, or has not been heard.
    beat: Option<Duration>,
    heard_at: Option<Now>,
    told: Told,
}

/// What was told of it last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Told {
    #[default]
    Nothing,
    Heard,
    Silent,
}

/// What has become of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It beat, and is not heard any more.
    Silent(Silent),
    /// It is heard, for the first time or again, or has said that it stops.
    Heard {
        /// Its name.
        host: String,
    },
}

/// When somebody last looked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attention {
    looked_at: Now,
    /// What was not heard before that is nobody's fault.
    since: Now,
}

impl Attention {
    /// From now on.
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self { looked_at: now, since: now }
    }

    /// Somebody looks: at least this often, or nothing is known of the time between.
    pub fn look(&mut self, now: Now, at_least: Duration) {
        if now.0.saturating_sub(self.looked_at.0) > at_least {
            self.since = now;
        }
        self.looked_at = now;
    }
}

impl Pulse {
    /// A message came, whose sender beats so often; zero: it does not.
    pub fn hear(&mut self, beat: Duration, now: Now) {
        self.heard_at = Some(now);
        self.beat = Some(beat).filter(|beat| !beat.is_zero());
    }

    /// A message came that does not say how often its sender beats.
    pub fn touch(&mut self, now: Now) {
        self.heard_at = Some(now);
    }

    /// It has said that it stops.
    pub fn leave(&mut self) {
        self.beat = None;
    }

    /// Whether it beats, and is heard.
    #[must_use]
    pub fn beats(&self, attention: &Attention, now: Now) -> bool {
        self.beat.is_some_and(|beat| self.silence(attention, now) < limit(beat))
    }

    /// When it is missed if nothing is heard of it until then; `None`: it is not, or is already.
    #[must_use]
    pub fn deadline(&self, attention: &Attention) -> Option<Now> {
        let beat = self.beat.filter(|_| self.told != Told::Silent)?;
        Some(Now(self.last(attention).0 + limit(beat)))
    }

    /// What has become of it since this was asked last. `alone`: no other host beats.
    pub fn change(&mut self, host: &str, attention: &Attention, alone: bool, now: Now) -> Option<Presence> {
        let missed = self.beat.filter(|beat| self.silence(attention, now) >= limit(*beat));
        let told = match (missed, self.heard_at) {
            (Some(_), _) => Told::Silent,
            (None, Some(_)) => Told::Heard,
            (None, None) => Told::Nothing,
        };
        if std::mem::replace(&mut self.told, told) == told {
            return None;
        }
        let host = host.to_owned();
        match (missed, told) {
            (Some(beat), _) => {
                let silence = now.0.saturating_sub(self.heard_at.unwrap_or_default().0);
                Some(Presence::Silent(Silent { host, silence, within: beat * WITHIN, alone }))
            }
            (None, Told::Heard) => Some(Presence::Heard { host }),
            (None, Told::Nothing | Told::Silent) => None,
        }
    }

    fn silence(&self, attention: &Attention, now: Now) -> Duration {
        now.0.saturating_sub(self.last(attention).0)
    }

    /// What its silence is counted from.
    fn last(&self, attention: &Attention) -> Now {
        self.heard_at.unwrap_or_default().max(attention.since)
    }
}

/// When a host is missed that beats so often.
fn limit(beat: Duration) -> Duration {
    beat * HALF_BEATS / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEAT: Duration = Duration::from_millis(100);

    fn at(millis: u64) -> Now {
        Now(Duration::from_millis(1000 + millis))
    }

    /// One who looks every 50 ms.
    fn looks(attention: &mut Attention, from: u64, to: u64) {
        (from..=to).step_by(50).for_each(|millis| attention.look(at(millis), BEAT));
    }

    #[test]
    fn a_host_is_silent_three_beats_and_a_half_after_its_last_one_and_is_told_of_once() {
        let (mut pulse, mut attention) = (Pulse::default(), Attention::new(at(0)));
        assert_eq!(pulse.change("c2", &attention, false, at(0)), None, "never heard");
        pulse.hear(BEAT, at(0));
        let heard = Presence::Heard { host: "c2".to_owned() };
        assert_eq!(pulse.change("c2", &attention, false, at(1)), Some(heard.clone()));
        looks(&mut attention, 0, 349);
        assert!(pulse.beats(&attention, at(349)));
        assert_eq!(pulse.deadline(&attention), Some(at(350)));
        assert_eq!(pulse.change("c2", &attention, false, at(349)), None);
        assert!(!pulse.beats(&attention, at(350)));
        let (silence, within) = (Duration::from_millis(350), Duration::from_millis(200));
        let silent = Silent { host: "c2".to_owned(), silence, within, alone: true };
        assert_eq!(pulse.change("c2", &attention, true, at(350)), Some(Presence::Silent(silent)));
        assert_eq!((pulse.change("c2", &attention, true, at(351)), pulse.deadline(&attention)), (None, None));
        pulse.hear(BEAT, at(900));
        assert_eq!(pulse.change("c2", &attention, false, at(900)), Some(heard));
    }

    #[test]
    fn whoever_does_not_beat_or_has_said_that_it_stops_is_not_missed() {
        let (mut pulse, mut attention) = (Pulse::default(), Attention::new(at(0)));
        pulse.hear(Duration::ZERO, at(0));
        looks(&mut attention, 0, 9000);
        assert_eq!(pulse.deadline(&attention), None);
        assert!(matches!(pulse.change("c2", &attention, false, at(9000)), Some(Presence::Heard { .. })));
        pulse.hear(BEAT, at(9000));
        pulse.leave();
        looks(&mut attention, 9000, 19_000);
        assert_eq!(pulse.change("c2", &attention, false, at(19_000)), None);
    }

    #[test]
    fn whoever_was_silent_and_says_that_it_stops_is_heard() {
        let (mut pulse, mut attention) = (Pulse::default(), Attention::new(at(0)));
        pulse.hear(BEAT, at(0));
        looks(&mut attention, 0, 400);
        assert!(matches!(pulse.change("c2", &attention, false, at(400)), Some(Presence::Silent(_))));
        pulse.hear(BEAT, at(401));
        pulse.leave();
        assert!(matches!(pulse.change("c2", &attention, false, at(401)), Some(Presence::Heard { .. })));
    }

    #[test]
    fn who_has_not_looked_for_a_while_gives_the_others_the_same_time_again() {
        let (mut pulse, mut attention) = (Pulse::default(), Attention::new(at(0)));
        pulse.hear(BEAT, at(0));
        assert!(pulse.change("c2", &attention, false, at(0)).is_some());
        attention.look(at(5000), BEAT);
        assert_eq!(pulse.change("c2", &attention, false, at(5000)), None, "this host hung");
        assert_eq!(pulse.deadline(&attention), Some(at(5350)));
        looks(&mut attention, 5000, 5350);
        assert!(matches!(pulse.change("c2", &attention, false, at(5350)), Some(Presence::Silent(_))));
    }
}
