//! Everything made under a data folder, read and compared with its sums.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use cantus_cache::{AlbumFile, CacheError};
use cantus_crnn::{CrnnError, ModelFile};
use cantus_pipeline::{Fingerprint, SavedFingerprint};
use cantus_train::TrainError;
use rayon::prelude::*;
use serde::Serialize;

use crate::listing::{files, folders, named, runs_in};
use crate::session::Session;
use crate::stages::preprocess::Index;
use crate::stages::trial::StageName;

/// What a look found.
pub(super) struct Look {
    /// Files that were read.
    pub(super) files: usize,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Stages that ended before sums were kept.
    pub(super) without_sums: usize,
    /// What is damaged, in order of the paths.
    pub(super) findings: Vec<Finding>,
}

/// Something that is not as it was made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(super) struct Finding {
    /// The file.
    pub(super) path: PathBuf,
    /// The song within it, where the others of the file are sound.
    pub(super) song: Option<String>,
    /// What is wrong.
    pub(super) reason: String,
    /// What makes it anew.
    #[serde(skip)]
    pub(super) cure: Cure,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, song, reason, .. } = self;
        write!(out, "{}: ", path.display())?;
        if let Some(song) = song {
            write!(out, "`{song}`: ")?;
        }
        write!(out, "{reason}")
    }
}

impl Finding {
    /// Of a file that was taken away, and was not made again though it is of use, the command that makes it.
    pub(super) fn left_to(&self, session: &Session) -> Option<&'static str> {
        if self.path.exists() || !self.is_needed(session) {
            return None;
        }
        if self.path.starts_with(session.data.runs()) {
            let is_calibrated = named(&self.path) == "calibrated.safetensors";
            return Some(if is_calibrated {
                "`cargo xtask calibrate`"
            } else {
                "the command that made its run"
            });
        }
        // Albums lie in the folders of their artists.
        let is_of_album = named(&self.path).ends_with(".parquet")
            && !self.path.parent().is_some_and(|folder| named(folder).starts_with("log-mel-"));
        Some(match named(&self.path) {
            _ if is_of_album => "`cargo xtask preprocess`",
            name if name.starts_with("embeddings-") => "`cargo xtask embed`",
            _ => "`cargo xtask train`",
        })
    }

    /// False for what only saves time: the content hashes, the last scan, the index of spectrograms, and
    /// the checkpoint of a training that is over.
    fn is_needed(&self, session: &Session) -> bool {
        let folder = self.path.parent().unwrap_or(&self.path);
        if is_checkpoint(&self.path) {
            return !StageName::Train.fingerprint_path(folder).exists();
        }
        if named(folder) == "fingerprints" && named(&self.path) == "checkpoint.json" {
            return !folder.join("train.json").exists();
        }
        self.path != session.data.stat_cache()
            && self.path != Index::path(folder)
            && named(folder) != "scan"
    }
}

/// What makes something anew.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Cure {
    /// Its file taken away.
    Remove,
    /// The song taken out of the index of its folder of spectrograms.
    Forget {
        /// The folder.
        store: PathBuf,
        /// The album's file within it.
        file: String,
    },
}

/// Something to be read.
enum Target {
    /// The index of a folder of spectrograms.
    Index { store: PathBuf },
    /// The file of an album.
    Album { store: PathBuf, file: String },
    /// The fingerprints of a run's stages.
    Stages { run: PathBuf },
    /// A stage's fingerprint with its outputs, which lie under a folder.
    Stage { fingerprint: PathBuf, folder: PathBuf },
    /// Where a training stands.
    Checkpoint(PathBuf),
    /// A trained network.
    Model(PathBuf),
}

