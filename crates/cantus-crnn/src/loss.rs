use candle_core::Tensor;
use cantus_kernels::CrossEntropySettings;

use crate::CrnnError;

/// Keras clips probabilities to between this and 1 minus this before it takes their logarithm.
pub const PROBABILITY_FLOOR: f64 = 1e-7;

/// Mean categorical cross-entropy of `logits`, `[batch, class]`, as Keras 2 computes it: a scalar
/// tensor.
///
/// The softmax is part of it. Probabilities are clipped at [`PROBABILITY_FLOOR`] and 1 minus that,
/// gradient included: an item whose true class has a smaller probability costs `-ln 1e-7` and pulls
/// at nothing.
///
/// Class weights, one for each class, multiply their items' losses; the sum is divided by the
/// number of items.
///
/// # Errors
/// As [`cantus_kernels::cross_entropy`].
pub fn cross_entropy(
    logits: &Tensor,
    targets: &[u32],
    class_weights: Option<&[f64]>,
) -> Result<Tensor, CrnnError> {
    let settings = CrossEntropySettings { class_weights, probability_floor: PROBABILITY_FLOOR };
    Ok(cantus_kernels::cross_entropy(logits, targets, &settings)?)
}
