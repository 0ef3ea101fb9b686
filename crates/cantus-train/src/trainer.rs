//! The loop: epochs of steps, validation, early stopping, checkpoints.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{D, DType, Tensor};
use cantus_crnn::cross_entropy;

use crate::adam::{Adam, AdamSettings, AdamState};
use crate::augment::Augmenter;
use crate::batches::{Batch, BatchPlan, with_batches};
use crate::checkpoint::{Checkpoint, Identity, PartIdentity, Progress};
use crate::clips::ClipSet;
use crate::config::TrainConfig;
use crate::error::TrainError;
use crate::event::{Control, Event, Outcome, StepReport};
use crate::history::{BestEpoch, ClipSums, EpochRecord};
use crate::logits;
use crate::network::{Network, check_like, tensors_of};
use crate::order::clip_order;
use crate::predict::{check_source, evaluate, to_tensor};
use crate::source::ClipSource;

/// What a network learns from.
#[derive(Clone)]
pub struct TrainingData {
    /// The classes' names, in the order of the network's outputs.
    pub labels: Vec<String>,
    /// The clips to learn from.
    pub training: ClipSet,
    /// The clips that decide when to stop and which weights are best.
    pub validation: ClipSet,
    /// Where both are cut from.
    pub source: Arc<dyn ClipSource>,
    /// A word of the caller's for its data, such as a hash of the split and of the spectrograms:
    /// kept in checkpoints and compared on resuming. The loop itself compares labels, and number
    /// and places of the clips, but not what they hold (nor whether as f32 or f16).
    pub identity: String,
}

impl std::fmt::Debug for TrainingData {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrainingData")
            .field("labels", &self.labels)
            .field("training_clips", &self.training.len())
            .field("validation_clips", &self.validation.len())
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

/// A training: a network, its optimiser, and how far they got.
#[derive(Debug)]
pub struct Trainer<N> {
    config: TrainConfig,
    network: N,
    data: Arc<TrainingData>,
    class_weights: Option<Vec<f64>>,
    adam: Adam,
    progress: Progress,
    best: Option<BTreeMap<String, Tensor>>,
}

/// Whether a part of the loop came to its end or was stopped.
#[derive(PartialEq)]
enum Flow {
    Done,
    Stopped,
}

impl<N: Network> Trainer<N> {
    /// A training that starts from the network's present weights.
    ///
    /// # Errors
    /// [`TrainError::Setting`] for a setting that makes no sense, [`TrainError::NoClips`] for an
    /// empty part, and [`TrainError::Disagreement`], [`TrainError::ClassOutOfRange`] and
    /// [`TrainError::ClipOutOfRange`] where network, labels, clips and source do not fit together.
    pub fn new(config: TrainConfig, network: N, data: TrainingData) -> Result<Self, TrainError> {
        config.check()?;
        check_data(&network, &data)?;
        let adam = Adam::new(AdamSettings::from(&config), network.parameters())?;
        let class_weights = data.training.class_weights(config.class_weights, data.labels.len());
        let (data, progress) = (Arc::new(data), Progress::default());
        Ok(Self { config, network, data, class_weights, adam, progress, best: None })
    }

    /// A training that goes on where a checkpoint was made: to the same bits as if it had never
    /// stopped. The network's own weights are overwritten.
    ///
    /// # Errors
    /// [`TrainError::CheckpointDamaged`] and [`TrainError::CheckpointVersion`] for bytes that are
    /// no checkpoint, [`TrainError::CheckpointMismatch`] naming the first setting, label or count
    /// that differs, and all errors of [`Trainer::new`].
    pub fn resume(
        checkpoint: &[u8],
        config: TrainConfig,
        network: N,
        data: TrainingData,
    ) -> Result<Self, TrainError> {
        let mut trainer = Self::new(config, network, data)?;
        let Checkpoint { identity, progress, weights, adam, best } =
            Checkpoint::from_bytes(checkpoint)?;
        identity.check(&trainer.identity())?;
        let parameters = trainer.network.parameters();
        trainer.adam = Adam::with_state(trainer.adam.settings, parameters, &adam)?;
        let like = tensors_of(&trainer.network)?;
        check_like("a weight", &weights, &like)?;
        if let Some(best) = &best {
            check_like("one of the best weights", best, &like)?;
        }
        let doing = "taking on the checkpoint's weights";
        trainer.network.load_tensors(&weights).map_err(TrainError::network(doing))?;
        let batches = trainer.data.training.len().div_ceil(trainer.config.batch_size);
        if progress.batch > batches {
            let reason = format!("it stands at batch {} of {batches}", progress.batch);
            return Err(TrainError::CheckpointDamaged { reason });
        }
        tracing::debug!(epoch = progress.history.len() + 1, batch = progress.batch, "resumed");
        trainer.progress = progress;
        trainer.best = best;
        Ok(trainer)
    }

