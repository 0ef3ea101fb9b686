//! What a training tells while it runs: bars for people, files for everything else.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::Result;
use candle_core::Tensor;
use cantus_crnn::ModelFile;
use cantus_train::{Control, EpochRecord, Event, StepReport};
use indicatif::ProgressBar;

use crate::session::Session;
use crate::settings::Config;
use crate::stages::timing::{self, Timing};
use crate::stages::trial::Songs;

use super::events::Events;
use super::{checkpoints, history_path, model_path};

/// Receives what the training tells: draws the bar, writes files, listens for Ctrl-C.
pub(super) struct Watch<'a> {
    session: &'a Session,
    config: &'a Config,
    front_end: &'a BTreeMap<String, String>,
    run: &'a Path,
    labels: Vec<String>,
    bar: ProgressBar,
    checkpoint_written: Instant,
    epoch_started: Instant,
    clips_in_epoch: usize,
    events: Events,
    failure: Option<anyhow::Error>,
}

impl<'a> Watch<'a> {
    pub(super) fn new(
        session: &'a Session,
        config: &'a Config,
        songs: &'a Songs<'a>,
        run: &'a Path,
        labels: Vec<String>,
        history: &[EpochRecord],
    ) -> Result<Self> {
        let now = Instant::now();
        Ok(Self {
            session,
            config,
            front_end: songs.store.front_end(),
            run,
            labels,
            bar: session.progress.bar(0, "train", "steps"),
            checkpoint_written: now,
            epoch_started: now,
            clips_in_epoch: 0,
            events: Events::begin(session, run, history)?,
            failure: None,
        })
    }

    /// Takes note of an event; a file that cannot be written stops the training.
    pub(super) fn receive(&mut self, event: Event<'_>) -> Control {
        let written = match event {
            Event::Step(step) => return self.step(step),
            Event::EpochEnd { record, history } => self.epoch_end(record, history),
            Event::BestModel(tensors) => self.write_model(tensors),
            Event::Checkpoint(bytes) => {
                self.checkpoint_written = Instant::now();
                checkpoints::save(self.session, self.run, &bytes)
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
        self.events.epoch(record)?;
        let seconds = self.epoch_started.elapsed().as_secs_f64();
        timing::append(self.run, &Timing::epoch("train", record.epoch, seconds))
    }

    pub(super) fn write_history(&self, history: &[EpochRecord]) -> Result<()> {
        let mut text = Vec::new();
        for record in history {
            serde_json::to_writer(&mut text, record)?;
            text.push(b'\n');
        }
        self.session.write(&history_path(self.run), &text)
    }

    pub(super) fn write_model(&self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        let model = ModelFile {
            config: self.config.network(self.labels.len()),
            labels: self.labels.clone(),
            front_end: self.front_end.clone(),
            frames_per_clip: self.config.frames_per_clip(),
            open_set: None,
            tensors: tensors.clone(),
        };
        self.session.write(&model_path(self.run), &model.to_bytes()?)
    }

    /// The first file that could not be written, if any.
    pub(super) fn end(&mut self) -> Result<()> {
        self.bar.finish_and_clear();
        self.failure.take().map_or(Ok(()), Err)
    }
}
