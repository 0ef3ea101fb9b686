use crate::{MelError, config::whole_number, log_mel::count_frames};

/// What a [`DeltaPlan`] takes for the frames before the first and after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum DeltaMode {
    /// None: the polynomial fitted to the first (or last) whole window holds up to the end
    /// (`mode="interp"`, librosa's default). Needs as many frames as the window is wide.
    #[default]
    Interp,
    /// The first (or last) frame over and over (`mode="nearest"`).
    Nearest,
}

/// Derivative over time of each band or coefficient: a Savitzky-Golay filter, which fits a
/// polynomial of degree `order` to `width` frames by least squares and takes its derivative of that
/// order in the middle (`librosa.feature.delta`). librosa's defaults are a width of 9 and order 1.
///
/// ```
/// use cantus_mel::{DeltaMode, DeltaPlan};
///
/// // Five frames of two bands: one rises by 2 a frame, one is at rest.
/// let features = [0.0, 7.0, 2.0, 7.0, 4.0, 7.0, 6.0, 7.0, 8.0, 7.0];
/// let delta = DeltaPlan::new(5, 1, DeltaMode::Interp)?.compute(&features, 2)?;
/// for frame in delta.chunks_exact(2) {
///     assert_eq!(frame, [2.0, 0.0]);
/// }
/// # Ok::<(), cantus_mel::MelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct DeltaPlan {
    width: usize,
    mode: DeltaMode,
    /// Of the frames after the middle of the window, the nearest first.
    weights: Vec<f64>,
    /// Of those before the middle the same times this: -1 if the order is odd, else 1.
    mirror: f64,
}

/// Bands that are summed side by side.
const LANES: usize = 16;

impl DeltaPlan {
    const MOST_WIDTH: usize = (1 << 16) - 1;
    const MOST_ORDER: usize = 16;

    /// Plans for windows of `width` frames (odd, 3 to 65535) and the derivative `order` (1 to 16,
    /// less than `width`).
    ///
    /// # Errors
    ///
    /// [`MelError::Setting`] for another `width` or `order`.
    pub fn new(width: usize, order: usize, mode: DeltaMode) -> Result<Self, MelError> {
        if width.is_multiple_of(2) || !(3..=Self::MOST_WIDTH).contains(&width) {
            return Err(MelError::Setting {
                setting: "width",
                value: width.to_string(),
                expected: format!("an odd number, 3 to {}", Self::MOST_WIDTH),
            });
        }
        whole_number("order", order, 1, Self::MOST_ORDER.min(width - 1))?;
        let weights = savitzky_golay_weights(width, order).split_off(width / 2 + 1);
        let mirror = if order.is_multiple_of(2) { 1.0 } else { -1.0 };
        Ok(Self { width, mode, weights, mirror })
    }

    /// Writes the derivative of `features`, time-major with `n_features` values a frame, into `out`
    /// of the same shape, in units of `features` a frame (to the power of the order). Sums in f64
    /// and allocates nothing. What does not move has a derivative of exactly 0. What is
    /// not finite makes every window that holds it so.
    ///
    /// # Errors
    ///
    /// [`MelError::Setting`] if `n_features` is 0, [`MelError::RaggedFrames`] if `features` does
    /// not consist of whole frames, [`MelError::TooFewFrames`] if there are fewer than `width` in
    /// the mode [`DeltaMode::Interp`], [`MelError::OutputLength`] for the buffer. `out` is
    /// untouched then.
    pub fn process(
        &self,
        features: &[f32],
        n_features: usize,
        out: &mut [f32],
    ) -> Result<(), MelError> {
        let n_frames = self.check_frames(features, n_features)?;
        if out.len() != features.len() {
            return Err(MelError::OutputLength { expected: features.len(), got: out.len() });
        }
        let half = self.width / 2;
        for (frame, row) in out.chunks_exact_mut(n_features).enumerate() {
            let centre = match self.mode {
                // A polynomial has as many derivatives as its degree, and the last is the same
                // everywhere: what holds in the middle of the outermost window holds to its end.
                DeltaMode::Interp => frame.clamp(half, n_frames - 1 - half),
                DeltaMode::Nearest => frame,
            };
            self.process_frame(features, centre, row);
        }
        Ok(())
    }

    /// [`process`](Self::process) with a buffer of its own.
    ///
    /// # Errors
    ///
    /// Those of [`process`](Self::process) that concern the features.
    pub fn compute(&self, features: &[f32], n_features: usize) -> Result<Vec<f32>, MelError> {
        self.check_frames(features, n_features)?;
        let mut out = vec![0.0; features.len()];
        self.process(features, n_features, &mut out)?;
        Ok(out)
    }

