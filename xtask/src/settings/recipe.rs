//! `--recipe`: settings of the training that belong together.

use cantus_train::{Augment, Schedule, TrainConfig};
use clap::ValueEnum;

/// A way to train.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Recipe {
    /// The paper's: Adam at one step size, until 10 epochs bring no lower validation loss
    Paper,
    /// Ours, which tells unheard albums better: 12 epochs with the step size along a cosine; clips
    /// shifted, filtered and masked by chance
    Best,
}

impl Recipe {
    /// Lays the recipe over the settings of a training: how long it goes, the step size's way, and what
    /// happens to the clips. What no recipe speaks of stays.
    pub(crate) fn lay_over(self, config: &mut TrainConfig) {
        let paper = TrainConfig::default();
        let recipe = match self {
            Self::Paper => paper,
            // What each step gave, and what gave nothing, stands in docs/results.md.
            Self::Best => TrainConfig {
                epochs: 12,
                // To the end: the step size is small only there.
                patience: 12,
                schedule: Schedule::Cosine,
                warm_up_epochs: 1,
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
        config.epochs = recipe.epochs;
        config.patience = recipe.patience;
        config.schedule = recipe.schedule;
        config.warm_up_epochs = recipe.warm_up_epochs;
        config.augment = recipe.augment;
    }

    /// Makes the recipe one of so many epochs.
    pub(crate) fn of_epochs(self, config: &mut TrainConfig, epochs: usize) {
        config.epochs = epochs;
        if matches!(self, Self::Best) {
            config.patience = epochs;
            config.warm_up_epochs = config.warm_up_epochs.min(epochs.saturating_sub(1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recipe_leaves_what_it_does_not_speak_of() {
        let own = TrainConfig {
            weight_decay: 0.01,
            batch_size: 8,
            learning_rate: 0.01,
            seed: 7,
            ..TrainConfig::default()
        };
        let mut config = own.clone();
        Recipe::Best.lay_over(&mut config);
        let kept = (config.weight_decay.to_bits(), config.batch_size, config.seed);
        assert_eq!(kept, (own.weight_decay.to_bits(), 8, 7));
        assert_eq!(config.schedule, Schedule::Cosine);
        assert_eq!((config.epochs, config.patience, config.warm_up_epochs), (12, 12, 1));
        assert!(!config.augment.is_none());
        Recipe::Paper.lay_over(&mut config);
        assert_eq!(config, own);
    }

    #[test]
    fn the_best_recipe_goes_to_its_end_however_long_it_is() {
        for (epochs, warm_up) in [(30, 1), (2, 1), (1, 0)] {
            let mut config = TrainConfig::default();
            Recipe::Best.lay_over(&mut config);
            Recipe::Best.of_epochs(&mut config, epochs);
            assert_eq!((config.epochs, config.patience), (epochs, epochs));
            assert_eq!(config.warm_up_epochs, warm_up);
            config.check().unwrap();
        }
    }
}
