use candle_core::{DType, Var};
use cantus_kernels::{KernelError, Padding, conv1d, conv2d_same};
use proptest::prelude::*;

use crate::difference::check_gradients;
use crate::numbers::{assert_close, numbers, random, random_f32, tensor, values};
use crate::reference;

/// `[batch, channels, frames]`
type Input = (usize, usize, usize);

fn check_forward(input: Input, filters: usize, taps: usize, padding: Padding) {
    let (batch, channels, frames) = input;
    let x = numbers(batch * channels * frames, 1);
    let weight = numbers(filters * channels * taps, 2);
    let bias = numbers(filters, 3);
    let (zeros, length) = match padding {
        Padding::Same => (taps / 2, frames),
        Padding::Valid => (0, frames - taps + 1),
    };
    let expected = reference::conv1d(&x, input, &weight, (filters, taps), &bias, zeros);
    let operands = [
        tensor(&x, &[batch, channels, frames]),
        tensor(&weight, &[filters, channels, taps]),
        tensor(&bias, &[filters]),
    ];
    let [x, weight, bias] = &operands;
    let y = conv1d(x, weight, bias, padding).unwrap();
    assert_eq!(y.dims(), [batch, filters, length]);
    assert_close(&values(&y), &expected, 1e-14);
    let [x, weight, bias] = operands.map(|t| t.to_dtype(DType::F32).unwrap());
    assert_close(&values(&conv1d(&x, &weight, &bias, padding).unwrap()), &expected, 1e-5);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_convolution_that_keeps_the_length_equals_its_definition_for_any_sizes(
        batch in 1usize..4, channels in 1usize..6, frames in 1usize..40, filters in 1usize..6,
        half in 0usize..6,
    ) {
        check_forward((batch, channels, frames), filters, 2 * half + 1, Padding::Same);
    }

    #[test]
    fn a_convolution_within_the_input_equals_its_definition_for_any_sizes(
        batch in 1usize..4, channels in 1usize..6, taps in 1usize..12, filters in 1usize..6,
        further in 0usize..40,
    ) {
        check_forward((batch, channels, taps + further), filters, taps, Padding::Valid);
    }
}

#[test]
fn a_kernel_as_long_as_the_input_leaves_one_frame_or_keeps_all() {
    check_forward((2, 3, 7), 4, 7, Padding::Valid);
    check_forward((2, 3, 7), 4, 7, Padding::Same);
}

#[test]
fn a_single_frame_is_convolved_with_the_middle_of_the_kernel() {
    check_forward((3, 2, 1), 4, 1, Padding::Valid);
    check_forward((3, 2, 1), 4, 9, Padding::Same);
}

/// 128 channels of 11 taps: a band has 186 frames.
const LONG: (Input, usize) = ((2, 128, 400), 11);

#[test]
fn a_convolution_over_more_frames_than_a_band_has_equals_its_definition() {
    let (input, taps) = LONG;
    check_forward(input, 3, taps, Padding::Same);
    check_forward(input, 3, taps, Padding::Valid);
}

#[test]
fn its_gradients_are_adjoint_to_it_where_there_are_several_bands() {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let ((batch, channels, frames), taps) = LONG;
    for padding in [Padding::Same, Padding::Valid] {
        let x = Var::from_tensor(&random(&[batch, channels, frames], 1)).unwrap();
        let weight = Var::from_tensor(&random(&[3, channels, taps], 2)).unwrap();
        let y = conv1d(&x, &weight, &tensor(&[0.0; 3], &[3]), padding).unwrap();
        let dy = random(y.dims(), 4);
        let gradients = (&y * &dy).unwrap().sum_all().unwrap().backward().unwrap();
        let product = dot(&values(&y), &values(&dy));
        for var in [&x, &weight] {
            let adjoint = dot(&values(var), &values(gradients.get(var).unwrap()));
            assert!((adjoint / product - 1.0).abs() < 1e-11, "{adjoint} and {product}");
        }
    }
}

fn check_backward(input: [usize; 3], filters: usize, taps: usize, padding: Padding) {
    let operands =
        [random(&input, 1), random(&[filters, input[1], taps], 2), random(&[filters], 3)];
    check_gradients(&operands, |o| conv1d(&o[0], &o[1], &o[2], padding).unwrap());
}

