//! Descriptors of this process. The usual soft limit of 1024 is for programs that use `select()`; checks may need some thousands, one
//! or two for each that is under way.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// More are not asked for.
const ENOUGH: u64 = 65_536;

/// Raises the soft limit as far as anybody may; returns how many descriptors there are now.
pub fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    match limit.current {
        Some(current) if current < wanted => {
            let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
            if raised.is_ok() { wanted } else { current }
        }
        current => current.unwrap_or(ENOUGH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_are_had_as_anybody_may() {
        let had = raise();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current.unwrap_or(ENOUGH), had);
        assert!(had >= limit.maximum.unwrap_or(ENOUGH).min(ENOUGH));
        assert_eq!(raise(), had);
    }
}
