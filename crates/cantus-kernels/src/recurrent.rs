//! What the recurrent layers have in common: how they are an operation of candle's, the products that
//! need no order in time, and orders of elements.

use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::KernelError;
use crate::element::Element;
use crate::matmul::{Matrix, MatrixMut, multiply, multiply_add};
use crate::operand::{
    check_input, check_operand, element_type_error, elements, result, shape_error, tensor,
    with_elements,
};

/// Rows of a product that one task computes: a fixed number, so that sums do not depend on threads.
const ROWS: usize = 64;

/// The sizes of a layer over a whole sequence.
pub(crate) struct Sizes {
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) features: usize,
    pub(crate) units: usize,
}

impl Sizes {
    /// Of the input, `[step, batch, feature]`, and the weights, `[gates * unit, feature]` and
    /// `[gates * unit, unit]`, where these fit one another.
    pub(crate) fn of(
        operation: &'static str,
        x: &Tensor,
        weight_ih: &Tensor,
        weight_hh: &Tensor,
        gates: usize,
    ) -> Result<Self, KernelError> {
        check_input(operation, x)?;
        let (steps, batch, features) =
            x.dims3().ok().filter(|_| x.elem_count() > 0).ok_or_else(|| {
                shape_error(operation, "input", "[step, batch, feature], none empty", x)
            })?;
        let (_, units) = weight_hh
            .dims2()
            .ok()
            .filter(|&(rows, units)| units > 0 && rows == gates * units)
            .ok_or_else(|| {
                shape_error(operation, "weight_hh", format!("[{gates} * unit, unit]"), weight_hh)
            })?;
        check_operand(operation, x, "weight_ih", weight_ih, &[gates * units, features])?;
        check_operand(operation, x, "weight_hh", weight_hh, &[gates * units, units])?;
        Ok(Self { steps, batch, features, units })
    }
}

/// A layer over a whole sequence, its parameters packed in one slice.
pub(crate) trait SequenceLayer: Send + Sync {
    const OPERATION: &'static str;

    /// Step, batch, unit.
    fn states_shape(&self) -> (usize, usize, usize);

    /// The states, `[step, batch, unit]`, and what backward needs beside them.
    fn forward<T: Element>(&self, x: &[T], parameters: &[T]) -> (Vec<T>, Vec<T>);

    /// Gradients of the input and of the packed parameters.
    fn backward<T: Element>(
        &self,
        x: &[T],
        parameters: &[T],
        states: &[T],
        saved: &[T],
        dstates: &[T],
    ) -> (Vec<T>, Vec<T>);
}

/// A layer as an operation of candle's.
pub(crate) struct OverSequence<L> {
    layer: L,
    /// What the forward pass leaves: f32 or f64, whichever the layer is.
    saved: OnceLock<Saved>,
}

enum Saved {
    F32(Vec<f32>),
    F64(Vec<f64>),
}

impl<L: SequenceLayer> OverSequence<L> {
    pub(crate) fn new(layer: L) -> Self {
        Self { layer, saved: OnceLock::new() }
    }

    fn forward<T: Element>(
        &self,
        x: (&CpuStorage, &Layout),
        parameters: (&CpuStorage, &Layout),
        keep: impl FnOnce(Vec<T>) -> Saved,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = elements::<T>(L::OPERATION, x.0, x.1)?;
        let parameters = elements::<T>(L::OPERATION, parameters.0, parameters.1)?;
        let (states, saved) = self.layer.forward(x, parameters);
        // A second forward pass of the same node would find the same.
        let _ = self.saved.set(keep(saved));
        Ok(result(states, self.layer.states_shape()))
    }

    fn backward<T: Element>(
        &self,
        x: &Tensor,
        parameters: &Tensor,
        states: &Tensor,
        dstates: &Tensor,
        saved: &[T],
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let (dx, dparameters) = with_elements::<T, _>(L::OPERATION, x, |x| {
            with_elements::<T, _>(L::OPERATION, parameters, |parameters| {
                with_elements::<T, _>(L::OPERATION, states, |states| {
                    with_elements::<T, _>(L::OPERATION, dstates, |dstates| {
                        self.layer.backward(x, parameters, states, saved, dstates)
                    })
                })
            })
        })????;
        let length = dparameters.len();
        Ok((Some(tensor(dx, x.shape())?), Some(tensor(dparameters, length)?)))
    }
}

impl<L: SequenceLayer> CustomOp2 for OverSequence<L> {
    fn name(&self) -> &'static str {
        L::OPERATION
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, parameters) = ((x, x_layout), (parameters, parameters_layout));
        match x.0.dtype() {
            DType::F32 => self.forward(x, parameters, Saved::F32),
            DType::F64 => self.forward(x, parameters, Saved::F64),
            other => Err(element_type_error(L::OPERATION, other)),
        }
    }

    fn bwd(
        &self,
        x: &Tensor,
        parameters: &Tensor,
        states: &Tensor,
        dstates: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        match self.saved.get() {
            Some(Saved::F32(saved)) => self.backward(x, parameters, states, dstates, saved),
            Some(Saved::F64(saved)) => self.backward(x, parameters, states, dstates, saved),
            None => Err(candle_core::Error::BackwardNotSupported { op: L::OPERATION }),
        }
    }
}