/// Reads everything made; nothing where the user asked for a stop.
pub(super) fn look(session: &Session, hashes_are_damaged: bool) -> Result<Option<Look>> {
    let targets = targets(session)?;
    let bar = session.progress.bar(targets.len() as u64, "verify", "pieces");
    let without_sums = AtomicUsize::new(0);
    let found: Vec<Option<Checked>> = targets
        .par_iter()
        .map(|target| {
            if session.interrupt.is_asked() {
                return Ok(None);
            }
            let checked = target.check(&without_sums)?;
            bar.inc(1);
            Ok(Some(checked))
        })
        .collect::<Result<_>>()?;
    bar.finish_and_clear();
    let Some(found) = found.into_iter().collect::<Option<Vec<Checked>>>() else { return Ok(None) };
    let mut look =
        Look { files: 0, bytes: 0, without_sums: without_sums.into_inner(), findings: Vec::new() };
    for checked in found {
        look.files += checked.files;
        look.bytes += checked.bytes;
        look.findings.extend(checked.findings);
    }
    if hashes_are_damaged {
        look.findings.push(Finding {
            path: session.data.stat_cache(),
            song: None,
            reason: "its digest does not agree with its content".to_owned(),
            cure: Cure::Remove,
        });
    }
    look.findings.sort();
    look.findings.dedup_by(|a, b| a.path == b.path && a.song == b.song);
    Ok(Some(look))
}

#[derive(Default)]
struct Checked {
    files: usize,
    bytes: u64,
    findings: Vec<Finding>,
}

impl Checked {
    fn read(&mut self, path: &Path) {
        self.files += 1;
        self.bytes += fs::metadata(path).map_or(0, |metadata| metadata.len());
    }

    fn found(&mut self, path: &Path, reason: impl fmt::Display, cure: Cure) {
        let (path, reason) = (path.to_owned(), reason.to_string());
        self.findings.push(Finding { path, song: None, reason, cure });
    }
}

impl Target {
    fn check(&self, without_sums: &AtomicUsize) -> Result<Checked> {
        let mut checked = Checked::default();
        match self {
            Self::Index { store } => {
                let path = Index::path(store);
                checked.read(&path);
                match Index::read(store) {
                    Ok(index) => {
                        for file in index.files().map(|file| store.join(file)) {
                            if !file.exists() {
                                checked.found(&file, "it is missing", Cure::Remove);
                            }
                        }
                    }
                    Err(error) => checked.found(&path, error.root_cause(), Cure::Remove),
                }
            }
            Self::Album { store, file } => check_album(store, file, &mut checked)?,
            Self::Stages { run } => {
                let of_run = StageName::Report.of_a_run().map(|stage| stage.fingerprint_path(run));
                let fingerprints: Vec<PathBuf> = of_run.collect();
                let built = fingerprints.iter().rposition(|path| path.exists()).unwrap_or(0);
                // Of a training no older methods need be there.
                let is_optional = |path: &&PathBuf| {
                    **path == StageName::Baseline.fingerprint_path(run)
                        && fingerprints[built] == StageName::Train.fingerprint_path(run)
                };
                for path in fingerprints[..built].iter().filter(|path| !is_optional(path)) {
                    if !path.exists() {
                        let reason = "it is missing, though stages after it ended";
                        checked.found(path, reason, Cure::Remove);
                    }
                }
            }
            Self::Stage { fingerprint, folder } => {
                check_stage(fingerprint, folder, &mut checked, without_sums)?;
            }
            Self::Checkpoint(path) => {
                checked.read(path);
                let bytes = fs::read(path).with_context(|| format!("`{}`", path.display()))?;
                match cantus_train::check_checkpoint(&bytes) {
                    Ok(()) => {}
                    Err(TrainError::CheckpointDamaged { reason }) => {
                        checked.found(path, reason, Cure::Remove);
                    }
                    Err(error) => checked.found(path, error, Cure::Remove),
                }
            }
            Self::Model(path) => {
                checked.read(path);
                match ModelFile::read(path) {
                    Ok(_) => {}
                    // What cannot be read now may be whole.
                    Err(error @ CrnnError::Io { .. }) => return Err(error.into()),
                    Err(error) => {
                        let error = anyhow::Error::from(error);
                        checked.found(path, error.root_cause(), Cure::Remove);
                    }
                }
            }
        }
        Ok(checked)
    }
}

