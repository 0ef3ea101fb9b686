//! The settings of a training.

use serde::{Deserialize, Serialize};

use crate::augment::Augment;
use crate::error::TrainError;

/// Where Adam adds its epsilon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdamForm {
    /// Before the bias correction of the second moment, as Keras 2 does, and so the paper's code.
    #[default]
    Keras,
    /// After it, as in PyTorch and in Kingma & Ba's Algorithm 1.
    Torch,
}

/// How much each class counts in the training loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClassWeights {
    /// Every clip counts the same, as in the paper.
    #[default]
    None,
    /// `clips / (classes * clips of the class)`, scikit-learn's `balanced`. The validation loss
    /// stays unweighted, as in Keras.
    Balanced,
}

/// The settings of a training. The default is the paper's (section IV and its published code).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// The most passes over the training clips.
    pub epochs: usize,
    /// Epochs in a row without a lower validation loss after which training ends.
    pub patience: usize,
    /// Clips a batch; the last batch of an epoch may be smaller.
    pub batch_size: usize,
    /// Adam's step size.
    pub learning_rate: f64,
    /// Decay of Adam's mean of gradients.
    pub beta1: f64,
    /// Decay of Adam's mean of squared gradients.
    pub beta2: f64,
    /// What keeps Adam from dividing by zero.
    pub epsilon: f64,
    /// Where that epsilon is added.
    pub adam_form: AdamForm,
    /// Decides the order of the clips and the dropout masks.
    pub seed: u64,
    /// How much each class counts in the training loss.
    pub class_weights: ClassWeights,
    /// How the step size changes.
    #[serde(skip_serializing_if = "Schedule::is_constant")]
    pub schedule: Schedule,
    /// Epochs over which the step size grows to its full size, step by step.
    #[serde(skip_serializing_if = "is_zero")]
    pub warm_up_epochs: usize,
    /// Share by which the step size times this shrinks weights at each step (Loshchilov & Hutter
    /// 2019); biases and norms are left alone.
    #[serde(skip_serializing_if = "is_nought")]
    pub weight_decay: f64,
    /// Share of each target that is spread over all classes (Szegedy et al. 2016); the validation
    /// loss stays as it is.
    #[serde(skip_serializing_if = "is_nought")]
    pub label_smoothing: f64,
    /// How clips are changed by chance.
    #[serde(skip_serializing_if = "Augment::is_none")]
    pub augment: Augment,
}

/// How the step size changes over a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Schedule {
    /// Not at all, as in the paper.
    #[default]
    Constant,
    /// Down to nothing at the last of the most epochs, along half a cosine (Loshchilov & Hutter
    /// 2017).
    Cosine,
}

impl Schedule {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
    fn is_constant(&self) -> bool {
        *self == Self::Constant
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_nought(number: &f64) -> bool {
    *number == 0.0
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 200,
            patience: 10,
            batch_size: 16,
            learning_rate: 1e-3,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            adam_form: AdamForm::Keras,
            seed: 0,
            class_weights: ClassWeights::None,
            schedule: Schedule::Constant,
            warm_up_epochs: 0,
            weight_decay: 0.0,
            label_smoothing: 0.0,
            augment: Augment::default(),
        }
    }
}

