use candle_core::DType;
use cantus_kernels::{KernelError, conv2d_same, conv2d_same_elu, elu};
use proptest::prelude::*;

use crate::difference::check_gradients;
use crate::numbers::{assert_close, numbers, random, random_f32, tensor, values};
use crate::reference::{self, Shape4};

fn check_forward(xs: Shape4, filters: usize, kernel: (usize, usize)) {
    let ws = Shape4(filters, xs.1, kernel.0, kernel.1);
    let x = numbers(xs.count(), 1);
    let weight = numbers(ws.count(), 2);
    let bias = numbers(filters, 3);
    let expected = reference::conv2d_same(&x, xs, &weight, ws, &bias);
    let operands = [tensor(&x, &xs.dims()), tensor(&weight, &ws.dims()), tensor(&bias, &[filters])];
    let [x, weight, bias] = &operands;
    let y = conv2d_same(x, weight, bias).unwrap();
    assert_eq!(y.dims(), [xs.0, filters, xs.2, xs.3]);
    assert_close(&values(&y), &expected, 1e-14);
    let [x, weight, bias] = operands.map(|t| t.to_dtype(DType::F32).unwrap());
    assert_close(&values(&conv2d_same(&x, &weight, &bias).unwrap()), &expected, 1e-5);
}

#[test]
fn the_convolution_equals_its_definition_where_an_item_needs_several_bands_of_lines() {
    // 64 channels x 9 taps x 157 columns: two lines fill a band.
    check_forward(Shape4(2, 64, 7, 157), 3, (3, 3));
}

#[test]
fn the_convolution_equals_its_definition_for_the_first_block_of_the_network() {
    check_forward(Shape4(2, 1, 128, 47), 8, (3, 3));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_convolution_equals_its_definition_for_any_sizes(
        batch in 1usize..4, channels in 1usize..6, height in 1usize..12, width in 1usize..24,
        filters in 1usize..6, kernel_height in 0usize..4, kernel_width in 0usize..4,
    ) {
        let kernel = (2 * kernel_height + 1, 2 * kernel_width + 1);
        check_forward(Shape4(batch, channels, height, width), filters, kernel);
    }
}

fn check_backward(xs: [usize; 4], filters: usize, kernel: (usize, usize)) {
    let operands =
        [random(&xs, 1), random(&[filters, xs[1], kernel.0, kernel.1], 2), random(&[filters], 3)];
    check_gradients(&operands, |o| conv2d_same(&o[0], &o[1], &o[2]).unwrap());
}

#[test]
fn the_convolution_s_gradients_equal_finite_differences_for_odd_channel_counts() {
    check_backward([2, 3, 5, 7], 5, (3, 3));
}

#[test]
fn the_convolution_s_gradients_equal_finite_differences_for_a_single_pixel() {
    check_backward([1, 2, 1, 1], 3, (3, 5));
}

#[test]
fn the_convolution_s_gradients_equal_finite_differences_for_a_kernel_that_is_not_square() {
    check_backward([2, 1, 4, 23], 2, (1, 5));
}

#[test]
fn the_convolution_s_gradients_equal_finite_differences_for_more_items_than_parts() {
    check_backward([37, 1, 2, 3], 2, (3, 3));
}

/// The input gradient is the adjoint of the forward pass, and the weight gradient too: both are
/// linear maps.
#[test]
fn the_convolution_s_gradients_are_adjoint_to_it_where_an_item_needs_several_bands() {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let x = candle_core::Var::from_tensor(&random(&[2, 64, 7, 157], 1)).unwrap();
    let weight = candle_core::Var::from_tensor(&random(&[3, 64, 3, 3], 2)).unwrap();
    let bias = tensor(&[0.0; 3], &[3]);
    let y = conv2d_same(&x, &weight, &bias).unwrap();
    let dy = random(y.dims(), 4);
    let gradients = (&y * &dy).unwrap().sum_all().unwrap().backward().unwrap();
    let product = dot(&values(&y), &values(&dy));
    for var in [&x, &weight] {
        let adjoint = dot(&values(var), &values(gradients.get(var).unwrap()));
        assert!((adjoint / product - 1.0).abs() < 1e-11, "{adjoint} and {product}");
    }
}

#[test]
fn the_fused_activation_gives_the_bits_of_the_separate_one_and_its_gradients() {
    // Two lines fill a band, so that the activation is applied band by band.
    let operands = [([2, 64, 7, 157].as_slice(), 1), (&[3, 64, 3, 3], 2), (&[3], 3)]
        .map(|(shape, seed)| candle_core::Var::from_tensor(&random_f32(shape, seed)).unwrap());
    let [x, weight, bias] = &operands;
    let fused = conv2d_same_elu(x, weight, bias).unwrap();
    let separate = elu(&conv2d_same(x, weight, bias).unwrap()).unwrap();
    assert_eq!(values(&fused), values(&separate));
    let gradients = |y: &candle_core::Tensor| {
        let gradients = (y * y).unwrap().sum_all().unwrap().backward().unwrap();
        operands.each_ref().map(|var| values(gradients.get(var).unwrap()))
    };
    assert_eq!(gradients(&fused), gradients(&separate));
}

#[test]
fn a_convolution_of_a_transposed_view_equals_that_of_its_copy() {
    let x = random_f32(&[2, 3, 6, 5], 1).transpose(2, 3).unwrap();
    let (weight, bias) = (random_f32(&[4, 3, 3, 3], 2), random_f32(&[4], 3));
    let view = conv2d_same(&x, &weight, &bias).unwrap();
    let copy = conv2d_same(&x.contiguous().unwrap(), &weight, &bias).unwrap();
    assert_eq!(values(&view), values(&copy));
}

#[test]
fn operands_that_do_not_fit_are_named() {
    let x = random_f32(&[1, 2, 4, 4], 1);
    let (weight, bias) = (random_f32(&[3, 2, 3, 3], 2), random_f32(&[3], 3));
    let message = |result: Result<_, KernelError>| {
        result.map(|_: candle_core::Tensor| ()).unwrap_err().to_string()
    };
    assert_eq!(
        message(conv2d_same(&x, &random_f32(&[3, 5, 3, 3], 2), &bias)),
        "conv2d_same: expected weight of shape [3, 2, 3, 3], got [3, 5, 3, 3]"
    );
    assert_eq!(
        message(conv2d_same(&x, &random_f32(&[3, 2, 2, 3], 2), &bias)),
        "conv2d_same: expected weight of shape [filter, channel, odd, odd], got [3, 2, 2, 3]"
    );
    assert_eq!(
        message(conv2d_same(&x, &weight, &random_f32(&[4], 3))),
        "conv2d_same: expected bias of shape [3], got [4]"
    );
    assert_eq!(
        message(conv2d_same(&random_f32(&[2, 4, 4], 1), &weight, &bias)),
        "conv2d_same: expected input of shape [batch, channel, mel, frame], got [2, 4, 4]"
    );
    assert_eq!(
        message(conv2d_same(&x, &random(&[3, 2, 3, 3], 2), &bias)),
        "conv2d_same: weight has F64 elements, the input has F32"
    );
    let halves = x.to_dtype(DType::F16).unwrap();
    assert_eq!(
        message(conv2d_same(&halves, &weight, &bias)),
        "conv2d_same: expected f32 or f64 elements, got F16"
    );
}