    /// The window around frame `centre`; where it reaches beyond the ends, the outermost frame.
    fn process_frame(&self, features: &[f32], centre: usize, out: &mut [f32]) {
        let n_features = out.len();
        let last_frame = features.len() / n_features - 1;
        for (block, out) in out.chunks_mut(LANES).enumerate() {
            let lanes = |frame: usize| {
                let first = frame * n_features + block * LANES;
                &features[first..first + out.len()]
            };
            let middle = lanes(centre);
            let mut sums = [0.0; LANES];
            for (distance, &weight) in (1..).zip(&self.weights) {
                let before = lanes(centre.saturating_sub(distance));
                let after = lanes((centre + distance).min(last_frame));
                for (((sum, &middle), &before), &after) in
                    sums.iter_mut().zip(middle).zip(before).zip(after)
                {
                    // All weights together are 0, so what is taken from every frame changes
                    // nothing but the rounding.
                    let middle = f64::from(middle);
                    let (before, after) = (f64::from(before) - middle, f64::from(after) - middle);
                    *sum += weight * (after + self.mirror * before);
                }
            }
            for (out, sum) in out.iter_mut().zip(sums) {
                *out = sum as f32;
            }
        }
    }

    /// How many frames there are.
    fn check_frames(&self, features: &[f32], n_features: usize) -> Result<usize, MelError> {
        let frames = count_frames(features, "n_features", n_features)?;
        if self.mode == DeltaMode::Interp && frames < self.width {
            return Err(MelError::TooFewFrames { frames, width: self.width });
        }
        Ok(frames)
    }
}

/// Weights of the derivative `order` of the polynomial of that degree that lies nearest to `width`
/// points, one apart.
///
/// Only the fit's highest coefficient outlives so many derivatives, and that is the projection onto
/// the discrete orthogonal polynomial of that degree (Gram's). Its three-term recurrence replaces
/// the least squares that SciPy's `savgol_coeffs` solves, and does not suffer from the powers.
fn savitzky_golay_weights(width: usize, order: usize) -> Vec<f64> {
    let half = (width / 2) as f64;
    let points: Vec<f64> = (0..width).map(|i| i as f64 - half).collect();
    let mut before = vec![0.0; width];
    let mut polynomial = vec![1.0; width];
    let mut ratio = 0.0;
    for degree in 1..=order {
        for ((value, before), point) in polynomial.iter_mut().zip(&mut before).zip(&points) {
            let next = point * *value - ratio * *before;
            *before = std::mem::replace(value, next);
        }
        let (square, size) = ((degree * degree) as f64, (width * width) as f64);
        ratio = square * (size - square) / (4.0 * (4.0 * square - 1.0));
    }
    let norm: f64 = polynomial.iter().map(|value| value * value).sum();
    let factorial: f64 = (1..=order).map(|i| i as f64).product();
    polynomial.iter().map(|value| factorial * value / norm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Within `tolerance` of the largest weight.
    fn assert_near(weights: &[f64], expected: &[f64], tolerance: f64) {
        assert_eq!(weights.len(), expected.len());
        let largest = expected.iter().fold(0.0_f64, |most, value| most.max(value.abs()));
        for (ours, theirs) in weights.iter().zip(expected) {
            assert!((ours - theirs).abs() <= tolerance * largest, "{weights:?} not {expected:?}");
        }
    }

    #[test]
    fn the_weights_are_those_of_savitzky_and_golay() {
        // From the tables of their paper (Analytical Chemistry 36, 1964).
        let first: Vec<f64> = (-4..=4).map(|i| f64::from(i) / 60.0).collect();
        assert_near(&savitzky_golay_weights(9, 1), &first, 1e-15);
        let second = [2.0, -1.0, -2.0, -1.0, 2.0].map(|weight| weight / 7.0);
        assert_near(&savitzky_golay_weights(5, 2), &second, 1e-15);
        let third = [-1.0, 1.0, 1.0, 0.0, -1.0, -1.0, 1.0].map(|weight| weight / 6.0);
        assert_near(&savitzky_golay_weights(7, 3), &third, 1e-15);
    }

    #[test]
    fn the_highest_order_of_a_width_is_its_finite_difference() {
        for width in (3..=17).step_by(2) {
            let order = width - 1;
            let mut difference = vec![1.0];
            for k in 0..order {
                difference.push(-difference[k] * (order - k) as f64 / (k + 1) as f64);
            }
            assert_near(&savitzky_golay_weights(width, order), &difference, 1e-11);
        }
    }

    #[test]
    fn wide_windows_of_a_high_order_have_finite_weights() {
        for order in [1, 2, DeltaPlan::MOST_ORDER] {
            let weights = savitzky_golay_weights(DeltaPlan::MOST_WIDTH, order);
            assert!(weights.iter().all(|weight| weight.is_finite()), "order {order}");
            assert!(weights.iter().any(|&weight| weight != 0.0), "order {order}");
        }
    }
}
