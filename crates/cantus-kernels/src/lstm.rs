//! Long short-term memory over a whole sequence, forward and back through time, in one operation.
//!
//! With `x` an input, `h` and `c` the state and the cell before it, and `W`, `U` the weights of a
//! gate,
//!
//! ```text
//! i = gate(W x + b + U h)      input
//! f = gate(W x + b + U h)      forget
//! g = tanh(W x + b + U h)      candidate
//! o = gate(W x + b + U h)      output
//! c' = f c + i g
//! h' = o tanh(c')
//! ```

use candle_core::Tensor;
use rayon::prelude::*;

use crate::KernelError;
use crate::element::Element;
use crate::operand::check_operand;
use crate::recurrent::{
    Gate, OverSequence, SequenceLayer, Sizes, add_products, add_up_rows, by_step, project,
    project_back, recurrent_back, transposed,
};

const OPERATION: &str = "lstm";

/// The gates' nonlinearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LstmKind {
    /// Keras 2's default: `clip(0.2 v + 0.5, 0, 1)`.
    HardSigmoid,
    /// PyTorch's and Keras 3's: `1 / (1 + exp(-v))`.
    Logistic,
}

/// The trained tensors of a layer, gates in the order input, forget, candidate, output.
#[derive(Clone, Copy, Debug)]
pub struct LstmParameters<'a> {
    /// `W`, `[4 * unit, feature]`
    pub weight_ih: &'a Tensor,
    /// `U`, `[4 * unit, unit]`
    pub weight_hh: &'a Tensor,
    /// `b`, `[4 * unit]`; PyTorch has two, of which only the sum matters.
    pub bias: &'a Tensor,
}

/// The state after each step, `[step, batch, unit]`, of the sequence `x`, `[step, batch, feature]`,
/// from a state and a cell of zeros; with gradients to `x` and all parameters.
///
/// # Errors
/// When a shape does not fit, an axis is empty, or a tensor is not f32 or f64 in main memory.
pub fn lstm(x: &Tensor, parameters: LstmParameters, kind: LstmKind) -> Result<Tensor, KernelError> {
    let LstmParameters { weight_ih, weight_hh, bias } = parameters;
    let Sizes { steps, batch, features, units } = Sizes::of(OPERATION, x, weight_ih, weight_hh, 4)?;
    check_operand(OPERATION, x, "bias", bias, &[4 * units])?;
    let packed = Tensor::cat(&[&weight_ih.flatten_all()?, &weight_hh.flatten_all()?, bias], 0)?;
    let gate = match kind {
        LstmKind::HardSigmoid => Gate::HardSigmoid,
        LstmKind::Logistic => Gate::Logistic,
    };
    let layer = Lstm { gate, steps, batch, features, units };
    Ok(x.contiguous()?.apply_op2(&packed, OverSequence::new(layer))?)
}

struct Lstm {
    gate: Gate,
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
}

impl Lstm {
    fn split<'a, T>(&self, parameters: &'a [T]) -> Weights<'a, T> {
        let (input, rest) = parameters.split_at(4 * self.units * self.features);
        let (recurrent, bias) = rest.split_at(4 * self.units * self.units);
        Weights { input, recurrent, bias }
    }

    /// One step of one item, from the sums that go into its gates.
    fn step<T: Element>(&self, sums: &[T], cell: &[T], saved: &mut [T], next: &mut [T]) {
        let units = self.units;
        for unit in 0..units {
            let [input, forget, output] =
                [0, 1, 3].map(|gate| self.gate.value(sums[gate * units + unit]));
            let candidate = T::from_f64(sums[2 * units + unit].to_f64().tanh());
            let cell = forget * cell[unit] + input * candidate;
            for (part, value) in [input, forget, candidate, output, cell].into_iter().enumerate() {
                saved[part * units + unit] = value;
            }
            next[unit] = output * T::from_f64(cell.to_f64().tanh());
        }
    }

    /// From the gradients of state and cell after a step to those of the sums and of the cell
    /// before it.
    fn step_back<T: Element>(
        &self,
        saved: &[T],
        cell_before: &[T],
        dstate: &[T],
        dcell: &mut [T],
        dsums: &mut [T],
    ) {
        let units = self.units;
        for unit in 0..units {
            let [input, forget, candidate, output, cell] =
                [0, 1, 2, 3, 4].map(|part| saved[part * units + unit]);
            let tanh = T::from_f64(cell.to_f64().tanh());
            let d = dcell[unit] + dstate[unit] * output * (T::one() - tanh * tanh);
            dsums[unit] = d * candidate * self.gate.slope(input);
            dsums[units + unit] = d * cell_before[unit] * self.gate.slope(forget);
            dsums[2 * units + unit] = d * input * (T::one() - candidate * candidate);
            dsums[3 * units + unit] = dstate[unit] * tanh * self.gate.slope(output);
            dcell[unit] = (d * forget).flushed();
        }
    }
}

