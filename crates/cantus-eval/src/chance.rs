//! What one would score without listening.

use serde::{Deserialize, Serialize};

use crate::confusion::ConfusionMatrix;

/// Scores of two classifiers that know nothing of the music.
///
/// *Uniform* picks any of the `k` classes with equal probability: its expected accuracy is `1 / k`;
/// a class of share `p` then has precision `p`, recall `1 / k` and F1 `2 p / (k p + 1)`, which
/// weighted by `p` gives [`uniform_weighted_f1`](Self::uniform_weighted_f1) (the value for many
/// predictions; `1 / k` when all classes are of one size). *Majority* always picks the class that
/// occurs most often, of share `m`: accuracy `m`, weighted F1 `2 m^2 / (1 + m)`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Chance {
    /// Expected accuracy of a uniform guess: one over the number of classes.
    pub uniform_accuracy: f64,
    /// Weighted F1 of a uniform guess.
    pub uniform_weighted_f1: f64,
    /// The class that occurs most often; of equals the first.
    pub majority_label: String,
    /// Accuracy of always predicting that class.
    pub majority_accuracy: f64,
    /// Weighted F1 of always predicting that class.
    pub majority_weighted_f1: f64,
}

impl Chance {
    /// Chance level for the true classes that were counted in `confusion`.
    pub fn of(confusion: &ConfusionMatrix) -> Self {
        let classes = confusion.labels().len() as f64;
        let support = confusion.support();
        let total = confusion.total().max(1) as f64;
        let share = |count: u64| count as f64 / total;
        let mut majority = 0;
        for (class, &count) in support.iter().enumerate() {
            if count > support[majority] {
                majority = class;
            }
        }
        let m = share(support[majority]);
        Self {
            uniform_accuracy: 1.0 / classes,
            uniform_weighted_f1: support
                .iter()
                .map(|&count| share(count))
                .map(|p| p * 2.0 * p / (classes * p + 1.0))
                .sum(),
            majority_label: confusion.labels()[majority].clone(),
            majority_accuracy: m,
            majority_weighted_f1: 2.0 * m * m / (1.0 + m),
        }
    }
}
