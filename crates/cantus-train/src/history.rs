//! What is known of each epoch, and when to stop.

use serde::{Deserialize, Serialize};

/// One line of `history.jsonl`. There is no clock time in it, so that two runs compare byte for
/// byte.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EpochRecord {
    /// Counted from 1.
    pub epoch: usize,
    /// Mean cross-entropy (weighted by class, if so set) of the training clips, each measured with
    /// the weights before its own step and with dropout, as Keras reports it.
    pub training_loss: f64,
    /// Share of the training clips that were classified right in the same passes.
    pub training_accuracy: f64,
    /// Mean cross-entropy of the validation clips after the epoch, in evaluation mode.
    pub validation_loss: f64,
    /// Share of the validation clips classified right.
    pub validation_accuracy: f64,
    /// Whether the validation loss is the lowest so far.
    pub is_best: bool,
    /// Adam's step size in this epoch.
    pub learning_rate: f64,
}

/// Sums over clips; the mean is weighted by clips, so a smaller last batch counts for less.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClipSums {
    pub(crate) loss: f64,
    pub(crate) correct: u64,
    pub(crate) clips: u64,
}

impl ClipSums {
    pub(crate) fn add(&mut self, other: Self) {
        self.loss += other.loss;
        self.correct += other.correct;
        self.clips += other.clips;
    }

    pub(crate) fn mean_loss(&self) -> f64 {
        self.loss / self.clips as f64
    }

    pub(crate) fn accuracy(&self) -> f64 {
        self.correct as f64 / self.clips as f64
    }
}

/// The best epoch so far.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestEpoch {
    /// Counted from 1.
    pub epoch: usize,
    /// Its validation loss.
    pub validation_loss: f64,
}

/// Early stopping as Keras' callback does it with a `min_delta` of zero.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EarlyStopping {
    pub(crate) best: Option<BestEpoch>,
    /// Epochs since the best one.
    pub(crate) wait: usize,
}

impl EarlyStopping {
    /// Takes note of an epoch and says whether it is the best so far; an equal loss is not better.
    pub(crate) fn observe(&mut self, epoch: usize, validation_loss: f64) -> bool {
        let is_best = self.best.is_none_or(|best| validation_loss < best.validation_loss);
        if is_best {
            self.best = Some(BestEpoch { epoch, validation_loss });
            self.wait = 0;
        } else {
            self.wait += 1;
        }
        is_best
    }

    pub(crate) fn is_over(&self, patience: usize) -> bool {
        self.wait >= patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stopping_waits_for_as_many_epochs_as_its_patience() {
        let mut stopping = EarlyStopping::default();
        let losses = [3.0, 2.0, 2.0, 2.5, 1.9, 4.0, 3.0];
        let seen: Vec<_> = losses
            .iter()
            .zip(1..)
            .map(|(&loss, epoch)| (stopping.observe(epoch, loss), stopping.is_over(2)))
            .collect();
        let expected = [
            (true, false),
            (true, false),
            (false, false),
            (false, true),
            (true, false),
            (false, false),
            (false, true),
        ];
        assert_eq!(seen, expected);
        assert_eq!(stopping.best, Some(BestEpoch { epoch: 5, validation_loss: 1.9 }));
    }

    #[test]
    fn means_are_weighted_by_clips() {
        let mut sums = ClipSums::default();
        sums.add(ClipSums { loss: 6.0, correct: 3, clips: 3 });
        sums.add(ClipSums { loss: 4.0, correct: 0, clips: 1 });
        assert!((sums.mean_loss() - 2.5).abs() < 1e-15);
        assert!((sums.accuracy() - 0.75).abs() < 1e-15);
    }
}
