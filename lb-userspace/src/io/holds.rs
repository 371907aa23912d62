//! Groups that this host's operator holds it back from: kept in a file, one name a line, so that neither a restart of pivotd
//! nor one of the host ends it. There is a file only while there is such a group.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::durable;

/// Where what instances remember is.
pub const STATE_ROOT: &str = "/var/lib/pivot";

/// Why it cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}, which says what groups of VIPs this host is held back from: {cause}", path = .path.display())]
pub struct HoldsError {
    action: &'static str,
    path: PathBuf,
    cause: io::Error,
}

/// The groups.
#[derive(Debug)]
pub struct Holds {
    path: PathBuf,
    groups: BTreeSet<String>,
}

impl Holds {
    /// Those of an instance, from `root/INSTANCE/held-back`. Nothing is made there.
    ///
    /// # Errors
    /// [`HoldsError`] if there is such a file and it cannot be read: nobody knows then what is to be left alone.
    pub fn load(root: &Path, instance: &str) -> Result<Self, HoldsError> {
        let path = root.join(instance).join("held-back");
        let groups = match fs::read_to_string(&path) {
            Ok(text) => text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned).collect(),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            Err(cause) => return Err(HoldsError { action: "read", path, cause }),
        };
        Ok(Self { path, groups })
    }

    /// Whether the host is held back from a group.
    #[must_use]
    pub fn has(&self, group: &str) -> bool {
        self.groups.contains(group)
    }

    /// The groups, by name.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().map(String::as_str)
    }

    /// Holds the host back from these groups, or ends that, now and after restarts.
    ///
    /// # Errors
    /// [`HoldsError`] if the file cannot be written: then nothing has changed.
    pub fn set(&mut self, groups: &[&str], hold: bool) -> Result<(), HoldsError> {
        let mut wanted = self.groups.clone();
        for group in groups {
            if hold {
                wanted.insert((*group).to_owned());
            } else {
                wanted.remove(*group);
            }
        }
        if wanted != self.groups {
            let written = if wanted.is_empty() { self.remove() } else { self.write(&wanted) };
            written.map_err(|cause| HoldsError { action: "write", path: self.path.clone(), cause })?;
            self.groups = wanted;
        }
        Ok(())
    }

    fn write(&self, groups: &BTreeSet<String>) -> io::Result<()> {
        let lines: String = groups.iter().map(|group| format!("{group}\n")).collect();
        durable::write(&self.path, &lines)
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
        // Somebody may have put something else there.
        let _ = self.path.parent().map(fs::remove_dir);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_are_there_again_after_a_restart_until_they_are_ended() {
        let root = tempfile::tempdir().unwrap();
        let state = root.path().join("state");
        let mut holds = Holds::load(&state, "c1").unwrap();
        assert!(!holds.has("control") && !state.exists());
        holds.set(&["control", "public"], true).unwrap();
        let mut again = Holds::load(&state, "c1").unwrap();
        assert_eq!(again.iter().collect::<Vec<_>>(), ["control", "public"]);
        assert!(!Holds::load(&state, "c2").unwrap().has("control"));
        again.set(&["control"], false).unwrap();
        assert_eq!(Holds::load(&state, "c1").unwrap().iter().collect::<Vec<_>>(), ["public"]);
        again.set(&["public"], false).unwrap();
        assert!(!state.join("c1").exists() && !again.has("public"));
    }

    #[test]
    fn what_cannot_be_written_is_not_so() {
        let root = tempfile::tempdir().unwrap();
        let mut holds = Holds::load(root.path(), "c1").unwrap();
        fs::write(root.path().join("c1"), "a file where the directory is to be").unwrap();
        let error = holds.set(&["control"], true).unwrap_err().to_string();
        assert!(error.starts_with("cannot write ") && error.contains("held-back"), "{error}");
        assert!(!holds.has("control"));
        let unreadable = Holds::load(root.path(), "c1").unwrap_err().to_string();
        assert!(unreadable.starts_with("cannot read "), "{unreadable}");
    }
}
