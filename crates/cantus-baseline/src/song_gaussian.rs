use cantus_mel::MfccPlan;
use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use crate::clip_statistics::cepstra_are_finite;
use crate::{BaselineError, checks, moments};

/// Settings of [`SongGaussianPlan`]. With serde, missing fields take the defaults and unknown ones
/// are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SongGaussianConfig {
    /// Cepstral coefficients a frame, the one of loudness (number 0) included: 20.
    pub n_mfcc: usize,
    /// What is added to each coefficient's variance, in squared units of the coefficients (decibels,
    /// here): 0.01, so that songs of silence can be compared.
    pub ridge: f64,
}

impl Default for SongGaussianConfig {
    fn default() -> Self {
        Self { n_mfcc: 20, ridge: 0.01 }
    }
}

/// Makes a [`SongGaussian`] of a song's log-mel spectrogram.
#[derive(Debug, Clone, PartialEq)]
pub struct SongGaussianPlan {
    mfcc: MfccPlan,
    ridge: f64,
}

impl SongGaussianPlan {
    /// Plans for spectrograms of `n_mels` bands.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Mel`] for coefficients that [`MfccPlan::new`] refuses,
    /// [`BaselineError::Setting`] for a ridge that is not from 0 to 1e100.
    pub fn new(n_mels: usize, config: &SongGaussianConfig) -> Result<Self, BaselineError> {
        check_ridge(config.ridge)?;
        Ok(Self { mfcc: MfccPlan::new(n_mels, config.n_mfcc, 0.0)?, ridge: config.ridge })
    }

    /// The Gaussian of a song, or of any stretch of it; `log_mel` is in decibels, time-major,
    /// `n_mels` a frame.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Mel`] if `log_mel` does not consist of whole frames, and those of
    /// [`SongGaussian::from_frames`].
    pub fn compute(&self, log_mel: &[f32]) -> Result<SongGaussian, BaselineError> {
        let frames = self.mfcc.compute(log_mel)?;
        SongGaussian::from_frames(&frames, self.mfcc.n_mfcc(), self.ridge)
    }
}

/// A song as one Gaussian: the mean and the full covariance of the cepstral coefficients of all its
/// frames, in no order. The model of Mandel & Ellis, "Song-level features and support vector
/// machines for music classification" (ISMIR 2005).
#[derive(Debug, Clone, PartialEq)]
pub struct SongGaussian {
    mean: Vec<f64>,
    /// Upper triangle, row by row.
    covariance: Vec<f64>,
    /// Upper triangle of its inverse, row by row, entries off the diagonal twice: what sums over
    /// the whole matrix need.
    precision: Vec<f64>,
    log_determinant: f64,
}

impl SongGaussian {
    /// The Gaussian of `frames[frame * n_coefficients + coefficient]`, more frames than
    /// coefficients. The covariance is divided by the number of frames less 1, as `numpy.cov`, and
    /// `ridge` is added to its diagonal. Sums in f64.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Setting`] for a ridge that is not from 0 to 1e100,
    /// [`BaselineError::RaggedRows`] for frames that are not whole,
    /// [`BaselineError::TooFewFrames`], [`BaselineError::Value`] for a coefficient that is not
    /// finite, [`BaselineError::SingularCovariance`] if some coefficients do not vary, or not apart
    /// from others, and the ridge is 0 or too small beside the others' variance.
    pub fn from_frames(
        frames: &[f32],
        n_coefficients: usize,
        ridge: f64,
    ) -> Result<Self, BaselineError> {
        check_ridge(ridge)?;
        let count = checks::rows(frames.len(), n_coefficients)?;
        if count <= n_coefficients {
            let least = n_coefficients + 1;
            return Err(BaselineError::TooFewFrames { frames: count, least });
        }
        cepstra_are_finite(frames, n_coefficients)?;
        let mut rows: Vec<f64> = frames.iter().map(|&value| f64::from(value)).collect();
        let mean = moments::means(&rows, n_coefficients);
        moments::centre(&mut rows, &mean);
        let mut covariance = moments::products(&rows, n_coefficients) / (count - 1) as f64;
        for i in 0..n_coefficients {
            covariance[(i, i)] += ridge;
        }
        let packed = upper_triangle(&covariance, 1.0);
        let factor = moments::cholesky(covariance, count)?;
        let log_determinant =
            factor.l_dirty().diagonal().iter().map(|pivot| 2.0 * pivot.ln()).sum();
        let precision = upper_triangle(&factor.inverse(), 2.0);
        Ok(Self { mean, covariance: packed, precision, log_determinant })
    }

