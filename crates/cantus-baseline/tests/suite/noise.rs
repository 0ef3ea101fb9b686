//! Numbers that are the same in every run.

/// From -1 to 1.
pub(crate) fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let next = |_| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(next).collect()
}

/// The same as f64.
pub(crate) fn noise_f64(count: usize, seed: u64) -> Vec<f64> {
    noise(count, seed).into_iter().map(f64::from).collect()
}
