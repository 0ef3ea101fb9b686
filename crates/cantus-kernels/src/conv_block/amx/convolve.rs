//! The convolution: pixels by channels, times channels by filters, at each tap.

use std::ops::Range;

use super::split::{pair, split};
use super::tiles::{Configured, Product};
use super::{DEPTH, PIXELS_AT_A_TIME, Parts, RIGHT, SIDE, TILE, TileFilters};
use crate::buffers::Buffer;
use crate::conv_block::planes::{Destination, GROUP, Groups, Planes, SLACK};

/// 32-bit words of a pixel and 32 channels: the high parts, then the low ones.
const PIXEL: usize = DEPTH;

/// Convolves some lines of one sample, margins included.
///
/// What lies up to [`SLACK`] pixels behind the last in the destination is overwritten.
///
/// # Panics
/// When source or destination is too short, and on a processor without tiles.
#[inline(always)]
pub(crate) fn convolve(
    source: &[f32],
    planes: &Planes,
    inputs: Groups,
    filters: &TileFilters,
    lines: Range<usize>,
    destination: &mut Destination,
) {
    assert!(lines.end <= planes.height, "lines of the plane");
    assert_eq!(source.len(), inputs.sample(planes), "a sample");
    // Parts as equal as may be: each splits its margins anew.
    let parts = (lines.len() * planes.pitch).div_ceil(PIXELS_AT_A_TIME);
    let at_a_time = lines.len().div_ceil(parts).max(4).min(lines.len());
    let depths = inputs.padded().div_ceil(DEPTH);
    let most = at_a_time * planes.pitch;
    let mut pixels = Buffer::take(depths * plane_of(planes, most));
    let configured = Configured::new();
    let offset = destination.offset;
    for first in lines.clone().step_by(at_a_time) {
        let here = first..(first + at_a_time).min(lines.end);
        let count = here.len() * planes.pitch;
        split_pixels(source, planes, inputs, here.start * planes.pitch, count, &mut pixels);
        destination.offset = offset + (first - lines.start) * planes.pitch * GROUP;
        multiply(&configured, &pixels, planes, depths, filters, count, destination);
    }
    destination.offset = offset;
}

/// Words of so many pixels, of the margins before and behind them, and of what a tile may run over.
fn plane_of(planes: &Planes, count: usize) -> usize {
    (count + 2 * planes.lead + SIDE) * PIXEL
}

/// Splits `count` pixels of the body, from `first` on, and their margins:
/// `[depth][pixel][high and low][channel]`, 16 bits each.
#[inline(always)]
fn split_pixels(
    source: &[f32],
    planes: &Planes,
    inputs: Groups,
    first: usize,
    count: usize,
    to: &mut Buffer,
) {
    // The source begins with the margin: the first pixel's is the first to be split. Behind the
    // last margin stands what may be left out: slack.
    let with_margins = count + 2 * planes.lead;
    let pixels = first * GROUP..(first + with_margins) * GROUP;
    let plane = plane_of(planes, count);
    for depth in 0..inputs.padded().div_ceil(DEPTH) {
        let to = &mut to.words_mut()[depth * plane..(depth + 1) * plane];
        for half in 0..DEPTH / GROUP {
            let group = depth * (DEPTH / GROUP) + half;
            let mut from: &[[f32; GROUP]] = &[];
            if group < inputs.count {
                from = source[group * planes.length * GROUP..][pixels.clone()].as_chunks().0;
            }
            for (index, to) in to.chunks_exact_mut(PIXEL).enumerate() {
                let values = from.get(index).unwrap_or(&[0.0; GROUP]);
                let (high, low) = to.split_at_mut(PIXEL / 2);
                for i in 0..GROUP / 2 {
                    let (a, b) = (split(values[2 * i]), split(values[2 * i + 1]));
                    high[half * GROUP / 2 + i] = pair(a.0, b.0);
                    low[half * GROUP / 2 + i] = pair(a.1, b.1);
                }
            }
        }
    }
}

/// The products of `count` split pixels with all filters.
fn multiply(
    configured: &Configured,
    pixels: &Buffer,
    planes: &Planes,
    depths: usize,
    filters: &TileFilters,
    count: usize,
    destination: &mut Destination,
) {
    const BYTES: isize = 4 * PIXEL as isize;
    let Destination { values, plane: out_plane, offset } = destination;
    let (out_plane, offset, groups) = (*out_plane, *offset, filters.outputs().count);
    let plane = plane_of(planes, count);
    let taps = planes.taps();
    let steps: Vec<isize> = (0..depths as isize)
        .flat_map(|depth| taps.iter().map(move |tap| depth * 4 * plane as isize + tap * BYTES))
        .collect();
    assert!(pixels.len() >= depths * plane, "split pixels");
    assert!(groups * out_plane <= values.len(), "room for the outputs");
    assert!(offset + (count + SLACK) * GROUP <= out_plane, "room for pixels and slack");
    assert_eq!(filters.of_group(0).len(), steps.len() * RIGHT, "filters");
    const { assert!(SLACK >= SIDE && GROUP == SIDE) };
    // Where results go that nobody wants: of a second tile where there is none.
    let mut unwanted = [[0f32; TILE]; 3];
    let [right_of_none, below_none, across_none] =
        unwanted.each_mut().map(|tile| tile.as_mut_ptr());
    let to = values.as_mut_ptr();
    // From the buffer as a whole: a tap may lead back before the pixel.
    let words = pixels.words().as_ptr();
    let left = |pixel: usize| words.wrapping_add((planes.lead + pixel) * PIXEL).cast();
    for first in (0..count).step_by(2 * SIDE) {
        for group in (0..groups).step_by(2) {
            let below = first + SIDE < count;
            let beside = group + 1 < groups;
            let sums = |group: usize, pixel: usize| {
                to.wrapping_add(group * out_plane + offset + pixel * GROUP)
            };
            let product = Product {
                left: [left(first), left(if below { first + SIDE } else { first })],
                left_stride: BYTES as usize,
                left_low: (filters.parts == Parts::Split).then_some(BYTES as usize / 2),
                steps: &steps,
                right: [
                    filters.of_group(group).as_ptr(),
                    filters.of_group(if beside { group + 1 } else { group }).as_ptr(),
                ],
                sums: [
                    sums(group, first),
                    if beside { sums(group + 1, first) } else { right_of_none },
                    if below { sums(group, first + SIDE) } else { below_none },
                    if below && beside { sums(group + 1, first + SIDE) } else { across_none },
                ],
                sums_stride: 4 * GROUP,
                accumulate: false,
            };
            #[expect(unsafe_code, reason = "the instructions take addresses")]
            // SAFETY: the split pixels have `lead` pixels before the first, which is as far as a
            // tap goes, and `lead + SIDE` behind the last, in each depth; a tile begins at one of
            // the pixels. The right tiles are one for each step. In the destination there is room
            // for all groups, and for `SLACK`, which is `SIDE`, pixels behind the last. All this
            // is asserted above.
            unsafe {
                product.run(configured);
            }
        }
    }
}
