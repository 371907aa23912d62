//! What the running kernel was found to offer: its features, and whether pivot's programs pass its verifier.

use serde::Serialize;

/// Whether something is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It was tried, and is.
    Yes,
    /// It was tried, and is not.
    No,
    /// It could not be tried.
    Unknown,
}

/// Something that a kernel has or has not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Feature {
    /// Its name, a few words.
    pub name: &'static str,
    /// Whether the kernel has it.
    pub state: State,
    /// What pivot needs it for, or why it could not be tried.
    pub detail: String,
    /// What pivot does where the kernel has not; none if it cannot do without.
    pub instead: Option<&'static str>,
}

/// What the verifier says of one of pivot's programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProgramReport {
    /// Its name.
    pub name: &'static str,
    /// Whether the kernel takes it.
    pub loads: bool,
    /// Instructions that the verifier looked at, where the kernel counts them.
    pub instructions: Option<u32>,
    /// Most that it looks at.
    pub limit: u32,
    /// Why it was refused.
    pub error: Option<String>,
}

/// A kernel, as far as it was tried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Kernel {
    /// Its features.
    pub features: Vec<Feature>,
    /// pivot's programs; empty if none could be tried.
    pub programs: Vec<ProgramReport>,
}
