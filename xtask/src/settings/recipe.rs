//! `--recipe`: settings of the training that belong together.

use cantus_train::{Augment, Schedule, TrainConfig};
use clap::ValueEnum;

/// A way to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Recipe {
    /// The paper's: Adam at one step size, until 10 epochs bring no lower validation loss
    Paper,
    /// Ours: clips shifted and masked by chance, step size along a cosine, weight decay, smoothed
    /// labels
    Best,
}

impl Recipe {
    /// Lays the recipe over the settings of a training; what no recipe speaks of stays.
    pub(crate) fn lay_over(self, config: &mut TrainConfig) {
        let paper = TrainConfig { seed: config.seed, ..TrainConfig::default() };
        *config = match self {
            Self::Paper => paper,
            Self::Best => TrainConfig {
                epochs: 40,
                patience: 40,
                schedule: Schedule::Cosine,
                warm_up_epochs: 1,
                weight_decay: 0.05,
                label_smoothing: 0.1,
                augment: Augment {
                    shift: 0.5,
                    filter_decibels: 9.0,
                    time_masks: 2,
                    time_mask: 0.2,
                    mel_masks: 2,
                    mel_mask: 0.15,
                },
                ..paper
            },
        };
    }
}
