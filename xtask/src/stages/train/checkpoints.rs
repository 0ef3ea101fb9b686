//! The checkpoints of a training: the last two, and what they belong to.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cantus_cache::Precision;
use cantus_pipeline::fault::around;
use cantus_pipeline::{Fingerprint, SavedFingerprint};

use crate::session::Session;

const FORMAT_VERSION: u32 = 1;

/// Where training stands.
fn last_path(run: &Path) -> PathBuf {
    run.join("checkpoint.safetensors")
}

/// Where it stood before that: gone on from if the last one is damaged.
fn previous_path(run: &Path) -> PathBuf {
    run.join("checkpoint-previous.safetensors")
}

/// Both, the last first.
pub(super) fn paths(run: &Path) -> [PathBuf; 2] {
    [last_path(run), previous_path(run)]
}

/// Keeps a checkpoint, and the one before it. A kill on the way leaves at least that.
pub(super) fn save(session: &Session, run: &Path, bytes: &[u8]) -> Result<()> {
    let (last, previous) = (last_path(run), previous_path(run));
    match around("rename", &last, || std::fs::rename(&last, &previous)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| {
                format!("cannot rename `{}` to `{}`", last.display(), previous.display())
            });
        }
        _ => {}
    }
    session.write(&last, bytes)
}

/// What the checkpoint belongs to, so that one of other settings is not taken up.
pub(super) fn fingerprint_path(run: &Path) -> PathBuf {
    run.join("fingerprints").join("checkpoint.json")
}

/// Removes the checkpoints, what they belong to first: a kill on the way leaves nothing that the
/// next command would go on from.
pub(super) fn forget(run: &Path) -> Result<()> {
    Fingerprint::invalidate(fingerprint_path(run))?;
    for path in paths(run) {
        match around("remove", &path, || std::fs::remove_file(&path)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove `{}`", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// What a checkpoint is of: the training, and the values that it sees.
pub(super) fn fingerprint(training: &Fingerprint, precision: Precision) -> Fingerprint {
    Fingerprint::builder("checkpoint", FORMAT_VERSION)
        .input("training", training.digest())
        .setting("spectrograms_in_memory", precision)
        .build()
}

/// How the spectrograms were held in the training that `wanted` goes on with, if there is one.
pub(super) fn begun_with(run: &Path, wanted: &Fingerprint) -> Result<Option<Precision>> {
    if !paths(run).iter().any(|path| path.exists()) {
        return Ok(None);
    }
    let saved = Fingerprint::load(fingerprint_path(run))?;
    let SavedFingerprint::Whole(saved) = saved else { return Ok(None) };
    let mut all = [Precision::F32, Precision::F16].into_iter();
    Ok(all.find(|&precision| saved == fingerprint(wanted, precision)))
}

/// The last whole epoch of an interrupted training that `wanted` goes on with, if there is one.
pub(crate) fn resumes_after_epoch(run: &Path, wanted: &Fingerprint) -> Result<Option<usize>> {
    if begun_with(run, wanted)?.is_none() {
        return Ok(None);
    }
    // A checkpoint that cannot be read is not gone on with, either.
    let readable = paths(run).into_iter().find_map(|path| {
        let bytes = std::fs::read(path).ok()?;
        cantus_train::epochs_in_checkpoint(&bytes).ok()
    });
    Ok(readable)
}