    /// The mean of each coefficient.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The covariance of two coefficients, ridge included; `None` past the last.
    pub fn covariance(&self, i: usize, j: usize) -> Option<f64> {
        let (row, column) = (i.min(j), i.max(j));
        let n = self.mean.len();
        // Rows above hold n, n - 1, ... entries.
        (column < n).then(|| self.covariance[row * (2 * n - row + 1) / 2 + column - row])
    }

    /// How many coefficients a frame has.
    pub fn n_coefficients(&self) -> usize {
        self.mean.len()
    }

    /// The Kullback-Leibler divergence of `other` from `self`, in nats: how badly `other` describes
    /// frames of `self`. 0 of equals, else more; not symmetric.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Width`] if the songs have different numbers of coefficients.
    pub fn divergence(&self, other: &Self) -> Result<f64, BaselineError> {
        self.check_width(other)?;
        let (mut spread, mut shift) = (0.0, 0.0);
        let mut entries = self.covariance.iter().zip(&other.precision);
        for (i, (mean, other_mean)) in self.mean.iter().zip(&other.mean).enumerate() {
            let difference = mean - other_mean;
            let rest = self.mean[i..].iter().zip(&other.mean[i..]);
            for ((mean, other_mean), (covariance, precision)) in rest.zip(&mut entries) {
                spread += covariance * precision;
                shift += difference * (mean - other_mean) * precision;
            }
        }
        let volume = other.log_determinant - self.log_determinant;
        Ok((0.5 * (spread - self.mean.len() as f64 + shift + volume)).max(0.0))
    }

    /// The divergence of each from the other, added up, in nats: how far apart two songs are. 0 of
    /// equals to the bit, and the same to the bit both ways.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Width`] if the songs have different numbers of coefficients.
    pub fn symmetric_divergence(&self, other: &Self) -> Result<f64, BaselineError> {
        self.check_width(other)?;
        Ok(self.distance(other))
    }

    /// [`symmetric_divergence`](Self::symmetric_divergence) of songs of one width.
    ///
    /// Logarithms of determinants cancel, and the traces of `P'C` and `PC'`, less twice the width,
    /// are that of `(C - C') (P' - P)`: nothing large is taken from anything large.
    pub(crate) fn distance(&self, other: &Self) -> f64 {
        let ours = self.covariance.iter().zip(&self.precision);
        let theirs = other.covariance.iter().zip(&other.precision);
        let spread: f64 = ours
            .zip(theirs)
            .map(|((covariance, precision), (other_covariance, other_precision))| {
                (covariance - other_covariance) * (other_precision - precision)
            })
            .sum();
        let mut shift = 0.0;
        let mut entries = self.precision.iter().zip(&other.precision);
        for (i, (mean, other_mean)) in self.mean.iter().zip(&other.mean).enumerate() {
            let rest = self.mean[i..].iter().zip(&other.mean[i..]);
            let along: f64 = rest
                .zip(&mut entries)
                .map(|((mean, other_mean), (precision, other_precision))| {
                    (mean - other_mean) * (precision + other_precision)
                })
                .sum();
            shift += (mean - other_mean) * along;
        }
        (0.5 * (spread + shift)).max(0.0)
    }

    pub(crate) fn check_width(&self, other: &Self) -> Result<(), BaselineError> {
        let (expected, got) = (self.mean.len(), other.mean.len());
        if expected == got { Ok(()) } else { Err(BaselineError::Width { expected, got }) }
    }
}

fn check_ridge(ridge: f64) -> Result<(), BaselineError> {
    let is_usable = (0.0..=checks::MOST).contains(&ridge);
    checks::setting("ridge", ridge, is_usable, "a number from 0 to 1e100")
}

/// Row by row; entries off the diagonal times a factor.
fn upper_triangle(matrix: &DMatrix<f64>, off_diagonal: f64) -> Vec<f64> {
    let n = matrix.nrows();
    let row = |i: usize| {
        (i..n).map(move |j| {
            if i == j {
                matrix[(i, i)]
            } else {
                off_diagonal * 0.5 * (matrix[(i, j)] + matrix[(j, i)])
            }
        })
    };
    (0..n).flat_map(row).collect()
}