impl SequenceLayer for Lstm {
    const OPERATION: &'static str = OPERATION;

    fn states_shape(&self) -> (usize, usize, usize) {
        (self.steps, self.batch, self.units)
    }

    /// Leaves `[batch, step, (input, forget, candidate, output, cell), unit]`.
    fn forward<T: Element>(&self, x: &[T], parameters: &[T]) -> (Vec<T>, Vec<T>) {
        let (units, gates) = (self.units, 4 * self.units);
        let weights = self.split(parameters);
        let inputs = project(x, weights.input, weights.bias);
        // Units of the state first, so that each adds a whole row.
        let recurrent = transposed(weights.recurrent, gates, units);
        let mut saved = vec![T::zero(); self.batch * self.steps * 5 * units];
        let mut states = vec![T::zero(); self.batch * self.steps * units];
        saved
            .par_chunks_exact_mut(self.steps * 5 * units)
            .zip(states.par_chunks_exact_mut(self.steps * units))
            .enumerate()
            .for_each(|(item, (saved, states))| {
                let (mut state, mut cell) = (vec![T::zero(); units], vec![T::zero(); units]);
                let mut sums = vec![T::zero(); gates];
                let steps = saved.chunks_exact_mut(5 * units).zip(states.chunks_exact_mut(units));
                for (step, (saved, next)) in steps.enumerate() {
                    let row = (step * self.batch + item) * gates;
                    sums.copy_from_slice(&inputs[row..row + gates]);
                    add_products(&state, &recurrent, &mut sums);
                    self.step(&sums, &cell, saved, next);
                    state.copy_from_slice(next);
                    cell.copy_from_slice(&saved[gates..]);
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
        let (units, gates) = (self.units, 4 * self.units);
        let weights = self.split(parameters);
        let rows = self.steps * self.batch;
        // `[batch, step, ...]`
        let mut dsums = vec![T::zero(); rows * gates];
        let mut before = vec![T::zero(); rows * units];
        dsums
            .par_chunks_exact_mut(self.steps * gates)
            .zip(before.par_chunks_exact_mut(self.steps * units))
            .zip(saved.par_chunks_exact(self.steps * 5 * units))
            .enumerate()
            .for_each(|(item, ((dsums, before), saved))| {
                let (mut dstate, mut dcell) = (vec![T::zero(); units], vec![T::zero(); units]);
                let none = vec![T::zero(); units];
                for step in (0..self.steps).rev() {
                    let here = (step * self.batch + item) * units;
                    for (dstate, &d) in dstate.iter_mut().zip(&dstates[here..here + units]) {
                        *dstate = (*dstate + d).flushed();
                    }
                    let mut cell_before = &none[..];
                    if step > 0 {
                        let from = ((step - 1) * self.batch + item) * units;
                        before[step * units..(step + 1) * units]
                            .copy_from_slice(&states[from..from + units]);
                        cell_before = &saved[(step * 5 - 1) * units..step * 5 * units];
                    }
                    let saved = &saved[step * 5 * units..(step + 1) * 5 * units];
                    let dsums = &mut dsums[step * gates..(step + 1) * gates];
                    self.step_back(saved, cell_before, &dstate, &mut dcell, dsums);
                    dstate.fill(T::zero());
                    add_products(dsums, weights.recurrent, &mut dstate);
                }
            });
        let dsums_by_step = by_step(&dsums, self.batch, self.steps, gates);
        let mut dparameters = vec![T::zero(); parameters.len()];
        let (dweight, rest) = dparameters.split_at_mut(weights.input.len());
        let (dweight_hh, dbias) = rest.split_at_mut(weights.recurrent.len());
        let dx = project_back(x, weights.input, &dsums_by_step, (gates, units), dweight);
        for (gate, dweight) in dweight_hh.chunks_exact_mut(units * units).enumerate() {
            recurrent_back(&dsums[gate * units..], &before, (gates, units), dweight);
        }
        add_up_rows(&dsums, dbias);
        (dx, dparameters)
    }
}
