//! `timing.jsonl`: the clock times of a run, kept apart from its results so that those of two runs
//! compare byte for byte.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use cantus_pipeline::fault::around;
use serde::{Deserialize, Serialize};

/// One line: a stage, or an epoch of the training.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Timing {
    /// The stage.
    pub(crate) stage: String,
    /// The epoch, counted from 1, where the line is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) epoch: Option<usize>,
    /// What the line is about, where it is neither an epoch nor a stage that ended whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) part: Option<Part>,
    /// Wall time.
    pub(crate) seconds: f64,
}

/// A piece of a stage's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Part {
    /// It begins, and takes up nothing of what was done before.
    BegunAnew,
    /// It begins where an earlier part stood.
    Resumed,
    /// It was interrupted.
    Interrupted,
}

impl Timing {
    /// How long a stage took that ended whole.
    pub(crate) fn whole(stage: &str, seconds: f64) -> Self {
        Self { stage: stage.to_owned(), epoch: None, part: None, seconds }
    }

    /// How long an epoch took.
    pub(crate) fn epoch(stage: &str, epoch: usize, seconds: f64) -> Self {
        Self { epoch: Some(epoch), ..Self::whole(stage, seconds) }
    }

    /// The begin or the interruption of a stage.
    pub(crate) fn part(stage: &str, part: Part, seconds: f64) -> Self {
        Self { part: Some(part), ..Self::whole(stage, seconds) }
    }
}

/// The time that each stage took when it last ended whole, over all parts of it, in the order in
/// which they ended. Of a part that was killed the epochs count that were over.
pub(crate) fn totals(lines: &[Timing]) -> Vec<(String, f64)> {
    #[derive(Default)]
    struct Parts {
        ended: f64,
        epochs: f64,
    }
    let mut open: BTreeMap<&str, Parts> = BTreeMap::new();
    let mut totals: Vec<(String, f64)> = Vec::new();
    for line in lines {
        let parts = open.entry(&line.stage).or_default();
        match (line.epoch, line.part) {
            (Some(_), _) => parts.epochs += line.seconds,
            (None, Some(Part::BegunAnew)) => *parts = Parts::default(),
            (None, Some(Part::Resumed)) => {
                parts.ended += std::mem::take(&mut parts.epochs);
            }
            (None, Some(Part::Interrupted)) => {
                parts.ended += line.seconds;
                parts.epochs = 0.0;
            }
            (None, None) => {
                let total = std::mem::take(parts).ended + line.seconds;
                totals.retain(|(stage, _)| *stage != line.stage);
                totals.push((line.stage.clone(), total));
            }
        }
    }
    totals
}

/// Seconds of each epoch of a stage, when it last ran.
pub(crate) fn epoch_seconds(lines: &[Timing], stage: &str) -> BTreeMap<usize, f64> {
    let of_stage = lines.iter().filter(|line| line.stage == stage);
    of_stage.filter_map(|line| Some((line.epoch?, line.seconds))).collect()
}

/// Adds a line.
pub(crate) fn append(run: &Path, timing: &Timing) -> Result<()> {
    let path = run.join("timing.jsonl");
    let mut line = serde_json::to_string(timing).context("cannot write a timing as JSON")?;
    line.push('\n');
    std::fs::create_dir_all(run)
        .and_then(|()| OpenOptions::new().create(true).append(true).open(&path))
        .and_then(|mut file| around("append", &path, || file.write_all(line.as_bytes())))
        .with_context(|| format!("cannot add to `{}`", path.display()))
}

/// Reads all lines; one that a crash tore is left out.
pub(crate) fn read(run: &Path) -> Vec<Timing> {
    let text = std::fs::read_to_string(run.join("timing.jsonl")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn total(parts: &[Timing]) -> f64 {
        let mut totals = totals(parts);
        assert_eq!(totals.len(), 1, "{totals:?}");
        totals.remove(0).1
    }

    #[test]
    fn a_stage_that_was_interrupted_and_resumed_took_all_its_parts() {
        let lines = [
            Timing::part("train", Part::BegunAnew, 0.0),
            Timing::epoch("train", 1, 10.0),
            Timing::part("train", Part::Interrupted, 15.0),
            Timing::part("train", Part::Resumed, 0.0),
            Timing::epoch("train", 2, 6.0),
            Timing::whole("train", 7.0),
        ];
        assert!((total(&lines) - 22.0).abs() < 1e-9);
    }

    #[test]
    fn of_a_killed_part_the_epochs_count_unless_the_training_began_anew() {
        let killed = [
            Timing::part("train", Part::BegunAnew, 0.0),
            Timing::epoch("train", 1, 10.0),
            Timing::epoch("train", 2, 10.0),
        ];
        let end = |part| vec![Timing::part("train", part, 0.0), Timing::whole("train", 5.0)];
        assert!((total(&[killed.to_vec(), end(Part::Resumed)].concat()) - 25.0).abs() < 1e-9);
        assert!((total(&[killed.to_vec(), end(Part::BegunAnew)].concat()) - 5.0).abs() < 1e-9);
    }

    #[test]
    fn a_stage_that_ended_whole_twice_took_as_long_as_the_last_time() {
        let lines = [
            Timing::whole("evaluate", 3.0),
            Timing::whole("report", 1.0),
            Timing::whole("evaluate", 2.0),
        ];
        assert_eq!(totals(&lines), [("report".to_owned(), 1.0), ("evaluate".to_owned(), 2.0)]);
    }
}
