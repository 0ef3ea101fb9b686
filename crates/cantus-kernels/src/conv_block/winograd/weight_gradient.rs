//! The filters' gradient: at each position, products of the inputs' and the gradient's transforms,
//! summed over tiles.

use std::ops::Range;

use pulp::Simd;

use super::POSITIONS;
use super::tiles::{Tiles, Transforms};
use super::transforms::{transform_gradient, transform_input};
use crate::buffers::Buffer;
use crate::conv_block::planes::GROUP;
use crate::conv_block::weight_gradient::{GradientLayout, Products, SampleAndGradient};

/// Adds the products of some lines of one sample to `gradient`, whose steps are the positions. Tiles
/// are two lines high: the number of lines is even, or they are the last.
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
    let SampleAndGradient { source, inputs, dz, filters, planes } = pair;
    assert!(lines.len().is_multiple_of(2) || lines.end == planes.height, "whole tiles");
    assert!(lines.end <= planes.height, "lines of the plane");
    let tiles = Tiles::new(lines.len(), planes.width);
    let groups = inputs.count + filters.count;
    let of_inputs = Transforms::new(tiles.chunk(groups), inputs.count);
    let of_gradient = Transforms::new(tiles.chunk(groups), filters.count);
    let mut transformed = Buffer::take(of_inputs.len());
    let mut transformed_gradient = Buffer::take(of_gradient.len());
    for chunk in tiles.chunks(groups) {
        let count = chunk.len();
        transform_input(
            simd,
            source,
            (planes, inputs),
            lines.start,
            (&tiles, chunk.clone()),
            (&of_inputs, &mut transformed),
        );
        transform_gradient(
            simd,
            dz,
            (planes, filters),
            lines.start,
            (&tiles, chunk),
            (&of_gradient, &mut transformed_gradient),
        );
        let products = Products { inputs: &transformed, gradient: &transformed_gradient, count };
        for position in 0..POSITIONS {
            for group in 0..inputs.count {
                let rows = of_inputs.at(position, group, 0);
                for panel in layout.panels() {
                    let columns = |vector: usize| {
                        let filter = panel.start + vector * S::F32_LANES;
                        of_gradient.at(position, filter / GROUP, 0) + filter % GROUP
                    };
                    let values = layout.group(&panel, group, position);
                    let values = &mut gradient[values];
                    match panel.len() / S::F32_LANES {
                        2 => products.add_group::<S, 2>(simd, rows, [0, 1].map(columns), values),
                        _ => products.add_group::<S, 1>(simd, rows, [0].map(columns), values),
                    }
                }
            }
        }
    }
}
