//! Sums over all pairs of nodes of a mesh, by Fourier transforms.

use std::sync::Arc;

use rayon::prelude::*;
use realfft::num_complex::Complex;
use realfft::{ComplexToReal, RealFftPlanner, RealToComplex};
use rustfft::{Fft, FftPlanner};

use super::spline::transform;

/// Columns, and rows, that a task moves together: a cache line holds as many complex numbers.
const TOGETHER: usize = 4;
/// Nodes beyond twice the mesh, for the ringing of the spline's inverse where the kernel is mirrored:
/// each takes it down by a factor of 0.43.
const MARGIN: usize = 20;

/// A convolution of a mesh of charges with the similarity's kernel, prepared for splines: those that
/// carry the charges to the mesh and those that read the field off it.
///
/// Charges stand on `rows` rows of `row_length` numbers, of which the first `columns` may be other
/// than 0. What lies beyond is room for the transform, which repeats what it is given.
pub(super) struct Convolution {
    pub(super) spacing: f64,
    pub(super) rows: usize,
    pub(super) columns: usize,
    pub(super) row_length: usize,
    column_length: usize,
    forward: Arc<dyn RealToComplex<f64>>,
    backward: Arc<dyn ComplexToReal<f64>>,
    along_columns: Arc<dyn Fft<f64>>,
    back_along_columns: Arc<dyn Fft<f64>>,
    /// The kernel's spectrum, column by column.
    kernel: Vec<f64>,
    by_row: Vec<Complex<f64>>,
    by_column: Vec<Complex<f64>>,
}

impl Convolution {
    /// For a mesh of at least so many rows and columns.
    pub(super) fn new(spacing: f64, rows: usize, columns: usize) -> Self {
        let row_length = quick_length(2 * columns + MARGIN);
        let column_length = quick_length(2 * rows + MARGIN);
        let (rows, columns) = ((column_length - MARGIN) / 2, (row_length - MARGIN) / 2);
        let mut reals = RealFftPlanner::new();
        let mut complexes = FftPlanner::new();
        let half = row_length / 2 + 1;
        let zero = Complex::new(0.0, 0.0);
        let mut convolution = Self {
            spacing,
            rows,
            columns,
            row_length,
            column_length,
            forward: reals.plan_fft_forward(row_length),
            backward: reals.plan_fft_inverse(row_length),
            along_columns: complexes.plan_fft_forward(column_length),
            back_along_columns: complexes.plan_fft_inverse(column_length),
            kernel: Vec::new(),
            by_row: vec![zero; rows.max(column_length / 2 + 1) * half],
            by_column: vec![zero; column_length * half],
        };
        convolution.kernel = convolution.kernel_spectrum();
        convolution.by_row.truncate(rows * half);
        convolution
    }

    /// From charges to the field of the kernel minus 1, in place.
    pub(super) fn apply(&mut self, mesh: &mut [f64]) {
        self.transform_rows(mesh);
        self.multiply_columns();
        self.transform_rows_back(mesh);
    }

    fn half(&self) -> usize {
        self.row_length / 2 + 1
    }

    /// The similarity less 1 at nodes so far apart. The constant has no part in the forces, and
    /// without it what is left of a crowd on a small spot keeps all its digits.
    fn kernel_at(&self, row: usize, column: usize) -> f64 {
        let (x, y) = (column as f64 * self.spacing, row as f64 * self.spacing);
        let squared = x * x + y * y;
        -squared / (1.0 + squared)
    }

    /// The transform of the kernel around the corner, divided by the splines' on both ways and by
    /// the number of nodes, which the inverse transform leaves to its caller.
    fn kernel_spectrum(&mut self) -> Vec<f64> {
        let (half, length) = (self.half(), self.column_length);
        let mut mesh: Vec<f64> = (0..=length / 2)
            .flat_map(|row| (0..self.row_length).map(move |column| (row, column)))
            .map(|(row, column)| self.kernel_at(row, column.min(self.row_length - column)))
            .collect();
        self.transform_rows(&mut mesh);
        let mut spectrum = vec![0.0; length * half];
        let scratch = || {
            (Vec::new(), vec![Complex::new(0.0, 0.0); self.along_columns.get_inplace_scratch_len()])
        };
        let nodes = (self.row_length * length) as f64;
        spectrum.par_chunks_mut(length).enumerate().for_each_init(
            scratch,
            |(numbers, scratch), (column, spectrum)| {
                let mirrored = |row: usize| self.by_row[row.min(length - row) * half + column];
                numbers.clear();
                numbers.extend((0..length).map(mirrored));
                self.along_columns.process_with_scratch(numbers, scratch);
                let along_row = transform(angle(column, self.row_length)).powi(2);
                for (row, (value, number)) in spectrum.iter_mut().zip(numbers).enumerate() {
                    let along_column = transform(angle(row, length)).powi(2);
                    *value = number.re / (along_row * along_column * nodes);
                }
            },
        );
        spectrum
    }

