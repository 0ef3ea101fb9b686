//! The transforms of the filters, and back from the gradient's.

use std::ops::Range;

use rayon::prelude::*;

use super::{POSITIONS, SIDE};
use crate::buffers::Buffer;
use crate::conv_block::planes::Groups;
use crate::conv_block::weight_gradient::GradientLayout;
use crate::conv_block::weights::{Direction, FilterShape};

/// Taps along a side of a filter.
const TAPS: usize = 3;

/// Filters that are transformed at a time: panels are multiples of it.
const LANES: usize = 8;

/// One number of each.
type Lanes = [f32; LANES];

/// `G g G'` of a bank of filters:
/// `[panel of outputs][position][group of inputs][input in the group][output in the panel]`,
/// channels that do not exist as zeros.
#[derive(Debug)]
pub(crate) struct TransformedFilters {
    values: Buffer,
    panel: usize,
    /// Numbers that one output takes.
    per_output: usize,
    outputs: Groups,
}

impl TransformedFilters {
    /// Of 3x3 filters, in panels of at most `panel` outputs.
    pub(crate) fn new(
        weight: &[f32],
        shape: FilterShape,
        direction: Direction,
        panel: usize,
    ) -> Self {
        let (inputs, outputs) = shape.groups(direction);
        let per_output = POSITIONS * inputs.padded();
        let mut values = Buffer::take(per_output * outputs.padded());
        values.par_chunks_mut(per_output * panel).enumerate().for_each(|(index, values)| {
            let width = values.len() / per_output;
            let of_position = inputs.padded() * width;
            for input in 0..inputs.padded() {
                for place in (0..width).step_by(LANES) {
                    let mut filters = [[[0.0; LANES]; TAPS]; TAPS];
                    let outputs = index * panel + place..outputs.channels;
                    for (lane, output) in outputs.take(LANES).enumerate() {
                        if input < inputs.channels {
                            for (tap, number) in filters.as_flattened_mut().iter_mut().enumerate() {
                                number[lane] =
                                    weight[shape.position(direction, output, input, tap)];
                            }
                        }
                    }
                    let first = input * width + place;
                    let transformed = transform_filters(&filters);
                    for (position, numbers) in transformed.as_flattened().iter().enumerate() {
                        let start = position * of_position + first;
                        values[start..start + LANES].copy_from_slice(numbers);
                    }
                }
            }
        });
        Self { values, panel, per_output, outputs }
    }

    /// The grouping of the outputs.
    pub(super) fn outputs(&self) -> Groups {
        self.outputs
    }

    /// The outputs of each panel, and their numbers at a position.
    pub(super) fn panels(&self, position: usize) -> impl Iterator<Item = (Range<usize>, &[f32])> {
        self.values.chunks(self.per_output * self.panel).enumerate().map(move |(index, values)| {
            let first = index * self.panel;
            let outputs = first..(first + self.panel).min(self.outputs.padded());
            let of_position = values.len() / POSITIONS;
            (outputs, &values[position * of_position..(position + 1) * of_position])
        })
    }
}

/// `G g G'` of neighbouring filters.
fn transform_filters(filters: &[[Lanes; TAPS]; TAPS]) -> [[Lanes; SIDE]; SIDE] {
    let along = |[a, b, c]: [f32; TAPS]| {
        let (outer, inner) = (0.5 * (a + c), 0.5 * b);
        [a, outer + inner, outer - inner, c]
    };
    let mut columns = [[[0.0; LANES]; TAPS]; SIDE];
    for column in 0..TAPS {
        for lane in 0..LANES {
            let values = along([0, 1, 2].map(|row| filters[row][column][lane]));
            for (row, value) in values.into_iter().enumerate() {
                columns[row][column][lane] = value;
            }
        }
    }
    let mut transformed = [[[0.0; LANES]; SIDE]; SIDE];
    for (to, from) in transformed.iter_mut().zip(&columns) {
        for lane in 0..LANES {
            let values = along([0, 1, 2].map(|column| from[column][lane]));
            for (column, value) in values.into_iter().enumerate() {
                to[column][lane] = value;
            }
        }
    }
    transformed
}

/// `G' u G` of neighbouring filters.
fn transform_back(u: &[[Lanes; SIDE]; SIDE]) -> [[Lanes; TAPS]; TAPS] {
    let along = |[a, b, c, d]: [f32; SIDE]| {
        let (outer, inner) = (0.5 * (b + c), 0.5 * (b - c));
        [a + outer, inner, outer + d]
    };
    let mut columns = [[[0.0; LANES]; SIDE]; TAPS];
    for column in 0..SIDE {
        for lane in 0..LANES {
            let values = along([0, 1, 2, 3].map(|row| u[row][column][lane]));
            for (row, value) in values.into_iter().enumerate() {
                columns[row][column][lane] = value;
            }
        }
    }
    let mut filters = [[[0.0; LANES]; TAPS]; TAPS];
    for (to, from) in filters.iter_mut().zip(&columns) {
        for lane in 0..LANES {
            let values = along([0, 1, 2, 3].map(|column| from[column][lane]));
            for (column, value) in values.into_iter().enumerate() {
                to[column][lane] = value;
            }
        }
    }
    filters
}

