//! Gradients of whole networks of odd sizes, with dropout, by central differences.

use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor};
use cantus_crnn::{Crnn2dConfig, GruForm, Mode, Model, cross_entropy};

/// Sizes that are no multiples of the windows, more than one mel row left, a single GRU.
fn odd_config(gru_form: GruForm) -> Crnn2dConfig {
    Crnn2dConfig {
        n_mels: 11,
        filters: vec![3, 2],
        pools: vec![(2, 2), (2, 3)],
        gru_units: vec![5],
        classes: 3,
        gru_form,
        ..Crnn2dConfig::default()
    }
}

fn input(shape: (usize, usize, usize)) -> Tensor {
    let count = shape.0 * shape.1 * shape.2;
    let values: Vec<f64> =
        (0..count).map(|i| ((i * 7919 + 13) % 1009) as f64 / 40.0 - 30.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn loss(model: &Model, x: &Tensor) -> Tensor {
    let forward = model.forward(x, Mode::Training { seed: 4, step: 9 }).unwrap();
    cross_entropy(&forward.logits, &[0, 2, 1], Some(&[1.0, 0.5, 2.0])).unwrap()
}

fn check(gru_form: GruForm) {
    const STEP: f64 = 1e-5;
    let model = Model::new(odd_config(gru_form), 3, &Device::Cpu, DType::F64).unwrap();
    let x = input((3, 11, 47));
    let gradients = loss(&model, &x).backward().unwrap();
    let start: BTreeMap<String, Tensor> = model.tensors().unwrap();
    for (name, parameter) in model.parameters() {
        let values = start[name].flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let got =
            gradients.get(parameter).unwrap().flatten_all().unwrap().to_vec1::<f64>().unwrap();
        let scale = got.iter().fold(1e-6f64, |a, b| a.max(b.abs()));
        for element in 0..values.len() {
            let at = |shift: f64| {
                let mut moved = values.clone();
                moved[element] += shift;
                let moved = Tensor::from_vec(moved, parameter.shape(), &Device::Cpu).unwrap();
                parameter.set(&moved).unwrap();
                loss(&model, &x).to_scalar::<f64>().unwrap()
            };
            let expected = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let error = (got[element] - expected).abs() / scale;
            assert!(error < 1e-5, "{name}[{element}]: {}, expected {expected}", got[element]);
        }
        parameter.set(&start[name]).unwrap();
    }
}

#[test]
fn gradients_of_an_odd_network_of_the_keras_form_equal_finite_differences() {
    check(GruForm::Keras);
}

#[test]
fn gradients_of_an_odd_network_of_the_torch_form_equal_finite_differences() {
    check(GruForm::Torch);
}
