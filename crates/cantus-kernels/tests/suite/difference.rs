//! Gradients by central differences.

use candle_core::{Tensor, Var};

use crate::numbers::{assert_close, random, tensor, values};

/// Checks the gradients of `operation` with respect to each of its operands (f64), for a random
/// weighting of the outputs.
#[track_caller]
pub(crate) fn check_gradients(operands: &[Tensor], operation: impl Fn(&[Tensor]) -> Tensor) {
    const STEP: f64 = 1e-5;
    let vars: Vec<Var> = operands.iter().map(|x| Var::from_tensor(x).unwrap()).collect();
    let inputs: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
    let output = operation(&inputs);
    let weights = random(output.dims(), 99);
    let gradients = (&output * &weights).unwrap().sum_all().unwrap().backward().unwrap();
    let weighted_sum = |inputs: &[Tensor]| {
        let output = values(&operation(inputs));
        output.iter().zip(values(&weights)).map(|(y, w)| y * w).sum::<f64>()
    };
    for (index, var) in vars.iter().enumerate() {
        let start = values(var);
        let expected: Vec<f64> = (0..start.len())
            .map(|element| {
                let at = |shift: f64| {
                    let mut moved = start.clone();
                    moved[element] += shift;
                    let mut inputs = operands.to_vec();
                    inputs[index] = tensor(&moved, operands[index].dims());
                    weighted_sum(&inputs)
                };
                (at(STEP) - at(-STEP)) / (2.0 * STEP)
            })
            .collect();
        let got = values(gradients.get(var).expect("a gradient for every operand"));
        assert_close(&got, &expected, 1e-7);
    }
}
