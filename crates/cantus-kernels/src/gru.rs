//! The gated recurrent unit over a whole sequence, forward and back through time, in one operation.
//!
//! With `x` an input, `h` the state before it and `W`, `U` the weights of a gate, both forms compute
//!
//! ```text
//! r = gate(W x + b + U h + c)      reset
//! z = gate(W x + b + U h + c)      update
//! h' = z h + (1 - z) n
//! ```
//!
//! and differ in the gate and in the candidate `n`:
//!
//! ```text
//! reset before:  n = tanh(W x + b + U (r h))        gate(v) = clip(0.2 v + 0.5, 0, 1), no c
//! reset after:   n = tanh(W x + b + r (U h + c))    gate(v) = 1 / (1 + exp(-v))
//! ```

use candle_core::Tensor;
use rayon::prelude::*;

use crate::KernelError;
use crate::element::Element;
use crate::operand::{check_operand, shape_error};
use crate::recurrent::{
    Gate, OverSequence, SequenceLayer, Sizes, add_products, add_up_rows, by_step, project,
    project_back, recurrent_back, transposed,
};

const OPERATION: &str = "gru";

/// Where the reset gate stands, and the gates' nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GruKind {
    /// Keras 2's default: hard sigmoid gates, the state reset before the recurrent product.
    ResetBefore,
    /// PyTorch's and cuDNN's: logistic gates, the recurrent product reset.
    ResetAfter,
}

/// The trained tensors of a layer, gates in the order reset, update, candidate.
#[derive(Clone, Copy, Debug)]
pub struct GruParameters<'a> {
    /// `W`, `[3 * unit, feature]`
    pub weight_ih: &'a Tensor,
    /// `U`, `[3 * unit, unit]`
    pub weight_hh: &'a Tensor,
    /// `b`, `[3 * unit]`
    pub bias_ih: &'a Tensor,
    /// `c`, `[3 * unit]`: there must be one in [`GruKind::ResetAfter`], and none in the other.
    pub bias_hh: Option<&'a Tensor>,
}

/// The state after each step, `[step, batch, unit]`, of the sequence `x`, `[step, batch, feature]`,
/// from a state of zeros; with gradients to `x` and all parameters.
///
/// # Errors
/// When a shape does not fit, an axis is empty, or a tensor is not f32 or f64 in main memory.
pub fn gru(x: &Tensor, parameters: GruParameters, kind: GruKind) -> Result<Tensor, KernelError> {
    let GruParameters { weight_ih, weight_hh, bias_ih, bias_hh } = parameters;
    let Sizes { steps, batch, features, units } = Sizes::of(OPERATION, x, weight_ih, weight_hh, 3)?;
    check_operand(OPERATION, x, "bias_ih", bias_ih, &[3 * units])?;
    let (input, recurrent) = (weight_ih.flatten_all()?, weight_hh.flatten_all()?);
    let mut packed = vec![&input, &recurrent, bias_ih];
    match (kind, bias_hh) {
        (GruKind::ResetBefore, None) => {}
        (GruKind::ResetAfter, Some(bias)) => {
            check_operand(OPERATION, x, "bias_hh", bias, &[3 * units])?;
            packed.push(bias);
        }
        (GruKind::ResetBefore, Some(bias)) => {
            return Err(shape_error(
                OPERATION,
                "bias_hh",
                "none, where the reset stands before",
                bias,
            ));
        }
        (GruKind::ResetAfter, None) => {
            return Err(KernelError::MissingOperand {
                operation: OPERATION,
                operand: "bias_hh",
                expected: format!("[{}], where the reset stands after", 3 * units),
            });
        }
    }
    let layer = Gru { kind, steps, batch, features, units };
    Ok(x.contiguous()?.apply_op2(&Tensor::cat(&packed, 0)?, OverSequence::new(layer))?)
}

struct Gru {
    kind: GruKind,
    steps: usize,
    batch: usize,
    features: usize,
    units: usize,
}

/// The parts of the packed parameters.
struct Weights<'a, T> {
    input: &'a [T],
    recurrent: &'a [T],
    bias: &'a [T],
    recurrent_bias: Option<&'a [T]>,
}

