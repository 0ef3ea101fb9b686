//! `gc`: what takes room under a data folder and no run needs.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cli::CommonFlags;
use crate::commands::{print, print_json};
use crate::corpus_source::CorpusSource;
use crate::listing::{all_files, files, folders, named, runs_in};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::{Session, count};
use crate::settings::Config;
use crate::stages::preprocess::{self, Index};
use crate::stages::{split, train};
use crate::weights;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Collected {
    bytes: u64,
    /// False with `--dry-run`.
    removed: bool,
    pieces: Vec<Piece>,
}

/// Something that no run needs.
#[derive(Debug, Serialize)]
struct Piece {
    #[serde(serialize_with = "lossy")]
    path: PathBuf,
    bytes: u64,
    reason: &'static str,
}

/// What runs and models need.
#[derive(Debug, Default)]
struct Needed {
    /// Folders of spectrograms.
    stores: BTreeSet<PathBuf>,
    /// Names of such folders, of runs whose music is not there to say more.
    store_names: BTreeSet<String>,
    /// The corpora of these runs, by the names of their folders in the cache.
    corpora: BTreeSet<PathBuf>,
    /// The first digits of the models' hashes, as embeddings are named by them.
    models: BTreeSet<String>,
}

/// Removes what no run needs, or says with `--dry-run` what that is.
pub(crate) fn run(common: &CommonFlags, progress: &Progress) -> Result<Outcome> {
    crate::data_folder::refuse_missing(&common.data)?;
    let session = if common.dry_run {
        Session::reading_alone(common, progress)
    } else {
        Session::writing(common, progress)
    };
    session?.run(|session| {
        let Some(needed) = needed(session)? else { return Ok(session.interrupted()) };
        let mut pieces = pieces(session, &needed)?;
        let mut removed = 0;
        if !common.dry_run {
            for piece in &pieces {
                if session.interrupt.is_asked() {
                    break;
                }
                remove(&piece.path)?;
                removed += 1;
            }
        }
        let is_interrupted = !common.dry_run && removed < pieces.len();
        if is_interrupted {
            pieces.truncate(removed);
        }
        let bytes = pieces.iter().map(|piece| piece.bytes).sum();
        let collected = Collected { bytes, removed: !common.dry_run, pieces };
        if common.json {
            print_json(&collected)?;
        } else {
            print(&text(&collected))?;
        }
        Ok(if is_interrupted { session.interrupted() } else { Outcome::Done })
    })
}

/// JSON has no room for names that are no text.
fn lossy<S: serde::Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&path.to_string_lossy())
}

fn text(collected: &Collected) -> String {
    let mut lines: Vec<String> = collected
        .pieces
        .iter()
        .map(|Piece { path, bytes, reason }| {
            format!("{}: {reason}, {:.1} MB", path.display(), *bytes as f64 / 1e6)
        })
        .collect();
    lines.push(format!(
        "{} of {:.1} MB {}\n",
        count(collected.pieces.len(), "piece"),
        collected.bytes as f64 / 1e6,
        if collected.removed { "removed" } else { "would be removed" }
    ));
    lines.join("\n")
}

/// Nothing where the user asked for a stop.
fn needed(session: &Session) -> Result<Option<Needed>> {
    let mut needed = Needed::default();
    let mut models = files(&session.data.models())?;
    models.extend(weights::bundled(&session.data));
    for corpus in folders(&session.data.runs())? {
        for run in runs_in(&corpus)? {
            let (saved, others) = (split::config_path(&run), files(&run)?);
            // A run that was not even split needs nothing, and has none of these.
            let signs = [saved.clone(), split::path(&run), train::model_path(&run)];
            if !signs.iter().any(|sign| others.contains(sign)) {
                continue;
            }
            models.extend(others);
            // Whatever it was of must stay: so nothing goes before this is known.
            let config = Config::read(&saved).with_context(|| {
                format!("nothing is removed, since nobody knows what `{}` needs", run.display())
            })?;
            let store = preprocess::folder_name(&config);
            match CorpusSource::resolve(&config.corpus, &session.data) {
                Ok(source) => {
                    let corpus = session.data.cache(&source.store);
                    needed.stores.insert(corpus.join(store));
                    needed.corpora.insert(corpus);
                }
                Err(_) => _ = needed.store_names.insert(store),
            }
        }
    }
    for model in models.into_iter().filter(|path| named(path).ends_with(".safetensors")) {
        if session.interrupt.is_asked() {
            return Ok(None);
        }
        needed.models.insert(session.hash(model)?[..16].to_owned());
    }
    Ok(Some(needed))
}

fn pieces(session: &Session, needed: &Needed) -> Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    for corpus in folders(&session.data.cache(""))? {
        let stores = folders(&corpus)?;
        for store in stores.iter().filter(|store| named(store).starts_with("log-mel-")) {
            let (of_models, of_none): (Vec<PathBuf>, Vec<PathBuf>) =
                files(store)?.into_iter().filter(|path| is_embeddings(path)).partition(|path| {
                    let hash = path.file_stem().and_then(|stem| stem.to_str()?.rsplit('-').next());
                    hash.is_some_and(|hash| needed.models.contains(hash))
                });
            // Of music that nobody has trained on yet nothing is known to be in vain.
            let is_needed = !of_models.is_empty()
                || needed.stores.contains(store)
                || needed.store_names.contains(named(store))
                || !needed.corpora.contains(&corpus);
            if !is_needed {
                pieces.push(Piece::new(store, "spectrograms that no run is made of")?);
                continue;
            }
            for embeddings in of_none {
                // What vouches for them goes first: alone it would tell of a file that is missing.
                let vouching = embeddings.with_extension("fingerprint.json");
                if vouching.exists() {
                    pieces.push(Piece::new(&vouching, "what such embeddings were made of")?);
                }
                pieces.push(Piece::new(&embeddings, "embeddings of a model that is gone")?);
            }
        }
    }
    Ok(pieces)
}

impl Piece {
    fn new(path: &Path, reason: &'static str) -> Result<Self> {
        let parts = if path.is_dir() { all_files(path)? } else { vec![path.to_owned()] };
        let lengths = parts.iter().map(|part| fs::metadata(part).map_or(0, |found| found.len()));
        Ok(Self { path: path.to_owned(), bytes: lengths.sum(), reason })
    }
}

/// The index of a folder goes first: of a folder that is half gone it would tell what is not true.
fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() {
        let index = Index::path(path);
        let without_index = if index.exists() { fs::remove_file(index) } else { Ok(()) };
        without_index.and_then(|()| fs::remove_dir_all(path))
    } else {
        fs::remove_file(path)
    };
    removed.with_context(|| format!("cannot remove `{}`", path.display()))
}

fn is_embeddings(path: &Path) -> bool {
    named(path).starts_with("embeddings-") && named(path).ends_with(".parquet")
}
