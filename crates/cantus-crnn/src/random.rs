//! Seeded draws whose values stay the same for ever: no distribution of another crate has a part in
//! them.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// The draws for one tensor: a pure function of the seed and the tensor's name.
pub(crate) struct Draws {
    generator: ChaCha8Rng,
}

impl Draws {
    /// ChaCha8 whose key is the seed and whose stream is a hash (FNV-1a) of the name.
    pub(crate) fn new(seed: u64, name: &str) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        key[16..].copy_from_slice(b"cantus weights 1");
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        }));
        Self { generator }
    }

    /// Uniform in `[0, 1)`, a multiple of `2^-53`.
    pub(crate) fn uniform(&mut self) -> f64 {
        (self.generator.next_u64() >> 11) as f64 * 2f64.powi(-53)
    }

    /// Standard normal (Box and Muller's transform, the first of its two values).
    pub(crate) fn normal(&mut self) -> f64 {
        let (radius, angle) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(values: &[f64]) -> (f64, f64) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
        (mean, squares / values.len() as f64)
    }

    #[test]
    fn uniform_and_normal_draws_have_the_moments_of_their_distributions() {
        let mut draws = Draws::new(7, "conv1.weight");
        let uniform: Vec<f64> = (0..100_000).map(|_| draws.uniform()).collect();
        let normal: Vec<f64> = (0..100_000).map(|_| draws.normal()).collect();
        let (mean, variance) = moments(&uniform);
        assert!((mean - 0.5).abs() < 0.004 && (variance - 1.0 / 12.0).abs() < 0.002);
        let (mean, variance) = moments(&normal);
        assert!(mean.abs() < 0.015 && (variance - 1.0).abs() < 0.02);
    }

    #[test]
    fn draws_differ_by_seed_and_by_name_and_repeat_otherwise() {
        let first = |seed, name| Draws::new(seed, name).uniform().to_bits();
        assert_eq!(first(1, "a"), first(1, "a"));
        assert_ne!(first(1, "a"), first(2, "a"));
        assert_ne!(first(1, "a"), first(1, "b"));
    }
}
