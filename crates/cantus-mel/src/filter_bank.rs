use crate::{MelConfig, MelError, MelNorm};

/// The mel filter bank as a matrix, row by row: `n_mels` x (`n_fft / 2 + 1`), the weight of each
/// bin of a power spectrum in each band (`librosa.filters.mel`).
///
/// # Errors
///
/// [`MelError::Setting`] or [`MelError::BandEdges`] if the settings are not usable.
pub fn mel_filter_bank(config: &MelConfig) -> Result<Vec<f32>, MelError> {
    config.validate()?;
    let bank = FilterBank::new(config);
    let n_bins = config.n_bins();
    let mut matrix = vec![0.0; config.n_mels * n_bins];
    for (filter, row) in bank.filters.iter().zip(matrix.chunks_exact_mut(n_bins)) {
        let weights = bank.weights(filter);
        for (cell, &weight) in row[filter.first_bin..].iter_mut().zip(weights) {
            // Exact: the weights were rounded to f32 when they were made.
            *cell = weight as f32;
        }
    }
    Ok(matrix)
}

/// The bank without its zeros, of which the full matrix consists but for two cells a column.
#[derive(Debug)]
pub(crate) struct FilterBank {
    filters: Vec<Filter>,
    /// Of all filters one after the other. Rounded to f32 as librosa's are, kept as f64 because
    /// they weigh f64 powers.
    weights: Vec<f64>,
}

#[derive(Debug)]
struct Filter {
    first_bin: usize,
    /// Where its weights begin in [`FilterBank::weights`].
    offset: usize,
    length: usize,
}

impl FilterBank {
    /// `config` has been validated.
    pub(crate) fn new(config: &MelConfig) -> Self {
        let edges_hz = config.scale.spaced_hz(config.n_mels + 2, config.f_min, config.f_max_hz());
        let bin_hz = f64::from(config.sample_rate) / config.n_fft as f64;
        let mut bank = Self { filters: Vec::with_capacity(config.n_mels), weights: Vec::new() };
        for edges in edges_hz.windows(3) {
            let triangle = Triangle { low: edges[0], centre: edges[1], high: edges[2] };
            let scale = match config.norm {
                MelNorm::Slaney => 2.0 / (triangle.high - triangle.low),
                MelNorm::None => 1.0,
            };
            // One bin more on either side costs nothing and forgives rounding.
            let first = ((triangle.low / bin_hz).floor() as usize).saturating_sub(1);
            let last = ((triangle.high / bin_hz).ceil() as usize + 1).min(config.n_bins() - 1);
            let weights: Vec<f64> = (first..=last)
                .map(|bin| {
                    // librosa rounds to f32 twice, before and after scaling.
                    let height = f64::from(triangle.height(bin as f64 * bin_hz) as f32);
                    f64::from((height * scale) as f32)
                })
                .collect();
            bank.push(first, &weights);
        }
        bank
    }

    fn push(&mut self, first_bin: usize, weights: &[f64]) {
        let leading = weights.iter().take_while(|&&weight| weight == 0.0).count();
        let trailing = weights.iter().rev().take_while(|&&weight| weight == 0.0).count();
        let kept = weights.get(leading..weights.len() - trailing).unwrap_or(&[]);
        let first_bin = if kept.is_empty() { 0 } else { first_bin + leading };
        self.filters.push(Filter { first_bin, offset: self.weights.len(), length: kept.len() });
        self.weights.extend_from_slice(kept);
    }

    fn weights(&self, filter: &Filter) -> &[f64] {
        &self.weights[filter.offset..filter.offset + filter.length]
    }

    /// Bands that no bin falls into, in rising order.
    pub(crate) fn empty_bands(&self) -> Vec<usize> {
        let bands = self.filters.iter().enumerate();
        bands.filter(|(_, filter)| filter.length == 0).map(|(band, _)| band).collect()
    }

    /// Power in each mel band, of the power in each bin.
    #[inline(always)]
    pub(crate) fn apply(&self, powers: &[f64], bands: &mut [f64]) {
        for (band, filter) in bands.iter_mut().zip(&self.filters) {
            let bins = &powers[filter.first_bin..filter.first_bin + filter.length];
            *band = weighted_sum(self.weights(filter), bins);
        }
    }
}

