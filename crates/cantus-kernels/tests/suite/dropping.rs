use candle_core::{DType, Device, Tensor, Var};
use cantus_kernels::{DropoutKey, dropout};

use crate::numbers::{random, values};

const KEY: DropoutKey = DropoutKey { seed: 7, layer: 2, step: 31 };

fn ones(count: usize, dtype: DType) -> Tensor {
    Tensor::ones(count, dtype, &Device::Cpu).unwrap()
}

fn mask(count: usize, key: DropoutKey) -> Vec<f64> {
    values(&dropout(&ones(count, DType::F64), 0.3, key).unwrap())
}

#[test]
fn the_chosen_share_is_dropped_and_the_rest_is_scaled_up() {
    let mask = mask(1_000_000, KEY);
    let dropped = mask.iter().filter(|&&m| m == 0.0).count();
    assert!((dropped as f64 / 1e6 - 0.3).abs() < 0.002, "{dropped} of a million");
    assert!(mask.iter().all(|&m| m == 0.0 || (m - 1.0 / 0.7).abs() < 1e-15));
}

#[test]
fn the_gradient_passes_where_the_input_did_and_with_the_same_scale() {
    let x = Var::from_tensor(&random(&[2, 3, 20_011], 1)).unwrap();
    let y = dropout(&x, 0.1, KEY).unwrap();
    let gradients = y.sum_all().unwrap().backward().unwrap();
    let gradient = values(gradients.get(&x).unwrap());
    for ((x, y), slope) in values(&x).into_iter().zip(values(&y)).zip(gradient) {
        assert!(
            (x * slope - y).abs() < 1e-15 && (slope == 0.0 || (slope - 1.0 / 0.9).abs() < 1e-15)
        );
    }
}

#[test]
fn an_element_s_fate_depends_on_its_position_alone() {
    let long = mask(50_000, KEY);
    assert_eq!(mask(33_333, KEY), long[..33_333]);
    let single = values(&dropout(&ones(50_000, DType::F32), 0.3, KEY).unwrap());
    assert!(single.iter().zip(&long).all(|(a, b)| (*a == 0.0) == (*b == 0.0)));
}

#[test]
fn seed_layer_and_step_each_give_another_mask() {
    let first = mask(1000, KEY);
    for key in [
        DropoutKey { seed: 8, ..KEY },
        DropoutKey { layer: 3, ..KEY },
        DropoutKey { step: 32, ..KEY },
    ] {
        let other = mask(1000, key);
        let equal = first.iter().zip(&other).filter(|(a, b)| a == b).count();
        // Two independent masks agree at 0.3^2 + 0.7^2 = 58 % of the positions.
        assert!((500..660).contains(&equal), "{equal} of 1000 positions agree");
    }
}

#[test]
fn nothing_is_dropped_with_probability_zero_and_one_is_refused() {
    let x = random(&[100], 1);
    assert_eq!(values(&dropout(&x, 0.0, KEY).unwrap()), values(&x));
    for probability in [1.0, -0.1, f64::NAN] {
        let message = dropout(&x, probability, KEY).unwrap_err().to_string();
        assert!(message.starts_with("dropout: probability is"), "{message}");
    }
}
