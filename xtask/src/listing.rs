//! What lies in the folders under a data folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::stages::train::CALIBRATION;

/// The runs of a corpus, with the trainings by which they were calibrated.
pub(crate) fn runs_in(corpus: &Path) -> Result<Vec<PathBuf>> {
    let mut runs = folders(corpus)?;
    for run in runs.clone() {
        runs.extend(folders(&run.join(CALIBRATION))?);
    }
    Ok(runs)
}

/// A file's or folder's own name; empty where it is no text.
pub(crate) fn named(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

/// The folders in a folder; none where that is not there.
pub(crate) fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

/// The files in a folder; none where that is not there.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_file()).collect())
}

/// The files in a folder and all folders below.
pub(crate) fn all_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut all = files(folder)?;
    for below in folders(folder)? {
        all.extend(all_files(&below)?);
    }
    Ok(all)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect()),
    };
    let mut entries: Vec<PathBuf> =
        listed.with_context(|| format!("cannot list `{}`", folder.display()))?;
    entries.sort();
    Ok(entries)
}
