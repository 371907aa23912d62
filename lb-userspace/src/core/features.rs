//! What a kernel can do, as found by trying.

use serde::Serialize;

/// Name of the feature that jumbo frames need with native XDP.
pub const SEVERAL_BUFFERS: &str = "XDP over several buffers";
/// Name of the feature without which locked memory is limited.
pub const CGROUP_MEMORY: &str = "BPF memory by control group";

/// Whether a feature is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It could not be tried.
    Unknown,
}

impl From<bool> for State {
    fn from(there: bool) -> Self {
        if there { Self::Yes } else { Self::No }
    }
}

/// Something that pivot uses where the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Feature {
    /// Its name.
    pub name: &'static str,
    /// Whether it is there.
    pub state: State,
    /// What it is for, or why it could not be tried.
    pub detail: String,
    /// What pivot does instead, where it is not there; `None` there: it cannot do without.
    pub instead: Option<&'static str>,
}

impl Feature {
    /// A feature and what is done where it is not there.
    #[must_use]
    pub fn of(name: &'static str, state: State, purpose: &str, instead: &'static str) -> Self {
        Self { name, state, detail: purpose.to_owned(), instead: (state == State::No).then_some(instead) }
    }

    /// A feature that pivot cannot do without.
    #[must_use]
    pub fn required(name: &'static str, state: State, purpose: &str) -> Self {
        Self { name, state, detail: purpose.to_owned(), instead: None }
    }

    /// What is not there and what is done about it, in a line.
    #[must_use]
    pub fn alternative(&self) -> String {
        format!("this kernel has no {}; instead: {}", self.name, self.instead.unwrap_or("nothing"))
    }
}

/// What the kernel's verifier says of a program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProgramReport {
    /// The program.
    pub name: &'static str,
    /// Whether it is accepted.
    pub loads: bool,
    /// Instructions that the verifier went through.
    pub instructions: Option<u32>,
    /// How many it goes through at most.
    pub limit: u32,
    /// Why it is refused.
    pub error: Option<String>,
}

/// What is known of a kernel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Kernel {
    /// Features.
    pub features: Vec<Feature>,
    /// Programs that this kernel is given; empty if none could be tried.
    pub programs: Vec<ProgramReport>,
}

impl Kernel {
    /// Whether a feature was tried and is not there.
    #[must_use]
    pub fn lacks(&self, name: &str) -> bool {
        self.features.iter().any(|feature| feature.name == name && feature.state == State::No)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_has_an_alternative() {
        let feature = |state| Feature::of("TCX", state, "links", "clsact filters");
        assert_eq!(feature(State::Yes).instead, None);
        assert_eq!(feature(State::Unknown).instead, None);
        assert_eq!(feature(State::No).alternative(), "this kernel has no TCX; instead: clsact filters");
    }
}
