use cantus_mel::{DeltaMode, DeltaPlan, MfccPlan};
use serde::{Deserialize, Serialize};

use crate::BaselineError;

/// Settings of [`ClipStatistics`]. With serde, missing fields take the defaults and unknown ones
/// are refused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ClipStatisticsConfig {
    /// Cepstral coefficients a frame, the one of loudness (number 0) included; 20, as librosa.
    pub n_mfcc: usize,
    /// Frames over which a slope is fitted; odd, at least 3. 9, as librosa.
    pub delta_width: usize,
}

impl Default for ClipStatisticsConfig {
    fn default() -> Self {
        Self { n_mfcc: 20, delta_width: 9 }
    }
}

/// A clip as one vector: mean and standard deviation over its frames of its cepstral coefficients
/// and of their slopes.
///
/// In this order, `n_mfcc` numbers each: means of the coefficients, their standard deviations
/// (population, as `numpy.std`), means of the slopes, their standard deviations. Coefficients are
/// those of `librosa.feature.mfcc`, slopes those of `librosa.feature.delta`.
///
/// ```
/// use cantus_baseline::{ClipStatistics, ClipStatisticsConfig};
///
/// // Ten frames of 4 bands that all rise by 3 dB a frame.
/// let clip: Vec<f32> = (0..40).map(|i| 3.0 * (i / 4) as f32 - 60.0).collect();
/// let config = ClipStatisticsConfig { n_mfcc: 2, ..ClipStatisticsConfig::default() };
/// let features = ClipStatistics::new(4, &config)?.compute(&clip)?;
/// // Coefficient 0 is the sum of the bands over the root of 4.
/// assert!((features[0] + 93.0).abs() < 1e-4);
/// assert!((features[4] - 6.0).abs() < 1e-4, "its mean slope");
/// assert!(features[6].abs() < 1e-4, "which does not change");
/// # Ok::<(), cantus_baseline::BaselineError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct ClipStatistics {
    mfcc: MfccPlan,
    delta: DeltaPlan,
    delta_width: usize,
}

/// Buffers of [`ClipStatistics::process`], one a thread; they grow to the longest clip.
#[derive(Debug, Clone)]
pub struct ClipStatisticsScratch {
    n_mfcc: usize,
    mfcc: Vec<f32>,
    delta: Vec<f32>,
}

impl ClipStatistics {
    /// Plans for spectrograms of `n_mels` bands.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Mel`] for numbers that [`MfccPlan::new`] or [`DeltaPlan::new`] refuse.
    pub fn new(n_mels: usize, config: &ClipStatisticsConfig) -> Result<Self, BaselineError> {
        Ok(Self {
            mfcc: MfccPlan::new(n_mels, config.n_mfcc, 0.0)?,
            delta: DeltaPlan::new(config.delta_width, 1, DeltaMode::Interp)?,
            delta_width: config.delta_width,
        })
    }

    /// Numbers a clip: four times the coefficients.
    pub fn n_features(&self) -> usize {
        4 * self.mfcc.n_mfcc()
    }

    /// Fewest frames of a clip: the width of a slope.
    pub fn least_frames(&self) -> usize {
        self.delta_width
    }

    /// Buffers for [`process`](Self::process).
    pub fn make_scratch(&self) -> ClipStatisticsScratch {
        let n_mfcc = self.mfcc.n_mfcc();
        ClipStatisticsScratch { n_mfcc, mfcc: Vec::new(), delta: Vec::new() }
    }

    /// Writes the statistics of one clip into `out`, [`n_features`](Self::n_features) numbers.
    /// `log_mel` is in decibels, time-major, `n_mels` a frame. Allocates only where the clip is
    /// longer than any before it.
    ///
    /// # Errors
    ///
    /// [`BaselineError::Mel`] if `log_mel` does not consist of whole frames,
    /// [`BaselineError::TooFewFrames`] if there are fewer than
    /// [`least_frames`](Self::least_frames), [`BaselineError::Value`] for a frame (`row`) whose
    /// coefficient (`column`) is not finite, as one is if any band is not,
    /// [`BaselineError::OutputLength`] and [`BaselineError::ForeignScratch`] for the buffers. `out`
    /// is untouched then.
    pub fn process(
        &self,
        log_mel: &[f32],
        scratch: &mut ClipStatisticsScratch,
        out: &mut [f64],
    ) -> Result<(), BaselineError> {
        let n_mfcc = self.mfcc.n_mfcc();
        if scratch.n_mfcc != n_mfcc {
            return Err(BaselineError::ForeignScratch { expected: n_mfcc, got: scratch.n_mfcc });
        }
        if out.len() != self.n_features() {
            let expected = self.n_features();
            return Err(BaselineError::OutputLength { expected, got: out.len() });
        }
        let frames = log_mel.len() / self.mfcc.n_mels();
        if log_mel.len().is_multiple_of(self.mfcc.n_mels()) && frames < self.delta_width {
            return Err(BaselineError::TooFewFrames { frames, least: self.delta_width });
        }
        let ClipStatisticsScratch { mfcc, delta, .. } = scratch;
        mfcc.resize(frames * n_mfcc, 0.0);
        delta.resize(frames * n_mfcc, 0.0);
        self.mfcc.process(log_mel, mfcc)?;
        cepstra_are_finite(mfcc, n_mfcc)?;
        self.delta.process(mfcc, n_mfcc, delta)?;
        // Slopes of finite coefficients may still overflow.
        cepstra_are_finite(delta, n_mfcc)?;
        let (of_mfcc, of_delta) = out.split_at_mut(2 * n_mfcc);
        mean_and_deviation(mfcc, of_mfcc);
        mean_and_deviation(delta, of_delta);
        Ok(())
    }

    /// [`process`](Self::process) with buffers of its own.
    ///
    /// # Errors
    ///
    /// Those of [`process`](Self::process) that concern the spectrogram.
    pub fn compute(&self, log_mel: &[f32]) -> Result<Vec<f64>, BaselineError> {
        let mut out = vec![0.0; self.n_features()];
        self.process(log_mel, &mut self.make_scratch(), &mut out)?;
        Ok(out)
    }
}

/// Refuses coefficients that are not finite.
pub(crate) fn cepstra_are_finite(values: &[f32], per_frame: usize) -> Result<(), BaselineError> {
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(index) => {
            let (row, column) = (index / per_frame, index % per_frame);
            Err(BaselineError::Value { row, column, value: f64::from(values[index]) })
        }
    }
}

/// The mean of each column into the first half of `out`, its standard deviation into the second.
fn mean_and_deviation(rows: &[f32], out: &mut [f64]) {
    let columns = out.len() / 2;
    let (means, deviations) = out.split_at_mut(columns);
    let count = (rows.len() / columns) as f64;
    means.fill(0.0);
    deviations.fill(0.0);
    for row in rows.chunks_exact(columns) {
        for (mean, &value) in means.iter_mut().zip(row) {
            *mean += f64::from(value);
        }
    }
    for mean in means.iter_mut() {
        *mean /= count;
    }
    for row in rows.chunks_exact(columns) {
        for ((square, mean), &value) in deviations.iter_mut().zip(means.iter()).zip(row) {
            let difference = f64::from(value) - mean;
            *square += difference * difference;
        }
    }
    for deviation in deviations {
        *deviation = (*deviation / count).sqrt();
    }
}
