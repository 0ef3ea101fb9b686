//! The recurrent layer against one written for reading, and against finite differences.

use candle_core::{DType, Tensor};
use cantus_kernels::{GruKind, GruParameters, LstmKind, LstmParameters, gru, lstm};

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
        (
            gru(&after[0], without, GruKind::ResetAfter),
            "gru: expected bias_hh of shape [18], where the reset stands after, got none",
        ),
        (
            gru(&random(&[0, 3, 5], 1), without, GruKind::ResetBefore),
            "gru: expected input of shape [step, batch, feature], none empty",
        ),
    ] {
        let message = result.unwrap_err().to_string();
        assert!(message.starts_with(expected), "{message}");
    }
}

/// Input, input weights, recurrent weights, bias.
fn lstm_operands() -> Vec<Tensor> {
    vec![
        random(&[STEPS, BATCH, FEATURES], 1),
        random(&[4 * UNITS, FEATURES], 2),
        random(&[4 * UNITS, UNITS], 3),
        random(&[4 * UNITS], 4),
    ]
}

fn run_lstm(operands: &[Tensor], kind: LstmKind) -> Tensor {
    let parameters =
        LstmParameters { weight_ih: &operands[1], weight_hh: &operands[2], bias: &operands[3] };
    lstm(&operands[0], parameters, kind).unwrap()
}

/// `[step, batch, unit]`, one number at a time.
fn lstm_reference(operands: &[Tensor], kind: LstmKind) -> Vec<f64> {
    let of = |index: usize| values(&operands[index]);
    let (x, input, recurrent, bias) = (of(0), of(1), of(2), of(3));
    let mut states = vec![0.0; STEPS * BATCH * UNITS];
    for item in 0..BATCH {
        let (mut state, mut cell) = ([0.0; UNITS], [0.0; UNITS]);
        for step in 0..STEPS {
            let sum = |gate: usize, unit: usize| {
                let row = gate * UNITS + unit;
                let start = (step * BATCH + item) * FEATURES;
                let from_input = (0..FEATURES).map(|f| x[start + f] * input[row * FEATURES + f]);
                let from_state = (0..UNITS).map(|u| state[u] * recurrent[row * UNITS + u]);
                bias[row] + from_input.sum::<f64>() + from_state.sum::<f64>()
            };
            let gate = |gate: usize, unit: usize| match kind {
                LstmKind::HardSigmoid => (0.2 * sum(gate, unit) + 0.5).clamp(0.0, 1.0),
                LstmKind::Logistic => 1.0 / (1.0 + (-sum(gate, unit)).exp()),
            };
            let next: Vec<(f64, f64)> = (0..UNITS)
                .map(|unit| {
                    let cell = gate(1, unit) * cell[unit] + gate(0, unit) * sum(2, unit).tanh();
                    (cell, gate(3, unit) * cell.tanh())
                })
                .collect();
            for (unit, (next_cell, next_state)) in next.into_iter().enumerate() {
                (cell[unit], state[unit]) = (next_cell, next_state);
                states[(step * BATCH + item) * UNITS + unit] = next_state;
            }
        }
    }
    states
}

#[test]
fn both_gates_of_long_short_term_memory_equal_their_definition() {
    for kind in [LstmKind::HardSigmoid, LstmKind::Logistic] {
        let operands = lstm_operands();
        let expected = lstm_reference(&operands, kind);
        assert_close(&values(&run_lstm(&operands, kind)), &expected, 1e-14);
        let single: Vec<Tensor> =
            operands.iter().map(|operand| operand.to_dtype(DType::F32).unwrap()).collect();
        assert_close(&values(&run_lstm(&single, kind)), &expected, 1e-6);
    }
}

#[test]
fn the_gradients_of_long_short_term_memory_equal_finite_differences() {
    for kind in [LstmKind::HardSigmoid, LstmKind::Logistic] {
        check_gradients(&lstm_operands(), |operands| run_lstm(operands, kind));
    }
}
