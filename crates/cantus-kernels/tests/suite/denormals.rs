//! Numbers so small that processors slow down over them leave no trace.

use candle_core::{DType, Device, Tensor, Var};
use cantus_kernels::{
    Activation, AdamMoments, AdamStep, ConvBlockParameters, ConvBlockSettings, GruKind,
    GruParameters, LstmKind, LstmParameters, Path, adam_step, conv_block_train, gru, lstm,
};

use crate::numbers::random_f32;

fn var(shape: &[usize], seed: u64) -> Var {
    Var::from_tensor(&random_f32(shape, seed)).unwrap()
}

/// Every gradient of the sum of `y`, scaled so far down that products with it are denormal.
fn assert_no_denormals(what: &str, y: &Tensor, operands: &[&Var]) {
    let scale = Tensor::full(2e-38f32, y.dims(), &Device::Cpu).unwrap();
    let gradients = (y * scale).unwrap().sum_all().unwrap().backward().unwrap();
    for (index, operand) in operands.iter().enumerate() {
        let gradient = gradients.get(operand).unwrap().flatten_all().unwrap();
        let gradient = gradient.to_vec1::<f32>().unwrap();
        assert!(gradient.iter().all(|g| !g.is_subnormal()), "{what}, operand {index}");
    }
}

#[test]
fn gradients_of_a_block_are_normal_or_zero_on_every_path() {
    for path in Path::available() {
        for (channels, kernel) in [(3, (3, 3)), (32, (3, 3)), (32, (5, 3))] {
            let x = var(&[2, 8, 12, channels], 1);
            let weight = var(&[24, channels, kernel.0, kernel.1], 2);
            let (bias, gamma, beta) = (var(&[24], 3), var(&[24], 4), var(&[24], 5));
            let parameters =
                ConvBlockParameters { weight: &weight, bias: &bias, gamma: &gamma, beta: &beta };
            let settings = ConvBlockSettings {
                activation: Activation::Elu,
                epsilon: 1e-3,
                pool: (2, 2),
                path: Some(path),
            };
            let y = conv_block_train(&x, parameters, &settings, None).unwrap().output;
            assert_no_denormals(&format!("{path}, {channels} channels"), &y, &[&x, &weight, &bias]);
        }
    }
}

#[test]
fn gradients_that_fade_through_time_end_as_zero() {
    let x = var(&[60, 2, 5], 1);
    let (input, recurrent, bias) = (var(&[18, 5], 2), var(&[18, 6], 3), var(&[18], 4));
    let parameters =
        GruParameters { weight_ih: &input, weight_hh: &recurrent, bias_ih: &bias, bias_hh: None };
    let states = gru(&x, parameters, GruKind::ResetBefore).unwrap();
    assert_no_denormals("gru", &states.get(59).unwrap(), &[&x]);
    let (input, recurrent, bias) = (var(&[24, 5], 2), var(&[24, 6], 3), var(&[24], 4));
    let parameters = LstmParameters { weight_ih: &input, weight_hh: &recurrent, bias: &bias };
    let states = lstm(&x, parameters, LstmKind::HardSigmoid).unwrap();
    assert_no_denormals("lstm", &states.get(59).unwrap(), &[&x]);
}

#[test]
fn moments_of_parameters_without_gradient_end_as_zero() {
    let parameter = Var::zeros(9, DType::F32, &Device::Cpu).unwrap();
    let mut moments = AdamMoments::zeros(&parameter).unwrap();
    let gradient = |value: f32| Tensor::full(value, 9, &Device::Cpu).unwrap();
    for step in 1..2000 {
        let value = if step == 1 { 1e-19 } else { 0.0 };
        let step = AdamStep::keras(1e-3, (0.9, 0.999), 1e-8, step);
        adam_step(&parameter, &gradient(value), &mut moments, step).unwrap();
        let (first, second) = moments.to_tensors(&parameter).unwrap();
        for moment in [first, second] {
            let moment = moment.to_vec1::<f32>().unwrap();
            assert!(moment.iter().all(|m| !m.is_subnormal()));
        }
    }
    let (first, _) = moments.to_tensors(&parameter).unwrap();
    assert_eq!(first.to_vec1::<f32>().unwrap(), [0.0; 9]);
}