fn check_album(store: &Path, file: &str, checked: &mut Checked) -> Result<()> {
    let path = store.join(file);
    checked.read(&path);
    let album = match AlbumFile::open(&path) {
        Ok(album) => album,
        Err(error) => {
            checked.found(&path, damage(error)?, Cure::Remove);
            return Ok(());
        }
    };
    for (position, song) in album.songs().iter().enumerate() {
        if let Err(error) = album.read_mel(position) {
            checked.findings.push(Finding {
                path: path.clone(),
                song: Some(song.id.clone()),
                reason: damage(error)?,
                cure: Cure::Forget { store: store.to_owned(), file: file.to_owned() },
            });
        }
    }
    Ok(())
}

/// What is wrong with a file that is named already; an error where it could not be read, since it may be
/// whole.
fn damage(error: CacheError) -> Result<String> {
    match error {
        CacheError::Read { .. } => Err(error.into()),
        CacheError::Damaged { detail, .. } => Ok(detail),
        CacheError::NotParquet { .. } => Ok("it is no Parquet file".to_owned()),
        CacheError::CutOff { .. } => Ok("it is cut off".to_owned()),
        other => Ok(other.to_string()),
    }
}

fn check_stage(
    fingerprint: &Path,
    folder: &Path,
    checked: &mut Checked,
    without_sums: &AtomicUsize,
) -> Result<()> {
    checked.read(fingerprint);
    let saved = match Fingerprint::load(fingerprint)? {
        SavedFingerprint::Whole(saved) => saved,
        SavedFingerprint::Damaged { reason } => {
            checked.found(fingerprint, reason, Cure::Remove);
            return Ok(());
        }
        SavedFingerprint::Missing => return Ok(()),
    };
    match saved.damaged_outputs(folder)? {
        Some(damage) => {
            for path in saved.outputs(folder) {
                checked.read(&path);
            }
            for damage in damage {
                // Its fingerprint stays and says that it is missing, should the repair not get to it.
                checked.found(&damage.path, damage.kind, Cure::Remove);
            }
        }
        // A checkpoint has sums of its own.
        None if saved.stage() == "checkpoint" => {}
        None => _ = without_sums.fetch_add(1, Ordering::Relaxed),
    }
    Ok(())
}

/// Everything made, in no order that matters.
fn targets(session: &Session) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    for corpus in folders(&session.data.cache(""))? {
        for folder in folders(&corpus)? {
            if named(&folder).starts_with("log-mel-") {
                spectrograms(&folder, &mut targets)?;
            } else {
                stages_beside(&folder, &mut targets)?;
            }
        }
    }
    for corpus in folders(&session.data.runs())? {
        for run in runs_in(&corpus)? {
            targets.push(Target::Stages { run: run.clone() });
            let fingerprints = files(&run.join("fingerprints"))?;
            targets.extend(
                fingerprints
                    .into_iter()
                    .map(|fingerprint| Target::Stage { fingerprint, folder: run.clone() }),
            );
            for file in files(&run)? {
                if is_checkpoint(&file) {
                    targets.push(Target::Checkpoint(file));
                } else if named(&file).ends_with(".safetensors") {
                    targets.push(Target::Model(file));
                }
            }
        }
    }
    Ok(targets)
}

fn spectrograms(store: &Path, targets: &mut Vec<Target>) -> Result<()> {
    if Index::path(store).exists() {
        targets.push(Target::Index { store: store.to_owned() });
    }
    stages_beside(store, targets)?;
    for artist in folders(store)? {
        for path in files(&artist)? {
            if named(&path).ends_with(".parquet") {
                let file = format!("{}/{}", named(&artist), named(&path));
                targets.push(Target::Album { store: store.to_owned(), file });
            }
        }
    }
    Ok(())
}

/// The stages whose fingerprints lie in a folder, beside what they made.
fn stages_beside(folder: &Path, targets: &mut Vec<Target>) -> Result<()> {
    for path in files(folder)? {
        if named(&path).ends_with(".fingerprint.json") {
            targets.push(Target::Stage { fingerprint: path, folder: folder.to_owned() });
        }
    }
    Ok(())
}

fn is_checkpoint(path: &Path) -> bool {
    ["checkpoint.safetensors", "checkpoint-previous.safetensors"].contains(&named(path))
}
