use std::f64::consts::{PI, SQRT_2};

use crate::{MelConfig, MelError, config::whole_number};

/// Mel-frequency cepstral coefficients of a log-mel spectrogram: the orthonormal DCT-II over the
/// bands of each frame, of which the lowest coefficients are kept (`librosa.feature.mfcc(S=...)`
/// with `dct_type=2` and `norm="ortho"`, its defaults; there 20 coefficients and no lifter).
///
/// ```
/// use cantus_mel::MfccPlan;
///
/// // All 4 bands at -20 dB: the first coefficient alone, -20 times the root of 4.
/// let mfcc = MfccPlan::new(4, 3, 0.0)?.compute(&[-20.0; 4])?;
/// assert_eq!(mfcc.len(), 3);
/// assert!((mfcc[0] + 40.0).abs() < 1e-5 && mfcc[1].abs() < 1e-5 && mfcc[2].abs() < 1e-5);
/// # Ok::<(), cantus_mel::MelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct MfccPlan {
    n_mels: usize,
    n_mfcc: usize,
    /// `basis[(block * n_mels + band)][lane]` is the weight of `band` in the coefficient
    /// `block * LANES + lane`, lifter included; 0 past the last coefficient.
    basis: Vec<[f64; LANES]>,
}

/// Coefficients that are summed side by side.
const LANES: usize = 8;

impl MfccPlan {
    /// Plans for spectrograms of `n_mels` bands (1 to 4096) and their first `n_mfcc` coefficients
    /// (1 to `n_mels`). A `lifter` above 0 multiplies the coefficient `n`, counted from 0, by
    /// `1 + lifter / 2 sin(pi (n + 1) / lifter)`; 0 leaves them.
    ///
    /// # Errors
    ///
    /// [`MelError::Setting`] for other numbers. More coefficients than bands are an error here,
    /// where librosa returns as many as there are bands.
    pub fn new(n_mels: usize, n_mfcc: usize, lifter: f64) -> Result<Self, MelError> {
        whole_number("n_mels", n_mels, 1, MelConfig::MOST_BANDS)?;
        whole_number("n_mfcc", n_mfcc, 1, n_mels)?;
        let is_usable = lifter == 0.0 || (PI * n_mfcc as f64 / lifter).is_finite();
        if !(lifter.is_finite() && lifter >= 0.0 && is_usable) {
            return Err(MelError::Setting {
                setting: "lifter",
                value: lifter.to_string(),
                expected: "a number, 0 or more".to_owned(),
            });
        }
        let mut basis = Vec::with_capacity(n_mfcc.div_ceil(LANES) * n_mels);
        for first in (0..n_mfcc).step_by(LANES) {
            basis.extend((0..n_mels).map(|band| {
                std::array::from_fn(|lane| match first + lane {
                    n if n < n_mfcc => dct_weight(n, band, n_mels) * lifter_weight(n, lifter),
                    _ => 0.0,
                })
            }));
        }
        Ok(Self { n_mels, n_mfcc, basis })
    }

    /// Mel bands a frame of the input.
    pub fn n_mels(&self) -> usize {
        self.n_mels
    }

    /// Coefficients a frame of the output.
    pub fn n_mfcc(&self) -> usize {
        self.n_mfcc
    }

    /// Writes the coefficients of `log_mel` (decibels, time-major, `n_mels` a frame) into `out`,
    /// time-major, `n_mfcc` a frame. Sums in f64 and allocates nothing. What is not finite makes
    /// its whole frame so.
    ///
    /// # Errors
    ///
    /// [`MelError::RaggedFrames`] if `log_mel` does not consist of whole frames,
    /// [`MelError::OutputLength`] for the buffer. `out` is untouched then.
    pub fn process(&self, log_mel: &[f32], out: &mut [f32]) -> Result<(), MelError> {
        let expected = self.frames(log_mel)? * self.n_mfcc;
        if out.len() != expected {
            return Err(MelError::OutputLength { expected, got: out.len() });
        }
        let frames = log_mel.chunks_exact(self.n_mels).zip(out.chunks_exact_mut(self.n_mfcc));
        for (bands, coefficients) in frames {
            let blocks = self.basis.chunks_exact(self.n_mels).zip(coefficients.chunks_mut(LANES));
            for (basis, coefficients) in blocks {
                let mut sums = [0.0; LANES];
                for (&band, weights) in bands.iter().zip(basis) {
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum += weight * f64::from(band);
                    }
                }
                for (coefficient, sum) in coefficients.iter_mut().zip(sums) {
                    *coefficient = sum as f32;
                }
            }
        }
        Ok(())
    }

    /// [`process`](Self::process) with a buffer of its own.
    ///
    /// # Errors
    ///
    /// Those of [`process`](Self::process) that concern the spectrogram.
    pub fn compute(&self, log_mel: &[f32]) -> Result<Vec<f32>, MelError> {
        let mut out = vec![0.0; self.frames(log_mel)? * self.n_mfcc];
        self.process(log_mel, &mut out)?;
        Ok(out)
    }

    fn frames(&self, log_mel: &[f32]) -> Result<usize, MelError> {
        if !log_mel.len().is_multiple_of(self.n_mels) {
            return Err(MelError::RaggedFrames { values: log_mel.len(), per_frame: self.n_mels });
        }
        Ok(log_mel.len() / self.n_mels)
    }
}

/// `sqrt(2 / n_mels) cos(pi n (2 band + 1) / (2 n_mels))`, of the coefficient 0 the root of half of
/// that.
fn dct_weight(n: usize, band: usize, n_mels: usize) -> f64 {
    // Turned back by whole turns while the angle is still a whole number.
    let quarter_turns = (n * (2 * band + 1)) % (4 * n_mels);
    let cosine = (PI * quarter_turns as f64 / (2 * n_mels) as f64).cos();
    let scale = (2.0 / n_mels as f64).sqrt();
    if n == 0 { scale / SQRT_2 } else { scale * cosine }
}

fn lifter_weight(n: usize, lifter: f64) -> f64 {
    if lifter > 0.0 { 1.0 + lifter / 2.0 * (PI * (n + 1) as f64 / lifter).sin() } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_the_transform_are_orthonormal() {
        for n_mels in [1, 2, 7, 40, 128] {
            for (a, b) in (0..n_mels).flat_map(|a| (0..=a).map(move |b| (a, b))) {
                let product: f64 = (0..n_mels)
                    .map(|band| dct_weight(a, band, n_mels) * dct_weight(b, band, n_mels))
                    .sum();
                let expected = if a == b { 1.0 } else { 0.0 };
                assert!((product - expected).abs() < 1e-13, "rows {a} and {b} of {n_mels}");
            }
        }
    }

    #[test]
    fn a_lifter_weighs_the_middle_of_its_length_most() {
        assert!((lifter_weight(10, 22.0) - 12.0).abs() < 1e-12);
        assert!((lifter_weight(21, 22.0) - 1.0).abs() < 1e-12);
        assert!((lifter_weight(0, 22.0) - lifter_weight(20, 22.0)).abs() < 1e-12);
        assert!((lifter_weight(5, 0.0) - 1.0).abs() < 1e-15);
    }
}
