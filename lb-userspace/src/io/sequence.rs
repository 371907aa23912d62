//! Where the sequence of sealed messages begins: behind all that an earlier pivotd of this host has sent, though the clock may have
//! been set back since. Others ignore what they take to be old, and would take over from a host that speaks.

use std::fs;
use std::io;
use std::path::Path;

use super::durable;

/// Messages that one run may send before it reaches where the next one begins: at 100 a second to 10 hosts, 30 years.
const RUN: u64 = 1_000_000_000_000;

/// The number that this run begins behind, at a time of day in nanoseconds; remembered in `root/INSTANCE/sequence`.
///
/// # Errors
/// If it cannot be remembered or the file says something else: then the time of day is what is left.
pub fn begin(root: &Path, instance: &str, time_of_day: u64) -> io::Result<u64> {
    let path = root.join(instance).join("sequence");
    let last = match fs::read_to_string(&path) {
        Ok(text) => Some(text.trim().parse::<u64>().map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("{} says {:?}: {error}", path.display(), text.trim()))
        })?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let first = last.map_or(time_of_day, |last| time_of_day.max(last.saturating_add(RUN)));
    durable::write(&path, &format!("{first}\n"))?;
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_begins_behind_the_one_before_whatever_the_clock_says() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("state");
        let noon = 1_700_000_000_000_000_000;
        let first = begin(&state, "c1", noon).unwrap();
        assert_eq!(first, noon);
        let set_back = begin(&state, "c1", noon - 3_600_000_000_000).unwrap();
        assert!(set_back >= first + RUN);
        assert!(begin(&state, "c1", 0).unwrap() >= set_back + RUN);
        assert_eq!(begin(&state, "c1", 2 * noon).unwrap(), 2 * noon);
        assert_eq!(begin(&state, "c2", noon).unwrap(), noon, "another instance");
    }

    #[test]
    fn a_file_that_says_something_else_is_named() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("c1")).unwrap();
        fs::write(root.path().join("c1/sequence"), "noon\n").unwrap();
        let error = begin(root.path(), "c1", 1).unwrap_err().to_string();
        assert!(error.contains("c1/sequence") && error.contains("noon"), "{error}");
        fs::remove_file(root.path().join("c1/sequence")).unwrap();
        fs::remove_dir(root.path().join("c1")).unwrap();
        fs::write(root.path().join("c1"), "no directory").unwrap();
        assert!(begin(root.path(), "c1", 1).is_err());
    }
}
