use candle_core::DType;
use cantus_kernels::{elu, relu};

use crate::difference::check_gradients;
use crate::numbers::{assert_close, random, values};
use crate::reference;

#[test]
fn the_exponential_linear_unit_equals_its_definition() {
    let x = (random(&[3, 40_001], 1) * 12.0).unwrap();
    let expected: Vec<f64> = values(&x).into_iter().map(reference::elu).collect();
    assert_close(&values(&elu(&x).unwrap()), &expected, 1e-15);
    let x = x.to_dtype(DType::F32).unwrap();
    let expected: Vec<f64> = values(&x).into_iter().map(reference::elu).collect();
    for (got, expected) in values(&elu(&x).unwrap()).into_iter().zip(expected) {
        assert!((got - expected).abs() <= 3e-7 * expected.abs(), "{got}, expected {expected}");
    }
}

#[test]
fn the_exponential_linear_unit_s_gradient_equals_finite_differences() {
    check_gradients(&[(random(&[2, 3, 41], 2) * 4.0).unwrap()], |o| elu(&o[0]).unwrap());
}

#[test]
fn nan_comes_through_the_exponential_linear_unit() {
    let x = candle_core::Tensor::new(
        &[f32::NAN, 1.0, f32::NEG_INFINITY, f32::INFINITY],
        &candle_core::Device::Cpu,
    );
    let y = values(&elu(&x.unwrap()).unwrap());
    assert!(y[0].is_nan());
    assert_eq!(y[1..], [1.0, -1.0, f64::INFINITY]);
}

#[test]
fn the_rectified_linear_unit_keeps_what_is_above_zero_and_nan() {
    let x = candle_core::Tensor::new(
        &[-2.0, -0.0, 0.0, 3.5, f64::NAN, f64::NEG_INFINITY],
        &candle_core::Device::Cpu,
    );
    let y = values(&relu(&x.unwrap()).unwrap());
    assert_eq!(y[..4], [0.0, 0.0, 0.0, 3.5]);
    assert!(y[4].is_nan());
    assert_eq!(y[5], 0.0);
    check_gradients(&[random(&[2, 57], 3)], |o| relu(&o[0]).unwrap());
}
