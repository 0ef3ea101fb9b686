//! The recurrent layer against one written for reading, and against finite differences.

use candle_core::{DType, Tensor};
use cantus_kernels::{GruKind, GruParameters, gru};

use crate::difference::check_gradients;
use crate::numbers::{assert_close, random, random_f32, values};

const STEPS: usize = 4;
const BATCH: usize = 3;
const FEATURES: usize = 5;
const UNITS: usize = 6;

/// Input, input weights, recurrent weights, bias, recurrent bias.
fn operands(kind: GruKind) -> Vec<Tensor> {
    let mut operands = vec![
        random(&[STEPS, BATCH, FEATURES], 1),
        random(&[3 * UNITS, FEATURES], 2),
        random(&[3 * UNITS, UNITS], 3),
        random(&[3 * UNITS], 4),
    ];
    if kind == GruKind::ResetAfter {
        operands.push(random(&[3 * UNITS], 5));
    }
    operands
}

fn run(operands: &[Tensor], kind: GruKind) -> Tensor {
    let parameters = GruParameters {
        weight_ih: &operands[1],
        weight_hh: &operands[2],
        bias_ih: &operands[3],
        bias_hh: operands.get(4),
    };
    gru(&operands[0], parameters, kind).unwrap()
}

/// `[step, batch, unit]`, one number at a time.
fn reference(operands: &[Tensor], kind: GruKind) -> Vec<f64> {
    let of = |index: usize| operands.get(index).map(values).unwrap_or_default();
    let (x, input, recurrent, bias, recurrent_bias) = (of(0), of(1), of(2), of(3), of(4));
    let mut states = vec![0.0; STEPS * BATCH * UNITS];
    for step in 0..STEPS {
        for item in 0..BATCH {
            let at = |step: usize, unit: usize| (step * BATCH + item) * UNITS + unit;
            let before: Vec<f64> = (0..UNITS)
                .map(|unit| if step == 0 { 0.0 } else { states[at(step - 1, unit)] })
                .collect();
            let from_input = |row: usize| {
                let start = (step * BATCH + item) * FEATURES;
                let products = (0..FEATURES).map(|f| x[start + f] * input[row * FEATURES + f]);
                bias[row] + products.sum::<f64>()
            };
            let from_state = |row: usize, state: &[f64]| {
                let products = (0..UNITS).map(|u| state[u] * recurrent[row * UNITS + u]);
                recurrent_bias.get(row).unwrap_or(&0.0) + products.sum::<f64>()
            };
            let gate = |row: usize| {
                let sum = from_input(row) + from_state(row, &before);
                match kind {
                    GruKind::ResetBefore => (0.2 * sum + 0.5).clamp(0.0, 1.0),
                    GruKind::ResetAfter => 1.0 / (1.0 + (-sum).exp()),
                }
            };
            let reset: Vec<f64> = (0..UNITS).map(gate).collect();
            for unit in 0..UNITS {
                let row = 2 * UNITS + unit;
                let recurrent = match kind {
                    GruKind::ResetBefore => {
                        let state: Vec<f64> =
                            before.iter().zip(&reset).map(|(h, r)| h * r).collect();
                        from_state(row, &state)
                    }
                    GruKind::ResetAfter => reset[unit] * from_state(row, &before),
                };
                let candidate = (from_input(row) + recurrent).tanh();
                let update = gate(UNITS + unit);
                states[at(step, unit)] = update * before[unit] + (1.0 - update) * candidate;
            }
        }
    }
    states
}

#[test]
fn both_forms_of_the_gated_recurrent_unit_equal_their_definition() {
    for kind in [GruKind::ResetBefore, GruKind::ResetAfter] {
        let operands = operands(kind);
        let expected = reference(&operands, kind);
        assert_close(&values(&run(&operands, kind)), &expected, 1e-14);
        let single: Vec<Tensor> =
            operands.iter().map(|operand| operand.to_dtype(DType::F32).unwrap()).collect();
        assert_close(&values(&run(&single, kind)), &expected, 1e-6);
    }
}

#[test]
fn the_gated_recurrent_unit_s_gradients_equal_finite_differences() {
    for kind in [GruKind::ResetBefore, GruKind::ResetAfter] {
        check_gradients(&operands(kind), |operands| run(operands, kind));
    }
}

#[test]
fn a_long_sequence_gives_the_same_bits_at_any_number_of_threads() {
    let operands = [
        random_f32(&[70, 5, 9], 1),
        random_f32(&[24, 9], 2),
        random_f32(&[24, 8], 3),
        random_f32(&[24], 4),
    ];
    let of_threads = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let vars = operands.clone().map(|x| candle_core::Var::from_tensor(&x).unwrap());
            let inputs: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
            let states = run(&inputs, GruKind::ResetBefore);
            let gradients = states.sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let gradients: Vec<_> =
                vars.iter().map(|var| values(gradients.get(var).unwrap())).collect();
            (values(&states), gradients)
        })
    };
    assert!(of_threads(1) == of_threads(3));
}

#[test]
fn biases_that_do_not_belong_to_the_form_and_empty_sequences_are_refused() {
    let after = operands(GruKind::ResetAfter);
    let parameters = GruParameters {
        weight_ih: &after[1],
        weight_hh: &after[2],
        bias_ih: &after[3],
        bias_hh: Some(&after[4]),
    };
    let without = GruParameters { bias_hh: None, ..parameters };
    for (result, expected) in [
        (
            gru(&after[0], parameters, GruKind::ResetBefore),
            "gru: expected bias_hh of shape none, where the reset stands before, got [18]",
        ),
        (gru(&after[0], without, GruKind::ResetAfter), "gru: expected bias_hh of shape [3 * unit]"),
        (
            gru(&random(&[0, 3, 5], 1), without, GruKind::ResetBefore),
            "gru: expected input of shape [step, batch, feature], none empty",
        ),
    ] {
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
}
