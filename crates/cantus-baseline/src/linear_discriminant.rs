use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use crate::shrinkage::{class_covariance, is_constant, scales};
use crate::{BaselineError, Shrinkage, checks, moments};

/// How probable each class is before anything is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Priors {
    /// As frequent as among the training clips, as scikit-learn has it by default.
    #[default]
    Observed,
    /// All the same.
    Equal,
}

/// Settings of [`LinearDiscriminant`]. With serde, missing fields take the defaults and unknown
/// ones are refused.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinearDiscriminantConfig {
    /// How the covariance is shrunk.
    pub shrinkage: Shrinkage,
    /// How probable each class is beforehand.
    pub priors: Priors,
}

/// Linear discriminant analysis: each class is a Gaussian with a mean of its own and the covariance
/// that all share, which makes the border between two classes a plane.
///
/// As scikit-learn's `make_pipeline(StandardScaler(), LinearDiscriminantAnalysis(solver="lsqr",
/// shrinkage=...))`: features are brought to mean 0 and variance 1 over all clips, each class's
/// covariance is [shrunk](Shrinkage), and the shared one is their mean, weighted by the
/// [priors](Priors). A feature that never varies has no say. A class of one clip has a mean and
/// adds nothing to the spread.
///
/// ```
/// use cantus_baseline::{LinearDiscriminant, LinearDiscriminantConfig};
///
/// // Six clips of two features: the second tells two classes apart.
/// let clips = [0.0, 5.0, 1.0, 6.0, 2.0, 5.2, 0.1, -5.0, 1.2, -6.1, 1.9, -4.9];
/// let classes = [0, 0, 0, 1, 1, 1];
/// let config = LinearDiscriminantConfig::default();
/// let discriminant = LinearDiscriminant::fit(&clips, 2, &classes, 2, &config)?;
/// let probabilities = discriminant.probabilities(&[1.0, 4.0])?;
/// assert!(probabilities[0] > 0.99);
/// # Ok::<(), cantus_baseline::BaselineError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct LinearDiscriminant {
    /// Of each feature over the training clips.
    means: Vec<f64>,
    /// `weights[class * n_features + feature]`, of features as they come less their means.
    weights: Vec<f64>,
    /// Score of each class at the means.
    biases: Vec<f64>,
}

impl LinearDiscriminant {
    /// Learns from clips: `features[clip * n_features + feature]` in any unit, and the class of
    /// each, 0 to `n_classes - 1`.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Setting`] for a fixed shrinkage that is not from 0 to 1,
    /// [`BaselineError::RaggedRows`] and [`BaselineError::LabelCount`] for lengths that do not
    /// match, [`BaselineError::Value`] for a feature that is not finite,
    /// [`BaselineError::TooFewClasses`], [`BaselineError::UnknownClass`],
    /// [`BaselineError::EmptyClass`] and [`BaselineError::OneExampleEach`] for the classes,
    /// [`BaselineError::SingularCovariance`] if within classes some features do not vary, or not
    /// apart from others, and shrinkage does not help.
    pub fn fit(
        features: &[f64],
        n_features: usize,
        classes: &[usize],
        n_classes: usize,
        config: &LinearDiscriminantConfig,
    ) -> Result<Self, BaselineError> {
        if let Shrinkage::Fixed(share) = config.shrinkage {
            let is_share = (0.0..=1.0).contains(&share);
            checks::setting("shrinkage", share, is_share, "a number from 0 to 1")?;
        }
        let clips = checks::rows(features.len(), n_features)?;
        let counts = checks::class_counts(clips, classes, n_classes)?;
        checks::values(features, n_features)?;
        if clips == n_classes {
            return Err(BaselineError::OneExampleEach { examples: clips, classes: n_classes });
        }
        let priors: Vec<f64> = match config.priors {
            Priors::Observed => counts.iter().map(|&count| count as f64 / clips as f64).collect(),
            Priors::Equal => vec![1.0 / n_classes as f64; n_classes],
        };
        let Standardised { rows, means, scales, constant } = standardise(features, n_features);

        let mut covariance = DMatrix::zeros(n_features, n_features);
        let mut class_means = DMatrix::zeros(n_features, n_classes);
        let of_class = by_class(&rows, n_features, classes, &counts);
        for (class, (rows, prior)) in of_class.iter().zip(&priors).enumerate() {
            let mean = moments::means(rows, n_features);
            class_means.column_mut(class).copy_from_slice(&mean);
            covariance += class_covariance(rows, n_features, config.shrinkage) * *prior;
        }
        for (feature, constant) in constant.into_iter().enumerate() {
            // Uncorrelated and with means of 0: any variance gives a weight of 0.
            if constant {
                covariance[(feature, feature)] = 1.0;
            }
        }
        let directions = moments::cholesky(covariance, clips)?.solve(&class_means);

        let biases: Vec<f64> =
            (priors.iter().zip(directions.column_iter()).zip(class_means.column_iter()))
                .map(|((prior, direction), mean)| prior.ln() - 0.5 * direction.dot(&mean))
                .collect();
        let weights: Vec<f64> = directions
            .column_iter()
            .flat_map(|direction| {
                let of_scale: Vec<f64> =
                    direction.iter().zip(&scales).map(|(weight, scale)| weight / scale).collect();
                of_scale
            })
            .collect();
        // Times the largest feature, they must stay finite.
        let is_usable = |value: &f64| value.abs() <= MOST_WEIGHT;
        if !weights.iter().chain(&biases).all(is_usable) {
            return Err(BaselineError::SingularCovariance { rows: clips, columns: n_features });
        }
        Ok(Self { means, weights, biases })
    }

