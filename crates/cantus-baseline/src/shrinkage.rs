use nalgebra::DMatrix;
use serde::{Deserialize, Serialize};

use crate::moments::{centre, means, products};

/// How far the covariance of a class is drawn towards equal variances without correlation:
/// `(1 - s) S + s mean(diag S) I`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Shrinkage {
    /// As far as Ledoit & Wolf, "A well-conditioned estimator for large-dimensional covariance
    /// matrices" (2004), find best for each class, whose features are first brought to variance 1
    /// (scikit-learn's `shrinkage="auto"`).
    #[default]
    LedoitWolf,
    /// This far for all classes, 0 to 1; 0 leaves the covariance.
    Fixed(f64),
}

/// Of the variance of a column over `count` rows: whether it is what rounding leaves of a column
/// that never varies (scikit-learn's `StandardScaler` draws the line here too).
pub(crate) fn is_constant(variance: f64, mean: f64, count: usize) -> bool {
    let noise = count as f64 * f64::EPSILON;
    let least = noise * variance + (noise * mean).powi(2);
    // So small a scale would blow large values out of range.
    variance <= least || variance < 1e-200
}

/// The shrunk covariance (divided by the number of rows) of the rows of one class, at least one.
pub(crate) fn class_covariance(rows: &[f64], columns: usize, shrinkage: Shrinkage) -> DMatrix<f64> {
    let count = rows.len() / columns;
    let mean = means(rows, columns);
    let mut centred = rows.to_vec();
    centre(&mut centred, &mean);
    match shrinkage {
        Shrinkage::Fixed(share) => shrunk(products(&centred, columns) / count as f64, share),
        Shrinkage::LedoitWolf => {
            let scales = scales(&centred, &mean);
            for row in centred.chunks_exact_mut(columns) {
                for (value, scale) in row.iter_mut().zip(&scales) {
                    *value /= scale;
                }
            }
            let covariance = products(&centred, columns) / count as f64;
            let share = ledoit_wolf_share(&centred, &covariance);
            let mut covariance = shrunk(covariance, share);
            for (j, mut column) in covariance.column_iter_mut().enumerate() {
                for (value, scale) in column.iter_mut().zip(&scales) {
                    *value *= scale * scales[j];
                }
            }
            covariance
        }
    }
}

/// The standard deviation of each column of centred rows, 1 of what never varies.
pub(crate) fn scales(centred: &[f64], means: &[f64]) -> Vec<f64> {
    let columns = means.len();
    let count = centred.len() / columns;
    let mut variances = vec![0.0; columns];
    for row in centred.chunks_exact(columns) {
        for (variance, value) in variances.iter_mut().zip(row) {
            *variance += value * value;
        }
    }
    let scale = |(variance, &mean): (f64, &f64)| {
        let variance = variance / count as f64;
        if is_constant(variance, mean, count) { 1.0 } else { variance.sqrt() }
    };
    variances.into_iter().zip(means).map(scale).collect()
}

fn shrunk(mut covariance: DMatrix<f64>, share: f64) -> DMatrix<f64> {
    let mean_variance = covariance.trace() / covariance.nrows() as f64;
    covariance *= 1.0 - share;
    for i in 0..covariance.nrows() {
        covariance[(i, i)] += share * mean_variance;
    }
    covariance
}

/// How far to shrink, 0 to 1, by Ledoit & Wolf: what the products of the rows stray from the
/// covariance, over what the covariance strays from its target; in squared Frobenius norms.
fn ledoit_wolf_share(centred: &[f64], covariance: &DMatrix<f64>) -> f64 {
    let columns = covariance.nrows();
    if columns == 1 {
        return 0.0;
    }
    let (count, width) = ((centred.len() / columns) as f64, columns as f64);
    let fourth_powers: f64 = centred
        .chunks_exact(columns)
        .map(|row| row.iter().map(|value| value * value).sum::<f64>().powi(2))
        .sum();
    let norm = covariance.norm_squared();
    let from_rows = (fourth_powers / count - norm) / (width * count);
    let from_target = (norm - covariance.trace().powi(2) / width) / width;
    let from_rows = from_rows.min(from_target);
    if from_rows > 0.0 { from_rows / from_target } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_shrinkage_leaves_equal_variances_alone() {
        let rows = [1.0, 0.0, -1.0, 0.0, 0.0, 3.0, 0.0, -3.0];
        let covariance = class_covariance(&rows, 2, Shrinkage::Fixed(1.0));
        assert_eq!(covariance, DMatrix::from_diagonal_element(2, 2, 2.5));
    }

    #[test]
    fn one_row_has_no_spread() {
        let covariance = class_covariance(&[5.0, -2.0], 2, Shrinkage::LedoitWolf);
        assert_eq!(covariance, DMatrix::zeros(2, 2));
    }

    #[test]
    fn more_rows_of_the_same_kind_are_trusted_more() {
        let share = |count: i32| {
            let mut rows: Vec<f64> = (0..count)
                .flat_map(|i| {
                    let a = f64::from(i * 7919 % 1009) / 1009.0 - 0.5;
                    [a, a + f64::from(i * 104_729 % 997) / 997.0 - 0.5]
                })
                .collect();
            let mean = means(&rows, 2);
            centre(&mut rows, &mean);
            ledoit_wolf_share(&rows, &(products(&rows, 2) / f64::from(count)))
        };
        let (few, many) = (share(20), share(1000));
        assert!(0.0 < many && many < few / 5.0 && few < 1.0, "{few}, {many}");
    }
}
