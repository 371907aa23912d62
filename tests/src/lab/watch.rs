//! What a [`super::watcher::Watcher`] saw: who answered for a VIP, and how often that must have changed hands.
//!
//! When an answer arrives, its sender held the VIP at some instant since the question left, no more is known: frames wait in
//! queues. So two hosts may answer one question without ever holding at once. What must never be is that all answers
//! together need more changes of the holder than there were elections: two hosts that hold at once answer in turns.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use lb_userspace::core::event::Mac;

/// An answer. Times are since the watch began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// Number of the question.
    pub question: u32,
    /// Who has the VIP.
    pub mac: Mac,
    /// When the question was sent: no later than it left.
    pub asked: Duration,
    /// When the answer arrived.
    pub at: Duration,
}

/// A host that says unasked that it has the VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// Who.
    pub mac: Mac,
    /// When it arrived, since the watch began.
    pub at: Duration,
}

/// A time for which one host held the VIP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reign {
    /// Who.
    pub mac: Mac,
    /// When its first answer arrived; before that, another host held the VIP, or nobody.
    pub from: Duration,
    /// When its last answer arrived.
    pub to: Duration,
    /// How many there were.
    pub answers: usize,
}

/// All that was seen.
#[derive(Debug, Clone, Default)]
pub struct Watch {
    /// Questions that were asked.
    pub questions: u32,
    /// Answers in the order in which they arrived.
    pub answers: Vec<Answer>,
    /// Announcements, likewise.
    pub announcements: Vec<Announcement>,
}

impl Watch {
    /// The fewest reigns, one after the other, that explain all answers (of two hosts; with more, some answers could be
    /// explained with one reign less).
    pub fn reigns(&self) -> Vec<Reign> {
        let mut reigns: Vec<Reign> = Vec::new();
        for Answer { mac, asked, at, .. } in &self.answers {
            // A reign ended when the next one began: it explains what was asked before.
            let began = reigns.iter().map(|reign| reign.from);
            let ends: Vec<Duration> = began.skip(1).chain([Duration::MAX]).collect();
            let explains = |(reign, end): &(&mut Reign, Duration)| reign.mac == *mac && end >= asked;
            match reigns.iter_mut().zip(ends).rev().find(explains) {
                Some((reign, _)) => (reign.to, reign.answers) = (*at, reign.answers + 1),
                None => reigns.push(Reign { mac: *mac, from: *at, to: *at, answers: 1 }),
            }
        }
        reigns
    }

    /// Questions that were answered by more than one host.
    pub fn doubled(&self) -> usize {
        let mut by_question: BTreeMap<u32, Vec<Mac>> = BTreeMap::new();
        for answer in &self.answers {
            let macs = by_question.entry(answer.question).or_default();
            if !macs.contains(&answer.mac) {
                macs.push(answer.mac);
            }
        }
        by_question.values().filter(|macs| macs.len() > 1).count()
    }

    /// Answers of a host to what was asked within a time.
    pub fn answered(&self, mac: Mac, asked: std::ops::Range<Duration>) -> usize {
        self.answers.iter().filter(|answer| answer.mac == mac && asked.contains(&answer.asked)).count()
    }
}

impl fmt::Display for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (questions, doubled) = (self.questions, self.doubled());
        write!(f, "{questions} questions, {doubled} answered by two hosts; held by")?;
        for Reign { mac, from, to, answers } in self.reigns() {
            write!(f, "\n    {mac} from {from:.1?} to {to:.1?}: {answers} answers")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Mac = Mac([2, 0, 0, 0, 0, 0xa]);
    const B: Mac = Mac([2, 0, 0, 0, 0, 0xb]);

    /// Who answered, when that was asked and when it arrived, in milliseconds.
    fn watch(seen: &[(Mac, u64, u64)]) -> Watch {
        let answer = |(mac, asked, at): &(Mac, u64, u64)| {
            let [asked, at] = [*asked, *at].map(Duration::from_millis);
            Answer { question: asked.as_millis() as u32, mac: *mac, asked, at }
        };
        Watch { questions: 100, answers: seen.iter().map(answer).collect(), announcements: Vec::new() }
    }

    fn order(watch: &Watch) -> Vec<Mac> {
        watch.reigns().iter().map(|reign| reign.mac).collect()
    }

    #[test]
    fn one_host_after_the_other_is_two_reigns() {
        let seen = watch(&[(A, 0, 0), (A, 2, 2), (B, 8, 8), (B, 10, 10)]);
        assert_eq!(order(&seen), [A, B]);
        let times =
            |from, to, mac| Reign { mac, from: Duration::from_millis(from), to: Duration::from_millis(to), answers: 2 };
        assert_eq!(seen.reigns(), [times(0, 2, A), times(8, 10, B)]);
        assert_eq!(order(&watch(&[])), []);
    }

    #[test]
    fn an_answer_that_was_late_belongs_to_the_reign_in_which_it_was_asked_for() {
        let seen = watch(&[(A, 0, 0), (B, 4, 5), (A, 4, 30), (B, 31, 32)]);
        assert_eq!(order(&seen), [A, B]);
        assert_eq!(seen.doubled(), 1);
    }

    #[test]
    fn two_that_answer_at_once_need_a_reign_for_each_turn() {
        let seen = watch(&[(A, 0, 0), (A, 2, 2), (B, 2, 2), (B, 4, 4), (A, 4, 4), (A, 6, 6), (B, 6, 6)]);
        assert!(order(&seen).len() > 2, "{seen}");
        assert_eq!(seen.doubled(), 3);
    }

    #[test]
    fn whoever_answers_again_after_another_reigns_again() {
        assert_eq!(order(&watch(&[(A, 0, 0), (B, 4, 4), (A, 6, 6)])), [A, B, A]);
    }

    #[test]
    fn answers_are_counted_by_when_they_were_asked_for() {
        let seen = watch(&[(A, 1, 9), (A, 5, 9), (B, 5, 9)]);
        let range = |from, to| Duration::from_millis(from)..Duration::from_millis(to);
        assert_eq!((seen.answered(A, range(0, 5)), seen.answered(A, range(0, 6))), (1, 2));
    }
}
