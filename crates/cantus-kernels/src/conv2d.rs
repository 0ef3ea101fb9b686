//! Two-dimensional convolution as products of matrices.
//!
//! For each item of the batch the input's pixels are gathered into a matrix with a row for each
//! weight of a filter, a band of output pixels at a time so that the matrix stays in the cache. Then
//!
//! ```text
//! output   [filter, pixel] = weight [filter, tap]    x gathered [tap, pixel]
//! d weight [filter, tap]   = d output [filter, pixel] x gathered transposed
//! d gathered [tap, pixel]  = weight transposed        x d output, added back to the pixels
//! ```
//!
//! An activation after it is applied to the band that was just computed, while it is in the cache.

use std::ops::Range;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::KernelError;
use crate::activation::Activation;
use crate::element::Element;
use crate::im2col::Planes;
use crate::matmul::{Matrix, MatrixMut, multiply, multiply_add};
use crate::operand::{
    check_input, check_operand, element_type_error, elements, odd_filters, result, shape_error,
    tensor, with_elements,
};
use crate::sums::{sum_of, sum_of_vectors};

const OPERATION: &str = "conv2d_same";

/// Elements of the gathered matrix that a band of pixels should not exceed: 1 MiB of f32.
const BAND_ELEMENTS: usize = 1 << 18;

/// The batch is divided into at most so many parts, whatever the number of threads: each part sums
/// its items' weight gradients in order, and the parts are summed in order.
const PARTS: usize = 16;

