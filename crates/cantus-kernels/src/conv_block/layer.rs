//! The sizes of one block, and the passes over memory that surround the convolution.

use std::ops::Range;

use pulp::Simd;

use super::amx::PIXELS_AT_A_TIME;
use super::lanes::{Curve, WithCurve, multiply_add, vectors};
use super::method::Method;
use super::planes::{Destination, GROUP, Groups, Planes};
use super::weights::FilterShape;
use super::winograd::Tiles;
use crate::activation::Activation;

/// Numbers of the gradient that are gone back through at a time: half a mebibyte.
const NUMBERS_AT_A_TIME: usize = 128 * 1024;

/// The sizes of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    pub(crate) batch: usize,
    pub(crate) planes: Planes,
    pub(crate) shape: FilterShape,
    pub(crate) inputs: Groups,
    pub(crate) outputs: Groups,
    pub(crate) pool: (usize, usize),
    pub(crate) activation: Activation,
    pub(crate) method: Method,
}

impl Layer {
    /// Lines and columns after pooling.
    pub(crate) fn pooled(&self) -> (usize, usize) {
        (self.planes.height / self.pool.0, self.planes.width / self.pool.1)
    }

    /// Numbers of a sample after pooling, groups filled up.
    pub(crate) fn pooled_sample(&self) -> usize {
        let (lines, columns) = self.pooled();
        lines * columns * self.outputs.padded()
    }

    /// Numbers of a sample of the input, `[line, column, channel]`.
    pub(crate) fn input_sample(&self) -> usize {
        self.planes.height * self.planes.width * self.shape.channels
    }

    /// The lines of each row of windows; the last may be incomplete, and is not pooled.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        self.stretches(self.pool.0)
    }

    /// The lines that are convolved at a time: whole rows of windows.
    pub(crate) fn bands(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        self.stretches(self.band_lines())
    }

    /// Lines of the highest band.
    pub(crate) fn band_lines(&self) -> usize {
        let row = self.pool.0;
        let rows = match self.method {
            Method::Direct => 1,
            Method::Amx(_) => PIXELS_AT_A_TIME.div_ceil(row * self.planes.pitch),
            // Enough for a chunk of tiles.
            Method::Winograd => {
                let most = Tiles::most_at_a_time(self.inputs.count + self.outputs.count);
                let mut rows = 1;
                while Tiles::new((rows + 1) * row, self.planes.width).count() <= most {
                    rows += 1;
                }
                rows
            }
        };
        (rows * row).min(self.planes.height)
    }

    /// The lines that are gone back through at a time: whole rows of windows, so many that what one
    /// step writes the next finds in the second cache.
    pub(crate) fn backward_bands(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let row = self.pool.0;
        let lines = match self.method {
            // It takes whole samples.
            Method::Amx(_) => self.planes.height,
            Method::Direct | Method::Winograd => {
                let of_row = row * self.planes.pitch * self.outputs.padded();
                let rows = (NUMBERS_AT_A_TIME / of_row).max(1);
                // Tiles are two lines high.
                if (rows * row).is_multiple_of(2) { rows * row } else { 2 * rows * row }
            }
        };
        self.stretches(lines)
    }

    fn stretches(&self, lines: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let height = self.planes.height;
        (0..height).step_by(lines).map(move |first| first..(first + lines).min(height))
    }

    /// Adds the bias, applies the activation, and adds each channel's values and their squares to
    /// `sums`, `[value or square][channel]`.
    #[inline(always)]
    pub(crate) fn activate<S: Simd>(
        &self,
        simd: S,
        bias: &[f32],
        lines: usize,
        destination: &mut Destination,
        mut sums: Option<&mut [f64]>,
    ) {
        let Destination { values, plane, offset } = destination;
        for (group, bias) in bias.as_chunks::<GROUP>().0.iter().enumerate() {
            let mut totals = [[0f64; GROUP]; 2];
            for line in 0..lines {
                let start = group * *plane + *offset + line * self.planes.pitch * GROUP;
                let values = &mut values[start..start + self.planes.width * GROUP];
                self.activation.run(Activate { simd, bias, values, totals: &mut totals });
            }
            if let Some(sums) = &mut sums {
                let (values, squares) = sums.split_at_mut(self.outputs.padded());
                for (sums, totals) in [values, squares].into_iter().zip(totals) {
                    for (sum, total) in sums[group * GROUP..].iter_mut().zip(totals) {
                        *sum += total;
                    }
                }
            }
        }
    }

    /// The value in each window of a row that is the largest after normalisation, and which of the
    /// window's pixels it is. Normalisation keeps or, where `gamma` is negative, reverses order: so
    /// it can come later. `pooled` and `positions` are `[column, channel]`.
    #[inline(always)]
    pub(crate) fn pool_row<S: Simd>(
        &self,
        simd: S,
        gamma: &[f32],
        (activations, offset): (&Destination, usize),
        pooled: &mut [f32],
        positions: &mut [u8],
    ) {
        let channels = self.outputs.padded();
        let (_, columns) = self.pooled();
        for (group, gamma) in gamma.as_chunks::<GROUP>().0.iter().enumerate() {
            let signs = gamma.map(|gamma| if gamma == 0.0 { 0.0 } else { gamma.signum() });
            let first = group * activations.plane + offset;
            let plane = S::as_simd_f32s(&activations.values[first..]).0;
            for column in 0..columns {
                let start = column * channels + group * GROUP;
                let pooled = S::as_mut_simd_f32s(&mut pooled[start..start + GROUP]).0;
                let mut here = [0u32; GROUP];
                let indices = S::as_mut_simd_u32s(&mut here).0;
                for (vector, &sign) in S::as_simd_f32s(&signs).0.iter().enumerate() {
                    let first = column * self.pool.1 * vectors::<S>() + vector;
                    (pooled[vector], indices[vector]) = self.largest(simd, sign, &plane[first..]);
                }
                for (to, from) in positions[start..start + GROUP].iter_mut().zip(here) {
                    *to = from as u8;
                }
            }
        }
    }

    /// Of the window whose first pixel is the first of `plane`, the value that is the largest under
    /// a sign, and its number: the first of several, and NaN before all.
    #[inline(always)]
    fn largest<S: Simd>(&self, simd: S, sign: S::f32s, plane: &[S::f32s]) -> (S::f32s, S::u32s) {
        let mut largest = plane[0];
        let mut best = simd.mul_f32s(largest, sign);
        let mut position = simd.splat_u32s(0);
        for line in 0..self.pool.0 {
            for column in 0..self.pool.1 {
                if (line, column) == (0, 0) {
                    continue;
                }
                let value = plane[(line * self.planes.pitch + column) * vectors::<S>()];
                let signed = simd.mul_f32s(value, sign);
                // Not at most the best so far: larger or NaN, unless that is NaN already.
                let exceeds = simd.and_m32s(
                    simd.not_m32s(simd.less_than_or_equal_f32s(signed, best)),
                    simd.equal_f32s(best, best),
                );
                best = simd.select_f32s(exceeds, signed, best);
                largest = simd.select_f32s(exceeds, value, largest);
                let here = simd.splat_u32s((line * self.pool.1 + column) as u32);
                position = simd.select_u32s(exceeds, here, position);
            }
        }
        (largest, position)
    }
}

