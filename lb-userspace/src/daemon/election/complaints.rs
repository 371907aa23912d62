//! Messages that were ignored: each sender and reason is told once, however often it comes; all are counted.

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::core::election::GroupName;
use crate::core::event::Now;
use crate::core::view::vips::{IgnoredSender, IgnoredView};
use crate::daemon::told::Told;

/// Most senders that are listed: the last ones.
const LISTED: usize = 32;

/// One message that was ignored.
#[derive(Debug, Clone)]
pub(super) struct Ignored {
    /// The group it was for, if it was for one.
    pub(super) group: Option<GroupName>,
    /// Sender.
    pub(super) source: IpAddr,
    /// What is wrong with it, in a word.
    pub(super) kind: &'static str,
    /// The same, in words.
    pub(super) why: String,
}

/// What has been told, and counted.
#[derive(Debug, Default)]
pub(super) struct Complaints {
    told: Told,
    /// All that were ignored.
    count: u64,
    kinds: BTreeMap<&'static str, u64>,
    /// The last senders, by what is wrong with their messages: how many, and the last one.
    senders: BTreeMap<(IpAddr, &'static str), (u64, Now, Ignored)>,
}

impl Complaints {
    /// Takes one in; whether it is to be told.
    pub(super) fn take(&mut self, ignored: &Ignored, now: Now) -> bool {
        self.count += 1;
        *self.kinds.entry(ignored.kind).or_default() += 1;
        let key = (ignored.source, ignored.kind);
        if self.senders.len() >= LISTED && !self.senders.contains_key(&key) {
            let oldest = self.senders.iter().min_by_key(|(_, (_, last, _))| *last).map(|(key, _)| *key);
            oldest.map(|key| self.senders.remove(&key));
        }
        let messages = self.senders.get(&key).map_or(0, |(messages, _, _)| *messages);
        self.senders.insert(key, (messages + 1, now, ignored.clone()));
        self.told.is_new(ignored.source, &ignored.why)
    }

    /// What an operator is shown.
    pub(super) fn view(&self, now: Now) -> IgnoredView {
        let mut senders: Vec<_> = self.senders.values().collect();
        senders.sort_by_key(|(_, last, _)| std::cmp::Reverse(*last));
        let sender = |(messages, last, ignored): &(u64, Now, Ignored)| IgnoredSender {
            source: ignored.source,
            kind: ignored.kind.to_owned(),
            group: ignored.group.as_deref().map(str::to_owned),
            messages: *messages,
            ago_s: now.0.saturating_sub(last.0).as_secs(),
            why: ignored.why.clone(),
        };
        IgnoredView {
            total: self.count,
            kinds: self.kinds.iter().map(|(kind, count)| ((*kind).to_owned(), *count)).collect(),
            senders: senders.into_iter().map(sender).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ignored(source: u32, kind: &'static str, why: &str) -> Ignored {
        Ignored { group: None, source: IpAddr::from(source.to_be_bytes()), kind, why: why.to_owned() }
    }

    #[test]
    fn all_are_counted_by_kind_and_the_last_senders_are_listed() {
        let mut complaints = Complaints::default();
        let at = |second| Now(Duration::from_secs(second));
        for second in 0..100 {
            complaints.take(&ignored(second, "hops", "far"), at(second.into()));
        }
        complaints.take(&ignored(99, "hops", "farther"), at(100));
        complaints.take(&ignored(99, "checksum", "broken"), at(101));
        let view = complaints.view(at(111));
        assert_eq!((view.total, view.kinds["hops"], view.kinds["checksum"]), (102, 101, 1));
        assert_eq!(view.senders.len(), LISTED);
        let [first, second, ..] = &view.senders[..] else { panic!("{view:?}") };
        assert_eq!((first.kind.as_str(), first.messages, first.ago_s), ("checksum", 1, 10));
        assert_eq!((second.messages, second.why.as_str()), (2, "farther"));
        assert_eq!(view.senders[31].source, ignored(69, "hops", "").source);
    }
}
