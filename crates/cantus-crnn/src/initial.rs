//! First weights, distributed as Keras' defaults are.

use crate::random::Draws;
use crate::tensors::{Role, Wanted};

/// The first values of the tensor `name`, C order: a pure function of the seed and the name.
pub(crate) fn first_values(seed: u64, name: &str, wanted: &Wanted) -> Vec<f64> {
    let count = wanted.shape.iter().product();
    match wanted.role {
        Role::Bias | Role::RunningMean => vec![0.0; count],
        Role::Gain | Role::RunningVariance => vec![1.0; count],
        Role::Kernel { fan_in, fan_out } => {
            let limit = (6.0 / (fan_in + fan_out) as f64).sqrt();
            let mut draws = Draws::new(seed, name);
            (0..count).map(|_| limit * (2.0 * draws.uniform() - 1.0)).collect()
        }
        Role::Recurrent => orthogonal_gates(&mut Draws::new(seed, name), wanted.shape[1]),
    }
}

/// A recurrent kernel `[3 * units, units]` with gate blocks r, z, n, whose columns are orthonormal.
///
/// Keras draws the three gates as one orthogonal matrix `[units, 3 * units]` with blocks z, r, n;
/// this is that matrix transposed, with its blocks in PyTorch's order.
fn orthogonal_gates(draws: &mut Draws, units: usize) -> Vec<f64> {
    let keras = orthonormal_columns(draws, 3 * units, units);
    let block = units * units;
    let (z, r, n) = (&keras[..block], &keras[block..2 * block], &keras[2 * block..]);
    [r, z, n].concat()
}

/// The Q of a QR decomposition, with a positive diagonal in R, of a matrix of normal draws: so Q is
/// uniform over all matrices with orthonormal columns. `[rows, columns]` with `rows >= columns`, C
/// order.
fn orthonormal_columns(draws: &mut Draws, rows: usize, columns: usize) -> Vec<f64> {
    let mut q: Vec<Vec<f64>> = Vec::with_capacity(columns);
    for _ in 0..columns {
        let mut column: Vec<f64> = (0..rows).map(|_| draws.normal()).collect();
        // Gram and Schmidt's process loses orthogonality to rounding; doing it twice is enough to
        // have it back.
        for _ in 0..2 {
            for earlier in &q {
                let overlap: f64 = earlier.iter().zip(&column).map(|(a, b)| a * b).sum();
                column.iter_mut().zip(earlier).for_each(|(c, e)| *c -= overlap * e);
            }
        }
        let length = column.iter().map(|c| c * c).sum::<f64>().sqrt();
        for value in &mut column {
            *value /= length;
        }
        q.push(column);
    }
    (0..rows).flat_map(|row| q.iter().map(move |column| column[row])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recurrent_kernel_is_orthogonal_as_one_matrix_of_three_gates() {
        let units = 32;
        let wanted = Wanted { shape: vec![3 * units, units], role: Role::Recurrent };
        let kernel = first_values(5, "gru1.weight_hh", &wanted);
        for i in 0..units {
            for j in 0..units {
                let product: f64 = (0..3 * units)
                    .map(|row| kernel[row * units + i] * kernel[row * units + j])
                    .sum();
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((product - expected).abs() < 1e-14, "columns {i} and {j}: {product}");
            }
        }
    }

    #[test]
    fn a_kernel_fills_the_interval_that_its_fans_give() {
        let wanted =
            Wanted { shape: vec![64, 32, 3, 3], role: Role::Kernel { fan_in: 288, fan_out: 576 } };
        let kernel = first_values(5, "conv2.weight", &wanted);
        let limit = (6.0f64 / 864.0).sqrt();
        let largest = kernel.iter().fold(0.0f64, |a, b| a.max(b.abs()));
        assert!(largest <= limit && largest > 0.99 * limit);
        let variance = kernel.iter().map(|k| k * k).sum::<f64>() / kernel.len() as f64;
        assert!((variance / (limit * limit / 3.0) - 1.0).abs() < 0.03);
    }
}