impl TrainConfig {
    /// Checks every value.
    ///
    /// # Errors
    /// [`TrainError::Setting`] naming the first field that makes no sense.
    pub fn check(&self) -> Result<(), TrainError> {
        let counts =
            [("epochs", self.epochs), ("patience", self.patience), ("batch_size", self.batch_size)];
        for (field, value) in counts {
            expect(field, value, value >= 1, "at least 1")?;
        }
        for (field, value) in [("learning_rate", self.learning_rate), ("epsilon", self.epsilon)] {
            expect(field, value, value.is_finite() && value > 0.0, "a finite number above 0")?;
        }
        for (field, value) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            expect(field, value, (0.0..1.0).contains(&value), "at least 0 and below 1")?;
        }
        let (decay, smoothing) = (self.weight_decay, self.label_smoothing);
        expect("weight_decay", decay, decay.is_finite() && decay >= 0.0, "a number of at least 0")?;
        let is_share = (0.0..1.0).contains(&smoothing);
        expect("label_smoothing", smoothing, is_share, "at least 0 and below 1")?;
        let warm_up = self.warm_up_epochs;
        expect(
            "warm_up_epochs",
            warm_up,
            warm_up < self.epochs || warm_up == 0,
            "fewer than epochs",
        )?;
        self.augment.check()
    }

    /// The step size of a step, counted from 0, where an epoch has so many.
    pub(crate) fn rate(&self, step: u64, steps_per_epoch: usize) -> f64 {
        let of = |epochs: usize| (epochs * steps_per_epoch.max(1)) as f64;
        let (step, warm_up, last) = (step as f64, of(self.warm_up_epochs), of(self.epochs));
        if step < warm_up {
            return self.learning_rate * (step + 1.0) / warm_up;
        }
        match self.schedule {
            Schedule::Constant => self.learning_rate,
            Schedule::Cosine => {
                let way = ((step - warm_up) / (last - warm_up)).min(1.0);
                self.learning_rate * 0.5 * (1.0 + (std::f64::consts::PI * way).cos())
            }
        }
    }
}

pub(crate) fn expect(
    field: &'static str,
    value: impl Copy + ToString,
    holds: bool,
    expected: &'static str,
) -> Result<(), TrainError> {
    if holds {
        Ok(())
    } else {
        Err(TrainError::Setting { field, found: value.to_string(), expected })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_passes_its_own_check() {
        TrainConfig::default().check().unwrap();
    }

    #[test]
    fn a_senseless_value_is_refused_by_name() {
        type Edit = fn(&mut TrainConfig);
        let edits: [(&str, Edit); 7] = [
            ("epochs", |c| c.epochs = 0),
            ("patience", |c| c.patience = 0),
            ("batch_size", |c| c.batch_size = 0),
            ("learning_rate", |c| c.learning_rate = f64::NAN),
            ("epsilon", |c| c.epsilon = 0.0),
            ("beta1", |c| c.beta1 = 1.0),
            ("beta2", |c| c.beta2 = -0.1),
        ];
        for (name, edit) in edits {
            let mut config = TrainConfig::default();
            edit(&mut config);
            match config.check() {
                Err(TrainError::Setting { field, .. }) => assert_eq!(field, name),
                other => panic!("{name}: {other:?}"),
            }
        }
    }

    #[test]
    fn the_step_size_warms_up_and_falls_along_a_cosine() {
        let config = TrainConfig {
            epochs: 10,
            warm_up_epochs: 2,
            schedule: Schedule::Cosine,
            learning_rate: 1.0,
            ..TrainConfig::default()
        };
        let rate = |step| config.rate(step, 100);
        assert!((rate(0) - 1.0 / 200.0).abs() < 1e-12);
        assert!((rate(199) - 1.0).abs() < 1e-12);
        assert!((rate(200) - 1.0).abs() < 1e-12);
        assert!((rate(600) - 0.5).abs() < 1e-12);
        assert!(rate(999) < 1e-4 && rate(5_000) < 1e-12);
        let constant = TrainConfig::default();
        let is_full = |step| (constant.rate(step, 10) - constant.learning_rate).abs() < 1e-15;
        assert!([0, 1_000, 2_000].into_iter().all(is_full));
    }

    #[test]
    fn what_is_left_at_the_papers_is_not_written() {
        let text = serde_json::to_string(&TrainConfig::default()).unwrap();
        for name in ["schedule", "warm_up", "decay", "smoothing", "augment"] {
            assert!(!text.contains(name), "names of runs and checkpoints hang on it: {text}");
        }
    }

    #[test]
    fn unknown_settings_are_refused_and_missing_ones_are_the_papers() {
        let config: TrainConfig = serde_json::from_str(r#"{"seed": 42}"#).unwrap();
        assert_eq!(config, TrainConfig { seed: 42, ..TrainConfig::default() });
        let error = serde_json::from_str::<TrainConfig>(r#"{"learnig_rate": 1}"#).unwrap_err();
        assert!(error.to_string().contains("learnig_rate"), "{error}");
    }
}
