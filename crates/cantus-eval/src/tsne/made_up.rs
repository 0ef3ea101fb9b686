//! Points to test with.

use super::points::Points;

/// Numbers from -1 to 1: the generator of the golden files.
pub(super) fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as i64 - (1 << 23)) as f32 / (1 << 23) as f32
        })
        .collect()
}

pub(super) fn points(numbers: &[f32], dimensions: usize) -> Points {
    Points::new(numbers, dimensions).unwrap()
}
