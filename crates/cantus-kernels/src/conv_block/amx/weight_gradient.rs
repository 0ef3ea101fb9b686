//! The filters' gradient: channels by pixels, times pixels by filters, at each tap.

use super::split::{pair, split};
use super::tiles::{Configured, Product};
use super::{DEPTH, Parts, RIGHT, SIDE, TILE};
use crate::buffers::Buffer;
use crate::conv_block::planes::{GROUP, Groups, Planes};
use crate::conv_block::weight_gradient::{GradientLayout, SampleAndGradient};

/// At most so many pixels are split and summed over before the sums are put back: a multiple of
/// what a tile sums over.
const CHUNK: usize = 512;

/// Adds one sample's products to `gradient`.
///
/// # Panics
/// When a slice has not the size it must have, and on a processor without tiles.
#[inline(always)]
pub(crate) fn add_weight_gradient(
    pair: SampleAndGradient<'_>,
    layout: GradientLayout,
    parts: Parts,
    gradient: &mut [f32],
) {
    pair.check(layout, gradient);
    let SampleAndGradient { source, inputs, dz, filters, planes } = pair;
    let configured = Configured::new();
    let chunk = CHUNK.min(planes.body().next_multiple_of(DEPTH));
    let turned = Turned { pixels: chunk + 2 * planes.lead, channels: inputs.padded() };
    let mut left = Buffer::take(turned.words());
    let mut right = Buffer::take(filters.count * chunk / DEPTH * RIGHT);
    for first in (0..planes.body()).step_by(chunk) {
        // Behind the last pixel the gradient counts as zero, whatever the input there is.
        turned.fill(source, (planes, inputs), first, &mut left);
        pair_pixels(dz, (planes, filters), first, chunk, &mut right);
        let products = Products { configured: &configured, turned, chunk, parts };
        products.add(&left, &right, (planes, inputs, filters), layout, gradient);
    }
}

/// The input turned: for each channel its pixels, margins included, 16 bits each, the low parts
/// of all channels behind the high parts of all.
#[derive(Clone, Copy)]
struct Turned {
    /// Of a chunk, with the margins that the taps reach.
    pixels: usize,
    channels: usize,
}

impl Turned {
    /// Halves of a word from one channel to the next: an odd number of cache lines.
    fn stride(&self) -> usize {
        const LINE: usize = 32;
        let lines = self.pixels.div_ceil(LINE);
        (lines + 1 - lines % 2) * LINE
    }

    /// Halves from the high to the low parts.
    fn low(&self) -> usize {
        self.channels * self.stride()
    }

    fn words(&self) -> usize {
        self.low()
    }

    /// From pixel `first` of the body on.
    #[inline(always)]
    fn fill(
        &self,
        source: &[f32],
        (planes, inputs): (&Planes, Groups),
        first: usize,
        to: &mut Buffer,
    ) {
        let (stride, low) = (self.stride(), self.low());
        let halves = to.halves_mut();
        for group in 0..inputs.count {
            let plane = &source[group * planes.length * GROUP..(group + 1) * planes.length * GROUP];
            let pixels = &plane.as_chunks::<GROUP>().0[first..];
            let start = group * GROUP * stride;
            for (block, pixels) in pixels[..pixels.len().min(self.pixels)].chunks(SIDE).enumerate()
            {
                let mut high_parts = [[0u16; SIDE]; GROUP];
                let mut low_parts = [[0u16; SIDE]; GROUP];
                for (place, values) in pixels.iter().enumerate() {
                    for (lane, &value) in values.iter().enumerate() {
                        let (high, low) = split(value);
                        high_parts[lane][place] = (high >> 16) as u16;
                        low_parts[lane][place] = (low >> 16) as u16;
                    }
                }
                for lane in 0..GROUP {
                    let at = start + lane * stride + block * SIDE;
                    halves[at..at + SIDE].copy_from_slice(&high_parts[lane]);
                    halves[low + at..low + at + SIDE].copy_from_slice(&low_parts[lane]);
                }
            }
            // Where the planes end before the chunk: multiplied by zeros, so it must be finite.
            let filled = pixels.len().min(self.pixels).next_multiple_of(SIDE);
            for lane in 0..GROUP {
                let line = start + lane * stride;
                halves[line + filled..line + stride].fill(0);
                halves[low + line + filled..low + line + stride].fill(0);
            }
        }
    }
}

