//! The stage `train`: clips to weights, with checkpoints on the way.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};
use cantus_cache::{Precision, SpectrogramStore};
use cantus_corpus::Part as SplitPart;
use cantus_crnn::{Model, ModelFile};
use cantus_pipeline::{Fingerprint, SavedFingerprint, Stage};
use cantus_train::{ClipSet, Control, EpochRecord, Event, StepReport, Trainer, TrainingData};
use indicatif::ProgressBar;
use serde::Serialize;

use crate::outcome::Outcome;
use crate::session::{Session, count};
use crate::settings::Config;
use crate::stages::clips::{self, PartSongs};
use crate::stages::timing::{self, Part, Timing};
use crate::stages::trial::Songs;
use crate::stages::{environment, split};

const FORMAT_VERSION: u32 = 1;
const CHECKPOINT_FORMAT_VERSION: u32 = 1;

/// The best weights.
pub(crate) fn model_path(run: &Path) -> PathBuf {
    run.join("model.safetensors")
}

/// Losses and accuracies by epoch.
pub(crate) fn history_path(run: &Path) -> PathBuf {
    run.join("history.jsonl")
}

/// Where training stands.
fn checkpoint_path(run: &Path) -> PathBuf {
    run.join("checkpoint.safetensors")
}

/// Where it stood before that: gone on from if the last one is damaged.
fn previous_checkpoint_path(run: &Path) -> PathBuf {
    run.join("checkpoint-previous.safetensors")
}

/// Both, the last first.
fn checkpoint_paths(run: &Path) -> [PathBuf; 2] {
    [checkpoint_path(run), previous_checkpoint_path(run)]
}

