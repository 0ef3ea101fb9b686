//! Points in the order of their rows on a mesh, so that threads add to parts of it that do not meet.

use rayon::prelude::*;

use super::spline::SUPPORT;

/// Rows of a band. A band reaches `SUPPORT - 1` rows into the next, never beyond it.
const BAND: usize = 16;
const _: () = assert!(BAND >= SUPPORT);

/// Points sorted by the lowest row that they touch, those of one row as they came.
#[derive(Default)]
pub(super) struct Bands {
    order: Vec<u32>,
    /// Where each band starts within the order; one more than there are bands.
    starts: Vec<usize>,
}

impl Bands {
    /// Sorts points that touch the `SUPPORT` rows from `lowest` on, of `rows`.
    pub(super) fn sort(&mut self, lowest: &[u32], rows: usize) {
        let mut ends = vec![0; rows + 1];
        for &row in lowest {
            ends[row as usize + 1] += 1;
        }
        for row in 0..rows {
            ends[row + 1] += ends[row];
        }
        self.starts.clear();
        self.starts.extend(ends.iter().step_by(BAND));
        if !rows.is_multiple_of(BAND) {
            self.starts.push(lowest.len());
        }
        self.order.resize(lowest.len(), 0);
        for (point, &row) in lowest.iter().enumerate() {
            let end = &mut ends[row as usize];
            self.order[*end] = point as u32;
            *end += 1;
        }
    }

    /// Calls `add` with a point, rows of the mesh, and the first row's number, once for every point.
    ///
    /// First every other band, then those between, so that no two threads have a row in common; and
    /// as each band adds in its points' order, so do all numbers of threads.
    pub(super) fn for_each(
        &self,
        mesh: &mut [f64],
        row_length: usize,
        add: impl Fn(usize, &mut [f64], usize) + Sync,
    ) {
        for parity in 0..2 {
            let skipped = (parity * BAND * row_length).min(mesh.len());
            mesh[skipped..].par_chunks_mut(2 * BAND * row_length).enumerate().for_each(
                |(pair, rows)| {
                    let band = 2 * pair + parity;
                    for &point in &self.order[self.starts[band]..self.starts[band + 1]] {
                        add(point as usize, rows, band * BAND);
                    }
                },
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_added_once_and_within_its_rows() {
        for rows in [6, 15, 16, 17, 33, 80] {
            let points = 500;
            let lowest: Vec<u32> =
                (0..points).map(|point| (point * 7919 % (rows - SUPPORT + 1)) as u32).collect();
            let mut bands = Bands::default();
            bands.sort(&lowest, rows);
            let mut mesh = vec![0.0; rows * 3];
            bands.for_each(&mut mesh, 3, |point, part, first| {
                for row in 0..SUPPORT {
                    part[(lowest[point] as usize + row - first) * 3 + 1] += 1.0;
                }
            });
            let mut expected = vec![0.0; rows * 3];
            for &row in &lowest {
                for row in row as usize..row as usize + SUPPORT {
                    expected[row * 3 + 1] += 1.0;
                }
            }
            assert_eq!(mesh, expected, "{rows} rows");
        }
    }
}
