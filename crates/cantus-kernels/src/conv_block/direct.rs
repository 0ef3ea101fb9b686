//! The convolution as its definition says: for each tap, neighbouring pixels times a panel of filters.
//!
//! For each tap, and each channel of the input, the panel's weights (two vectors) are multiplied by
//! that channel of each of the pixels (one number, in all lanes) and added to the sums, of which
//! there are two vectors a pixel. With 32 registers twelve pixels fit, with 16 six.
//!
//! All pixels are done with one group of input channels before the next: the weights of a panel and
//! a group, 18 KiB with a 3x3 kernel, stay in the first cache, and the sums wait in the destination.

use std::ops::Range;

use pulp::Simd;

use super::lanes::multiply_add;
use super::micro_kernels::{multiply, widest};
use super::planes::{Destination, GROUP, Groups, Planes, SLACK};
use super::weights::PackedFilters;

/// Convolves some lines of one sample, margins included. For the sums to stay in the cache there
/// should be no more than a few.
///
/// What lies up to [`SLACK`] pixels behind the last in the destination is overwritten.
///
/// # Panics
/// When source or destination is too short.
#[inline(always)]
pub(crate) fn convolve<S: Simd>(
    simd: S,
    source: &[f32],
    planes: &Planes,
    inputs: Groups,
    filters: &PackedFilters,
    lines: Range<usize>,
    destination: &mut Destination,
) {
    let Destination { values: output, plane, offset } = destination;
    let (plane, offset) = (*plane, *offset);
    let pixels = lines.start * planes.pitch..lines.end * planes.pitch;
    assert!(pixels.end <= planes.body(), "lines of the plane");
    assert_eq!(source.len(), inputs.sample(planes), "a sample");
    assert!(offset + (pixels.len() + SLACK) * GROUP <= plane, "room for pixels and slack");
    let taps = planes.taps();
    for (outputs, weights) in filters.panels() {
        assert!(outputs.end.div_ceil(GROUP) * plane <= output.len(), "room for the outputs");
        assert_eq!(
            weights.len(),
            inputs.padded() * taps.len() * outputs.len(),
            "weights of the panel"
        );
        let vectors = outputs.len() / S::F32_LANES;
        let panel = Panel { source, planes, taps: &taps, weights, outputs, plane, offset };
        match (widest::<S>(), vectors, inputs.lanes) {
            (12, 2, 1) => panel.run::<S, 12, 2, 1>(simd, pixels.clone(), output),
            (12, 2, _) => panel.run::<S, 12, 2, GROUP>(simd, pixels.clone(), output),
            (12, _, 1) => panel.run::<S, 12, 1, 1>(simd, pixels.clone(), output),
            (12, _, _) => panel.run::<S, 12, 1, GROUP>(simd, pixels.clone(), output),
            (_, 2, 1) => panel.run::<S, 6, 2, 1>(simd, pixels.clone(), output),
            (_, 2, _) => panel.run::<S, 6, 2, GROUP>(simd, pixels.clone(), output),
            (_, _, 1) => panel.run::<S, 6, 1, 1>(simd, pixels.clone(), output),
            (_, _, _) => panel.run::<S, 6, 1, GROUP>(simd, pixels.clone(), output),
        }
    }
}

struct Panel<'a> {
    source: &'a [f32],
    planes: &'a Planes,
    taps: &'a [isize],
    weights: &'a [f32],
    outputs: Range<usize>,
    plane: usize,
    offset: usize,
}

