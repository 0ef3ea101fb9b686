//! Filters as right tiles.

use rayon::prelude::*;

use super::split::{pair, split};
use super::{DEPTH, Parts, RIGHT, SIDE, TILE};
use crate::buffers::Buffer;
use crate::conv_block::planes::Groups;
use crate::conv_block::weights::{Direction, FilterShape};

/// A bank of filters: `[group of outputs][depth of inputs][tap]`, each a right tile of high parts
/// and one of low parts; channels that do not exist as zeros.
#[derive(Debug)]
pub(crate) struct TileFilters {
    tiles: Buffer,
    outputs: Groups,
    pub(super) parts: Parts,
}

impl TileFilters {
    pub(crate) fn new(
        weight: &[f32],
        shape: FilterShape,
        direction: Direction,
        parts: Parts,
    ) -> Self {
        let (inputs, outputs) = shape.groups(direction);
        let depths = inputs.padded().div_ceil(DEPTH);
        let mut tiles = Buffer::take(outputs.count * depths * shape.taps * RIGHT);
        tiles.words_mut().par_chunks_exact_mut(RIGHT).enumerate().for_each(|(index, words)| {
            let (high, low) = words.split_at_mut(TILE);
            let tap = index % shape.taps;
            let depth = index / shape.taps % depths;
            let group = index / shape.taps / depths;
            for (place, (high, low)) in high.iter_mut().zip(low).enumerate() {
                let (row, column) = (place / SIDE, place % SIDE);
                let output = group * SIDE + column;
                let number = |input: usize| {
                    let exists = input < inputs.channels && output < outputs.channels;
                    let position = || shape.position(direction, output, input, tap);
                    split(if exists { weight[position()] } else { 0.0 })
                };
                let input = depth * DEPTH + 2 * row;
                let (first, second) = (number(input), number(input + 1));
                *high = pair(first.0, second.0);
                *low = pair(first.1, second.1);
            }
        });
        Self { tiles, outputs, parts }
    }

    /// The grouping of the outputs.
    pub(super) fn outputs(&self) -> Groups {
        self.outputs
    }

    /// The tiles of a group of outputs.
    pub(super) fn of_group(&self, group: usize) -> &[u32] {
        let length = self.tiles.len() / self.outputs.count;
        &self.tiles.words()[group * length..(group + 1) * length]
    }
}