    /// Features of a clip.
    pub fn n_features(&self) -> usize {
        self.means.len()
    }

    /// How many classes there are.
    pub fn n_classes(&self) -> usize {
        self.biases.len()
    }

    /// Writes the probability of each class for each clip of `features` (laid out as in
    /// [`fit`](Self::fit)) into `out[clip * n_classes + class]`; those of a clip add up to 1.
    /// Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`BaselineError::RaggedRows`] for features that are not whole clips,
    /// [`BaselineError::Value`] for one that is not finite, [`BaselineError::OutputLength`] for the
    /// buffer. `out` is untouched then.
    pub fn process(&self, features: &[f64], out: &mut [f64]) -> Result<(), BaselineError> {
        let expected = checks::rows(features.len(), self.n_features())? * self.n_classes();
        if out.len() != expected {
            return Err(BaselineError::OutputLength { expected, got: out.len() });
        }
        checks::values(features, self.n_features())?;
        let clips = features.chunks_exact(self.n_features());
        for (clip, out) in clips.zip(out.chunks_exact_mut(self.n_classes())) {
            let weights = self.weights.chunks_exact(self.n_features());
            for ((score, bias), weights) in out.iter_mut().zip(&self.biases).zip(weights) {
                let parts = clip.iter().zip(&self.means).zip(weights);
                *score = bias + parts.map(|((x, mean), weight)| (x - mean) * weight).sum::<f64>();
            }
            softmax(out);
        }
        Ok(())
    }

    /// [`process`](Self::process) with a buffer of its own.
    ///
    /// # Errors
    ///
    /// Those of [`process`](Self::process) that concern the features.
    pub fn probabilities(&self, features: &[f64]) -> Result<Vec<f64>, BaselineError> {
        let clips = checks::rows(features.len(), self.n_features())?;
        let mut out = vec![0.0; clips * self.n_classes()];
        self.process(features, &mut out)?;
        Ok(out)
    }
}

/// Far beyond what data with any spread give.
const MOST_WEIGHT: f64 = 1e150;

struct Standardised {
    rows: Vec<f64>,
    means: Vec<f64>,
    scales: Vec<f64>,
    /// Whether the feature never varies; it is 0 in `rows` then.
    constant: Vec<bool>,
}

fn standardise(features: &[f64], n_features: usize) -> Standardised {
    let clips = features.len() / n_features;
    let means = moments::means(features, n_features);
    let mut rows = features.to_vec();
    moments::centre(&mut rows, &means);
    let squares =
        moments::means(&rows.iter().map(|value| value * value).collect::<Vec<f64>>(), n_features);
    let constant: Vec<bool> = squares
        .into_iter()
        .zip(&means)
        .map(|(variance, &mean)| is_constant(variance, mean, clips))
        .collect();
    let scales = scales(&rows, &means);
    for row in rows.chunks_exact_mut(n_features) {
        for ((value, scale), constant) in row.iter_mut().zip(&scales).zip(&constant) {
            *value = if *constant { 0.0 } else { *value / scale };
        }
    }
    Standardised { rows, means, scales, constant }
}

/// The rows of each class, in their order.
fn by_class(rows: &[f64], n_features: usize, classes: &[usize], counts: &[usize]) -> Vec<Vec<f64>> {
    let mut of_class: Vec<Vec<f64>> =
        counts.iter().map(|count| Vec::with_capacity(count * n_features)).collect();
    for (row, &class) in rows.chunks_exact(n_features).zip(classes) {
        of_class[class].extend_from_slice(row);
    }
    of_class
}

fn softmax(scores: &mut [f64]) {
    let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - most).exp();
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}