impl Panel<'_> {
    /// `PIXELS` at a time, each with `VECTORS` of outputs and `LANES` channels a group.
    #[inline(always)]
    fn run<S: Simd, const PIXELS: usize, const VECTORS: usize, const LANES: usize>(
        &self,
        simd: S,
        pixels: Range<usize>,
        output: &mut [f32],
    ) {
        const { assert!(PIXELS <= SLACK) };
        let source_plane = self.planes.length * LANES;
        let of_group = self.taps.len() * LANES * VECTORS * S::F32_LANES;
        for (group, weights) in self.weights.chunks_exact(of_group).enumerate() {
            for first in pixels.clone().step_by(PIXELS) {
                let room = |vector: usize| {
                    let channel = self.outputs.start + vector * S::F32_LANES;
                    let pixel =
                        channel / GROUP * self.plane + self.offset + (first - pixels.start) * GROUP;
                    let start = pixel + channel % GROUP;
                    start..start + (PIXELS - 1) * GROUP + S::F32_LANES
                };
                let mut sums = [[simd.splat_f32s(0.0); PIXELS]; VECTORS];
                if group > 0 {
                    for (vector, sums) in sums.iter_mut().enumerate() {
                        let room = &output[room(vector)];
                        for (i, sum) in sums.iter_mut().enumerate() {
                            let room = &room[i * GROUP..i * GROUP + S::F32_LANES];
                            *sum = S::as_simd_f32s(room).0[0];
                        }
                    }
                }
                let start = group * source_plane + (self.planes.lead + first) * LANES;
                let of_tap = weights.chunks_exact(LANES * VECTORS * S::F32_LANES);
                for (&tap, weights) in self.taps.iter().zip(of_tap) {
                    #[expect(unsafe_code, reason = "bounds checks would double the inner loop")]
                    // SAFETY: `convolve` has checked that the source holds `count` planes of
                    // `length` pixels of `LANES`. A tap moves by at most `lead` either way, `first`
                    // is a pixel of the body, and `PIXELS - 1 < SLACK` pixels follow it: the planes
                    // have `lead` pixels before the body and `lead + SLACK` behind it. The weights
                    // are `VECTORS` vectors for each lane.
                    unsafe {
                        let pixels = self.source.as_ptr().add(start).offset(tap * LANES as isize);
                        multiply::<S, PIXELS, VECTORS, LANES>(
                            simd,
                            pixels,
                            weights.as_ptr(),
                            &mut sums,
                        );
                    }
                }
                for (vector, sums) in sums.iter().enumerate() {
                    let room = &mut output[room(vector)];
                    for (i, &sum) in sums.iter().enumerate() {
                        let room = &mut room[i * GROUP..i * GROUP + S::F32_LANES];
                        S::as_mut_simd_f32s(room).0[0] = sum;
                    }
                }
            }
        }
    }
}

/// Convolves back to fewer than [`GROUP`] channels: a dot product for each pixel and channel.
///
/// `weights` is `[channel][tap][group of filters][filter in the group]`, the kernel turned by half
/// a circle; `dx` is `[line, column, channel]` of some lines, without margins.
#[inline(always)]
pub(crate) fn convolve_to_few<S: Simd>(
    simd: S,
    source: &[f32],
    planes: &Planes,
    groups: Groups,
    (weights, channels): (&[f32], usize),
    lines: Range<usize>,
    dx: &mut [f32],
) {
    const PIXELS: usize = 8;
    let taps = planes.taps();
    let per_channel = taps.len() * groups.padded();
    assert_eq!(source.len(), groups.sample(planes), "a sample");
    assert_eq!(weights.len(), channels * per_channel, "weights");
    assert!(lines.end <= planes.height, "lines of the plane");
    assert_eq!(dx.len(), lines.len() * planes.width * channels, "a gradient");
    for (channel, weights) in weights.chunks_exact(per_channel).enumerate() {
        for (line, dx) in lines.clone().zip(dx.chunks_exact_mut(planes.width * channels)) {
            for column in (0..planes.width).step_by(PIXELS) {
                let first = planes.lead + line * planes.pitch + column;
                let mut sums = [simd.splat_f32s(0.0); PIXELS];
                let mut weights = weights.as_ptr();
                for &tap in &taps {
                    let start = first.wrapping_add_signed(tap);
                    for group in 0..groups.count {
                        #[expect(unsafe_code, reason = "bounds checks would double the loop")]
                        // SAFETY: as in `Panel::run`: `PIXELS <= SLACK`, and a tap stays within the
                        // margins. The weights are a group for each tap and group.
                        unsafe {
                            let pixel =
                                source.as_ptr().add((group * planes.length + start) * GROUP);
                            for lane in (0..GROUP).step_by(S::F32_LANES) {
                                let filter = weights.add(lane).cast::<S::f32s>().read_unaligned();
                                for (i, sum) in sums.iter_mut().enumerate() {
                                    let pixel = pixel.add(i * GROUP + lane);
                                    let x = pixel.cast::<S::f32s>().read_unaligned();
                                    *sum = multiply_add(simd, x, filter, *sum);
                                }
                            }
                            weights = weights.add(GROUP);
                        }
                    }
                }
                for (column, sum) in (column..planes.width).zip(sums) {
                    dx[column * channels + channel] = simd.reduce_sum_f32s(sum);
                }
            }
        }
    }
}