/// Keeps a checkpoint, and the one before it. A kill on the way leaves at least that.
fn save_checkpoint(session: &Session, run: &Path, bytes: &[u8]) -> Result<()> {
    let (last, previous) = (checkpoint_path(run), previous_checkpoint_path(run));
    match std::fs::rename(&last, &previous) {
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
fn checkpoint_fingerprint_path(run: &Path) -> PathBuf {
    run.join("fingerprints").join("checkpoint.json")
}

/// Removes the checkpoints, what they belong to first: a kill on the way leaves nothing that the
/// next command would go on from.
fn forget_checkpoint(run: &Path) -> Result<()> {
    Fingerprint::invalidate(checkpoint_fingerprint_path(run))?;
    for path in checkpoint_paths(run) {
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove `{}`", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
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
pub(crate) fn wanted(config: &Config, songs: &Songs<'_>, run: &Path) -> Result<Fingerprint> {
    let labels = clips::labels(&songs.usable);
    let mut builder = Fingerprint::builder("train", FORMAT_VERSION)
        .setting("seed", config.seed)
        .setting("split", config.split)
        .settings(&Nested { model: &config.model, train: &config.train })?;
    if let Some(split) = split::expected(config, songs, run) {
        let parts = [
            ("training", PartSongs::of(SplitPart::Train, &split, &songs.usable)),
            ("validation", PartSongs::of(SplitPart::Validation, &split, &songs.usable)),
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
        forget_checkpoint(run)?;
    }
    let labels = clips::labels(&songs.usable);
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
    let belongs_to = checkpoint_fingerprint(wanted, precision);
    let mut trainer = trainer(config, data, run, &belongs_to)?;
    let part = if trainer.steps() > 0 { Part::Resumed } else { Part::BegunAnew };
    timing::append(run, &Timing::part("train", part, 0.0))?;
    if trainer.steps() > 0 {
        session.progress.say(format!("going on after step {}", trainer.steps()));
    }
    belongs_to.save(checkpoint_fingerprint_path(run))?;
    let mut watch = Watch::new(session, config, songs, run, labels);
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
    let store = match begun_with(run, wanted)? {
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

/// What a checkpoint is of: the training, and the values that it sees.
fn checkpoint_fingerprint(training: &Fingerprint, precision: Precision) -> Fingerprint {
    Fingerprint::builder("checkpoint", CHECKPOINT_FORMAT_VERSION)
        .input("training", training.digest())
        .setting("spectrograms_in_memory", precision)
        .build()
}

/// How the spectrograms were held in the training that `wanted` goes on with, if there is one.
fn begun_with(run: &Path, wanted: &Fingerprint) -> Result<Option<Precision>> {
    if !checkpoint_paths(run).iter().any(|path| path.exists()) {
        return Ok(None);
    }
    let saved = Fingerprint::load(checkpoint_fingerprint_path(run))?;
    let SavedFingerprint::Whole(saved) = saved else { return Ok(None) };
    let mut all = [Precision::F32, Precision::F16].into_iter();
    Ok(all.find(|&precision| saved == checkpoint_fingerprint(wanted, precision)))
}

/// The last whole epoch of an interrupted training that `wanted` goes on with, if there is one.
pub(crate) fn resumes_after_epoch(run: &Path, wanted: &Fingerprint) -> Result<Option<usize>> {
    if begun_with(run, wanted)?.is_none() {
        return Ok(None);
    }
    // A checkpoint that cannot be read is not gone on with, either.
    let readable = checkpoint_paths(run).into_iter().find_map(|path| {
        let bytes = std::fs::read(path).ok()?;
        cantus_train::epochs_in_checkpoint(&bytes).ok()
    });
    Ok(readable)
}

fn trainer(
    config: &Config,
    data: TrainingData,
    run: &Path,
    belongs_to: &Fingerprint,
) -> Result<Trainer<Model>> {
    let settings = config.network(data.labels.len());
    let network = || Model::new(settings.clone(), config.seed, &Device::Cpu, DType::F32);
    let saved = Fingerprint::load(checkpoint_fingerprint_path(run))?;
    let is_same = matches!(&saved, SavedFingerprint::Whole(saved) if saved == belongs_to);
    for path in checkpoint_paths(run).into_iter().filter(|_| is_same) {
        let Ok(bytes) = std::fs::read(&path) else { continue };
        match Trainer::resume(&bytes, config.train.clone(), network()?, data.clone()) {
            Ok(trainer) => return Ok(trainer),
            Err(error) => tracing::warn!(
                "the checkpoint {} cannot be taken up, training goes back: {error}",
                path.display()
            ),
        }
    }
    forget_checkpoint(run)?;
    Ok(Trainer::new(config.train.clone(), network()?, data)?)
}

/// Receives what the training tells: draws the bar, writes files, listens for Ctrl-C.
struct Watch<'a> {
    session: &'a Session,
    config: &'a Config,
    front_end: &'a BTreeMap<String, String>,
    run: &'a Path,
    labels: Vec<String>,
    bar: ProgressBar,
    checkpoint_written: Instant,
    epoch_started: Instant,
    clips_in_epoch: usize,
    failure: Option<anyhow::Error>,
}

impl<'a> Watch<'a> {
    fn new(
        session: &'a Session,
        config: &'a Config,
        songs: &'a Songs<'a>,
        run: &'a Path,
        labels: Vec<String>,
    ) -> Self {
        let now = Instant::now();
        Self {
            session,
            config,
            front_end: songs.store.front_end(),
            run,
            labels,
            bar: session.progress.bar(0, "train", "steps"),
            checkpoint_written: now,
            epoch_started: now,
            clips_in_epoch: 0,
            failure: None,
        }
    }

    /// Takes note of an event; a file that cannot be written stops the training.
    fn receive(&mut self, event: Event<'_>) -> Control {
        let written = match event {
            Event::Step(step) => return self.step(step),
            Event::EpochEnd { record, history } => self.epoch_end(record, history),
            Event::BestModel(tensors) => self.write_model(tensors),
            Event::Checkpoint(bytes) => {
                self.checkpoint_written = Instant::now();
                save_checkpoint(self.session, self.run, &bytes)
            }
            _ => Ok(()),
        };
        match written {
            Ok(()) if self.session.interrupt.is_asked() => Control::Stop,
            Ok(()) => Control::Continue,
            Err(error) => {
                self.failure.get_or_insert(error);
                Control::Stop
            }
        }
    }

    fn step(&mut self, step: StepReport) -> Control {
        if step.step == 1 {
            self.epoch_started = Instant::now();
            self.clips_in_epoch = 0;
        }
        self.clips_in_epoch += step.clips;
        let epochs = (step.epoch - 1) as f64 + step.step as f64 / step.of as f64;
        self.session.progress.share(epochs / step.epochs as f64);
        let speed = self.clips_in_epoch as f64 / self.epoch_started.elapsed().as_secs_f64();
        self.bar.set_length(step.of as u64);
        self.bar.set_position(step.step as u64);
        self.bar.set_message(format!(
            "epoch {}/{}  loss {:.3}  accuracy {:.3}  {speed:.0} clips/s",
            step.epoch, step.epochs, step.loss, step.accuracy
        ));
        if self.session.interrupt.is_asked() || self.failure.is_some() {
            Control::Stop
        } else if self.checkpoint_written.elapsed() >= self.session.checkpoint_every {
            Control::Checkpoint
        } else {
            Control::Continue
        }
    }

    fn epoch_end(&mut self, record: &EpochRecord, history: &[EpochRecord]) -> Result<()> {
        self.session.progress.say(format!(
            "epoch {:>3}  loss {:.4}  accuracy {:.3}  validation loss {:.4}  accuracy {:.3}{}",
            record.epoch,
            record.training_loss,
            record.training_accuracy,
            record.validation_loss,
            record.validation_accuracy,
            if record.is_best { "  best" } else { "" }
        ));
        self.write_history(history)?;
        let seconds = self.epoch_started.elapsed().as_secs_f64();
        timing::append(self.run, &Timing::epoch("train", record.epoch, seconds))
    }

    fn write_history(&self, history: &[EpochRecord]) -> Result<()> {
        let mut text = Vec::new();
        for record in history {
            serde_json::to_writer(&mut text, record)?;
            text.push(b'\n');
        }
        self.session.write(&history_path(self.run), &text)
    }

    fn write_model(&self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        let model = ModelFile {
            config: self.config.network(self.labels.len()),
            labels: self.labels.clone(),
            front_end: self.front_end.clone(),
            frames_per_clip: self.config.frames_per_clip(),
            tensors: tensors.clone(),
        };
        self.session.write(&model_path(self.run), &model.to_bytes()?)
    }

    /// The first file that could not be written, if any.
    fn end(&mut self) -> Result<()> {
        self.bar.finish_and_clear();
        self.failure.take().map_or(Ok(()), Err)
    }
}
