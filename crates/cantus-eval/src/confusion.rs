//! Who is taken for whom.

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::label::check_labels;

/// Counts of (true class, predicted class), as `sklearn.metrics.confusion_matrix`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "RawConfusionMatrix")]
pub struct ConfusionMatrix {
    labels: Vec<String>,
    counts: Vec<Vec<u64>>,
}

/// What stands in a file, before it is checked.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawConfusionMatrix {
    labels: Vec<String>,
    counts: Vec<Vec<u64>>,
}

impl TryFrom<RawConfusionMatrix> for ConfusionMatrix {
    type Error = EvalError;

    fn try_from(raw: RawConfusionMatrix) -> Result<Self, EvalError> {
        Self::from_counts(raw.labels, raw.counts)
    }
}

/// A true class that was taken for another one.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConfusedPair {
    /// Index of the true class.
    pub truth: usize,
    /// Index of the class it was taken for.
    pub predicted: usize,
    /// How often.
    pub count: u64,
    /// Share of all of the true class, 0 to 1.
    pub share: f64,
}

impl ConfusionMatrix {
    /// Counts the pairs of `truth` and `predicted`, class indices into `labels`.
    ///
    /// # Errors
    ///
    /// No labels, an empty or repeated one, slices of different lengths, or an index without label.
    pub fn new(truth: &[usize], predicted: &[usize], labels: &[String]) -> Result<Self, EvalError> {
        check_labels(labels)?;
        if truth.len() != predicted.len() {
            return Err(EvalError::LengthMismatch {
                truth: truth.len(),
                predicted: predicted.len(),
            });
        }
        let classes = labels.len();
        let mut counts = vec![vec![0; classes]; classes];
        for (position, (&row, &column)) in truth.iter().zip(predicted).enumerate() {
            let class = row.max(column);
            if class >= classes {
                return Err(EvalError::UnknownClass { position, class, classes });
            }
            counts[row][column] += 1;
        }
        Ok(Self { labels: labels.to_vec(), counts })
    }

    /// A matrix of counts made elsewhere: `counts[true][predicted]`.
    ///
    /// # Errors
    ///
    /// No labels, an empty or repeated one, or counts that are not square and of that size.
    pub fn from_counts(labels: Vec<String>, counts: Vec<Vec<u64>>) -> Result<Self, EvalError> {
        check_labels(&labels)?;
        let classes = labels.len();
        if counts.len() != classes {
            let problem = format!("{} rows", counts.len());
            return Err(EvalError::ConfusionShape { classes, problem });
        }
        if let Some(row) = counts.iter().position(|row| row.len() != classes) {
            let problem = format!("{} columns in row {row}", counts[row].len());
            return Err(EvalError::ConfusionShape { classes, problem });
        }
        Ok(Self { labels, counts })
    }

    /// The classes' names.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The counts: `counts()[true][predicted]`.
    pub fn counts(&self) -> &[Vec<u64>] {
        &self.counts
    }

    /// How often each class is the true one.
    pub fn support(&self) -> Vec<u64> {
        self.counts.iter().map(|row| row.iter().sum()).collect()
    }

    /// The number of pairs counted.
    pub fn total(&self) -> u64 {
        self.counts.iter().flatten().sum()
    }

    /// Shares of each true class, `[true][predicted]`, 0 to 1; rows without support are zeros.
    ///
    /// As `confusion_matrix(normalize="true")`.
    pub fn normalised(&self) -> Vec<Vec<f64>> {
        self.counts
            .iter()
            .map(|row| {
                let support = row.iter().sum::<u64>().max(1) as f64;
                row.iter().map(|&count| count as f64 / support).collect()
            })
            .collect()
    }

    /// The errors, the largest share of a true class first, at most `most` of them.
    ///
    /// Of equal shares the larger count comes first, then the smaller true and predicted class.
    pub fn most_confused(&self, most: usize) -> Vec<ConfusedPair> {
        let mut pairs = Vec::new();
        for (truth, row) in self.normalised().iter().enumerate() {
            for (predicted, &share) in row.iter().enumerate() {
                let count = self.counts[truth][predicted];
                if truth != predicted && count > 0 {
                    pairs.push(ConfusedPair { truth, predicted, count, share });
                }
            }
        }
        // The sort is stable and the pairs stand by true, then predicted class.
        pairs.sort_by(|a, b| b.share.total_cmp(&a.share).then(b.count.cmp(&a.count)));
        pairs.truncate(most);
        pairs
    }
}
