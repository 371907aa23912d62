//! The fuzzer's corpus: from the packed file in git to a folder of inputs, and back.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::{Parser, ValueEnum};
use pivot_tests::fuzz::{corpus, seeds};

/// Unpacks or packs the corpus of a fuzz target.
#[derive(Parser)]
struct Args {
    action: Action,
    /// The target: `incoming`, `edges` or `adverts`.
    target: String,
    /// The folder of inputs.
    folder: PathBuf,
}

#[derive(Clone, Copy, ValueEnum)]
enum Action {
    /// Write the corpus, and the seeds written by code, into the folder.
    Unpack,
    /// Make the folder's inputs the corpus.
    Pack,
}

fn main() -> anyhow::Result<()> {
    let Args { action, target, folder } = Args::parse();
    let seeds = match target.as_str() {
        "incoming" => seeds::incoming(),
        "edges" => seeds::edges(),
        "adverts" => seeds::adverts(),
        other => bail!("no target {other:?}: it is `incoming`, `edges` or `adverts`"),
    };
    match action {
        Action::Unpack => {
            fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
            let kept = corpus::read(&target).with_context(|| corpus::file(&target).display().to_string())?;
            for (i, input) in kept.into_iter().chain(seeds).enumerate() {
                fs::write(folder.join(format!("input-{i:05}")), input)?;
            }
        }
        Action::Pack => {
            let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
            let inputs = entries.map(|entry| fs::read(entry?.path())).collect::<Result<Vec<_>, _>>()?;
            corpus::write(&target, inputs).with_context(|| corpus::file(&target).display().to_string())?;
        }
    }
    Ok(())
}
