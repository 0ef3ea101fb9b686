//! The filters' gradient: products of input and output gradient, summed over pixels in registers.

use std::ops::Range;

use pulp::Simd;
use rayon::prelude::*;

use super::micro_kernels::multiply_pairs;
use super::planes::{GROUP, Groups, Planes};
use super::weights::FilterShape;

/// At most so many pixels are summed before the sums are put back: their inputs and gradients stay
/// in the first cache.
const CHUNK: usize = 192;

/// Where in a gradient a number stands: the panels of filters one after the other, each
/// `[group of inputs][step][input in the group][filter in the panel]`.
#[derive(Clone, Copy)]
pub(crate) struct GradientLayout {
    /// Channels of a group.
    lanes: usize,
    /// Taps, or positions of [`winograd`](super::winograd).
    steps: usize,
    rows: usize,
    filters: usize,
    panel: usize,
}

impl GradientLayout {
    /// `inputs` and `filters` filled up to whole groups.
    pub(crate) fn new(inputs: Groups, steps: usize, filters: Groups, panel: usize) -> Self {
        let rows = inputs.padded() * steps;
        Self { lanes: inputs.lanes, steps, rows, filters: filters.padded(), panel }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows * self.filters
    }

    /// The filters of each panel.
    pub(crate) fn panels(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let Self { filters, panel, .. } = *self;
        (0..filters).step_by(panel).map(move |first| first..(first + panel).min(filters))
    }

    /// Where all numbers of a panel stand.
    fn panel(&self, filters: &Range<usize>) -> Range<usize> {
        filters.start * self.rows..filters.end * self.rows
    }

    /// Where the numbers of a panel, a group of inputs and a step stand.
    pub(crate) fn group(&self, filters: &Range<usize>, group: usize, step: usize) -> Range<usize> {
        let length = self.lanes * filters.len();
        let first = filters.start * self.rows + (group * self.steps + step) * length;
        first..first + length
    }

    /// Where the number of a channel, a step and a filter stands.
    pub(crate) fn at(&self, channel: usize, step: usize, filter: usize) -> usize {
        let first = filter / self.panel * self.panel;
        let width = self.panel.min(self.filters - first);
        let row = (channel / self.lanes * self.steps + step) * self.lanes + channel % self.lanes;
        first * self.rows + row * width + filter - first
    }
}

/// One sample's input and the gradient of the convolution's result, both in planes.
#[derive(Clone, Copy)]
pub(crate) struct SampleAndGradient<'a> {
    pub(crate) source: &'a [f32],
    pub(crate) inputs: Groups,
    pub(crate) dz: &'a [f32],
    pub(crate) filters: Groups,
    pub(crate) planes: &'a Planes,
}

impl SampleAndGradient<'_> {
    /// # Panics
    /// When a slice has not the size it must have.
    pub(crate) fn check(&self, layout: GradientLayout, gradient: &[f32]) {
        assert_eq!(self.source.len(), self.inputs.sample(self.planes), "a sample");
        assert_eq!(self.dz.len(), self.filters.sample(self.planes), "a sample's gradient");
        assert_eq!(gradient.len(), layout.len(), "a gradient");
    }
}

/// Adds the products of some lines of one sample to `gradient`.
///
/// # Panics
/// When a slice has not the size it must have.
#[inline(always)]
pub(crate) fn add_weight_gradient<S: Simd>(
    simd: S,
    pair: SampleAndGradient<'_>,
    lines: Range<usize>,
    layout: GradientLayout,
    gradient: &mut [f32],
) {
    pair.check(layout, gradient);
    let SampleAndGradient { source, inputs, dz, planes, .. } = pair;
    assert!(lines.end <= planes.height, "lines of the plane");
    let taps = planes.taps();
    let pixels = lines.start * planes.pitch..lines.end * planes.pitch;
    // As few chunks as will do, all of a size: putting the sums back costs the same for each.
    let chunk = pixels.len().div_ceil(pixels.len().div_ceil(CHUNK).max(1)).max(1);
    for first in pixels.clone().step_by(chunk) {
        let count = chunk.min(pixels.end - first);
        let products = Products { inputs: source, gradient: dz, count };
        // Where in the source the first of the pixels stands, seen from each group and tap.
        let start = |group: usize, tap: isize| {
            let pixel = group * planes.length + planes.lead + first;
            pixel.wrapping_add_signed(tap) * inputs.lanes
        };
        for panel in layout.panels() {
            let column = |vector: usize| {
                let filter = panel.start + vector * S::F32_LANES;
                let pixel = filter / GROUP * planes.length + planes.lead + first;
                pixel * GROUP + filter % GROUP
            };
            let vectors = panel.len() / S::F32_LANES;
            if inputs.lanes == GROUP {
                for group in 0..inputs.count {
                    for (tap, &offset) in taps.iter().enumerate() {
                        let values = &mut gradient[layout.group(&panel, group, tap)];
                        let row = start(group, offset);
                        match vectors {
                            2 => products.add_group::<S, 2>(simd, row, [0, 1].map(column), values),
                            _ => products.add_group::<S, 1>(simd, row, [0].map(column), values),
                        }
                    }
                }
            } else {
                let groups =
                    (0..inputs.count).flat_map(|group| taps.iter().map(move |&t| (group, t)));
                let rows: Vec<usize> = groups.map(|(group, tap)| start(group, tap)).collect();
                let values = &mut gradient[layout.panel(&panel)];
                match vectors {
                    2 => products.add_rows::<S, 2>(simd, &rows, [0, 1].map(column), values),
                    _ => products.add_rows::<S, 1>(simd, &rows, [0].map(column), values),
                }
            }
        }
    }
}

