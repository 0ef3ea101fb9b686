use candle_core::{DType, Device, Tensor, Var};
use cantus_crnn::{PROBABILITY_FLOOR, cross_entropy};

fn logits<const N: usize>(rows: &[[f64; 3]; N]) -> Var {
    Var::from_slice(rows.as_flattened(), (N, 3), &Device::Cpu).unwrap()
}

fn loss_and_gradient(
    logits: &Var,
    targets: &[u32],
    weights: Option<&[f64]>,
) -> (f64, Vec<Vec<f64>>) {
    let loss = cross_entropy(logits, targets, weights).unwrap();
    let gradients = loss.backward().unwrap();
    (loss.to_scalar().unwrap(), gradients.get(logits).unwrap().to_vec2().unwrap())
}

#[test]
fn the_loss_is_the_mean_negative_logarithm_of_the_true_class_probability() {
    let logits = logits(&[[2f64.ln(), 3f64.ln(), 5f64.ln()], [0.0, 0.0, 8f64.ln()]]);
    let (loss, gradient) = loss_and_gradient(&logits, &[1, 2], None);
    assert!((loss - -(0.3f64.ln() + 0.8f64.ln()) / 2.0).abs() < 1e-15);
    let expected = [[0.1, -0.35, 0.25], [0.05, 0.05, -0.1]];
    for (got, expected) in gradient.iter().flatten().zip(expected.iter().flatten()) {
        assert!((got - expected).abs() < 1e-15, "{got}, expected {expected}");
    }
}

#[test]
fn class_weights_multiply_their_items_and_the_batch_size_divides() {
    let logits = logits(&[[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]);
    let (loss, gradient) = loss_and_gradient(&logits, &[0, 2], Some(&[3.0, 100.0, 0.5]));
    assert!((loss - 3f64.ln() * 3.5 / 2.0).abs() < 1e-15);
    assert!((gradient[0][0] - 3.0 / 2.0 * (1.0 / 3.0 - 1.0)).abs() < 1e-15);
    assert!((gradient[1][0] - 0.5 / 2.0 / 3.0).abs() < 1e-15);
}

#[test]
fn probabilities_beyond_the_floor_cost_its_logarithm_and_have_no_gradient() {
    let logits = logits(&[[0.0, 20.0, 0.0], [0.0, 20.0, 0.0], [0.0, 15.0, 0.0]]);
    let (loss, gradient) = loss_and_gradient(&logits, &[0, 1, 0], None);
    let kept = -(2.0 + 15f64.exp()).ln();
    let expected = -(PROBABILITY_FLOOR.ln() + (1.0 - PROBABILITY_FLOOR).ln() + kept) / 3.0;
    assert!((loss - expected).abs() < 1e-14, "{loss}, expected {expected}");
    assert_eq!(gradient[0], [0.0; 3], "a probability of 2e-9 is clipped");
    assert_eq!(gradient[1], [0.0; 3], "so is one of 1 - 4e-9");
    assert!(gradient[2][0] < -0.33, "one of 3e-7 is not");
}

#[test]
fn nan_logits_give_a_nan_loss() {
    let logits = Tensor::new(&[[f32::NAN, 1.0]], &Device::Cpu).unwrap();
    assert!(cross_entropy(&logits, &[0], None).unwrap().to_scalar::<f32>().unwrap().is_nan());
}

#[test]
fn huge_logits_do_not_overflow() {
    let logits = Tensor::new(&[[3e38f32, -3e38, 0.0]], &Device::Cpu).unwrap();
    let loss = cross_entropy(&logits, &[1], None).unwrap().to_scalar::<f32>().unwrap();
    assert_eq!(loss, -(PROBABILITY_FLOOR.ln() as f32));
}

#[test]
fn targets_and_weights_that_do_not_fit_are_named() {
    let logits = Tensor::zeros((2, 3), DType::F32, &Device::Cpu).unwrap();
    let message = |targets: &[u32], weights: Option<&[f64]>| {
        cross_entropy(&logits, targets, weights).unwrap_err().to_string()
    };
    assert_eq!(message(&[1], None), "cross_entropy: 1 targets for a batch of 2");
    assert_eq!(message(&[1, 3], None), "cross_entropy: target 3 is none of 3 classes");
    assert_eq!(message(&[1, 2], Some(&[1.0])), "cross_entropy: 1 class weights for 3 classes");
    assert_eq!(
        message(&[1, 2], Some(&[1.0, f64::NAN, 1.0])),
        "cross_entropy: class weight NaN is not a finite number of at least 0"
    );
}
