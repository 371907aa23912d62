//! What `pivot doctor --json` says of the kernel it is run on, as far as the support table tells it.

use serde::{Deserialize, Serialize};

/// Its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Doctor {
    /// pivot's BPF programs.
    #[serde(default)]
    pub(super) programs: Vec<Program>,
    /// What pivot would like to use.
    #[serde(default)]
    pub(super) features: Vec<Feature>,
}

/// A BPF program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Program {
    pub(super) name: String,
    pub(super) loads: bool,
    /// What the verifier went through.
    pub(super) instructions: Option<u64>,
    /// What it goes through at most.
    pub(super) limit: Option<u64>,
    /// Why it does not load.
    pub(super) error: Option<String>,
}

/// Something that a kernel has or has not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Feature {
    pub(super) name: String,
    pub(super) state: State,
    #[serde(default)]
    pub(super) detail: String,
    /// What pivot does without it.
    pub(super) instead: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    Yes,
    No,
    Unknown,
}

/// Reads the answer; `None` if there is none.
pub(super) fn read(text: &str) -> Option<Doctor> {
    serde_json::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_table_needs_and_leaves_the_rest() {
        let text = r#"{"kernel": "6.1.0-56-amd64", "more": 1,
            "programs": [{"name": "pivot_xdp", "loads": true, "instructions": 2116, "limit": 1000000, "error": null}],
            "features": [{"name": "SO_REUSEPORT", "state": "no", "detail": "since 6.6", "instead": "nat"}]}"#;
        let doctor = read(text).unwrap();
        assert_eq!(doctor.programs[0].instructions, Some(2116));
        let feature = Feature {
            name: "SO_REUSEPORT".into(),
            state: State::No,
            detail: "since 6.6".into(),
            instead: Some("nat".into()),
        };
        assert_eq!(doctor.features, [feature]);
    }

    #[test]
    fn no_answer_is_none() {
        assert_eq!(read(""), None);
        assert_eq!(read("error: unrecognized subcommand 'doctor'"), None);
    }
}