    /// Trains until the patience or the epochs run out or `events` answers [`Control::Stop`].
    /// Called again after that, goes on.
    ///
    /// Batches are made by a background thread; `events` is called on the calling thread.
    ///
    /// # Errors
    /// [`TrainError::NotFinite`] when a loss or gradient is NaN or infinite, [`TrainError::Source`]
    /// when a clip cannot be read, [`TrainError::Network`], [`TrainError::MissingParameter`] and
    /// [`TrainError::Tensor`] when the network fails. The last checkpoint handed over stays good.
    ///
    /// # Panics
    /// When the source panics.
    pub fn run(
        &mut self,
        events: &mut dyn FnMut(Event<'_>) -> Control,
    ) -> Result<Outcome, TrainError> {
        let data = Arc::clone(&self.data);
        let outcome = loop {
            if let Some(outcome) = self.outcome() {
                break outcome;
            }
            let stopped = self.train_epoch(&data, events)? == Flow::Stopped;
            let validation = if stopped { None } else { self.validate(&data, events)? };
            let Some(validation) = validation else {
                events(Event::Checkpoint(self.checkpoint()?));
                break Outcome::Interrupted;
            };
            let stopped = self.end_epoch(validation, events)? == Flow::Stopped;
            if stopped && self.outcome().is_none() {
                break Outcome::Interrupted;
            }
        };
        events(Event::Finished(outcome));
        Ok(outcome)
    }

    /// Everything that [`resume`](Trainer::resume) needs, as bytes.
    ///
    /// # Errors
    /// [`TrainError::Tensor`] and [`TrainError::Serialization`].
    pub fn checkpoint(&self) -> Result<Vec<u8>, TrainError> {
        Checkpoint {
            identity: self.identity(),
            progress: self.progress.clone(),
            weights: tensors_of(&self.network)?,
            adam: self.optimizer_state()?,
            best: self.best.clone(),
        }
        .to_bytes()
    }

    /// The network with its present weights: those of the last step, not the best.
    pub fn network(&self) -> &N {
        &self.network
    }

    /// A copy of the optimiser's state.
    ///
    /// # Errors
    /// [`TrainError::Tensor`] if a tensor cannot be copied.
    pub fn optimizer_state(&self) -> Result<AdamState, TrainError> {
        self.adam.state(self.network.parameters())
    }

    /// The epochs that are over.
    pub fn history(&self) -> &[EpochRecord] {
        &self.progress.history
    }

    /// Steps taken since the start.
    pub fn steps(&self) -> u64 {
        self.progress.steps
    }

    /// The epoch with the lowest validation loss, and its weights.
    pub fn best(&self) -> Option<(BestEpoch, &BTreeMap<String, Tensor>)> {
        self.progress.stopping.best.zip(self.best.as_ref())
    }

    /// Why there is nothing left to do, if so.
    fn outcome(&self) -> Option<Outcome> {
        if self.progress.stopping.is_over(self.config.patience) {
            Some(Outcome::EarlyStop)
        } else if self.progress.history.len() >= self.config.epochs {
            Some(Outcome::MaxEpochs)
        } else {
            None
        }
    }

    /// The current epoch, counted from 1.
    fn epoch(&self) -> usize {
        self.progress.history.len() + 1
    }

    /// The rest of the current epoch's steps.
    fn train_epoch(
        &mut self,
        data: &TrainingData,
        events: &mut dyn FnMut(Event<'_>) -> Control,
    ) -> Result<Flow, TrainError> {
        let order = clip_order(self.config.seed, self.epoch(), data.training.len());
        let plan = BatchPlan {
            clips: &data.training,
            order: Some(&order),
            batch_size: self.config.batch_size,
            first: self.progress.batch,
            augment: self.augmenter(),
        };
        with_batches(data.source.as_ref(), plan, |batches| {
            for batch in batches {
                let sums = self.step(batch?, data.training.frames_per_clip())?;
                let report = StepReport {
                    epoch: self.epoch(),
                    epochs: self.config.epochs,
                    step: self.progress.batch,
                    of: plan.batches(),
                    clips: sums.clips as usize,
                    batch_loss: sums.mean_loss(),
                    loss: self.progress.sums.mean_loss(),
                    accuracy: self.progress.sums.accuracy(),
                };
                let mut control = events(Event::Step(report));
                if control == Control::Checkpoint {
                    control = events(Event::Checkpoint(self.checkpoint()?));
                }
                if control == Control::Stop {
                    return Ok(Flow::Stopped);
                }
            }
            Ok(Flow::Done)
        })
    }

    /// How the clips of the current epoch are changed, if they are.
    fn augmenter(&self) -> Option<Augmenter> {
        let TrainConfig { augment, seed, .. } = self.config;
        (!augment.is_none()).then(|| Augmenter { settings: augment, seed, epoch: self.epoch() })
    }

    /// Shrinks the weights, as the settings say.
    fn decay(&self, learning_rate: f64) -> Result<(), TrainError> {
        if self.config.weight_decay == 0.0 {
            return Ok(());
        }
        let kept = 1.0 - learning_rate * self.config.weight_decay;
        let weights = self.network.parameters().values().filter(|parameter| parameter.rank() > 1);
        for weight in weights {
            weight.set(&weight.affine(kept, 0.0)?)?;
        }
        Ok(())
    }

    /// One step of Adam. Nothing is changed unless loss and gradients are finite.
    fn step(&mut self, batch: Batch, n_frames: usize) -> Result<ClipSums, TrainError> {
        let not_finite = |what: String, trainer: &Self| TrainError::NotFinite {
            what,
            epoch: trainer.epoch(),
            step: trainer.progress.batch + 1,
        };
        let (input, truth) = to_tensor(batch, &self.network, n_frames)?;
        let (output, statistics) = self
            .network
            .train(&input, self.config.seed, self.progress.steps)
            .map_err(TrainError::network("training"))?;
        let weights = self.class_weights.as_deref();
        let smoothing = self.config.label_smoothing;
        let (loss, sums) =
            measure(&output.logits, &truth, self.network.classes(), weights, smoothing)?;
        if !sums.loss.is_finite() {
            return Err(not_finite("the training loss".into(), self));
        }
        let gradients = loss.backward()?;
        let steps_per_epoch = self.data.training.len().div_ceil(self.config.batch_size);
        let learning_rate = self.config.rate(self.progress.steps, steps_per_epoch);
        self.adam.settings.learning_rate = learning_rate;
        match self.adam.step(self.network.parameters(), &gradients) {
            Err(TrainError::GradientNotFinite { parameter }) => {
                Err(not_finite(format!("the gradient of `{parameter}`"), self))
            }
            other => other,
        }?;
        self.decay(learning_rate)?;
        self.network.fold(&statistics).map_err(TrainError::network("folding statistics"))?;
        self.progress.batch += 1;
        self.progress.steps += 1;
        self.progress.sums.add(sums);
        Ok(sums)
    }

    /// Measures the validation set; `None` when stopped.
    fn validate(
        &self,
        data: &TrainingData,
        events: &mut dyn FnMut(Event<'_>) -> Control,
    ) -> Result<Option<ClipSums>, TrainError> {
        let (epoch, classes) = (self.epoch(), self.network.classes());
        let of = data.validation.len().div_ceil(self.config.batch_size);
        let mut sums = ClipSums::default();
        let flow = evaluate(
            &self.network,
            data.source.as_ref(),
            &data.validation,
            self.config.batch_size,
            |batch| {
                let (_, batch_sums) = measure(&batch.logits, &batch.classes, classes, None, 0.0)?;
                if !batch_sums.loss.is_finite() {
                    let what = "the validation loss".to_owned();
                    return Err(TrainError::NotFinite { what, epoch, step: batch.step });
                }
                sums.add(batch_sums);
                Ok(events(Event::Validation { epoch, step: batch.step, of }))
            },
        )?;
        Ok((flow != Control::Stop).then_some(sums))
    }

    /// Takes note of an epoch and tells of it.
    fn end_epoch(
        &mut self,
        validation: ClipSums,
        events: &mut dyn FnMut(Event<'_>) -> Control,
    ) -> Result<Flow, TrainError> {
        let (epoch, training) = (self.epoch(), self.progress.sums);
        let validation_loss = validation.mean_loss();
        let is_best = self.progress.stopping.observe(epoch, validation_loss);
        if is_best {
            self.best = Some(tensors_of(&self.network)?);
        }
        let record = EpochRecord {
            epoch,
            training_loss: training.mean_loss(),
            training_accuracy: training.accuracy(),
            validation_loss,
            validation_accuracy: validation.accuracy(),
            is_best,
            learning_rate: self.adam.settings.learning_rate,
        };
        self.progress.history.push(record.clone());
        self.progress.batch = 0;
        self.progress.sums = ClipSums::default();
        let history = &self.progress.history;
        let mut answers = vec![events(Event::EpochEnd { record: &record, history })];
        if let (true, Some(best)) = (is_best, &self.best) {
            answers.push(events(Event::BestModel(best)));
        }
        answers.push(events(Event::Checkpoint(self.checkpoint()?)));
        Ok(if answers.contains(&Control::Stop) { Flow::Stopped } else { Flow::Done })
    }

    fn identity(&self) -> Identity {
        let part = |clips: &ClipSet| PartIdentity {
            clips: clips.len(),
            frames_per_clip: clips.frames_per_clip(),
            digest: clips.digest(),
        };
        Identity {
            config: self.config.clone(),
            network: self.network.configuration(),
            labels: self.data.labels.clone(),
            training: part(&self.data.training),
            validation: part(&self.data.validation),
            data: self.data.identity.clone(),
        }
    }
}

/// The mean loss of a batch, differentiable, and its sums. Both are computed in f64 whatever the
/// network's type, so that an epoch's sums do not round.
fn measure(
    logits: &Tensor,
    truth: &[u32],
    classes: usize,
    class_weights: Option<&[f64]>,
    smoothing: f64,
) -> Result<(Tensor, ClipSums), TrainError> {
    let logits = logits.to_dtype(DType::F64)?;
    let correct =
        logits::count_correct(&logits::values(&logits, truth.len(), classes)?, classes, truth);
    let loss = cross_entropy(&logits, truth, class_weights)
        .map_err(TrainError::network("computing the loss"))?;
    let clips = truth.len() as u64;
    // What is told is the loss without smoothing, to compare with that of the validation.
    let told = loss.to_scalar::<f64>()?;
    let loss = if smoothing > 0.0 {
        // The mean over all classes of minus the logarithm of a class's probability.
        let spread = (logits.log_sum_exp(D::Minus1)? - logits.mean(D::Minus1)?)?.mean_all()?;
        ((loss * (1.0 - smoothing))? + (spread * smoothing)?)?
    } else {
        loss
    };
    let sums = ClipSums { loss: told * clips as f64, correct, clips };
    Ok((loss, sums))
}

/// Checks that network, labels, clips and source fit together.
fn check_data<N: Network>(network: &N, data: &TrainingData) -> Result<(), TrainError> {
    let disagreement = |what, expected: usize, found: usize| TrainError::Disagreement {
        what,
        expected: expected.to_string(),
        found: found.to_string(),
    };
    check_source(network, data.source.as_ref())?;
    let (classes, labels) = (network.classes(), data.labels.len());
    if classes != labels {
        return Err(disagreement("classes of the network and labels", classes, labels));
    }
    for (part, clips) in [("training", &data.training), ("validation", &data.validation)] {
        let frames_per_clip = clips.frames_per_clip();
        if clips.is_empty() {
            return Err(TrainError::NoClips { part, frames_per_clip });
        }
        clips.check(data.source.as_ref(), labels)?;
    }
    let frames = (data.training.frames_per_clip(), data.validation.frames_per_clip());
    if frames.0 != frames.1 {
        return Err(disagreement(
            "frames of a training and of a validation clip",
            frames.0,
            frames.1,
        ));
    }
    let without = data.training.clips_per_class(labels).iter().filter(|&&n| n == 0).count();
    if without > 0 {
        tracing::warn!("{without} of {labels} labels have no training clip");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn smoothed_labels_pull_at_every_class_and_leave_the_told_loss_alone() {
        let logits = Var::new(&[[1.0_f64, 0.0, -1.0], [0.5, 0.5, 3.0]], &Device::Cpu).unwrap();
        let truth = [0, 1];
        let (loss, sums) = measure(logits.as_tensor(), &truth, 3, None, 0.3).unwrap();
        let (_, plain) = measure(logits.as_tensor(), &truth, 3, None, 0.0).unwrap();
        assert_eq!(sums.loss.to_bits(), plain.loss.to_bits());
        let gradients = loss.backward().unwrap();
        let gradient = gradients.get(&logits).unwrap().to_vec2::<f64>().unwrap();
        let values = logits.to_vec2::<f64>().unwrap();
        for ((row, &truth), gradient) in values.iter().zip(&truth).zip(gradient) {
            let total: f64 = row.iter().map(|logit| logit.exp()).sum();
            for (class, (logit, gradient)) in row.iter().zip(gradient).enumerate() {
                // The target is 0.7 of one class and 0.1 of each of the three; the mean is over two.
                let target = if class == truth as usize { 0.8 } else { 0.1 };
                let expected = (logit.exp() / total - target) / 2.0;
                assert!((gradient - expected).abs() < 1e-9, "{gradient} and {expected}");
            }
        }
    }
}
