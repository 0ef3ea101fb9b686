//! The filters' gradient: products of input and output gradient, summed over pixels in registers.

use pulp::Simd;

use super::lanes::multiply_add;
use super::planes::{GROUP, Groups, Planes};

/// Pixels that are summed before the sums are put back: their inputs and gradients stay in the
/// first cache.
const CHUNK: usize = 64;

/// Rows of the gradient, each one channel at one tap, that are summed at a time.
const ROWS: usize = 8;

/// Adds one sample's products to `gradient`, `[group of inputs][tap][input in the group][filter]`,
/// the filters filled up to whole groups.
///
/// `source` is the layer's input and `dz` the gradient of the convolution's result, both in planes.
///
/// # Panics
/// When a slice has not the size it must have.
#[inline(always)]
pub(crate) fn add_weight_gradient<S: Simd>(
    simd: S,
    source: &[f32],
    inputs: Groups,
    dz: &[f32],
    filters: Groups,
    planes: &Planes,
    gradient: &mut [f32],
) {
    let taps = planes.taps();
    assert_eq!(source.len(), inputs.sample(planes), "a sample");
    assert_eq!(dz.len(), filters.sample(planes), "a sample's gradient");
    assert_eq!(gradient.len(), inputs.padded() * taps.len() * filters.padded(), "a gradient");
    let mut rows = Vec::with_capacity(inputs.padded() * taps.len());
    for group in 0..inputs.count {
        for tap in &taps {
            let pixel = planes.lead.wrapping_add_signed(*tap);
            for lane in 0..inputs.lanes {
                rows.push((group * planes.length + pixel) * inputs.lanes + lane);
            }
        }
    }
    let sums = Sums { source, lanes: inputs.lanes, dz, planes, filters: filters.padded() };
    for first in (0..planes.body()).step_by(CHUNK) {
        let pixels = CHUNK.min(planes.body() - first);
        let mut filter = 0;
        while filter < filters.padded() {
            let vectors = if filter + 2 * S::F32_LANES <= filters.padded() { 2 } else { 1 };
            let mut gradient = gradient.chunks_mut(ROWS * filters.padded());
            for rows in rows.chunks(ROWS) {
                let Some(gradient) = gradient.next() else { return };
                if rows.len() == ROWS && vectors == 2 {
                    sums.add::<S, ROWS, 2>(simd, rows, first, pixels, filter, gradient);
                } else if rows.len() == ROWS {
                    sums.add::<S, ROWS, 1>(simd, rows, first, pixels, filter, gradient);
                } else {
                    let gradient = gradient.chunks_mut(filters.padded());
                    for (row, gradient) in rows.chunks(1).zip(gradient) {
                        if vectors == 2 {
                            sums.add::<S, 1, 2>(simd, row, first, pixels, filter, gradient);
                        } else {
                            sums.add::<S, 1, 1>(simd, row, first, pixels, filter, gradient);
                        }
                    }
                }
            }
            filter += vectors * S::F32_LANES;
        }
    }
}

struct Sums<'a> {
    source: &'a [f32],
    /// Numbers from one pixel of the source to the next.
    lanes: usize,
    dz: &'a [f32],
    planes: &'a Planes,
    /// Numbers from one row of the gradient to the next.
    filters: usize,
}

impl Sums<'_> {
    /// `R` rows (where in the source each begins) by `V` vectors of filters from `filter` on.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        rows: &[usize],
        first: usize,
        pixels: usize,
        filter: usize,
        gradient: &mut [f32],
    ) {
        assert_eq!(rows.len(), R, "rows");
        let position = |row: usize, vector: usize| {
            let start = row * self.filters + filter + vector * S::F32_LANES;
            start..start + S::F32_LANES
        };
        let mut sums = [[simd.splat_f32s(0.0); R]; V];
        for (vector, sums) in sums.iter_mut().enumerate() {
            for (row, sum) in sums.iter_mut().enumerate() {
                *sum = S::as_simd_f32s(&gradient[position(row, vector)]).0[0];
            }
        }
        #[expect(unsafe_code, reason = "bounds checks would double the inner loop")]
        // SAFETY: `add_weight_gradient` has checked that both slices hold whole planes. The pixels
        // are some of the body, and each row begins `lead` pixels before it, give or take a tap,
        // which the margins allow for. Filters from `filter` on fill `V` vectors: `filters` is a
        // multiple of `GROUP` and so of the lanes.
        unsafe {
            let mut inputs = [self.source.as_ptr(); R];
            for (input, &row) in inputs.iter_mut().zip(rows) {
                *input = input.add(row + first * self.lanes);
            }
            let mut gradients = [self.dz.as_ptr(); V];
            for (vector, gradient) in gradients.iter_mut().enumerate() {
                let channel = filter + vector * S::F32_LANES;
                let pixel = channel / GROUP * self.planes.length + self.planes.lead + first;
                *gradient = gradient.add(pixel * GROUP + channel % GROUP);
            }
            for pixel in 0..pixels {
                let mut dz = [simd.splat_f32s(0.0); V];
                for (dz, gradient) in dz.iter_mut().zip(gradients) {
                    *dz = gradient.add(pixel * GROUP).cast::<S::f32s>().read_unaligned();
                }
                for row in 0..R {
                    let x = simd.splat_f32s(*inputs[row].add(pixel * self.lanes));
                    for vector in 0..V {
                        sums[vector][row] = multiply_add(simd, x, dz[vector], sums[vector][row]);
                    }
                }
            }
        }
        for (vector, sums) in sums.iter().enumerate() {
            for (row, &sum) in sums.iter().enumerate() {
                S::as_mut_simd_f32s(&mut gradient[position(row, vector)]).0[0] = sum;
            }
        }
    }
}