/// Bias and activation of one line of one group, and its sums.
struct Activate<'a, S> {
    simd: S,
    bias: &'a [f32; GROUP],
    values: &'a mut [f32],
    totals: &'a mut [[f64; GROUP]; 2],
}

impl<S: Simd> WithCurve for Activate<'_, S> {
    #[inline(always)]
    fn with<C: Curve>(self, curve: C) {
        // Single precision is enough for so many pixels.
        const STRETCH: usize = 32;
        let Self { simd, bias, values, totals } = self;
        let per_pixel = vectors::<S>();
        for stretch in S::as_mut_simd_f32s(values).0.chunks_mut(STRETCH * per_pixel) {
            let (mut values, mut squares) = ([0f32; GROUP], [0f32; GROUP]);
            for (vector, &bias) in S::as_simd_f32s(bias).0.iter().enumerate() {
                let (mut sum, mut sum_of_squares) = (simd.splat_f32s(0.0), simd.splat_f32s(0.0));
                for pixel in stretch.chunks_exact_mut(per_pixel) {
                    let value = curve.value(simd, simd.add_f32s(pixel[vector], bias));
                    pixel[vector] = value;
                    sum = simd.add_f32s(sum, value);
                    sum_of_squares = multiply_add(simd, value, value, sum_of_squares);
                }
                S::as_mut_simd_f32s(&mut values).0[vector] = sum;
                S::as_mut_simd_f32s(&mut squares).0[vector] = sum_of_squares;
            }
            for (totals, sums) in totals.iter_mut().zip([values, squares]) {
                for (total, sum) in totals.iter_mut().zip(sums) {
                    *total += f64::from(sum);
                }
            }
        }
    }
}

/// Copies a line of a sample, `[column, channel]`, into planes.
#[inline(always)]
pub(crate) fn fill_line(
    line: usize,
    from: &[f32],
    groups: Groups,
    planes: &Planes,
    to: &mut [f32],
) {
    let Groups { channels, lanes, count } = groups;
    for (group, plane) in to.chunks_exact_mut(planes.length * lanes).enumerate().take(count) {
        let first = group * lanes;
        let here = lanes.min(channels - first);
        let start = (planes.lead + line * planes.pitch) * lanes;
        let to = &mut plane[start..start + planes.width * lanes];
        for (to, from) in to.chunks_exact_mut(lanes).zip(from.chunks_exact(channels)) {
            if here == GROUP {
                to.copy_from_slice(&from[first..first + GROUP]);
            } else {
                to[..here].copy_from_slice(&from[first..first + here]);
                to[here..].fill(0.0);
            }
        }
    }
}

/// Zeros before the first line, after each, and behind the last.
#[inline(always)]
pub(crate) fn zero_margins(planes: &Planes, lanes: usize, plane: &mut [f32]) {
    plane[..planes.lead * lanes].fill(0.0);
    for line in 0..planes.height {
        let start = (planes.lead + line * planes.pitch + planes.width) * lanes;
        let end = (planes.lead + (line + 1) * planes.pitch) * lanes;
        plane[start..end].fill(0.0);
    }
    plane[(planes.lead + planes.body()) * lanes..].fill(0.0);
}