/// Right tiles of `count` pixels from `first` of the body on, zeros behind the last:
/// `[group][32 pixels]`, each a tile of high parts and one of low parts.
#[inline(always)]
fn pair_pixels(
    dz: &[f32],
    (planes, filters): (&Planes, Groups),
    first: usize,
    count: usize,
    to: &mut Buffer,
) {
    let of_group = count / DEPTH * RIGHT;
    for (group, to) in to.words_mut().chunks_exact_mut(of_group).enumerate().take(filters.count) {
        let start = group * planes.length + planes.lead;
        let pixels = &dz.as_chunks::<GROUP>().0[start + first..start + planes.body()];
        for (tile, to) in to.chunks_exact_mut(RIGHT).enumerate() {
            let (high, low) = to.split_at_mut(TILE);
            let rows = high.chunks_exact_mut(SIDE).zip(low.chunks_exact_mut(SIDE));
            for (row, (high, low)) in rows.enumerate() {
                let pixel = tile * DEPTH + 2 * row;
                let a = pixels.get(pixel).unwrap_or(&[0.0; GROUP]);
                let b = pixels.get(pixel + 1).unwrap_or(&[0.0; GROUP]);
                for lane in 0..GROUP {
                    let (a, b) = (split(a[lane]), split(b[lane]));
                    high[lane] = pair(a.0, b.0);
                    low[lane] = pair(a.1, b.1);
                }
            }
        }
    }
}

struct Products<'a> {
    configured: &'a Configured,
    turned: Turned,
    /// Pixels.
    chunk: usize,
    parts: Parts,
}

impl Products<'_> {
    /// Adds a chunk's products to the gradient.
    fn add(
        &self,
        left: &Buffer,
        right: &Buffer,
        (planes, inputs, filters): (&Planes, Groups, Groups),
        layout: GradientLayout,
        gradient: &mut [f32],
    ) {
        const HALF: usize = 2;
        let (stride, low) = (self.turned.stride(), self.turned.low());
        let of_group = self.chunk / DEPTH * RIGHT;
        assert!(right.len() >= filters.count * of_group, "right tiles");
        assert!(left.len() >= self.turned.words(), "left tiles");
        assert!(self.chunk + 2 * planes.lead <= stride, "pixels of a channel");
        assert_eq!(gradient.len(), layout.len(), "a gradient");
        const { assert!(GROUP == SIDE) };
        let steps: Vec<isize> =
            (0..self.chunk).step_by(DEPTH).map(|pixel| (pixel * HALF) as isize).collect();
        // Where results go that nobody wants, in rows as long as the others: of a second tile
        // where there is none.
        let mut unwanted = [[0f32; 2 * TILE]; 3];
        let [right_of_none, below_none, across_none] =
            unwanted.each_mut().map(|tile| tile.as_mut_ptr());
        let to = gradient.as_mut_ptr();
        for (tap, offset) in planes.taps().into_iter().enumerate() {
            let pixel = planes.lead.wrapping_add_signed(offset);
            let left =
                |group: usize| left.halves()[group * GROUP * stride + pixel..].as_ptr().cast();
            for panel in layout.panels() {
                let column = panel.start / GROUP;
                let right = |column: usize| right.words()[column * of_group..].as_ptr();
                assert!(
                    panel.len() == SIDE || panel.len() == 2 * SIDE,
                    "one or two tiles of filters"
                );
                let beside = panel.len() > SIDE;
                for group in (0..inputs.count).step_by(2) {
                    let below = group + 1 < inputs.count;
                    let sums = |group: usize, column: usize| {
                        let place = layout.group(&panel, group, tap);
                        assert!(place.end <= layout.len() && place.len() == SIDE * panel.len());
                        to.wrapping_add(place.start + column * SIDE)
                    };
                    let product = Product {
                        left: [left(group), left(if below { group + 1 } else { group })],
                        left_stride: HALF * stride,
                        left_low: (self.parts == Parts::Split).then_some(HALF * low),
                        steps: &steps,
                        right: [right(column), right(if beside { column + 1 } else { column })],
                        sums: [
                            sums(group, 0),
                            if beside { sums(group, 1) } else { right_of_none },
                            if below { sums(group + 1, 0) } else { below_none },
                            if below && beside { sums(group + 1, 1) } else { across_none },
                        ],
                        sums_stride: 4 * panel.len(),
                        accumulate: true,
                    };
                    #[expect(unsafe_code, reason = "the instructions take addresses")]
                    // SAFETY: each channel has a row of `stride` halves, of high and of low parts:
                    // room for the chunk from where the tap puts it, `2 * lead` at most behind the
                    // row's beginning. The right tiles are one for each step. The sums of a group
                    // and a tap are sixteen rows as long as the panel, one or two tiles wide. All
                    // this is asserted above.
                    unsafe {
                        product.run(self.configured);
                    }
                }
            }
        }
    }
}
