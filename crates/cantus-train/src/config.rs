//! The settings of a training.

use serde::{Deserialize, Serialize};

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
        Ok(())
    }
}

fn expect(
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
    fn unknown_settings_are_refused_and_missing_ones_are_the_papers() {
        let config: TrainConfig = serde_json::from_str(r#"{"seed": 42}"#).unwrap();
        assert_eq!(config, TrainConfig { seed: 42, ..TrainConfig::default() });
        let error = serde_json::from_str::<TrainConfig>(r#"{"learnig_rate": 1}"#).unwrap_err();
        assert!(error.to_string().contains("learnig_rate"), "{error}");
    }
}
