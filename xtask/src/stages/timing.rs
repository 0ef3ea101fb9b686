//! `timing.jsonl`: the clock times of a run, kept apart from its results so that those of two runs
//! compare byte for byte.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// One line: a stage, or an epoch of the training.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Timing {
    /// The stage.
    pub(crate) stage: String,
    /// The epoch, counted from 1, where the line is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<usize>,
    /// Wall time.
    pub(crate) seconds: f64,
}

/// Adds a line.
pub(crate) fn append(run: &Path, timing: &Timing) -> Result<()> {
    let path = run.join("timing.jsonl");
    let mut line = serde_json::to_string(timing).context("cannot write a timing as JSON")?;
    line.push('\n');
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(&path)
        .and_then(|mut file| file.write_all(line.as_bytes()))
        .with_context(|| format!("cannot add to `{}`", path.display()))
}

/// Reads all lines; one that a crash tore is left out.
pub(crate) fn read(run: &Path) -> Vec<Timing> {
    let text = std::fs::read_to_string(run.join("timing.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