    /// The rows of `mesh` into `by_row`.
    fn transform_rows(&mut self, mesh: &mut [f64]) {
        let half = self.half();
        let forward = &self.forward;
        self.by_row.par_chunks_mut(half).zip(mesh.par_chunks_mut(self.row_length)).for_each_init(
            || forward.make_scratch_vec(),
            |scratch, (spectrum, row)| {
                #[expect(
                    clippy::expect_used,
                    reason = "realfft fails on wrong lengths alone, and its own planner sized these"
                )]
                forward
                    .process_with_scratch(row, spectrum, scratch)
                    .expect("buffers made for this transform");
            },
        );
    }

    /// The columns of `by_row`, transformed, times the kernel and back, in `by_column`.
    fn multiply_columns(&mut self) {
        let (half, length) = (self.half(), self.column_length);
        let Self { along_columns, back_along_columns, kernel, by_row, by_column, .. } = self;
        let scratch_length = along_columns
            .get_inplace_scratch_len()
            .max(back_along_columns.get_inplace_scratch_len());
        by_column
            .par_chunks_mut(length * TOGETHER)
            .zip(kernel.par_chunks(length * TOGETHER))
            .enumerate()
            .for_each_init(
                || vec![Complex::new(0.0, 0.0); scratch_length],
                |scratch, (task, (columns, kernel))| {
                    let first = task * TOGETHER;
                    columns.fill(Complex::new(0.0, 0.0));
                    for (row, numbers) in by_row.chunks_exact(half).enumerate() {
                        let numbers = numbers[first..].iter();
                        for (column, &number) in columns.chunks_exact_mut(length).zip(numbers) {
                            column[row] = number;
                        }
                    }
                    along_columns.process_with_scratch(columns, scratch);
                    for (number, factor) in columns.iter_mut().zip(kernel) {
                        *number *= *factor;
                    }
                    back_along_columns.process_with_scratch(columns, scratch);
                },
            );
    }

    /// The rows of `by_column` back into `mesh`.
    fn transform_rows_back(&mut self, mesh: &mut [f64]) {
        let (half, length) = (self.half(), self.column_length);
        let Self { backward, by_row, by_column, row_length, .. } = self;
        by_row
            .par_chunks_mut(half * TOGETHER)
            .zip(mesh.par_chunks_mut(*row_length * TOGETHER))
            .enumerate()
            .for_each_init(
                || backward.make_scratch_vec(),
                |scratch, (task, (spectra, rows))| {
                    let first = task * TOGETHER;
                    for (index, column) in by_column.chunks_exact(length).enumerate() {
                        for (spectrum, &number) in
                            spectra.chunks_exact_mut(half).zip(&column[first..])
                        {
                            spectrum[index] = number;
                        }
                    }
                    let spectra = spectra.chunks_exact_mut(half);
                    for (spectrum, row) in spectra.zip(rows.chunks_exact_mut(*row_length)) {
                        // Rounding leaves a trace where there can be nothing.
                        spectrum[0].im = 0.0;
                        spectrum[half - 1].im = 0.0;
                        #[expect(
                            clippy::expect_used,
                            reason = "realfft fails on wrong lengths and on the two numbers above"
                        )]
                        backward
                            .process_with_scratch(spectrum, row, scratch)
                            .expect("buffers made for this transform");
                    }
                },
            );
    }
}

fn angle(index: usize, length: usize) -> f64 {
    std::f64::consts::TAU * index as f64 / length as f64
}

/// The smallest even length of at least `length` without a prime factor beyond 5.
fn quick_length(length: usize) -> usize {
    let smooth = |mut length: usize| {
        for prime in [2, 3, 5] {
            while length.is_multiple_of(prime) {
                length /= prime;
            }
        }
        length == 1
    };
    let mut length = length.next_multiple_of(2);
    while !smooth(length) {
        length += 2;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With both splines at whole nodes the field must be the kernel itself.
    #[test]
    fn a_charge_on_a_node_makes_the_kernel_at_every_node() {
        let (rows, columns) = (23, 40);
        let mut convolution = Convolution::new(0.4, rows, columns);
        let length = convolution.row_length;
        let mut mesh = vec![0.0; convolution.rows * length];
        let near = [1.0, 26.0, 66.0, 26.0, 1.0].map(|weight| weight / 120.0);
        let (row, column) = (2, 30);
        for (down, a) in near.iter().enumerate() {
            for (right, b) in near.iter().enumerate() {
                mesh[(row + down - 2) * length + column + right - 2] = a * b;
            }
        }
        convolution.apply(&mut mesh);
        for r in 2..rows - 2 {
            for c in 2..columns - 2 {
                let mut field = 0.0;
                for (down, a) in near.iter().enumerate() {
                    for (right, b) in near.iter().enumerate() {
                        field += a * b * mesh[(r + down - 2) * length + c + right - 2];
                    }
                }
                let expected = convolution.kernel_at(r.abs_diff(row), c.abs_diff(column));
                assert!((field - expected).abs() < 1e-7, "{r}, {c}: {field} for {expected}");
            }
        }
    }

    #[test]
    fn lengths_are_even_and_have_small_factors() {
        assert_eq!([2, 7, 97, 211, 801].map(quick_length), [2, 8, 100, 216, 810]);
    }
}