/// `x weight^T + bias` of all rows of `x`, `[row, feature]`, as `[row, gate]`.
pub(crate) fn project<T: Element>(x: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
    let gates = bias.len();
    let features = weight.len() / gates;
    let mut sums = vec![T::zero(); x.len() / features * gates];
    sums.par_chunks_mut(ROWS * gates).zip(x.par_chunks(ROWS * features)).for_each(|(sums, x)| {
        let rows = x.len() / features;
        for row in sums.chunks_exact_mut(gates) {
            row.copy_from_slice(bias);
        }
        multiply_add(
            &mut MatrixMut::rows(sums, rows, gates, gates),
            Matrix::rows(x, rows, features, features),
            Matrix::rows(weight, gates, features, features).transposed(),
        );
    });
    sums
}

/// From the gradient of [`project`]'s result, `[row, gate]`, to those of `x`, which is returned, and
/// of the weight, which is written.
pub(crate) fn project_back<T: Element>(
    x: &[T],
    weight: &[T],
    dsums: &[T],
    (gates, units): (usize, usize),
    dweight: &mut [T],
) -> Vec<T> {
    let (rows, features) = (dsums.len() / gates, weight.len() / gates);
    let mut dx = vec![T::zero(); x.len()];
    dx.par_chunks_mut(ROWS * features).zip(dsums.par_chunks(ROWS * gates)).for_each(
        |(dx, dsums)| {
            let rows = dsums.len() / gates;
            multiply(
                &mut MatrixMut::rows(dx, rows, features, features),
                Matrix::rows(dsums, rows, gates, gates),
                Matrix::rows(weight, gates, features, features),
            );
        },
    );
    // A gate's rows at a time: enough for two or three threads, and the order stays fixed.
    dweight.par_chunks_mut(units * features).enumerate().for_each(|(gate, dweight)| {
        multiply(
            &mut MatrixMut::rows(dweight, units, features, features),
            Matrix::rows(&dsums[gate * units..], rows, units, gates).transposed(),
            Matrix::rows(x, rows, features, features),
        );
    });
    dx
}

/// The gradient of a gate's recurrent weight, `[unit, unit]`, from that of its sums (the first of
/// which is `dsums[0]`, one row `gates` after the other) and from what the weight was multiplied by.
pub(crate) fn recurrent_back<T: Element>(
    dsums: &[T],
    factors: &[T],
    (gates, units): (usize, usize),
    dweight: &mut [T],
) {
    let rows = factors.len() / units;
    multiply(
        &mut MatrixMut::rows(dweight, units, units, units),
        Matrix::rows(dsums, rows, units, gates).transposed(),
        Matrix::rows(factors, rows, units, units),
    );
}

/// Sums over all rows, in f64.
pub(crate) fn add_up_rows<T: Element>(rows: &[T], sums: &mut [T]) {
    let mut totals = vec![0.0; sums.len()];
    for row in rows.chunks_exact(sums.len()) {
        for (total, value) in totals.iter_mut().zip(row) {
            *total += value.to_f64();
        }
    }
    for (sum, total) in sums.iter_mut().zip(totals) {
        *sum = T::from_f64(total);
    }
}

/// `sum += d * weight`, the rows of `weight` as long as `sum`.
pub(crate) fn add_products<T: Element>(d: &[T], weight: &[T], sum: &mut [T]) {
    for (&d, row) in d.iter().zip(weight.chunks_exact(sum.len())) {
        for (sum, &weight) in sum.iter_mut().zip(row) {
            *sum += d * weight;
        }
    }
}

pub(crate) fn transposed<T: Element>(matrix: &[T], rows: usize, columns: usize) -> Vec<T> {
    (0..rows * columns).map(|i| matrix[i % rows * columns + i / rows]).collect()
}

/// From `[batch, step, length]` to `[step, batch, length]`.
pub(crate) fn by_step<T: Element>(
    values: &[T],
    batch: usize,
    steps: usize,
    length: usize,
) -> Vec<T> {
    let mut ordered = Vec::with_capacity(values.len());
    for step in 0..steps {
        for item in 0..batch {
            let start = (item * steps + step) * length;
            ordered.extend_from_slice(&values[start..start + length]);
        }
    }
    ordered
}

/// The logistic function, or Keras' piecewise linear stand-in for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    /// `clip(0.2 v + 0.5, 0, 1)`
    HardSigmoid,
    /// `1 / (1 + exp(-v))`
    Logistic,
}

impl Gate {
    pub(crate) fn value<T: Element>(self, x: T) -> T {
        let x = x.to_f64();
        T::from_f64(match self {
            Self::HardSigmoid => (0.2 * x + 0.5).clamp(0.0, 1.0),
            Self::Logistic => 1.0 / (1.0 + (-x).exp()),
        })
    }

    /// The derivative, from the value; 0 where a hard gate is shut or fully open.
    pub(crate) fn slope<T: Element>(self, value: T) -> T {
        match self {
            Self::HardSigmoid => {
                let inside = value > T::zero() && value < T::one();
                T::select(inside, T::from_f64(0.2), T::zero())
            }
            Self::Logistic => value * (T::one() - value),
        }
    }
}
