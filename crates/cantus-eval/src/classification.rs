//! scikit-learn's classification report, number for number.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::confusion::ConfusionMatrix;
use crate::error::EvalError;

/// The scores of one class.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassScores {
    /// The class's name.
    pub label: String,
    /// Share of what was predicted as this class that is of it; 0 if nothing was.
    pub precision: f64,
    /// Share of this class that was predicted as such; 0 if there is nothing of it.
    pub recall: f64,
    /// Harmonic mean of precision and recall; 0 if both are.
    pub f1: f64,
    /// How often the class is the true one.
    pub support: u64,
}

/// Precision, recall and F1 averaged over classes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct AverageScores {
    /// Averaged precision.
    pub precision: f64,
    /// Averaged recall.
    pub recall: f64,
    /// Averaged F1 (not the harmonic mean of the two before).
    pub f1: f64,
}

/// Precision, recall, F1 and support of each class, and their averages.
///
/// The same numbers as `sklearn.metrics.classification_report(zero_division=0)` over all labels;
/// [`Display`](fmt::Display) prints the same text, final line break included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassificationReport {
    /// One entry a class, in the order of the labels.
    pub classes: Vec<ClassScores>,
    /// Share of correct predictions: what scikit-learn called `micro avg` before version 0.21.
    pub accuracy: f64,
    /// Every class counts the same.
    pub macro_average: AverageScores,
    /// Every class counts by its support. Its F1 is the headline of the paper.
    pub weighted_average: AverageScores,
    /// The number of predictions.
    pub support: u64,
}

/// Scores `predicted` against `truth`: class indices into `labels`, pair by pair.
///
/// # Errors
///
/// No labels, an empty or repeated one, slices of different lengths, or an index without label.
pub fn classification_report(
    truth: &[usize],
    predicted: &[usize],
    labels: &[String],
) -> Result<ClassificationReport, EvalError> {
    Ok(ClassificationReport::from_confusion(&ConfusionMatrix::new(truth, predicted, labels)?))
}

impl ClassificationReport {
    /// The report of predictions that were counted already.
    pub fn from_confusion(confusion: &ConfusionMatrix) -> Self {
        let counts = confusion.counts();
        let classes: Vec<ClassScores> = confusion
            .labels()
            .iter()
            .enumerate()
            .map(|(class, label)| {
                let hits = counts[class][class];
                let support: u64 = counts[class].iter().sum();
                let predicted: u64 = counts.iter().map(|row| row[class]).sum();
                ClassScores {
                    label: label.clone(),
                    precision: ratio(hits, predicted),
                    recall: ratio(hits, support),
                    f1: ratio(2 * hits, support + predicted),
                    support,
                }
            })
            .collect();
        let support = confusion.total();
        let hits: u64 = (0..classes.len()).map(|class| counts[class][class]).sum();
        let macro_average = average(&classes, |_| 1.0);
        let weighted_average = average(&classes, |scores| scores.support as f64);
        Self { classes, accuracy: ratio(hits, support), macro_average, weighted_average, support }
    }

    /// F1 averaged over classes, each counted by its support: the headline of the paper.
    pub fn weighted_f1(&self) -> f64 {
        self.weighted_average.f1
    }

    /// F1 averaged over classes, each counted the same.
    pub fn macro_f1(&self) -> f64 {
        self.macro_average.f1
    }

    /// Mean recall of the classes that occur, as `sklearn.metrics.balanced_accuracy_score`.
    pub fn balanced_accuracy(&self) -> f64 {
        let recalls: Vec<f64> =
            self.classes.iter().filter(|c| c.support > 0).map(|c| c.recall).collect();
        recalls.iter().sum::<f64>() / recalls.len().max(1) as f64
    }
}

fn ratio(numerator: u64, denominator: u64) -> f64 {
    if denominator == 0 { 0.0 } else { numerator as f64 / denominator as f64 }
}

fn average(classes: &[ClassScores], weight: impl Fn(&ClassScores) -> f64) -> AverageScores {
    let total: f64 = classes.iter().map(&weight).sum();
    let mean = |score: fn(&ClassScores) -> f64| {
        let sum: f64 = classes.iter().map(|scores| score(scores) * weight(scores)).sum();
        if total == 0.0 { 0.0 } else { sum / total }
    };
    AverageScores {
        precision: mean(|scores| scores.precision),
        recall: mean(|scores| scores.recall),
        f1: mean(|scores| scores.f1),
    }
}

impl fmt::Display for ClassificationReport {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.classes.iter().map(|scores| scores.label.chars().count());
        let width = names.max().unwrap_or(0).max("weighted avg".len());
        writeln!(
            out,
            "{:>width$}  {:>9} {:>9} {:>9} {:>9}\n",
            "", "precision", "recall", "f1-score", "support"
        )?;
        let mut row = |name: &str, precision: f64, recall: f64, f1: f64, support: u64| {
            writeln!(out, "{name:>width$}  {precision:>9.2} {recall:>9.2} {f1:>9.2} {support:>9}")
        };
        for c in &self.classes {
            row(&c.label, c.precision, c.recall, c.f1, c.support)?;
        }
        writeln!(
            out,
            "\n{:>width$}  {:>9} {:>9} {:>9.2} {:>9}",
            "accuracy", "", "", self.accuracy, self.support
        )?;
        let mut row = |name: &str, scores: &AverageScores| {
            writeln!(
                out,
                "{name:>width$}  {:>9.2} {:>9.2} {:>9.2} {:>9}",
                scores.precision, scores.recall, scores.f1, self.support
            )
        };
        row("macro avg", &self.macro_average)?;
        row("weighted avg", &self.weighted_average)
    }
}
