//! The history as TensorBoard reads it, beside `history.jsonl`.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use cantus_pipeline::fault::around;
use cantus_train::{EpochRecord, EventFile, event_file_name};

use crate::session::Session;
use crate::stages::timing;

/// Appended to in place, so that a TensorBoard that looks at the folder follows the training.
pub(super) struct Events {
    file: EventFile<File>,
    path: PathBuf,
}

impl Events {
    /// Begins the file of a run anew with the epochs so far, each once, and leaves it open for those
    /// to come.
    pub(super) fn begin(session: &Session, run: &Path, history: &[EpochRecord]) -> Result<Self> {
        // Always the same name: another would be a second curve.
        let path = run.join(event_file_name(0, "cantus"));
        let times = wall_times(run, history.len());
        let mut whole = EventFile::begin(Vec::new(), times.first().copied().unwrap_or_else(now))?;
        for (record, time) in history.iter().zip(times) {
            whole.epoch(record, time)?;
        }
        session.write(&path, &whole.into_inner())?;
        let file = OpenOptions::new()
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot open `{}`", path.display()))?;
        Ok(Self { file: EventFile::append_to(file), path })
    }

    /// Appends an epoch that is just over.
    pub(super) fn epoch(&mut self, record: &EpochRecord) -> Result<()> {
        let written = around("append", &self.path, || self.file.epoch(record, now()));
        written.with_context(|| format!("cannot append to `{}`", self.path.display()))
    }
}

/// When each epoch so far ended, in seconds since 1970, as if the training had gone on without a
/// pause up to now.
fn wall_times(run: &Path, epochs: usize) -> Vec<f64> {
    let mut times = vec![now(); epochs];
    let seconds = timing::epoch_seconds(&timing::read(run), "train");
    for epoch in (1..epochs).rev() {
        // Of the epoch after this one, which has the number `epoch + 1`.
        times[epoch - 1] = times[epoch] - seconds.get(&(epoch + 1)).copied().unwrap_or(0.0);
    }
    times
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}