struct Triangle {
    low: f64,
    centre: f64,
    high: f64,
}

impl Triangle {
    fn height(&self, hz: f64) -> f64 {
        let rising = (hz - self.low) / (self.centre - self.low);
        let falling = (self.high - hz) / (self.high - self.centre);
        rising.min(falling).max(0.0)
    }
}

/// Four sums side by side: one alone would wait for each addition to end before the next. Their
/// order does not depend on the processor.
#[inline(always)]
fn weighted_sum(weights: &[f64], powers: &[f64]) -> f64 {
    const LANES: usize = 4;
    let mut sums = [0.0; LANES];
    let (weight_blocks, weights_left) = weights.as_chunks::<LANES>();
    let (power_blocks, powers_left) = powers.as_chunks::<LANES>();
    for (weights, powers) in weight_blocks.iter().zip(power_blocks) {
        for lane in 0..LANES {
            sums[lane] += weights[lane] * powers[lane];
        }
    }
    let mut left = 0.0;
    for (&weight, &power) in weights_left.iter().zip(powers_left) {
        left += weight * power;
    }
    (sums[0] + sums[2]) + (sums[1] + sums[3]) + left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MelScale;
    use proptest::prelude::*;

    /// Bands of the plain matrix, to hold the sparse form against.
    fn apply_matrix(config: &MelConfig, power: &[f64]) -> Vec<f64> {
        let matrix = mel_filter_bank(config).unwrap();
        matrix
            .chunks_exact(config.n_bins())
            .map(|row| row.iter().zip(power).map(|(&w, p)| f64::from(w) * p).sum())
            .collect()
    }

    fn any_config() -> impl Strategy<Value = MelConfig> {
        (8000_u32..50_000, 2_usize..2000, 1_usize..150, 0.0_f64..0.4, 0.6_f64..=1.0, any::<bool>())
            .prop_map(|(sample_rate, n_fft, n_mels, low, high, htk)| {
                let nyquist_hz = f64::from(sample_rate) / 2.0;
                MelConfig {
                    sample_rate,
                    n_fft,
                    n_mels,
                    f_min: low * nyquist_hz,
                    f_max: Some(high * nyquist_hz),
                    scale: if htk { MelScale::Htk } else { MelScale::Slaney },
                    norm: if htk { MelNorm::None } else { MelNorm::Slaney },
                    ..MelConfig::paper()
                }
            })
    }

    proptest! {
        #[test]
        fn the_sparse_form_weighs_as_the_matrix_does(config in any_config(), seed in 1_u64..1000) {
            let powers: Vec<f64> =
                (0..config.n_bins() as u64).map(|i| ((i * seed) % 97) as f64).collect();
            let mut bands = vec![f64::NAN; config.n_mels];
            FilterBank::new(&config).apply(&powers, &mut bands);
            for (ours, expected) in bands.iter().zip(apply_matrix(&config, &powers)) {
                prop_assert!((ours - expected).abs() <= 1e-12 * (1.0 + expected));
            }
        }

        #[test]
        fn the_bands_called_empty_are_the_rows_of_zeros(config in any_config()) {
            let matrix = mel_filter_bank(&config).unwrap();
            let zero_rows: Vec<usize> = matrix
                .chunks_exact(config.n_bins())
                .enumerate()
                .filter(|(_, row)| row.iter().all(|&weight| weight == 0.0))
                .map(|(band, _)| band)
                .collect();
            prop_assert_eq!(FilterBank::new(&config).empty_bands(), zero_rows);
        }

        #[test]
        fn no_weight_is_negative_or_above_its_peak(config in any_config()) {
            let peak = if config.norm == MelNorm::None { 1.0 } else { f32::INFINITY };
            let matrix = mel_filter_bank(&config).unwrap();
            prop_assert!(matrix.iter().all(|&weight| (0.0..=peak).contains(&weight)));
        }
    }

    #[test]
    fn the_paper_has_no_empty_band_and_a_short_window_does() {
        assert_eq!(FilterBank::new(&MelConfig::paper()).empty_bands(), [0_usize; 0]);
        let short = MelConfig { n_fft: 256, ..MelConfig::paper() };
        assert!(!FilterBank::new(&short).empty_bands().is_empty());
    }
}