#[test]
fn its_gradients_equal_finite_differences_where_the_length_is_kept() {
    check_backward([3, 5, 13], 4, 3, Padding::Same);
    check_backward([2, 3, 4], 2, 9, Padding::Same);
    check_backward([2, 3, 1], 2, 5, Padding::Same);
}

#[test]
fn its_gradients_equal_finite_differences_within_the_input() {
    check_backward([3, 5, 13], 4, 4, Padding::Valid);
    check_backward([2, 3, 6], 2, 6, Padding::Valid);
    check_backward([2, 3, 1], 2, 1, Padding::Valid);
}

#[test]
fn its_gradients_equal_finite_differences_for_more_items_than_parts() {
    check_backward([37, 1, 4], 2, 2, Padding::Valid);
}

#[test]
fn a_convolution_that_keeps_the_length_gives_the_bits_of_one_of_planes_of_one_line() {
    let x = random_f32(&[2, 3, 47], 1);
    let (weight, bias) = (random_f32(&[5, 3, 3], 2), random_f32(&[5], 3));
    let y = conv1d(&x, &weight, &bias, Padding::Same).unwrap();
    let (x, weight) = (x.unsqueeze(2).unwrap(), weight.unsqueeze(2).unwrap());
    assert_eq!(values(&y), values(&conv2d_same(&x, &weight, &bias).unwrap()));
}

#[test]
fn a_convolution_of_a_transposed_view_equals_that_of_its_copy() {
    let x = random_f32(&[2, 9, 3], 1).transpose(1, 2).unwrap();
    let (weight, bias) = (random_f32(&[4, 3, 3], 2), random_f32(&[4], 3));
    let view = conv1d(&x, &weight, &bias, Padding::Valid).unwrap();
    let copy = conv1d(&x.contiguous().unwrap(), &weight, &bias, Padding::Valid).unwrap();
    assert_eq!(values(&view), values(&copy));
}

#[test]
fn operands_that_do_not_fit_are_named() {
    let x = random_f32(&[1, 2, 4], 1);
    let (weight, bias) = (random_f32(&[3, 2, 3], 2), random_f32(&[3], 3));
    let message = |result: Result<_, KernelError>| {
        result.map(|_: candle_core::Tensor| ()).unwrap_err().to_string()
    };
    let of_weight =
        |shape: &[usize], padding| message(conv1d(&x, &random_f32(shape, 2), &bias, padding));
    assert_eq!(
        of_weight(&[3, 5, 3], Padding::Same),
        "conv1d: expected weight of shape [3, 2, 3], got [3, 5, 3]"
    );
    assert_eq!(
        of_weight(&[3, 2, 2], Padding::Same),
        "conv1d: expected weight of shape [filter, channel, odd], got [3, 2, 2]"
    );
    assert_eq!(
        of_weight(&[3, 2, 3, 3], Padding::Same),
        "conv1d: expected weight of shape [filter, channel, odd], got [3, 2, 3, 3]"
    );
    for taps in [0, 5] {
        assert_eq!(
            of_weight(&[3, 2, taps], Padding::Valid),
            format!(
                "conv1d: expected weight of shape [filter, channel, 1 to 4], got [3, 2, {taps}]"
            )
        );
    }
    assert_eq!(
        message(conv1d(&x, &weight, &random_f32(&[4], 3), Padding::Same)),
        "conv1d: expected bias of shape [3], got [4]"
    );
    assert_eq!(
        message(conv1d(&random_f32(&[2, 4], 1), &weight, &bias, Padding::Valid)),
        "conv1d: expected input of shape [batch, channel, frame], got [2, 4]"
    );
    assert_eq!(
        message(conv1d(&random_f32(&[1, 2, 0], 1), &weight, &bias, Padding::Same)),
        "conv1d: expected input of shape no empty axis, got [1, 2, 0]"
    );
    assert_eq!(
        message(conv1d(&x, &random(&[3, 2, 3], 2), &bias, Padding::Same)),
        "conv1d: weight has F64 elements, the input has F32"
    );
    let halves = x.to_dtype(DType::F16).unwrap();
    assert_eq!(
        message(conv1d(&halves, &weight, &bias, Padding::Same)),
        "conv1d: expected f32 or f64 elements, got F16"
    );
}
