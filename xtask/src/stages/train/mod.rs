//! The stage `train`: clips to weights, with checkpoints on the way.

mod checkpoints;
mod events;
mod first_weights;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use cantus_cache::{Precision, SpectrogramStore};
use cantus_corpus::Part as SplitPart;
use cantus_crnn::{CrnnError, Model, ModelFile};
use cantus_pipeline::fault::around;
use cantus_pipeline::{Fingerprint, SavedFingerprint, Stage};
use cantus_train::{ClipSet, Trainer, TrainingData};
use serde::Serialize;

use crate::errors::Damaged;
use crate::outcome::Outcome;
use crate::session::{Session, count};
use crate::settings::Config;
use crate::stages::clips::{self, PartSongs};
use crate::stages::timing::{self, Part, Timing};
use crate::stages::trial::Songs;
use crate::stages::{environment, split};

pub(crate) use checkpoints::resumes_after_epoch;
pub(crate) use first_weights::{
    check_first_weights, first_weights_warning, known_to_first_weights,
};
use watch::Watch;

const FORMAT_VERSION: u32 = 2;

/// The folder within a run that holds the trainings by which it was calibrated.
pub(crate) const CALIBRATION: &str = "calibration";

/// The network of a run with what strangers score, where `calibrate` made it.
pub(crate) fn calibrated_path(run: &Path) -> PathBuf {
    run.join("calibrated.safetensors")
}

/// The best weights.
pub(crate) fn model_path(run: &Path) -> PathBuf {
    run.join("model.safetensors")
}

/// The best weights as the stage left them.
pub(crate) fn read_model(run: &Path) -> Result<ModelFile> {
    let path = model_path(run);
    Ok(ModelFile::read(&path).map_err(|error| Damaged::new(path, "train", error))?)
}

/// Losses and accuracies by epoch.
pub(crate) fn history_path(run: &Path) -> PathBuf {
    run.join("history.jsonl")
}

/// The stage with its outputs.
pub(crate) fn stage(run: &Path) -> Stage {
    Stage::new("train")
        .after("preprocess")
        .after("split")
        .output(model_path(run))
        .output(history_path(run))
}

/// What the weights are made of: settings, and the clips of the training and validation parts.
pub(crate) fn wanted(
    session: &Session,
    config: &Config,
    songs: &Songs<'_>,
    run: &Path,
) -> Result<Fingerprint> {
    let labels = clips::labels(&songs.usable);
    let mut builder = Fingerprint::builder("train", FORMAT_VERSION)
        .setting("seed", config.seed)
        .setting("split", config.split)
        .settings(&Nested { model: &config.model, train: &config.train })?;
    if let Some(from) = &config.from {
        builder = builder.input("first weights", session.hash(from.clone())?);
    }
    if let Some(split) = split::expected(config, songs, run) {
        let parts = [
            ("training", PartSongs::of(SplitPart::Train, split, &songs.usable)),
            ("validation", PartSongs::of(SplitPart::Validation, split, &songs.usable)),
        ];
        builder = clips::add_to_fingerprint(builder, config, songs.store, &parts, &labels);
    }
    Ok(builder.build())
}

#[derive(Serialize)]
struct Nested<'a> {
    model: &'a crate::settings::ModelSettings,
    train: &'a cantus_train::TrainConfig,
}

