//! What the loop tells its caller, and what the caller may answer.

use std::collections::BTreeMap;

use candle_core::Tensor;

use crate::history::EpochRecord;

/// One thing that happened. Nothing here holds a clock time: rates are the caller's to measure.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A batch was learnt from.
    Step(StepReport),
    /// A batch of the validation set was measured.
    Validation {
        /// Counted from 1.
        epoch: usize,
        /// The batch, counted from 1.
        step: usize,
        /// Batches of the validation set.
        of: usize,
    },
    /// An epoch is over and validated.
    EpochEnd {
        /// What is known of it.
        record: &'a EpochRecord,
        /// All epochs so far, this one included. A process that dies before the next checkpoint is
        /// kept reports the epoch again when it is resumed: write a file of history anew from
        /// this rather than append to it.
        history: &'a [EpochRecord],
    },
    /// A copy of all weights, running statistics included, with the lowest validation loss so far.
    BestModel(&'a BTreeMap<String, Tensor>),
    /// All that [`Trainer::resume`](crate::Trainer::resume) needs: comes after every epoch, when
    /// asked for by [`Control::Checkpoint`], and when the loop stops.
    Checkpoint(Vec<u8>),
    /// The last event.
    Finished(Outcome),
}

/// The state of an epoch after a step.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct StepReport {
    /// Counted from 1.
    pub epoch: usize,
    /// The most epochs there will be.
    pub epochs: usize,
    /// The step inside the epoch, counted from 1.
    pub step: usize,
    /// Steps of an epoch.
    pub of: usize,
    /// Clips in this batch.
    pub clips: usize,
    /// Mean loss of this batch.
    pub batch_loss: f64,
    /// Mean loss of the epoch so far.
    pub loss: f64,
    /// Accuracy of the epoch so far.
    pub accuracy: f64,
}

/// The caller's answer to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Control {
    /// Go on.
    Continue,
    /// Hand over a checkpoint now, then go on. Heeded after a step; a checkpoint follows an epoch
    /// anyway.
    Checkpoint,
    /// Hand over a checkpoint and stop. Where the loop stands is kept to the batch.
    Stop,
}

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The validation loss found no new low for as many epochs as the patience.
    EarlyStop,
    /// As many epochs as were asked for.
    MaxEpochs,
    /// The caller answered [`Control::Stop`]; resuming goes on where it stood.
    Interrupted,
}
