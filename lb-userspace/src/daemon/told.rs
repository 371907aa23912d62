//! What strangers do is told once for each sender and reason, however often it happens.

use std::collections::BTreeSet;
use std::net::IpAddr;

/// Most that are told apart: whoever can forge senders must not fill the log, or memory.
const MOST: usize = 256;

/// What has been told.
#[derive(Debug, Default)]
pub(super) struct Told(BTreeSet<(IpAddr, String)>);

impl Told {
    /// Takes one in; whether it is to be told.
    pub(super) fn is_new(&mut self, source: IpAddr, why: &str) -> bool {
        self.0.len() < MOST && self.0.insert((source, why.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_told_once_and_not_without_end() {
        let mut told = Told::default();
        let source = |number: u32| IpAddr::from(number.to_be_bytes());
        assert!(told.is_new(source(1), "no"));
        assert!(!told.is_new(source(1), "no"));
        assert!(told.is_new(source(1), "neither"));
        let more = (0..1000).filter(|number| told.is_new(source(*number), "flood")).count();
        assert_eq!(more, MOST - 2);
    }
}
