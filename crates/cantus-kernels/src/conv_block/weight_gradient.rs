//! The filters' gradient: products of input and output gradient, summed over pixels in registers.

use std::ops::Range;

use pulp::Simd;

use super::lanes::{multiply_add, tile_width};
use super::planes::{GROUP, Groups, Planes};

/// At most so many pixels are summed before the sums are put back: their inputs and gradients stay
/// in the first cache.
const CHUNK: usize = 192;

/// Rows of the gradient, each one channel at one tap, that are summed at a time.
const ROWS: usize = 8;

/// Where in the gradient that [`add_weight_gradient`] writes a number stands: the tiles of filters
/// one after the other, each `[row][filter in the tile]`.
#[derive(Clone, Copy)]
pub(crate) struct GradientLayout {
    pub(crate) rows: usize,
    pub(crate) filters: usize,
    pub(crate) tile: usize,
}

impl GradientLayout {
    /// `inputs` and `filters` filled up to whole groups.
    pub(crate) fn new(inputs: Groups, taps: usize, filters: Groups, tile: usize) -> Self {
        Self { rows: inputs.padded() * taps, filters: filters.padded(), tile }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows * self.filters
    }

    /// The filters of each tile.
    fn tiles(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let Self { filters, tile, .. } = *self;
        (0..filters).step_by(tile).map(move |first| first..(first + tile).min(filters))
    }

    /// Where the number of the first row and a filter stands, and how far away the next row is.
    pub(crate) fn of_filter(&self, filter: usize) -> (usize, usize) {
        let first = filter / self.tile * self.tile;
        let width = self.tile.min(self.filters - first);
        (first * self.rows + filter - first, width)
    }
}

/// Adds one sample's products to `gradient`, whose rows are `[group of inputs][tap][input in the
/// group]`.
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
    let layout = GradientLayout::new(inputs, taps.len(), filters, tile_width::<S>());
    assert_eq!(source.len(), inputs.sample(planes), "a sample");
    assert_eq!(dz.len(), filters.sample(planes), "a sample's gradient");
    assert_eq!(gradient.len(), layout.len(), "a gradient");
    // Where in the source the first pixel of each group and tap stands.
    let starts: Vec<usize> = (0..inputs.count)
        .flat_map(|group| taps.iter().map(move |tap| (group, tap)))
        .map(|(group, &tap)| {
            (group * planes.length + planes.lead.wrapping_add_signed(tap)) * inputs.lanes
        })
        .collect();
    // As few chunks as will do, all of a size: putting the sums back costs the same for each.
    let chunk = planes.body().div_ceil(planes.body().div_ceil(CHUNK));
    for first in (0..planes.body()).step_by(chunk) {
        let pixels = first..(first + chunk).min(planes.body());
        for tile in layout.tiles() {
            let width = tile.len();
            let values = &mut gradient[tile.start * layout.rows..tile.end * layout.rows];
            let sums = Sums { source, dz, planes, filter: tile.start, pixels: pixels.clone() };
            match (inputs.lanes, width / S::F32_LANES) {
                (1, 2) => sums.add_few::<S, 2>(simd, &starts, values),
                (1, _) => sums.add_few::<S, 1>(simd, &starts, values),
                (_, 2) => sums.add_groups::<S, 2>(simd, &starts, values),
                _ => sums.add_groups::<S, 1>(simd, &starts, values),
            }
        }
    }
}

/// The products of some pixels with the filters from one on.
struct Sums<'a> {
    source: &'a [f32],
    dz: &'a [f32],
    planes: &'a Planes,
    filter: usize,
    pixels: Range<usize>,
}

impl Sums<'_> {
    /// Rows that are whole groups of channels: neighbours in the source.
    #[inline(always)]
    fn add_groups<S: Simd, const V: usize>(&self, simd: S, starts: &[usize], values: &mut [f32]) {
        let of_start = values.chunks_exact_mut(GROUP * V * S::F32_LANES);
        for (&start, values) in starts.iter().zip(of_start) {
            let of_rows = values.chunks_exact_mut(ROWS * V * S::F32_LANES);
            for (row, values) in (start..).step_by(ROWS).zip(of_rows) {
                let first = row + self.pixels.start * GROUP;
                self.add::<S, ROWS, V>(
                    simd,
                    [0, 1, 2, 3, 4, 5, 6, 7].map(|i| first + i),
                    GROUP,
                    values,
                );
            }
        }
    }

    /// Rows of single channels.
    #[inline(always)]
    fn add_few<S: Simd, const V: usize>(&self, simd: S, starts: &[usize], values: &mut [f32]) {
        let row = V * S::F32_LANES;
        let (eights, rest) = starts.as_chunks::<ROWS>();
        let (of_eights, of_rest) = values.split_at_mut(eights.len() * ROWS * row);
        for (starts, values) in eights.iter().zip(of_eights.chunks_exact_mut(ROWS * row)) {
            self.add::<S, ROWS, V>(simd, starts.map(|start| start + self.pixels.start), 1, values);
        }
        for (start, values) in rest.iter().zip(of_rest.chunks_exact_mut(row)) {
            self.add::<S, 1, V>(simd, [start + self.pixels.start], 1, values);
        }
    }

    /// `R` rows, whose first pixels stand at `starts` and the next ones `stride` numbers further,
    /// by `V` vectors of filters.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        starts: [usize; R],
        stride: usize,
        values: &mut [f32],
    ) {
        let mut sums = [[simd.splat_f32s(0.0); R]; V];
        let places = S::as_mut_simd_f32s(values).0;
        for (row, places) in places.chunks_exact(V).enumerate() {
            for (vector, &place) in places.iter().enumerate() {
                sums[vector][row] = place;
            }
        }
        #[expect(unsafe_code, reason = "bounds checks would double the inner loop")]
        // SAFETY: `add_weight_gradient` has checked that both slices hold whole planes. The pixels
        // are some of the body, and each start is the first of them give or take a tap, which the
        // margins allow for. Filters from `filter` on fill `V` vectors: they are filled up to
        // groups, which are a multiple of the lanes.
        unsafe {
            let mut inputs = [self.source.as_ptr(); R];
            for (input, start) in inputs.iter_mut().zip(starts) {
                *input = input.add(start);
            }
            let mut gradients = [self.dz.as_ptr(); V];
            for (vector, gradient) in gradients.iter_mut().enumerate() {
                let channel = self.filter + vector * S::F32_LANES;
                let pixel =
                    channel / GROUP * self.planes.length + self.planes.lead + self.pixels.start;
                *gradient = gradient.add(pixel * GROUP + channel % GROUP);
            }
            for pixel in 0..self.pixels.len() {
                let mut dz = [simd.splat_f32s(0.0); V];
                for (dz, gradient) in dz.iter_mut().zip(gradients) {
                    *dz = gradient.add(pixel * GROUP).cast::<S::f32s>().read_unaligned();
                }
                for row in 0..R {
                    let x = simd.splat_f32s(*inputs[row].add(pixel * stride));
                    for vector in 0..V {
                        sums[vector][row] = multiply_add(simd, x, dz[vector], sums[vector][row]);
                    }
                }
            }
        }
        for (row, places) in places.chunks_exact_mut(V).enumerate() {
            for (vector, place) in places.iter_mut().enumerate() {
                *place = sums[vector][row];
            }
        }
    }
}
