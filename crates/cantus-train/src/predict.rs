//! A network at work on clips, without learning: what validation and evaluation share.

use candle_core::{DType, Device, Tensor};

use crate::batches::{Batch, BatchPlan, with_batches};
use crate::clips::ClipSet;
use crate::error::TrainError;
use crate::event::Control;
use crate::logits::{self, softmax};
use crate::network::{Network, dtype};
use crate::source::ClipSource;

/// What a network says about every clip of a set, in the set's order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClipPredictions {
    /// The number of classes.
    pub classes: usize,
    /// `[clip, class]`, each row summing to 1.
    pub probabilities: Vec<f32>,
    /// Numbers of an embedding.
    pub embedding_width: usize,
    /// `[clip, embedding_width]`, what the last layer sees.
    pub embeddings: Vec<f32>,
}

impl ClipPredictions {
    /// One clip's probabilities.
    ///
    /// # Panics
    /// If there is no such clip.
    pub fn probabilities_of(&self, clip: usize) -> &[f32] {
        &self.probabilities[clip * self.classes..][..self.classes]
    }

    /// One clip's embedding.
    ///
    /// # Panics
    /// If there is no such clip.
    pub fn embedding_of(&self, clip: usize) -> &[f32] {
        &self.embeddings[clip * self.embedding_width..][..self.embedding_width]
    }
}

/// Runs a network in evaluation mode over all clips. `progress` hears of (clips done, clips) after
/// each batch.
///
/// The last bits of the result may depend on `batch_size`; on nothing else.
///
/// # Errors
/// [`TrainError::Interrupted`] when `progress` answers [`Control::Stop`]; else as
/// [`Trainer::run`](crate::Trainer::run).
pub fn predict<N: Network>(
    network: &N,
    source: &dyn ClipSource,
    clips: &ClipSet,
    batch_size: usize,
    progress: &mut dyn FnMut(usize, usize) -> Control,
) -> Result<ClipPredictions, TrainError> {
    if batch_size == 0 {
        let (found, expected) = ("0".to_owned(), "at least 1");
        return Err(TrainError::Setting { field: "batch_size", found, expected });
    }
    check_source(network, source)?;
    clips.check(source, usize::MAX)?;
    let classes = network.classes();
    let mut predictions = ClipPredictions { classes, ..ClipPredictions::default() };
    let mut done = 0;
    let flow = evaluate(network, source, clips, batch_size, |measured| {
        let Measured { logits, embeddings, embedding_width, classes: truth, .. } = measured;
        let mut logits = logits::values(&logits, truth.len(), classes)?;
        for row in logits.chunks_exact_mut(classes) {
            softmax(row);
        }
        predictions.probabilities.extend(logits.iter().map(|&p| p as f32));
        predictions.embeddings.extend(embeddings);
        predictions.embedding_width = embedding_width;
        done += truth.len();
        Ok(progress(done, clips.len()))
    })?;
    match flow {
        Control::Stop => Err(TrainError::Interrupted),
        _ => Ok(predictions),
    }
}

/// One batch through the network in evaluation mode.
pub(crate) struct Measured {
    /// The batch, counted from 1.
    pub(crate) step: usize,
    /// `[clip, class]`, f64.
    pub(crate) logits: Tensor,
    pub(crate) embeddings: Vec<f32>,
    pub(crate) embedding_width: usize,
    /// The true class of each clip.
    pub(crate) classes: Vec<u32>,
}

/// Hands every batch's outputs to `heed` until it answers [`Control::Stop`], and returns its last
/// answer.
pub(crate) fn evaluate<N: Network>(
    network: &N,
    source: &dyn ClipSource,
    clips: &ClipSet,
    batch_size: usize,
    mut heed: impl FnMut(Measured) -> Result<Control, TrainError>,
) -> Result<Control, TrainError> {
    let plan = BatchPlan::whole(clips, batch_size);
    let frames = clips.frames_per_clip();
    with_batches(source, plan, |batches| {
        for (batch, step) in batches.zip(1..) {
            let batch = batch?;
            let (input, classes) = to_tensor(batch, network, frames)?;
            let output = network.evaluate(&input).map_err(TrainError::network("evaluating"))?;
            let measured = Measured {
                step,
                logits: output.logits.to_dtype(DType::F64)?,
                embeddings: output.embedding.to_dtype(DType::F32)?.flatten_all()?.to_vec1()?,
                embedding_width: output.embedding.elem_count() / classes.len(),
                classes,
            };
            if heed(measured)? == Control::Stop {
                return Ok(Control::Stop);
            }
        }
        Ok(Control::Continue)
    })
}

/// The batch as `[clip, mel, frame]` in the network's type, and its classes.
pub(crate) fn to_tensor<N: Network>(
    batch: Batch,
    network: &N,
    n_frames: usize,
) -> Result<(Tensor, Vec<u32>), TrainError> {
    let Batch { values, classes } = batch;
    let shape = (classes.len(), network.n_mels(), n_frames);
    let input = Tensor::from_vec(values, shape, &Device::Cpu)?.to_dtype(dtype(network))?;
    Ok((input, classes))
}

pub(crate) fn check_source<N: Network>(
    network: &N,
    source: &dyn ClipSource,
) -> Result<(), TrainError> {
    let (expected, found) = (network.n_mels(), source.n_mels());
    if expected == found {
        Ok(())
    } else {
        Err(TrainError::Disagreement {
            what: "mel bands of the network and of the spectrograms",
            expected: expected.to_string(),
            found: found.to_string(),
        })
    }
}