/// Convolution (cross-correlation, as everywhere in the field) with stride 1 and zero padding that
/// keeps the size.
///
/// `x` is `[batch, channel, mel, frame]`, `weight` `[filter, channel, kernel mel, kernel frame]`
/// with odd kernel sizes, `bias` `[filter]`; the result is `[batch, filter, mel, frame]`.
///
/// The backward pass computes all three gradients: candle does not tell an operation which of them
/// are wanted.
///
/// # Errors
/// When a shape does not fit the others, a kernel size is even, or a tensor is not f32 or f64 in
/// main memory.
pub fn conv2d_same(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor, KernelError> {
    apply(x, weight, bias, Activation::Identity)
}

/// [`conv2d_same`] followed by [`elu`](crate::elu): the same bits in one pass over memory instead
/// of two, and in one instead of several backward.
///
/// # Errors
/// As [`conv2d_same`].
pub fn conv2d_same_elu(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor, KernelError> {
    apply(x, weight, bias, Activation::Elu)
}

fn apply(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    activation: Activation,
) -> Result<Tensor, KernelError> {
    check_input(OPERATION, x)?;
    let (batch, channels, height, width) = x
        .dims4()
        .map_err(|_| shape_error(OPERATION, "input", "[batch, channel, mel, frame]", x))?;
    let (filters, _, kernel_height, kernel_width) = odd_filters(OPERATION, weight)?;
    let kernel = [filters, channels, kernel_height, kernel_width];
    check_operand(OPERATION, x, "weight", weight, &kernel)?;
    check_operand(OPERATION, x, "bias", bias, &[filters])?;
    if x.elem_count() == 0 || filters == 0 {
        return Err(shape_error(OPERATION, "input and weight", "no empty axis", x));
    }
    let planes = Planes {
        channels,
        height,
        width,
        kernel_height,
        kernel_width,
        padding_height: kernel_height / 2,
        padding_width: kernel_width / 2,
    };
    Convolution { operation: OPERATION, batch, filters, planes, activation }.of(x, weight, bias)
}

/// A convolution whose operands' shapes are known to fit: no axis is empty, and the kernel is no
/// larger than the padded planes.
pub(crate) struct Convolution {
    /// The name that errors bear.
    pub(crate) operation: &'static str,
    pub(crate) batch: usize,
    pub(crate) filters: usize,
    pub(crate) planes: Planes,
    pub(crate) activation: Activation,
}

impl Convolution {
    /// The output, `[batch, filter, output line, output column]`.
    pub(crate) fn of(
        self,
        x: &Tensor,
        weight: &Tensor,
        bias: &Tensor,
    ) -> Result<Tensor, KernelError> {
        let (x, weight, bias) = (x.contiguous()?, weight.contiguous()?, bias.contiguous()?);
        Ok(x.apply_op3(&weight, &bias, self)?)
    }

    /// Output pixels of an item, a band at a time: whole lines, or pieces of a line that is longer
    /// than a band.
    fn bands(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let pixels = self.planes.output_pixels();
        let length = self.band_pixels();
        (0..pixels).step_by(length).map(move |first| first..(first + length).min(pixels))
    }

    /// Pixels of the longest band.
    fn band_pixels(&self) -> usize {
        let width = self.planes.output_width();
        let most = (BAND_ELEMENTS / self.planes.taps()).max(1);
        let length = if most < width { most } else { most / width * width };
        length.min(self.planes.output_pixels())
    }

    fn input_item(&self) -> usize {
        self.planes.channels * self.planes.pixels()
    }

    fn output_item(&self) -> usize {
        self.filters * self.planes.output_pixels()
    }

    fn forward<T: Element>(&self, x: &[T], weight: &[T], bias: &[T]) -> Vec<T> {
        let mut y = vec![T::zero(); self.batch * self.output_item()];
        y.par_chunks_mut(self.output_item())
            .zip(x.par_chunks(self.input_item()))
            .for_each(|(y, x)| self.forward_item(x, weight, bias, y));
        y
    }

    fn forward_item<T: Element>(&self, x: &[T], weight: &[T], bias: &[T], y: &mut [T]) {
        let (taps, pixels) = (self.planes.taps(), self.planes.output_pixels());
        let weight = Matrix::rows(weight, self.filters, taps, taps);
        T::with_scratch(self.band_pixels() * taps, |scratch| {
            for band in self.bands() {
                let (first, columns) = (band.start, band.len());
                let gathered = &mut scratch[..taps * columns];
                self.planes.gather(x, band, gathered);
                for (filter, &bias) in y.chunks_exact_mut(pixels).zip(bias) {
                    filter[first..first + columns].fill(bias);
                }
                let gathered = Matrix::rows(gathered, taps, columns, columns);
                let mut product = MatrixMut::rows(&mut y[first..], self.filters, columns, pixels);
                multiply_add(&mut product, weight, gathered);
                if self.activation != Activation::Identity {
                    for filter in y.chunks_exact_mut(pixels) {
                        for y in &mut filter[first..first + columns] {
                            *y = self.activation.value(*y);
                        }
                    }
                }
            }
        });
    }

    /// The gradients of input, weight and bias.
    fn backward<T: Element>(
        &self,
        x: &[T],
        weight: &[T],
        y: &[T],
        dy: &[T],
    ) -> (Vec<T>, Vec<T>, Vec<T>) {
        let mut dx = vec![T::zero(); x.len()];
        let items = self.batch.div_ceil(PARTS);
        let parts = self.batch.div_ceil(items);
        let parameters = weight.len() + self.filters;
        let mut partial = vec![T::zero(); parts * parameters];
        let (input, output) = (self.input_item(), self.output_item());
        dx.par_chunks_mut(items * input)
            .zip(partial.par_chunks_mut(parameters))
            .zip(x.par_chunks(items * input))
            .zip(y.par_chunks(items * output).zip(dy.par_chunks(items * output)))
            .for_each(|(((dx, partial), x), (y, dy))| {
                let (dweight, dbias) = partial.split_at_mut(weight.len());
                let inputs = dx.chunks_exact_mut(input).zip(x.chunks_exact(input));
                let outputs = y.chunks_exact(output).zip(dy.chunks_exact(output));
                for ((dx, x), (y, dy)) in inputs.zip(outputs) {
                    self.backward_item(x, weight, y, dy, Gradients { dx, dweight, dbias });
                }
            });
        let mut dweight = sum_of_vectors(&partial, parameters);
        let dbias = dweight.split_off(weight.len());
        (dx, dweight, dbias)
    }

    /// Adds one item's gradients to those of weight and bias, and to `dx`, which holds zeros.
    fn backward_item<T: Element>(
        &self,
        x: &[T],
        weight: &[T],
        y: &[T],
        dy: &[T],
        gradients: Gradients<T>,
    ) {
        let taps = self.planes.taps();
        let weight = Matrix::rows(weight, self.filters, taps, taps);
        let Gradients { dx, dweight, dbias } = gradients;
        T::with_scratch(self.band_pixels() * (taps + self.filters), |scratch| {
            for band in self.bands() {
                let (first, columns) = (band.start, band.len());
                let (gathered, rest) = scratch.split_at_mut(taps * columns);
                let dsum = &mut rest[..self.filters * columns];
                self.before_activation(y, dy, first, dsum);
                for (dbias, dsum) in dbias.iter_mut().zip(dsum.chunks_exact(columns)) {
                    *dbias += T::from_f64(sum_of(dsum, |dsum| dsum));
                }
                let dsum = Matrix::rows(dsum, self.filters, columns, columns);

                self.planes.gather(x, band.clone(), gathered);
                let transposed = Matrix::rows(gathered, taps, columns, columns).transposed();
                let mut dweight = MatrixMut::rows(dweight, self.filters, taps, taps);
                multiply_add(&mut dweight, dsum, transposed);

                let mut dgathered = MatrixMut::rows(gathered, taps, columns, columns);
                multiply(&mut dgathered, weight.transposed(), dsum);
                self.planes.scatter_add(gathered, band, dx);
            }
        });
    }

    /// The gradient of what goes into the activation, for a band of pixels from `first` on:
    /// `[filter, pixel]`.
    fn before_activation<T: Element>(&self, y: &[T], dy: &[T], first: usize, dsum: &mut [T]) {
        let (pixels, columns) = (self.planes.output_pixels(), dsum.len() / self.filters);
        let planes = y.chunks_exact(pixels).zip(dy.chunks_exact(pixels));
        for (dsum, (y, dy)) in dsum.chunks_exact_mut(columns).zip(planes) {
            let (y, dy) = (&y[first..first + columns], &dy[first..first + columns]);
            for (dsum, (&y, &dy)) in dsum.iter_mut().zip(y.iter().zip(dy)) {
                *dsum = dy * self.activation.slope(y);
            }
        }
    }

    fn forward_tensors<T: Element>(
        &self,
        operands: [(&CpuStorage, &Layout); 3],
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let [x, weight, bias] = operands.map(|(s, l)| elements::<T>(self.operation, s, l));
        let y = self.forward(x?, weight?, bias?);
        let (height, width) = (self.planes.output_height(), self.planes.output_width());
        Ok(result(y, (self.batch, self.filters, height, width)))
    }

    fn backward_tensors<T: Element>(
        &self,
        x: &Tensor,
        weight: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dweight, dbias) = with_elements::<T, _>(self.operation, x, |x| {
            with_elements::<T, _>(self.operation, weight, |weight| {
                with_elements::<T, _>(self.operation, y, |y| {
                    with_elements::<T, _>(self.operation, dy, |dy| self.backward(x, weight, y, dy))
                })
            })
        })????;
        let dx = tensor(dx, x.shape())?;
        let dweight = tensor(dweight, weight.shape())?;
        Ok((Some(dx), Some(dweight), Some(tensor(dbias, self.filters)?)))
    }
}

/// Where one item's gradients are added.
struct Gradients<'a, T> {
    dx: &'a mut [T],
    dweight: &'a mut [T],
    dbias: &'a mut [T],
}

impl CustomOp3 for Convolution {
    fn name(&self) -> &'static str {
        self.operation
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        weight: &CpuStorage,
        weight_layout: &Layout,
        bias: &CpuStorage,
        bias_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let operands = [(x, x_layout), (weight, weight_layout), (bias, bias_layout)];
        match x.dtype() {
            DType::F32 => self.forward_tensors::<f32>(operands),
            DType::F64 => self.forward_tensors::<f64>(operands),
            other => Err(element_type_error(self.operation, other)),
        }
    }

    fn bwd(
        &self,
        x: &Tensor,
        weight: &Tensor,
        _bias: &Tensor,
        y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        match x.dtype() {
            DType::F32 => self.backward_tensors::<f32>(x, weight, y, dy),
            DType::F64 => self.backward_tensors::<f64>(x, weight, y, dy),
            other => Err(element_type_error(self.operation, other)),
        }
    }
}
