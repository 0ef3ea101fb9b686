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
        Role::LstmBias => {
            let forget_gate = count / 4..count / 2;
            (0..count).map(|row| f64::from(u8::from(forget_gate.contains(&row)))).collect()
        }
        // Keras draws a layer's gates as one orthogonal matrix `[units, gates * units]`; this is that
        // matrix transposed. A GRU's gates are z, r, n there, and r, z, n here.
        Role::GruRecurrent | Role::LstmRecurrent => {
            let (rows, units) = (wanted.shape[0], wanted.shape[1]);
            let mut kernel = orthonormal_columns(&mut Draws::new(seed, name), rows, units);
            if wanted.role == Role::GruRecurrent {
                let (z, rest) = kernel.split_at_mut(units * units);
                z.swap_with_slice(&mut rest[..units * units]);
            }
            kernel
        }
    }
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
    fn a_recurrent_kernel_is_orthogonal_as_one_matrix_of_all_gates() {
        let units = 32;
        for (role, gates) in [(Role::GruRecurrent, 3), (Role::LstmRecurrent, 4)] {
            let wanted = Wanted { shape: vec![gates * units, units], role };
            let kernel = first_values(5, "gru1.weight_hh", &wanted);
            for i in 0..units {
                for j in 0..units {
                    let product: f64 = (0..gates * units)
                        .map(|row| kernel[row * units + i] * kernel[row * units + j])
                        .sum();
                    let expected = if i == j { 1.0 } else { 0.0 };
                    assert!((product - expected).abs() < 1e-14, "{i} and {j}: {product}");
                }
            }
        }
    }

    #[test]
    fn of_an_lstm_s_biases_the_forget_gate_s_alone_start_at_one() {
        let wanted = Wanted { shape: vec![12], role: Role::LstmBias };
        let expected = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];
        assert_eq!(first_values(5, "lstm1.bias", &wanted), expected);
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
