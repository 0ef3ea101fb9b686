//! Where tiles lie in an image, and where their transforms are stored.

use std::ops::Range;

use super::POSITIONS;
use crate::conv_block::planes::GROUP;

/// Numbers of all transforms of a chunk of tiles: a mebibyte, about what the second cache holds.
const CHUNK: usize = 256 * 1024;

/// The tiles of a chunk are a multiple of what the micro-kernels of all paths do at a time.
const STEP: usize = 12;

/// Two by two pixels each, line by line, the first at the first pixel. The last of a line, and
/// those of the last line, may reach over the edge by a pixel.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tiles {
    /// Lines and columns of tiles.
    lines: usize,
    columns: usize,
}

impl Tiles {
    /// Those that cover so many lines and columns of pixels.
    pub(crate) fn new(lines: usize, columns: usize) -> Self {
        Self { lines: lines.div_ceil(2), columns: columns.div_ceil(2) }
    }

    pub(crate) fn count(&self) -> usize {
        self.lines * self.columns
    }

    /// All tiles in chunks, of sizes as equal as may be, none larger than what is stored at a time
    /// with so many groups of channels.
    pub(crate) fn chunks(&self, groups: usize) -> impl Iterator<Item = Range<usize>> + use<> {
        let (count, size) = (self.count(), self.chunk(groups));
        (0..count).step_by(size).map(move |first| first..(first + size).min(count))
    }

    /// The tiles of a chunk, one line of tiles after the other.
    pub(super) fn runs(&self, chunk: Range<usize>) -> impl Iterator<Item = Run> + use<> {
        let columns = self.columns;
        let lines = chunk.start / columns..chunk.end.div_ceil(columns);
        lines.map(move |line| {
            let first = chunk.start.max(line * columns);
            let end = chunk.end.min((line + 1) * columns);
            Run {
                place: first - chunk.start,
                line: 2 * line,
                column: 2 * (first - line * columns),
                count: end - first,
            }
        })
    }

    /// Of how many tiles the transforms are stored at a time, with so many groups of channels.
    pub(crate) fn most_at_a_time(groups: usize) -> usize {
        (CHUNK / (POSITIONS * GROUP * groups) / STEP * STEP).max(STEP)
    }

    /// Tiles of the largest chunk.
    pub(crate) fn chunk(&self, groups: usize) -> usize {
        let most = Self::most_at_a_time(groups);
        let equal = self.count().div_ceil(self.count().div_ceil(most));
        equal.next_multiple_of(STEP)
    }
}

/// Neighbours in a line of tiles.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    /// Of the first in its chunk.
    pub(super) place: usize,
    /// Of the first one's first pixel.
    pub(super) line: usize,
    pub(super) column: usize,
    /// How many tiles.
    pub(super) count: usize,
}

/// The transforms of a chunk: for each position and group of channels, the tiles side by side, each
/// sixteen numbers.
///
/// The planes of neighbouring positions begin in different places of a page of memory, lest they
/// drive each other out of the first cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transforms {
    /// Numbers from one group's tiles to the next.
    pub(super) of_group: usize,
    /// Numbers from one position's groups to the next.
    pub(super) of_position: usize,
}

impl Transforms {
    /// Of at most `tiles` tiles, a multiple of [`STEP`].
    pub(super) fn new(tiles: usize, groups: usize) -> Self {
        let of_group = (tiles + 1) * GROUP;
        Self { of_group, of_position: groups * of_group + GROUP }
    }

    pub(super) fn len(&self) -> usize {
        POSITIONS * self.of_position
    }

    /// Where the numbers of a tile stand.
    pub(super) fn at(&self, position: usize, group: usize, tile: usize) -> usize {
        position * self.of_position + group * self.of_group + tile * GROUP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tile_of_every_chunk_lies_in_one_run() {
        for (lines, columns) in [(1, 1), (4, 47), (16, 23), (7, 911), (64, 3)] {
            let tiles = Tiles::new(lines, columns);
            let mut seen = Vec::new();
            for chunk in tiles.chunks(12) {
                assert!(chunk.len() <= tiles.chunk(12));
                for run in tiles.runs(chunk.clone()) {
                    for tile in 0..run.count {
                        let number = chunk.start + run.place + tile;
                        seen.push((number, run.line, run.column + 2 * tile));
                    }
                }
            }
            let expected: Vec<_> = (0..tiles.count())
                .map(|tile| (tile, tile / tiles.columns * 2, tile % tiles.columns * 2))
                .collect();
            assert_eq!(seen, expected);
        }
    }
}
