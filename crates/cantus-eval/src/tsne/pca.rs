//! Where the points start: on the plane of their first two principal components.

use rayon::prelude::*;

use super::points::Points;

/// Sweeps of Jacobi's method; it needs fewer than ten.
const MOST_SWEEPS: usize = 50;

/// The points' coordinates along the two directions in which they vary most, the first one first.
///
/// A direction's sign is that which makes its largest number positive. A coordinate that does not
/// exist, the second of points of one number, is 0.
pub(super) fn principal_coordinates(points: &Points) -> Vec<[f64; 2]> {
    let [first, second] = principal_directions(points);
    let along = |row: &[f32], direction: &[f64]| -> f64 {
        row.iter().zip(direction).map(|(&number, weight)| f64::from(number) * weight).sum()
    };
    points.rows().map(|row| [along(row, &first), along(row, &second)]).collect()
}

fn principal_directions(points: &Points) -> [Vec<f64>; 2] {
    let dimensions = points.dimensions();
    let (variances, directions) = eigenvectors(covariance(points), dimensions);
    let mut order: Vec<usize> = (0..dimensions).collect();
    order.sort_by(|&a, &b| variances[b].total_cmp(&variances[a]));
    [0, 1].map(|rank| {
        let Some(&column) = order.get(rank) else {
            return vec![0.0; dimensions];
        };
        let direction: Vec<f64> =
            (0..dimensions).map(|row| directions[row * dimensions + column]).collect();
        let largest =
            direction.iter().fold(
                0.0,
                |largest: f64, &number| {
                    if number.abs() > largest.abs() { number } else { largest }
                },
            );
        direction.iter().map(|number| number * largest.signum()).collect()
    })
}

/// Row by row; the points are around their mean already.
fn covariance(points: &Points) -> Vec<f64> {
    let dimensions = points.dimensions();
    let mut covariance = vec![0.0; dimensions * dimensions];
    covariance.par_chunks_mut(dimensions).enumerate().for_each(|(row, sums)| {
        for point in points.rows() {
            let weight = f64::from(point[row]) / points.len() as f64;
            for (sum, &number) in sums.iter_mut().zip(point) {
                *sum += weight * f64::from(number);
            }
        }
    });
    covariance
}

/// Eigenvalues and, as columns, eigenvectors of a symmetric matrix, by Jacobi's method: rotations
/// that make one pair of numbers off the diagonal 0 after another (Golub & Van Loan, section 8.5).
fn eigenvectors(mut matrix: Vec<f64>, size: usize) -> (Vec<f64>, Vec<f64>) {
    let mut vectors = vec![0.0; size * size];
    for index in 0..size {
        vectors[index * size + index] = 1.0;
    }
    let squared: f64 = matrix.iter().map(|number| number * number).sum();
    for _ in 0..MOST_SWEEPS {
        let mut outside = 0.0;
        for row in 0..size {
            for column in row + 1..size {
                outside += matrix[row * size + column].powi(2);
                rotate(&mut matrix, &mut vectors, size, row, column);
            }
        }
        if outside <= squared * f64::EPSILON.powi(2) {
            break;
        }
    }
    ((0..size).map(|index| matrix[index * size + index]).collect(), vectors)
}

/// Turns the plane of two axes so that the matrix has 0 where they meet.
fn rotate(matrix: &mut [f64], vectors: &mut [f64], size: usize, p: usize, q: usize) {
    let meeting = matrix[p * size + q];
    if meeting == 0.0 {
        return;
    }
    let half = (matrix[q * size + q] - matrix[p * size + p]) / (2.0 * meeting);
    let tangent = half.signum() / (half.abs() + half.hypot(1.0));
    let cosine = 1.0 / tangent.hypot(1.0);
    let sine = tangent * cosine;
    let turn = |numbers: &mut [f64], a: usize, b: usize| {
        (numbers[a], numbers[b]) =
            (cosine * numbers[a] - sine * numbers[b], sine * numbers[a] + cosine * numbers[b]);
    };
    for index in 0..size {
        turn(matrix, index * size + p, index * size + q);
    }
    for index in 0..size {
        turn(matrix, p * size + index, q * size + index);
        turn(vectors, index * size + p, index * size + q);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tsne::made_up::{noise, points};

    /// The leading eigenvector by repeated multiplication, and its eigenvalue.
    fn leading(matrix: &[f64], size: usize) -> (f64, Vec<f64>) {
        let mut vector = vec![1.0; size];
        let mut length = 0.0;
        for _ in 0..20_000 {
            let product: Vec<f64> = matrix
                .chunks(size)
                .map(|row| row.iter().zip(&vector).map(|(a, b)| a * b).sum())
                .collect();
            length = product.iter().map(|number| number * number).sum::<f64>().sqrt();
            vector = product.iter().map(|number| number / length).collect();
        }
        (length, vector)
    }

    #[test]
    fn directions_are_those_of_repeated_multiplication() {
        let dimensions = 9;
        let mut numbers = noise(400 * dimensions, 3);
        for row in numbers.chunks_mut(dimensions) {
            row[4] = row[4] * 3.0 + row[1];
            row[7] = row[7] * 2.0 - row[4] * 0.3;
        }
        let points = points(&numbers, dimensions);
        let mut matrix = covariance(&points);
        let directions = principal_directions(&points);
        for direction in directions {
            let (value, expected) = leading(&matrix, dimensions);
            let product: f64 = direction.iter().zip(&expected).map(|(a, b)| a * b).sum();
            assert!((product.abs() - 1.0).abs() < 1e-9, "{direction:?} for {expected:?}");
            let largest = direction.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs()));
            assert!(largest.is_some_and(|number| number > 0.0), "{direction:?}");
            for row in 0..dimensions {
                for column in 0..dimensions {
                    matrix[row * dimensions + column] -= value * expected[row] * expected[column];
                }
            }
        }
    }

    #[test]
    fn points_of_one_number_or_on_one_spot_have_coordinates_of_zero() {
        let line = principal_coordinates(&points(&[4.0, 2.0, 8.0, 6.0], 1));
        assert!(line.iter().all(|coordinates| coordinates[1] == 0.0));
        assert!(line[2][0] > line[3][0] && line[3][0] > line[0][0]);
        let spot = principal_coordinates(&points(&[3.0; 12], 3));
        assert!(spot.iter().flatten().all(|&coordinate| coordinate == 0.0));
    }
}