impl Gru {
    fn split<'a, T>(&self, parameters: &'a [T]) -> Weights<'a, T> {
        let gates = 3 * self.units;
        let (input, rest) = parameters.split_at(gates * self.features);
        let (recurrent, rest) = rest.split_at(gates * self.units);
        let (bias, rest) = rest.split_at(gates);
        Weights { input, recurrent, bias, recurrent_bias: (!rest.is_empty()).then_some(rest) }
    }

    fn gate(&self) -> Gate {
        match self.kind {
            GruKind::ResetBefore => Gate::HardSigmoid,
            GruKind::ResetAfter => Gate::Logistic,
        }
    }

    /// One step of one item, the recurrent weights being `[unit, gate]`: writes the gates into
    /// `saved` and the new state into `next`.
    fn step<T: Element>(
        &self,
        input: &[T],
        weights: &Weights<T>,
        product: &mut [T],
        saved: &mut [T],
        state: &[T],
        next: &mut [T],
    ) {
        let (units, gates) = (self.units, 3 * self.units);
        match weights.recurrent_bias {
            Some(bias) => product.copy_from_slice(bias),
            None => product.fill(T::zero()),
        }
        let columns = match self.kind {
            GruKind::ResetBefore => 2 * units,
            GruKind::ResetAfter => gates,
        };
        for (&state, row) in state.iter().zip(weights.recurrent.chunks_exact(gates)) {
            for (product, &weight) in product[..columns].iter_mut().zip(row) {
                *product += state * weight;
            }
        }
        for unit in 0..2 * units {
            saved[unit] = self.gate().value(input[unit] + product[unit]);
        }
        if self.kind == GruKind::ResetBefore {
            for (unit, row) in weights.recurrent.chunks_exact(gates).enumerate() {
                let reset = saved[unit] * state[unit];
                for (product, &weight) in product[columns..].iter_mut().zip(&row[columns..]) {
                    *product += reset * weight;
                }
            }
        }
        for unit in 0..units {
            let recurrent = product[2 * units + unit];
            let factor = match self.kind {
                GruKind::ResetBefore => T::one(),
                GruKind::ResetAfter => saved[unit],
            };
            let sum = input[2 * units + unit] + factor * recurrent;
            let candidate = T::from_f64(sum.to_f64().tanh());
            saved[2 * units + unit] = candidate;
            saved[3 * units + unit] = recurrent;
            next[unit] = candidate + saved[units + unit] * (state[unit] - candidate);
        }
    }

    fn step_back<T: Element>(
        &self,
        back: &StepBack<T>,
        dinput: &mut [T],
        drecurrent: &mut [T],
        factors: &mut [T],
        earlier: &mut [T],
    ) {
        let units = self.units;
        let (reset, rest) = back.saved.split_at(units);
        let (update, rest) = rest.split_at(units);
        let (candidate, recurrent) = rest.split_at(units);
        for unit in 0..units {
            let d = back.dstate[unit];
            let (z, n) = (update[unit], candidate[unit]);
            dinput[units + unit] = d * (back.state[unit] - n) * self.gate().slope(z);
            dinput[2 * units + unit] = d * (T::one() - z) * (T::one() - n * n);
            earlier[unit] = d * z;
        }
        match self.kind {
            GruKind::ResetBefore => {
                // What came out of the reset.
                let mut dreset = vec![T::zero(); units];
                add_products(
                    &dinput[2 * units..],
                    &back.recurrent[2 * units * units..],
                    &mut dreset,
                );
                for unit in 0..units {
                    factors[unit] = reset[unit] * back.state[unit];
                    dinput[unit] = dreset[unit] * back.state[unit] * self.gate().slope(reset[unit]);
                    earlier[unit] += dreset[unit] * reset[unit];
                }
                drecurrent.copy_from_slice(dinput);
                add_products(&drecurrent[..2 * units], back.recurrent, earlier);
            }
            GruKind::ResetAfter => {
                for unit in 0..units {
                    let d = dinput[2 * units + unit];
                    dinput[unit] = d * recurrent[unit] * self.gate().slope(reset[unit]);
                }
                drecurrent.copy_from_slice(dinput);
                for (d, &reset) in drecurrent[2 * units..].iter_mut().zip(reset) {
                    *d *= reset;
                }
                add_products(drecurrent, back.recurrent, earlier);
            }
        }
    }
}

/// What one step back in time starts from.
struct StepBack<'a, T> {
    saved: &'a [T],
    /// Before the step.
    state: &'a [T],
    /// The gradient of the state after the step.
    dstate: &'a [T],
    /// `[3 * unit, unit]`
    recurrent: &'a [T],
}

impl SequenceLayer for Gru {
    const OPERATION: &'static str = OPERATION;

    fn states_shape(&self) -> (usize, usize, usize) {
        (self.steps, self.batch, self.units)
    }