/// Trains, or goes on from the checkpoint of an interrupted training of the same fingerprint;
/// `anew` leaves such a checkpoint aside.
pub(crate) fn run(
    session: &Session,
    config: &Config,
    songs: &Songs<'_>,
    run: &Path,
    wanted: &Fingerprint,
    anew: bool,
) -> Result<Outcome> {
    if anew {
        checkpoints::forget(run)?;
    }
    let labels = clips::labels(&songs.usable);
    let network = first_weights::network(config, &labels)?;
    if let Some(warning) = first_weights_warning(config, &labels)? {
        session.progress.warn(warning);
    }
    let (data, precision) = load(session, config, songs, run, &labels, wanted)?;
    environment::record(session, run, "train", precision)?;
    let (training_clips, validation_clips) = (data.training.len(), data.validation.len());
    session.progress.say(format!(
        "training on {}, validating on {} of {} frames, {}",
        count(training_clips, "clip"),
        validation_clips,
        config.frames_per_clip(),
        count(labels.len(), "artist"),
    ));
    let belongs_to = checkpoints::fingerprint(wanted, precision);
    let mut trainer = trainer(config, data, run, &belongs_to, &network)?;
    let part = if trainer.steps() > 0 { Part::Resumed } else { Part::BegunAnew };
    timing::append(run, &Timing::part("train", part, 0.0))?;
    if trainer.steps() > 0 {
        session.progress.say(format!("going on after step {}", trainer.steps()));
    }
    belongs_to.save(checkpoints::fingerprint_path(run))?;
    let mut watch = Watch::new(session, config, songs, run, labels, trainer.history())?;
    let outcome = trainer.run(&mut |event| watch.receive(event));
    watch.end()?;
    match outcome? {
        cantus_train::Outcome::Interrupted => return Ok(Outcome::Interrupted),
        outcome => tracing::info!("training ended: {outcome:?}"),
    }
    // Written once more from the trainer itself: a training resumed at its very end sends no event.
    let (_, best) = trainer.best().context("a finished training has a best epoch")?;
    watch.write_model(best)?;
    watch.write_history(trainer.history())?;
    Ok(Outcome::Done)
}

fn load(
    session: &Session,
    config: &Config,
    songs: &Songs<'_>,
    run: &Path,
    labels: &[String],
    wanted: &Fingerprint,
) -> Result<(TrainingData, Precision)> {
    let split = split::read(songs, run)?;
    let training = PartSongs::of(SplitPart::Train, &split, &songs.usable);
    let validation = PartSongs::of(SplitPart::Validation, &split, &songs.usable);
    let first_validation_song = training.songs.len();
    let all = PartSongs { songs: [training.songs.as_slice(), &validation.songs].concat() };
    let store = match checkpoints::begun_with(run, wanted)? {
        None => SpectrogramStore::load(&all.places(), session.memory_bytes)?,
        Some(precision) => {
            SpectrogramStore::load_as(&all.places(), session.memory_bytes, precision).with_context(
                || {
                    format!(
                        "the training in `{}` was begun with spectrograms as {precision} and goes \
                         on with no others; `--force` trains anew",
                        run.display()
                    )
                },
            )?
        }
    };
    let precision = store.precision();
    let numbered: Vec<(usize, usize)> = all.classes(labels)?.into_iter().enumerate().collect();
    let frames = config.frames_per_clip();
    let cut = |songs: &[(usize, usize)]| ClipSet::cut(&store, songs, frames, config.clip_rule);
    let (training, validation) = numbered.split_at(first_validation_song);
    let data = TrainingData {
        labels: labels.to_vec(),
        training: cut(training)?,
        validation: cut(validation)?,
        source: Arc::new(store),
        // Values held as f16 are other values.
        identity: format!("{} {precision}", wanted.digest()),
    };
    Ok((data, precision))
}

fn trainer(
    config: &Config,
    data: TrainingData,
    run: &Path,
    belongs_to: &Fingerprint,
    network: &dyn Fn() -> Result<Model, CrnnError>,
) -> Result<Trainer<Model>> {
    let saved = Fingerprint::load(checkpoints::fingerprint_path(run))?;
    let is_same = matches!(&saved, SavedFingerprint::Whole(saved) if saved == belongs_to);
    for path in checkpoints::paths(run).into_iter().filter(|_| is_same) {
        let bytes = match std::fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            read => read.with_context(|| format!("cannot read `{}`", path.display()))?,
        };
        match Trainer::resume(&bytes, config.train.clone(), network()?, data.clone()) {
            Ok(trainer) => return Ok(trainer),
            Err(error) => {
                tracing::warn!(
                    "the checkpoint {} cannot be taken up, training goes back: {error}",
                    path.display()
                );
                // Or the next one would push it into the place of the good one before it.
                around("remove", &path, || std::fs::remove_file(&path))
                    .with_context(|| format!("cannot remove `{}`", path.display()))?;
            }
        }
    }
    checkpoints::forget(run)?;
    Ok(Trainer::new(config.train.clone(), network()?, data)?)
}
