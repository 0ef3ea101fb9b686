//! Exact nearest neighbours: all points are compared with all, a block at a time.

use rayon::prelude::*;

use super::points::Points;

/// Candidates that are compared side by side, in the lanes of vector registers.
const LANES: usize = 8;
/// Points for which a candidate's numbers are loaded once: with `LANES`, as many sums as there are
/// registers for.
const QUERIES: usize = 4;
/// Points whose neighbours are sought by one task.
const TASK: usize = 16 * QUERIES;
/// Tiles of candidates that all points of a task see before the next tiles: a second-level cache
/// holds them.
const TILES_AT_ONCE: usize = 128;

/// The nearest neighbours of every point.
pub(super) struct Neighbours {
    /// How many each point has.
    pub(super) count: usize,
    /// `count` indices a point, nearest first; of equally distant ones the smaller index first.
    pub(super) indices: Vec<u32>,
    /// Their squared distances.
    pub(super) squared_distances: Vec<f32>,
}

/// The `count` nearest neighbours of every point, itself left out; `count` is below the number of
/// points.
///
/// A distance is the sum of squared differences rather than made of products, so that equal points
/// are at distance 0, and both of a pair see the same.
pub(super) fn nearest(points: &Points, count: usize) -> Neighbours {
    let tiles = tiles(points);
    let mut indices = vec![0; points.len() * count];
    let mut squared_distances = vec![0.0; points.len() * count];
    indices
        .par_chunks_mut(TASK * count)
        .zip(squared_distances.par_chunks_mut(TASK * count))
        .enumerate()
        .for_each(|(task, (indices, distances))| {
            let kept = search(points, &tiles, task * TASK, indices.len() / count, count);
            let keys = kept.into_iter().flat_map(Kept::sorted);
            for ((index, distance), key) in indices.iter_mut().zip(distances).zip(keys) {
                *index = key as u32;
                *distance = f32::from_bits((key >> 32) as u32);
            }
        });
    Neighbours { count, indices, squared_distances }
}

/// The points dimension by dimension in tiles of `LANES`; the last one is filled up with points at
/// infinity.
fn tiles(points: &Points) -> Vec<[f32; LANES]> {
    let dimensions = points.dimensions();
    let mut tiles = vec![[f32::INFINITY; LANES]; points.len().div_ceil(LANES) * dimensions];
    for (index, point) in points.rows().enumerate() {
        let tile = &mut tiles[index / LANES * dimensions..][..dimensions];
        for (row, &number) in tile.iter_mut().zip(point) {
            row[index % LANES] = number;
        }
    }
    tiles
}

/// The neighbours of the `queries` points from `first` on.
fn search(
    points: &Points,
    tiles: &[[f32; LANES]],
    first: usize,
    queries: usize,
    count: usize,
) -> Vec<Kept> {
    let dimensions = points.dimensions();
    let mut kept: Vec<Kept> = (0..queries).map(|_| Kept::new(count)).collect();
    let groups: Vec<Vec<[f32; QUERIES]>> =
        (0..queries).step_by(QUERIES).map(|group| transposed(points, first + group)).collect();
    for (block, tiles) in tiles.chunks(TILES_AT_ONCE * dimensions).enumerate() {
        for (group, numbers) in groups.iter().enumerate() {
            let kept = &mut kept[group * QUERIES..];
            for (tile, rows) in tiles.chunks_exact(dimensions).enumerate() {
                let candidates = (block * TILES_AT_ONCE + tile) * LANES;
                let sums = squared_distances(numbers, rows);
                for (query, (sums, kept)) in sums.iter().zip(kept.iter_mut()).enumerate() {
                    if sums.iter().all(|&sum| sum >= kept.bound) {
                        continue;
                    }
                    let itself = first + group * QUERIES + query;
                    for (lane, &sum) in sums.iter().enumerate() {
                        if candidates + lane != itself {
                            kept.offer(sum, candidates + lane);
                        }
                    }
                }
            }
        }
    }
    kept
}

