//! Inputs that a fuzzer found, packed: a file of text for each target, one input on a line in hexadecimal digits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// The file of a target.
#[must_use]
pub fn file(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target).with_extension("hex")
}

/// The inputs in it.
///
/// # Errors
/// If it cannot be read or has anything else in it.
pub fn read(target: &str) -> io::Result<Vec<Vec<u8>>> {
    let text = fs::read_to_string(file(target))?;
    let input = |line: &str| {
        let pairs = line.as_bytes().chunks(2).map(|pair| {
            let digits = std::str::from_utf8(pair).unwrap_or_default();
            u8::from_str_radix(digits, 16).map_err(|error| io::Error::other(format!("{digits:?}: {error}")))
        });
        pairs.collect()
    };
    text.lines().map(input).collect()
}

/// Replaces them, in an order that depends on nothing else.
///
/// # Errors
/// If the file cannot be written.
pub fn write(target: &str, inputs: impl IntoIterator<Item = Vec<u8>>) -> io::Result<()> {
    let digits = |input: Vec<u8>| input.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines: BTreeSet<String> = inputs.into_iter().map(digits).filter(|line| !line.is_empty()).collect();
    let text: String = lines.into_iter().flat_map(|line| [line, "\n".to_owned()]).collect();
    fs::write(file(target), text)
}
