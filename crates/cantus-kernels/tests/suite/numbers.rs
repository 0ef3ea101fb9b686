//! Inputs for tests, and comparisons of results.

use candle_core::{DType, Device, Tensor};

/// Numbers in -1..1 that repeat for a seed; no two are equal in practice.
pub(crate) fn numbers(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1);
    (0..count)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 11) as f64 / 2f64.powi(52) - 1.0
        })
        .collect()
}

pub(crate) fn tensor(values: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape, &Device::Cpu).unwrap()
}

pub(crate) fn random(shape: &[usize], seed: u64) -> Tensor {
    tensor(&numbers(shape.iter().product(), seed), shape)
}

pub(crate) fn random_f32(shape: &[usize], seed: u64) -> Tensor {
    random(shape, seed).to_dtype(DType::F32).unwrap()
}

pub(crate) fn values(x: &Tensor) -> Vec<f64> {
    x.flatten_all().unwrap().to_dtype(DType::F64).unwrap().to_vec1().unwrap()
}

#[track_caller]
pub(crate) fn assert_close(got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(1e-300f64, |a, b| a.max(b.abs()));
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (got - expected).abs() / scale;
        assert!(error <= tolerance, "element {i}: {got}, expected {expected}, off by {error:e}");
    }
}