/// `QUERIES` points from `first` on, dimension by dimension; the last one again where there are no
/// more.
fn transposed(points: &Points, first: usize) -> Vec<[f32; QUERIES]> {
    let last = points.len() - 1;
    let rows: [&[f32]; QUERIES] = std::array::from_fn(|query| points.row(last.min(first + query)));
    (0..points.dimensions()).map(|dimension| rows.map(|row| row[dimension])).collect()
}

/// The squared distances of some points, `queries`, from a tile of others; both dimension by
/// dimension.
#[inline]
fn squared_distances(queries: &[[f32; QUERIES]], tile: &[[f32; LANES]]) -> [[f32; LANES]; QUERIES] {
    let mut sums = [[0.0; LANES]; QUERIES];
    for (numbers, row) in queries.iter().zip(tile) {
        for (sums, number) in sums.iter_mut().zip(numbers) {
            for (sum, candidate) in sums.iter_mut().zip(row) {
                let difference = candidate - number;
                *sum += difference * difference;
            }
        }
    }
    sums
}

/// The nearest candidates so far.
///
/// A candidate is one number, its distance's bits before its index: for distances, which are not
/// negative, the bits are in the order of the numbers, and ties go to the smaller index.
struct Kept {
    keys: Vec<u64>,
    count: usize,
    /// Nothing at this distance or beyond is of use, since candidates come by rising index.
    bound: f32,
}

impl Kept {
    fn new(count: usize) -> Self {
        Self { keys: Vec::with_capacity(2 * count), count, bound: f32::INFINITY }
    }

    fn offer(&mut self, squared_distance: f32, index: usize) {
        if squared_distance >= self.bound {
            return;
        }
        self.keys.push(u64::from(squared_distance.to_bits()) << 32 | index as u64);
        if self.keys.len() == 2 * self.count {
            let (_, &mut farthest, _) = self.keys.select_nth_unstable(self.count - 1);
            self.keys.truncate(self.count);
            self.bound = f32::from_bits((farthest >> 32) as u32);
        }
    }

    fn sorted(mut self) -> impl Iterator<Item = u64> {
        self.keys.sort_unstable();
        self.keys.truncate(self.count);
        self.keys.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tsne::made_up::{noise, points};

    /// Sorts all others by distance, then index.
    fn plainly(numbers: &[f32], dimensions: usize, count: usize) -> Vec<u32> {
        let rows: Vec<&[f32]> = numbers.chunks(dimensions).collect();
        let distance =
            |a: &[f32], b: &[f32]| -> f32 { a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum() };
        let mut nearest = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let mut others: Vec<usize> = (0..rows.len()).filter(|&other| other != index).collect();
            others.sort_by(|&a, &b| distance(row, rows[a]).total_cmp(&distance(row, rows[b])));
            nearest.extend(others[..count].iter().map(|&other| other as u32));
        }
        nearest
    }

    #[test]
    fn neighbours_are_those_of_a_full_sort_at_any_number_of_points() {
        for (number, dimensions, count) in
            [(4, 1, 3), (9, 3, 2), (64, 5, 9), (131, 32, 30), (1200, 7, 11)]
        {
            let points = points(&noise(number * dimensions, 5), dimensions);
            let found = nearest(&points, count);
            let numbers: Vec<f32> = points.rows().flatten().copied().collect();
            assert_eq!(found.indices, plainly(&numbers, dimensions, count), "{number} points");
        }
    }

    #[test]
    fn of_equal_points_the_first_are_the_neighbours_and_none_is_its_own() {
        let points = points(&[1.0; 40], 2);
        let found = nearest(&points, 3);
        assert_eq!(found.indices[..9], [1, 2, 3, 0, 2, 3, 0, 1, 3]);
        assert_eq!(found.indices[57..], [0, 1, 2]);
        assert!(found.squared_distances.iter().all(|&distance| distance == 0.0));
    }
}