/// From the sums of a whole batch to the filters' gradient, `[filter, channel, tap]`.
pub(crate) fn filters_gradient(
    sums: &[f32],
    layout: GradientLayout,
    shape: FilterShape,
) -> Vec<f32> {
    let mut gradient = vec![0.0; shape.len()];
    let of_filter = shape.channels * shape.taps;
    gradient.par_chunks_exact_mut(of_filter).enumerate().for_each(|(filter, gradient)| {
        for (channel, gradient) in gradient.chunks_exact_mut(shape.taps).enumerate() {
            for (tap, gradient) in gradient.iter_mut().enumerate() {
                *gradient = sums[layout.at(channel, tap, filter)];
            }
        }
    });
    gradient
}

/// The products of some pixels' (or tiles') inputs and gradients, which are summed.
pub(crate) struct Products<'a> {
    pub(crate) inputs: &'a [f32],
    /// [`GROUP`] numbers a pixel.
    pub(crate) gradient: &'a [f32],
    /// How many pixels or tiles.
    pub(crate) count: usize,
}

impl Products<'_> {
    /// Adds the products of a whole group of channels, which begins at `row`, with vectors of
    /// filters, which begin at `columns`.
    #[inline(always)]
    pub(crate) fn add_group<S: Simd, const V: usize>(
        &self,
        simd: S,
        row: usize,
        columns: [usize; V],
        values: &mut [f32],
    ) {
        let width = V * S::F32_LANES;
        if S::REGISTER_COUNT >= 32 {
            let (first, second) = values.split_at_mut(8 * width);
            self.add::<S, 8, V>(simd, neighbours(row), GROUP, columns, first);
            self.add::<S, 8, V>(simd, neighbours(row + 8), GROUP, columns, second);
        } else {
            let (first, rest) = values.split_at_mut(6 * width);
            let (second, third) = rest.split_at_mut(6 * width);
            self.add::<S, 6, V>(simd, neighbours(row), GROUP, columns, first);
            self.add::<S, 6, V>(simd, neighbours(row + 6), GROUP, columns, second);
            self.add::<S, 4, V>(simd, neighbours(row + 12), GROUP, columns, third);
        }
    }

    /// Adds the products of single channels, one number a pixel.
    #[inline(always)]
    fn add_rows<S: Simd, const V: usize>(
        &self,
        simd: S,
        rows: &[usize],
        columns: [usize; V],
        values: &mut [f32],
    ) {
        let width = V * S::F32_LANES;
        let (rows, values) = if S::REGISTER_COUNT >= 32 {
            self.add_by::<S, 9, V>(simd, rows, columns, values)
        } else {
            self.add_by::<S, 6, V>(simd, rows, columns, values)
        };
        let (rows, values) = self.add_by::<S, 3, V>(simd, rows, columns, values);
        for (&row, values) in rows.iter().zip(values.chunks_exact_mut(width)) {
            self.add::<S, 1, V>(simd, [row], 1, columns, values);
        }
    }

    /// As many times `R` rows as there are; returns the rest.
    #[inline(always)]
    fn add_by<'r, 'v, S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        rows: &'r [usize],
        columns: [usize; V],
        values: &'v mut [f32],
    ) -> (&'r [usize], &'v mut [f32]) {
        let length = R * V * S::F32_LANES;
        let (rows, rest) = rows.as_chunks::<R>();
        let (values, values_of_rest) = values.split_at_mut(rows.len() * length);
        for (&rows, values) in rows.iter().zip(values.chunks_exact_mut(length)) {
            self.add::<S, R, V>(simd, rows, 1, columns, values);
        }
        (rest, values_of_rest)
    }

    /// `R` rows, whose pixels are `stride` numbers apart, by `V` vectors of filters.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        rows: [usize; R],
        stride: usize,
        columns: [usize; V],
        values: &mut [f32],
    ) {
        let mut sums = [[simd.splat_f32s(0.0); R]; V];
        let places = S::as_mut_simd_f32s(values).0;
        for (row, places) in places.chunks_exact(V).enumerate() {
            for (vector, &place) in places.iter().enumerate() {
                sums[vector][row] = place;
            }
        }
        let last = self.count - 1;
        for row in rows {
            assert!(row + last * stride < self.inputs.len(), "the inputs of a row");
        }
        for column in columns {
            let end = column + last * GROUP + S::F32_LANES;
            assert!(end <= self.gradient.len(), "the gradients of a vector");
        }
        #[expect(unsafe_code, reason = "bounds checks would double the inner loop")]
        // SAFETY: of `count` numbers or vectors, the last lie within their slices, as asserted
        // above.
        unsafe {
            multiply_pairs::<S, R, V>(
                simd,
                rows.map(|row| self.inputs.as_ptr().add(row)),
                stride,
                columns.map(|column| self.gradient.as_ptr().add(column)),
                self.count,
                &mut sums,
            );
        }
        for (row, places) in places.chunks_exact_mut(V).enumerate() {
            for (vector, place) in places.iter_mut().enumerate() {
                *place = sums[vector][row];
            }
        }
    }
}

/// `R` places from one on.
#[inline(always)]
fn neighbours<const R: usize>(first: usize) -> [usize; R] {
    std::array::from_fn(|i| first + i)
}