    /// Leaves `[batch, step, (reset, update, candidate, recurrent part of the candidate), unit]`.
    fn forward<T: Element>(&self, x: &[T], parameters: &[T]) -> (Vec<T>, Vec<T>) {
        let (units, gates) = (self.units, 3 * self.units);
        let weights = self.split(parameters);
        let inputs = project(x, weights.input, weights.bias);
        // Units of the state first, so that each adds a whole row.
        let recurrent = transposed(weights.recurrent, gates, units);
        let weights = Weights { recurrent: &recurrent, ..weights };
        let mut saved = vec![T::zero(); self.batch * self.steps * 4 * units];
        let mut states = vec![T::zero(); self.batch * self.steps * units];
        saved
            .par_chunks_exact_mut(self.steps * 4 * units)
            .zip(states.par_chunks_exact_mut(self.steps * units))
            .enumerate()
            .for_each(|(item, (saved, states))| {
                let mut state = vec![T::zero(); units];
                let mut product = vec![T::zero(); gates];
                let steps = saved.chunks_exact_mut(4 * units).zip(states.chunks_exact_mut(units));
                for (step, (saved, next)) in steps.enumerate() {
                    let row = (step * self.batch + item) * gates;
                    let input = &inputs[row..row + gates];
                    self.step(input, &weights, &mut product, saved, &state, next);
                    state.copy_from_slice(next);
                }
            });
        (by_step(&states, self.batch, self.steps, units), saved)
    }

    fn backward<T: Element>(
        &self,
        x: &[T],
        parameters: &[T],
        states: &[T],
        saved: &[T],
        dstates: &[T],
    ) -> (Vec<T>, Vec<T>) {
        let (units, gates) = (self.units, 3 * self.units);
        let weights = self.split(parameters);
        let rows = self.steps * self.batch;
        // Of the sums that go into the gates, by way of the input and by way of the state; and what
        // the recurrent weights of the candidate were multiplied by. All `[batch, step, ...]`.
        let mut dinput = vec![T::zero(); rows * gates];
        let mut drecurrent = vec![T::zero(); rows * gates];
        let mut factors = vec![T::zero(); rows * units];
        let mut before = vec![T::zero(); rows * units];
        dinput
            .par_chunks_exact_mut(self.steps * gates)
            .zip(drecurrent.par_chunks_exact_mut(self.steps * gates))
            .zip(factors.par_chunks_exact_mut(self.steps * units))
            .zip(before.par_chunks_exact_mut(self.steps * units))
            .zip(saved.par_chunks_exact(self.steps * 4 * units))
            .enumerate()
            .for_each(|(item, ((((dinput, drecurrent), factors), before), saved))| {
                let mut dstate = vec![T::zero(); units];
                let mut earlier = vec![T::zero(); units];
                for step in (0..self.steps).rev() {
                    let state = &mut before[step * units..(step + 1) * units];
                    if step > 0 {
                        let from = ((step - 1) * self.batch + item) * units;
                        state.copy_from_slice(&states[from..from + units]);
                    }
                    let here = (step * self.batch + item) * units;
                    for (dstate, &d) in dstate.iter_mut().zip(&dstates[here..here + units]) {
                        *dstate = (*dstate + d).flushed();
                    }
                    let step_back = StepBack {
                        saved: &saved[step * 4 * units..(step + 1) * 4 * units],
                        state,
                        dstate: &dstate,
                        recurrent: weights.recurrent,
                    };
                    self.step_back(
                        &step_back,
                        &mut dinput[step * gates..(step + 1) * gates],
                        &mut drecurrent[step * gates..(step + 1) * gates],
                        &mut factors[step * units..(step + 1) * units],
                        &mut earlier,
                    );
                    std::mem::swap(&mut dstate, &mut earlier);
                }
            });
        let dinput_by_step = by_step(&dinput, self.batch, self.steps, gates);
        let mut dparameters = vec![T::zero(); parameters.len()];
        let (dweight, rest) = dparameters.split_at_mut(weights.input.len());
        let (dweight_hh, dbiases) = rest.split_at_mut(weights.recurrent.len());
        let dx = project_back(x, weights.input, &dinput_by_step, (gates, units), dweight);
        for (gate, dweight) in dweight_hh.chunks_exact_mut(units * units).enumerate() {
            let candidate = gate == 2 && self.kind == GruKind::ResetBefore;
            let factors = if candidate { &factors } else { &before };
            recurrent_back(&drecurrent[gate * units..], factors, (gates, units), dweight);
        }
        for (dbias, gradients) in dbiases.chunks_exact_mut(gates).zip([&dinput, &drecurrent]) {
            add_up_rows(gradients, dbias);
        }
        (dx, dparameters)
    }
}
