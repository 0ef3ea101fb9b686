//! The innermost loops: sums of products that stay in registers. Everything around them decides
//! which numbers they are given.

use pulp::Simd;

use super::lanes::multiply_add;
use super::planes::GROUP;

/// Pixels that [`multiply`] is given at most: with two vectors of filters their sums fill the
/// registers but for those that hold the filters and one number.
pub(crate) const fn widest<S: Simd>() -> usize {
    if S::REGISTER_COUNT >= 32 { 12 } else { 6 }
}

/// Adds `LANES` products to each of `sums`, `[vector][pixel]`: those of each pixel's numbers with
/// the filters' vectors, `[lane][vector]`.
///
/// # Safety
/// `PIXELS * LANES` numbers from `pixels` on and `LANES * VECTORS` vectors from `filters` on must
/// be readable.
#[inline(always)]
#[expect(unsafe_code, reason = "bounds checks would double the loop")]
pub(crate) unsafe fn multiply<
    S: Simd,
    const PIXELS: usize,
    const VECTORS: usize,
    const LANES: usize,
>(
    simd: S,
    pixels: *const f32,
    filters: *const f32,
    sums: &mut [[S::f32s; PIXELS]; VECTORS],
) {
    for lane in 0..LANES {
        let mut filter = [simd.splat_f32s(0.0); VECTORS];
        for (vector, filter) in filter.iter_mut().enumerate() {
            let position = (lane * VECTORS + vector) * S::F32_LANES;
            // SAFETY: one of the vectors that the caller vouches for.
            *filter = unsafe { filters.add(position).cast::<S::f32s>().read_unaligned() };
        }
        for pixel in 0..PIXELS {
            // SAFETY: one of the numbers that the caller vouches for.
            let x = simd.splat_f32s(unsafe { *pixels.add(pixel * LANES + lane) });
            for (sums, filter) in sums.iter_mut().zip(filter) {
                sums[pixel] = multiply_add(simd, x, filter, sums[pixel]);
            }
        }
    }
}

/// Adds to `sums`, `[vector][row]`, the products of each row's numbers, `stride` apart, with the
/// vectors of the gradients, [`GROUP`] numbers apart: `count` of each.
///
/// # Safety
/// From each of `rows` on `count` numbers `stride` apart, and from each of `gradients` on `count`
/// vectors [`GROUP`] apart, must be readable.
#[inline(always)]
#[expect(unsafe_code, reason = "bounds checks would double the loop")]
pub(crate) unsafe fn multiply_pairs<S: Simd, const ROWS: usize, const VECTORS: usize>(
    simd: S,
    rows: [*const f32; ROWS],
    stride: usize,
    gradients: [*const f32; VECTORS],
    count: usize,
    sums: &mut [[S::f32s; ROWS]; VECTORS],
) {
    for index in 0..count {
        let mut gradient = [simd.splat_f32s(0.0); VECTORS];
        for (gradient, start) in gradient.iter_mut().zip(gradients) {
            // SAFETY: one of the vectors that the caller vouches for.
            *gradient = unsafe { start.add(index * GROUP).cast::<S::f32s>().read_unaligned() };
        }
        for (row, start) in rows.into_iter().enumerate() {
            // SAFETY: one of the numbers that the caller vouches for.
            let x = simd.splat_f32s(unsafe { *start.add(index * stride) });
            for (sums, gradient) in sums.iter_mut().zip(gradient) {
                sums[row] = multiply_add(simd, x, gradient, sums[row]);
            }
        }
    }
}