/// From sums over tiles, as [`add_weight_gradient`](super::add_weight_gradient) leaves them, to the
/// filters' gradient, `[filter, channel, tap]`.
pub(crate) fn filters_gradient(
    sums: &[f32],
    layout: GradientLayout,
    shape: FilterShape,
) -> Vec<f32> {
    let mut gradient = vec![0.0; shape.len()];
    let of_filter = shape.channels * shape.taps;
    gradient.par_chunks_mut(LANES * of_filter).enumerate().for_each(|(eight, gradient)| {
        for channel in 0..shape.channels {
            let mut u = [[[0.0; LANES]; SIDE]; SIDE];
            for (position, numbers) in u.as_flattened_mut().iter_mut().enumerate() {
                let start = layout.at(channel, position, eight * LANES);
                numbers.copy_from_slice(&sums[start..start + LANES]);
            }
            let filters = transform_back(&u);
            for (lane, gradient) in gradient.chunks_exact_mut(of_filter).enumerate() {
                let gradient = &mut gradient[channel * shape.taps..(channel + 1) * shape.taps];
                for (gradient, numbers) in gradient.iter_mut().zip(filters.as_flattened()) {
                    *gradient = numbers[lane];
                }
            }
        }
    });
    gradient
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "small whole numbers and halves are exact")]
mod tests {
    use super::*;

    /// The convolution of a filter with four numbers by four, where it does not leave them.
    fn convolved(d: &[[f32; SIDE]; SIDE], g: &[[f32; TAPS]; TAPS], at: (usize, usize)) -> f32 {
        let places = (0..TAPS).flat_map(|i| (0..TAPS).map(move |j| (i, j)));
        places.map(|(i, j)| d[at.0 + i][at.1 + j] * g[i][j]).sum()
    }

    fn transformed(filter: &[[f32; TAPS]; TAPS]) -> [[f32; SIDE]; SIDE] {
        let lanes = filter.map(|row| row.map(|value| [value; LANES]));
        transform_filters(&lanes).map(|row| row.map(|lanes| lanes[LANES - 1]))
    }

    #[test]
    fn sums_of_sixteen_products_are_those_of_the_definition() {
        // Small whole numbers: all arithmetic is exact.
        let d: [[f32; SIDE]; SIDE] =
            std::array::from_fn(|i| std::array::from_fn(|j| ((i * 7 + j * 5) % 11) as f32 - 5.0));
        let g: [[f32; TAPS]; TAPS] =
            std::array::from_fn(|i| std::array::from_fn(|j| ((i * 5 + j * 3) % 7) as f32 - 3.0));
        let input = |[a, b, c, d]: [f32; SIDE]| [a - c, b + c, c - b, b - d];
        let output = |[a, b, c, d]: [f32; SIDE]| [a + b + c, b - c - d];
        let columns: [[f32; SIDE]; SIDE] =
            std::array::from_fn(|column| input(d.map(|row| row[column])));
        let v: [[f32; SIDE]; SIDE] =
            std::array::from_fn(|row| input(columns.map(|column| column[row])));
        let u = transformed(&g);
        let m: [[f32; SIDE]; SIDE] =
            std::array::from_fn(|i| std::array::from_fn(|j| u[i][j] * v[i][j]));
        let columns: [[f32; 2]; SIDE] =
            std::array::from_fn(|column| output(m.map(|row| row[column])));
        let y: [[f32; 2]; 2] = std::array::from_fn(|row| output(columns.map(|column| column[row])));
        for (row, column) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            assert_eq!(y[row][column], convolved(&d, &g, (row, column)), "{row}, {column}");
        }
    }

    #[test]
    fn the_way_back_is_the_transpose_of_the_way_there() {
        let g: [[f32; TAPS]; TAPS] =
            std::array::from_fn(|i| std::array::from_fn(|j| (i * 3 + j) as f32 - 4.0));
        let u: [[f32; SIDE]; SIDE] =
            std::array::from_fn(|i| std::array::from_fn(|j| ((i * 4 + j) * 3 % 13) as f32));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let there = dot(transformed(&g).as_flattened(), u.as_flattened());
        let lanes = u.map(|row| row.map(|value| [value; LANES]));
        let back = transform_back(&lanes).map(|row| row.map(|lanes| lanes[LANES - 1]));
        let back = dot(g.as_flattened(), back.as_flattened());
        assert_eq!(there, back);
    }
}
