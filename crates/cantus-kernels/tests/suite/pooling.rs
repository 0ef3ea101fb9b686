use candle_core::{Device, Tensor, Var};
use cantus_kernels::max_pool2d;
use proptest::prelude::*;

use crate::difference::check_gradients;
use crate::numbers::{numbers, random, tensor, values};
use crate::reference::{self, Shape4};

fn check_against_reference(x: &[f64], xs: Shape4, window: (usize, usize)) {
    let var = Var::from_tensor(&tensor(x, &xs.dims())).unwrap();
    let y = max_pool2d(&var, window).unwrap();
    assert_eq!(y.dims(), [xs.0, xs.1, xs.2 / window.0, xs.3 / window.1]);
    let dy = random(y.dims(), 9);
    let gradients = (&y * &dy).unwrap().sum_all().unwrap().backward().unwrap();
    let (expected, gradient) = reference::max_pool2d(x, xs, window, &values(&dy));
    assert_eq!(values(&y), expected);
    assert_eq!(values(gradients.get(&var).unwrap()), gradient);
}

#[test]
fn widths_that_are_no_multiple_of_the_window_send_each_gradient_to_its_maximum() {
    for width in [47, 23, 11, 157, 313, 94] {
        let xs = Shape4(2, 3, 8, width);
        check_against_reference(&numbers(xs.count(), width as u64), xs, (4, 2));
    }
}

#[test]
fn the_pool_s_gradient_equals_finite_differences() {
    for (shape, window) in
        [([2, 3, 4, 47], (2, 2)), ([1, 2, 9, 23], (4, 2)), ([1, 1, 1, 1], (1, 1))]
    {
        check_gradients(&[random(&shape, 5)], |o| max_pool2d(&o[0], window).unwrap());
    }
}

#[test]
fn of_equal_values_the_first_one_in_reading_order_gets_the_gradient() {
    let x = Var::from_slice(&[1.0f32, 7.0, 7.0, 7.0], (1, 1, 2, 2), &Device::Cpu).unwrap();
    let y = max_pool2d(&x, (2, 2)).unwrap();
    let gradients = y.sum_all().unwrap().backward().unwrap();
    assert_eq!(values(gradients.get(&x).unwrap()), [0.0, 1.0, 0.0, 0.0]);
}

#[test]
fn a_nan_in_a_window_comes_through() {
    for position in 0..4 {
        let mut x = [1.0f32, 2.0, 3.0, 4.0];
        x[position] = f32::NAN;
        let y = max_pool2d(&Tensor::from_slice(&x, (1, 1, 2, 2), &Device::Cpu).unwrap(), (2, 2));
        assert!(values(&y.unwrap())[0].is_nan(), "NaN at {position}");
    }
}

#[test]
fn an_input_smaller_than_a_window_and_an_empty_window_are_refused() {
    let x = random(&[1, 1, 3, 5], 1);
    assert_eq!(
        max_pool2d(&x, (4, 2)).unwrap_err().to_string(),
        "max_pool2d: expected input of shape [batch, channel, mel >= 4, frame >= 2], got [1, 1, 3, 5]"
    );
    assert_eq!(
        max_pool2d(&x, (0, 2)).unwrap_err().to_string(),
        "max_pool2d: window's mel size is 0, expected at least 1"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn pooling_equals_its_definition_for_any_sizes_and_with_ties(
        batch in 1usize..3, channels in 1usize..4, height in 1usize..12, width in 1usize..50,
        mel in 1usize..5, frame in 1usize..5, levels in 1u32..6, seed in 0u64..1000,
    ) {
        let window = (mel.min(height), frame.min(width));
        let xs = Shape4(batch, channels, height, width);
        let x: Vec<f64> =
            numbers(xs.count(), seed).iter().map(|v| (v * f64::from(levels)).round()).collect();
        check_against_reference(&x, xs, window);
    }
}
