use candle_core::{DType, Tensor};
use cantus_kernels::{
    batch_norm_eval, batch_norm_max_pool2d_eval, batch_norm_max_pool2d_train, batch_norm_train,
    max_pool2d,
};

use crate::difference::check_gradients;
use crate::numbers::{assert_close, random, values};
use crate::reference::moments;

const EPSILON: f64 = 1e-3;

fn axes(shape: &[usize]) -> (usize, usize, usize) {
    (shape[0], shape[1], shape[2..].iter().product())
}

fn normalised(
    x: &[f64],
    shape: &[usize],
    gamma: &[f64],
    beta: &[f64],
    mean: &[f64],
    variance: &[f64],
) -> Vec<f64> {
    let (_, channels, inner) = axes(shape);
    let channel = |i: usize| i / inner % channels;
    x.iter()
        .enumerate()
        .map(|(i, x)| (channel(i), x))
        .map(|(c, x)| gamma[c] * (x - mean[c]) / (variance[c] + EPSILON).sqrt() + beta[c])
        .collect()
}

/// Far from zero, where a careless variance cancels.
fn decibels(shape: &[usize]) -> Tensor {
    random(shape, 1).affine(12.0, -250.0).unwrap()
}

#[test]
fn training_normalises_by_the_batch_s_own_statistics_and_returns_them() {
    for shape in [&[3usize, 5, 7, 11][..], &[4, 128, 23], &[6, 3], &[1, 2, 1, 1]] {
        let (outer, channels, inner) = axes(shape);
        let (gamma, beta) = (random(&[channels], 2), random(&[channels], 3));
        let x = decibels(shape);
        let (mean, variance) = moments(&values(&x), outer, channels, inner);
        let expected =
            normalised(&values(&x), shape, &values(&gamma), &values(&beta), &mean, &variance);
        let got = batch_norm_train(&x, &gamma, &beta, EPSILON).unwrap();
        assert_eq!(got.output.dims(), shape);
        assert_close(&values(&got.output), &expected, 1e-11);
        assert_close(&values(&got.mean), &mean, 1e-14);
        assert_close(&values(&got.variance), &variance, 1e-12);
    }
}

#[test]
fn single_precision_statistics_do_not_cancel_far_from_zero() {
    let x = decibels(&[16, 4, 128, 94]).to_dtype(DType::F32).unwrap();
    let (mean, variance) = moments(&values(&x), 16, 4, 128 * 94);
    let one = Tensor::ones(4, DType::F32, x.device()).unwrap();
    let got = batch_norm_train(&x, &one, &one, EPSILON).unwrap();
    assert_close(&values(&got.mean), &mean, 1e-7);
    assert_close(&values(&got.variance), &variance, 1e-7);
}

#[test]
fn the_gradients_of_training_flow_through_the_statistics() {
    for shape in [&[3usize, 2, 3, 5][..], &[2, 7, 4], &[5, 3]] {
        let channels = shape[1];
        let operands = [random(shape, 1), random(&[channels], 2), random(&[channels], 3)];
        check_gradients(&operands, |o| {
            batch_norm_train(&o[0], &o[1], &o[2], EPSILON).unwrap().output
        });
    }
}

#[test]
fn evaluation_normalises_by_the_given_statistics_which_are_constants() {
    let shape = [3, 4, 5, 6];
    let (mean, variance) = (random(&[4], 4), random(&[4], 5).abs().unwrap());
    let operands = [random(&shape, 1), random(&[4], 2), random(&[4], 3)];
    let evaluate =
        |o: &[Tensor]| batch_norm_eval(&o[0], &o[1], &o[2], &mean, &variance, EPSILON).unwrap();
    let [x, gamma, beta] = operands.each_ref().map(values);
    let expected = normalised(&x, &shape, &gamma, &beta, &values(&mean), &values(&variance));
    assert_close(&values(&evaluate(&operands)), &expected, 1e-14);
    check_gradients(&operands, evaluate);
}

#[test]
fn normalising_and_pooling_in_one_gives_the_output_of_the_two() {
    let (x, gamma, beta) = (random(&[3, 4, 9, 23], 1), random(&[4], 2), random(&[4], 3));
    let (mean, variance) = (random(&[4], 4), random(&[4], 5).abs().unwrap());
    for dtype in [DType::F32, DType::F64] {
        let [x, gamma, beta, mean, variance] =
            [&x, &gamma, &beta, &mean, &variance].map(|t| t.to_dtype(dtype).unwrap());
        let one = batch_norm_max_pool2d_train(&x, &gamma, &beta, EPSILON, (4, 2)).unwrap();
        let two = batch_norm_train(&x, &gamma, &beta, EPSILON).unwrap();
        assert_eq!(values(&one.output), values(&max_pool2d(&two.output, (4, 2)).unwrap()));
        assert_eq!(values(&one.mean), values(&two.mean));
        assert_eq!(values(&one.variance), values(&two.variance));
        let one = batch_norm_max_pool2d_eval(&x, &gamma, &beta, &mean, &variance, EPSILON, (4, 2));
        let two = batch_norm_eval(&x, &gamma, &beta, &mean, &variance, EPSILON).unwrap();
        assert_eq!(values(&one.unwrap()), values(&max_pool2d(&two, (4, 2)).unwrap()));
    }
}

#[test]
fn the_gradients_of_normalising_and_pooling_in_one_equal_finite_differences() {
    for (shape, window) in [([3, 2, 5, 7], (2, 2)), ([2, 3, 4, 11], (4, 3)), ([2, 1, 1, 1], (1, 1))]
    {
        let channels = shape[1];
        let operands = [random(&shape, 1), random(&[channels], 2), random(&[channels], 3)];
        check_gradients(&operands, |o| {
            batch_norm_max_pool2d_train(&o[0], &o[1], &o[2], EPSILON, window).unwrap().output
        });
        let (mean, variance) = (random(&[channels], 4), random(&[channels], 5).abs().unwrap());
        check_gradients(&operands, |o| {
            batch_norm_max_pool2d_eval(&o[0], &o[1], &o[2], &mean, &variance, EPSILON, window)
                .unwrap()
        });
    }
}

#[test]
fn what_cannot_be_normalised_is_named() {
    let (x, one) = (random(&[2, 3, 4], 1), random(&[3], 2));
    let message = |x: &Tensor, gamma: &Tensor, epsilon| {
        batch_norm_train(x, gamma, &one, epsilon).unwrap_err().to_string()
    };
    assert_eq!(
        message(&x, &random(&[4], 1), EPSILON),
        "batch_norm: expected gamma of shape [3], got [4]"
    );
    assert_eq!(
        message(&random(&[3], 1), &one, EPSILON),
        "batch_norm: expected input of shape [batch, channel, ...] with no empty axis, got [3]"
    );
    assert_eq!(message(&x, &one, 0.0), "batch_norm: epsilon is 0, expected positive");
}
