//! The convolution: transforms of a chunk of tiles, a product of matrices at each position, and
//! back.

use std::ops::Range;

use pulp::Simd;

use super::tiles::{Tiles, Transforms};
use super::transforms::{transform_input, transform_output};
use super::{POSITIONS, TransformedFilters};
use crate::buffers::Buffer;
use crate::conv_block::micro_kernels::{multiply, widest};
use crate::conv_block::planes::{Destination, GROUP, Groups, Planes};

/// Convolves some lines of one sample. What the destination holds in the margins stays.
///
/// # Panics
/// When source or destination is too short.
#[inline(always)]
pub(crate) fn convolve<S: Simd>(
    simd: S,
    source: &[f32],
    planes: &Planes,
    inputs: Groups,
    filters: &TransformedFilters,
    lines: Range<usize>,
    destination: &mut Destination,
) {
    assert!(lines.end <= planes.height, "lines of the plane");
    assert_eq!(source.len(), inputs.sample(planes), "a sample");
    let output_groups = filters.outputs().count;
    let tiles = Tiles::new(lines.len(), planes.width);
    let groups = inputs.count + output_groups;
    let of_inputs = Transforms::new(tiles.chunk(groups), inputs.count);
    let of_outputs = Transforms::new(tiles.chunk(groups), output_groups);
    let mut transformed = Buffer::take(of_inputs.len());
    let mut products = Buffer::take(of_outputs.len());
    for chunk in tiles.chunks(groups) {
        transform_input(
            simd,
            source,
            (planes, inputs),
            lines.start,
            (&tiles, chunk.clone()),
            (&of_inputs, &mut transformed),
        );
        // The inputs of a position stay in the first cache from one panel to the next.
        for position in 0..POSITIONS {
            for (outputs, filters) in filters.panels(position) {
                let multiplication = Multiplication {
                    position,
                    transformed: &transformed,
                    of_inputs,
                    inputs: inputs.count,
                    filters,
                    outputs,
                    of_outputs,
                };
                let tiles = chunk.len();
                match (widest::<S>(), multiplication.outputs.len() / S::F32_LANES) {
                    (12, 2) => multiplication.run::<S, 12, 2>(simd, tiles, &mut products),
                    (12, _) => multiplication.run::<S, 12, 1>(simd, tiles, &mut products),
                    (_, 2) => multiplication.run::<S, 6, 2>(simd, tiles, &mut products),
                    (_, _) => multiplication.run::<S, 6, 1>(simd, tiles, &mut products),
                }
            }
        }
        transform_output(
            simd,
            (&of_outputs, &products),
            (&tiles, chunk),
            output_groups,
            (lines.len(), planes),
            destination,
        );
    }
}

/// The products of all tiles of a chunk with a panel of filters at one position.
struct Multiplication<'a> {
    position: usize,
    transformed: &'a [f32],
    of_inputs: Transforms,
    /// Groups of them.
    inputs: usize,
    filters: &'a [f32],
    outputs: Range<usize>,
    of_outputs: Transforms,
}

impl Multiplication<'_> {
    /// `TILES` at a time, up to so many more than there are.
    #[inline(always)]
    fn run<S: Simd, const TILES: usize, const VECTORS: usize>(
        &self,
        simd: S,
        tiles: usize,
        products: &mut [f32],
    ) {
        let Self { position, transformed, of_inputs, inputs, of_outputs, .. } = *self;
        let of_group = GROUP * VECTORS * S::F32_LANES;
        assert_eq!(self.filters.len(), inputs * of_group, "filters of the panel");
        assert_eq!(transformed.len(), of_inputs.len(), "transforms of the chunk");
        assert!(tiles.next_multiple_of(TILES) * GROUP <= of_inputs.of_group, "tiles of the chunk");
        for first in (0..tiles).step_by(TILES) {
            let mut sums = [[simd.splat_f32s(0.0); TILES]; VECTORS];
            for (group, filters) in self.filters.chunks_exact(of_group).enumerate() {
                let start = of_inputs.at(position, group, first);
                #[expect(unsafe_code, reason = "bounds checks would double the inner loop")]
                // SAFETY: the transforms are as long as their layout says, and in each group
                // `TILES` tiles from `first` on have room, as asserted above. The filters are
                // `VECTORS` vectors for each channel of a group.
                unsafe {
                    multiply::<S, TILES, VECTORS, GROUP>(
                        simd,
                        transformed.as_ptr().add(start),
                        filters.as_ptr(),
                        &mut sums,
                    );
                }
            }
            for (vector, sums) in sums.iter().enumerate() {
                let channel = self.outputs.start + vector * S::F32_LANES;
                let start = of_outputs.at(position, channel / GROUP, first) + channel % GROUP;
                let room = &mut products[start..start + (TILES - 1) * GROUP + S::F32_LANES];
                for (i, &sum) in sums.iter().enumerate() {
                    let room = &mut room[i * GROUP..i * GROUP + S::F32_LANES];
                    S::as_mut_simd_f32s(room).0[0] = sum;
                }
            }
        }
    }
}
