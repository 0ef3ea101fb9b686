use nalgebra::{Cholesky, DMatrix, Dyn};

use crate::BaselineError;

/// The mean of each column of `rows`, row-major with `columns` a row; 0 of no rows.
pub(crate) fn means(rows: &[f64], columns: usize) -> Vec<f64> {
    let mut sums = vec![0.0; columns];
    for row in rows.chunks_exact(columns) {
        for (sum, value) in sums.iter_mut().zip(row) {
            *sum += value;
        }
    }
    let count = (rows.len() / columns).max(1) as f64;
    for sum in &mut sums {
        *sum /= count;
    }
    sums
}

/// Sums over the rows of the product of each two columns: columns x columns, symmetric.
pub(crate) fn products(rows: &[f64], columns: usize) -> DMatrix<f64> {
    let mut sums = vec![0.0; columns * columns];
    for row in rows.chunks_exact(columns) {
        for (i, (&factor, sums)) in row.iter().zip(sums.chunks_exact_mut(columns)).enumerate() {
            for (sum, value) in sums[..=i].iter_mut().zip(row) {
                *sum += factor * value;
            }
        }
    }
    DMatrix::from_fn(columns, columns, |i, j| sums[i.max(j) * columns + i.min(j)])
}

/// Takes the means away, in place.
pub(crate) fn centre(rows: &mut [f64], means: &[f64]) {
    for row in rows.chunks_exact_mut(means.len()) {
        for (value, mean) in row.iter_mut().zip(means) {
            *value -= mean;
        }
    }
}

/// The Cholesky factor of a covariance that was estimated from so many rows.
///
/// # Errors
///
/// [`BaselineError::SingularCovariance`] if there is none, or only by grace of rounding: a column
/// of which less than some units in the last place is not explained by the columns before it.
pub(crate) fn cholesky(
    covariance: DMatrix<f64>,
    rows: usize,
) -> Result<Cholesky<f64, Dyn>, BaselineError> {
    let columns = covariance.nrows();
    let least: Vec<f64> =
        covariance.diagonal().iter().map(|value| value * columns as f64 * f64::EPSILON).collect();
    let singular = BaselineError::SingularCovariance { rows, columns };
    let Some(factor) = Cholesky::new(covariance) else { return Err(singular) };
    let diagonal = factor.l_dirty().diagonal();
    // Written so that a NaN is refused.
    if diagonal.iter().zip(&least).all(|(pivot, least)| pivot * pivot > *least) {
        Ok(factor)
    } else {
        Err(singular)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_and_products_are_those_of_pencil_and_paper() {
        let mut rows = vec![1.0, 10.0, 3.0, 20.0, 5.0, 60.0];
        let mean = means(&rows, 2);
        assert_eq!(mean, [3.0, 30.0]);
        centre(&mut rows, &mean);
        assert_eq!(rows, [-2.0, -20.0, 0.0, -10.0, 2.0, 30.0]);
        let expected = DMatrix::from_row_slice(2, 2, &[8.0, 100.0, 100.0, 1400.0]);
        assert_eq!(products(&rows, 2), expected);
    }

    #[test]
    fn a_column_that_is_the_sum_of_others_has_no_inverse() {
        let rows: Vec<f64> = (0..50)
            .flat_map(|i| {
                let (a, b) = (f64::from(i * 37 % 101) / 7.0, f64::from(i * 53 % 89) / 3.0);
                [a, b, a + b]
            })
            .collect();
        assert_eq!(
            cholesky(products(&rows, 3), 50).map(|_| ()),
            Err(BaselineError::SingularCovariance { rows: 50, columns: 3 })
        );
    }
}
