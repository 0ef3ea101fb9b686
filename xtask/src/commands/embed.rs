//! `embed`: what a model makes of every clip and song of a corpus, in one file.

use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use cantus_pipeline::{AtomicFile, Plan};
use serde::Serialize;

use crate::cli::{CommonFlags, EmbedFlags, EmbeddingFlags};
use crate::commands::{print, print_json, status};
use crate::data_folder::DataFolder;
use crate::named_output;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::{Session, SongProblem, count};
use crate::stages::embed::{self, Embedded, HearingModel};
use crate::stages::trial::Trial;
use crate::weights;

/// What `embed --json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    file: String,
    corpus: String,
    model: String,
    /// BLAKE3 of the model's file, as it stands in the file of embeddings, too.
    model_blake3: String,
    artists: usize,
    songs: usize,
    clips: usize,
    /// Numbers of an embedding.
    dimensions: usize,
    clip_seconds: f64,
    /// Songs that went through the network now; the others were there already.
    new_songs: usize,
    unusable: Vec<SongProblem>,
    damaged: Vec<SongProblem>,
    seconds: f64,
}

/// What `--dry-run --json` prints of `embed` and `similar`.
#[derive(Debug, Serialize)]
struct Outlook<'a> {
    corpus: &'a str,
    model: String,
    file: String,
    fresh: bool,
    stages: &'a Plan,
    unusable: Vec<SongProblem>,
    damaged: Vec<SongProblem>,
}

/// Brings the embeddings of a corpus up to date.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &EmbedFlags,
    progress: &Progress,
) -> Result<Outcome> {
    let force = common.force;
    let common = &without_force(common);
    let data = DataFolder::new(&common.data);
    let out = flags.out.as_deref().map(|out| named_output::place(out, &data)).transpose()?;
    if common.dry_run {
        let outcome = dry_run(common, &flags.embedding, out.as_deref(), force, progress)?;
        if let Some(out) = out {
            progress.say(format!("then a copy of it in {}", out.display()));
        }
        return Ok(outcome);
    }
    let started = Instant::now();
    Session::writing(common, progress)?.run(|session| {
        let (trial, model) = find(session, &flags.embedding)?;
        if let Some(out) = &out {
            refuse_inputs(out, &flags.embedding, &trial, &model)?;
        }
        let Some(embedded) = embed::bring_up_to_date(session, &trial, &model, force)? else {
            return Ok(session.interrupted());
        };
        if let Some(out) = &out {
            embedded.embeddings.write_parquet(AtomicFile::create(out)?)?.commit()?;
        }
        let file = out.as_deref().unwrap_or(&embedded.path);
        say(common, &summary(session, &trial, &model, &embedded, file, started))?;
        Ok(Outcome::Done)
    })
}

/// Refuses a file that the embeddings are made from.
fn refuse_inputs(
    out: &Path,
    flags: &EmbeddingFlags,
    trial: &Trial,
    model: &HearingModel,
) -> Result<()> {
    named_output::refuse_own_input(out, &model.path)?;
    named_output::refuse_inputs_of(trial, flags.corpus.config.as_deref(), out)
}

/// What `--force` makes anew are the embeddings, and not all spectrograms.
pub(super) fn without_force(common: &CommonFlags) -> CommonFlags {
    CommonFlags { force: false, ..common.clone() }
}

/// The model that the flags name, and the corpus as it hears it.
pub(super) fn find(session: &Session, flags: &EmbeddingFlags) -> Result<(Trial, HearingModel)> {
    let model = HearingModel::open(session, weights::find(flags.weights.as_deref(), session)?)?;
    let config = model.config(&flags.corpus, flags.clip)?;
    Ok((Trial::new(session, config)?, model))
}

/// Says what of the embeddings is stale, unless a copy in `out` is to be refused.
pub(super) fn dry_run(
    common: &CommonFlags,
    flags: &EmbeddingFlags,
    out: Option<&Path>,
    force: bool,
    progress: &Progress,
) -> Result<Outcome> {
    Session::reading(common, progress)?.run(|session| {
        let (trial, model) = find(session, flags)?;
        if let Some(out) = out {
            refuse_inputs(out, flags, &trial, &model)?;
        }
        let (outlook, file) = embed::outlook(session, &trial, &model, force)?;
        if common.json {
            print_json(&Outlook {
                corpus: &trial.source.name,
                model: model.path.display().to_string(),
                file: file.display().to_string(),
                fresh: outlook.plan.is_fresh(),
                stages: &outlook.plan,
                unusable: outlook.unusable,
                damaged: outlook.damaged,
            })?;
        } else {
            let no_training = || Ok(String::new());
            let title = file.display().to_string();
            print(&status::describe(&title, &outlook, true, &no_training)?)?;
        }
        Ok(Outcome::Done)
    })
}

fn summary(
    session: &Session,
    trial: &Trial,
    model: &HearingModel,
    embedded: &Embedded,
    file: &Path,
    started: Instant,
) -> Summary {
    let Embedded { embeddings, new_songs, .. } = embedded;
    let tag = embeddings.model();
    let mut artists: Vec<&str> =
        embeddings.songs().iter().map(|song| song.artist.as_str()).collect();
    artists.sort_unstable();
    artists.dedup();
    Summary {
        file: file.display().to_string(),
        corpus: trial.source.name.clone(),
        model: model.path.display().to_string(),
        model_blake3: tag.model_hash.clone(),
        artists: artists.len(),
        songs: embeddings.songs().len(),
        clips: embeddings.clips(),
        dimensions: embeddings.dimensions(),
        clip_seconds: tag.clip_seconds,
        new_songs: *new_songs,
        unusable: session.unusable(),
        damaged: session.damaged(),
        seconds: started.elapsed().as_secs_f64(),
    }
}

fn say(common: &CommonFlags, summary: &Summary) -> Result<()> {
    if common.json {
        return print_json(summary);
    }
    print(&format!(
        "{}: {} and {} of {:.1} s, {} each, in {} ({} heard now, {:.1} s)\n",
        summary.corpus,
        count(summary.songs, "song"),
        count(summary.clips, "clip"),
        summary.clip_seconds,
        count(summary.dimensions, "number"),
        summary.file,
        count(summary.new_songs, "song"),
        summary.seconds,
    ))?;
    Ok(())
}
