//! A batch of logits read as numbers: a few hundred, so plain loops in f64 do.

use candle_core::{DType, Tensor};

use crate::error::TrainError;

/// Logits as `[clip, class]`.
pub(crate) fn values(
    logits: &Tensor,
    clips: usize,
    classes: usize,
) -> Result<Vec<f64>, TrainError> {
    if logits.dims() != [clips, classes] {
        return Err(TrainError::Disagreement {
            what: "the shape of the logits",
            expected: format!("{:?}", [clips, classes]),
            found: format!("{:?}", logits.dims()),
        });
    }
    Ok(logits.to_dtype(DType::F64)?.flatten_all()?.to_vec1()?)
}

/// Turns one clip's logits into probabilities in place.
pub(crate) fn softmax(row: &mut [f64]) {
    let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for value in row.iter_mut() {
        *value = (*value - largest).exp();
        sum += *value;
    }
    for value in row {
        *value /= sum;
    }
}

/// How many clips have their largest logit, the first of equals, at their true class.
pub(crate) fn count_correct(logits: &[f64], classes: usize, truth: &[u32]) -> u64 {
    let rows = logits.chunks_exact(classes).zip(truth);
    rows.filter(|(row, class)| largest_index(row) == **class as usize).count() as u64
}

/// The first of the largest values, as numpy's `argmax` gives it.
fn largest_index(row: &[f64]) -> usize {
    let mut best = 0;
    for (index, value) in row.iter().enumerate() {
        if *value > row[best] {
            best = index;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn probabilities_are_the_exponentials_over_their_sum_whatever_the_size_of_the_logits() {
        let mut row = [1000.0, 1000.0 + 3.0_f64.ln(), -1000.0];
        softmax(&mut row);
        for (got, expected) in row.iter().zip([0.25, 0.75, 0.0]) {
            assert!((got - expected).abs() < 1e-12, "{row:?}");
        }
    }

    #[test]
    fn of_equal_logits_the_first_counts() {
        let logits = [1.0, 1.0, 0.0, 0.0, 1.0, 1.0];
        assert_eq!(count_correct(&logits, 3, &[0, 1]), 2);
        assert_eq!(count_correct(&logits, 3, &[1, 2]), 0);
    }

    #[test]
    fn logits_of_another_shape_are_refused() {
        let logits = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
        assert_eq!(values(&logits, 2, 3).unwrap(), [0.0; 6]);
        let said = values(&logits, 2, 4).unwrap_err().to_string();
        assert_eq!(said, "the shape of the logits: expected [2, 4], found [2, 3]");
    }
}
