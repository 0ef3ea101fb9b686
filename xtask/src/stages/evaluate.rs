//! The stage `evaluate`: what the trained network says of every clip of the test part.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cantus_cache::SpectrogramStore;
use cantus_corpus::Part;
use cantus_crnn::ModelFile;
use cantus_eval::{BootstrapOptions, ClipPrediction, Metrics, Predictions};
use cantus_pipeline::{AtomicFile, Fingerprint, Stage};
use cantus_train::{ClipSet, Control, predict};

use crate::outcome::Outcome;
use crate::session::Session;
use crate::settings::Config;
use crate::stages::clips::{self, PartSongs};
use crate::stages::trial::Songs;
use crate::stages::{split, train};

const FORMAT_VERSION: u32 = 1;

/// Clips computed at a time; scores do not depend on it.
const BATCH_SIZE: usize = 32;

/// The probabilities of every test clip.
pub(crate) fn predictions_path(run: &Path) -> PathBuf {
    run.join("predictions.parquet")
}

/// The scores.
pub(crate) fn metrics_path(run: &Path) -> PathBuf {
    run.join("metrics.json")
}

/// The stage with its outputs.
pub(crate) fn stage(run: &Path) -> Stage {
    Stage::new("evaluate").after("train").output(predictions_path(run)).output(metrics_path(run))
}

/// What the scores are made of: the model, and the clips of the test part.
pub(crate) fn wanted(
    session: &Session,
    config: &Config,
    songs: &Songs<'_>,
    run: &Path,
) -> Result<Fingerprint> {
    let labels = clips::labels(&songs.usable);
    let mut builder = Fingerprint::builder("evaluate", FORMAT_VERSION);
    if let Some(split) = split::expected(config, &songs.corpus, run) {
        let parts = [("test", PartSongs::of(Part::Test, &split, &songs.usable))];
        builder = clips::add_to_fingerprint(builder, config, songs.store, &parts, &labels);
    }
    let model = train::model_path(run);
    if model.exists() {
        builder = builder.input("model", session.hash(model)?);
    }
    Ok(builder.build())
}

/// Predicts every clip of the test part and scores the predictions.
pub(crate) fn run(
    session: &Session,
    config: &Config,
    songs: &Songs<'_>,
    run: &Path,
) -> Result<Outcome> {
    let model = ModelFile::read(&train::model_path(run))?;
    let network = model.model()?;
    let split = split::read(&songs.corpus, run)?;
    let test = PartSongs::of(Part::Test, &split, &songs.usable);
    test.report_short(session, config);
    let classes = test.classes(&model.labels)?;
    let store = SpectrogramStore::load(&test.places(), session.memory_bytes)?;
    let frames = config.frames_per_clip();
    let numbered: Vec<(usize, usize)> = classes.iter().copied().enumerate().collect();
    let set = ClipSet::cut(&store, &numbered, frames, config.clip_rule)?;
    if set.is_empty() {
        bail!("no song of the test part is as long as a clip of {}", config.clip);
    }
    let bar = session.progress.bar(set.len() as u64, "evaluate", "clips");
    let mut interrupted = false;
    let predicted = predict(&network, &store, &set, BATCH_SIZE, &mut |done, _| {
        bar.set_position(done as u64);
        interrupted = session.interrupt.is_asked();
        if interrupted { Control::Stop } else { Control::Continue }
    })?;
    bar.finish_and_clear();
    if interrupted {
        return Ok(Outcome::Interrupted);
    }
    let seconds_per_frame = config.mel.hop_length as f64 / f64::from(config.mel.sample_rate);
    let clips = set.clips().iter().enumerate().map(|(position, clip)| ClipPrediction {
        song_id: test.songs[clip.song].song.id.clone(),
        clip: (clip.first_frame / frames) as u32,
        start_seconds: clip.first_frame as f64 * seconds_per_frame,
        truth: clip.class,
        probabilities: predicted.probabilities_of(position).to_vec(),
    });
    let predictions = Predictions::new(model.labels, clips.collect())?;
    let file = predictions.write_parquet(AtomicFile::create(predictions_path(run))?)?;
    file.commit()?;
    let metrics = Metrics::new(&predictions, &BootstrapOptions::default())?;
    session.write(&metrics_path(run), metrics.to_json()?.as_bytes())?;
    Ok(Outcome::Done)
}
