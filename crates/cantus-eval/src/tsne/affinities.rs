//! How near points are to each other: van der Maaten & Hinton 2008, equations 1 and 2, over the
//! nearest neighbours alone as in van der Maaten 2014, section 4.1.

use std::ops::Range;

use rayon::prelude::*;

use super::neighbours::Neighbours;

/// How far a point's entropy may be from the one wanted, in nats.
const ENTROPY_TOLERANCE: f64 = 1e-8;
/// More steps than bisection needs for all bits of a bandwidth.
const MOST_STEPS: usize = 200;

/// The joint probabilities of pairs: symmetric, none of a point with itself, together 1.
///
/// Row by row; what is not stored is 0.
pub(super) struct Affinities {
    /// Where each point's row starts; one more than there are points.
    starts: Vec<usize>,
    /// The other points, rising within a row.
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl Affinities {
    /// Gives every point the bandwidth at which its neighbours have the `perplexity`.
    pub(super) fn new(neighbours: &Neighbours, perplexity: f64) -> Self {
        let count = neighbours.count;
        let mut conditional = vec![0.0; neighbours.squared_distances.len()];
        conditional
            .par_chunks_mut(count)
            .zip(neighbours.squared_distances.par_chunks(count))
            .for_each(|(probabilities, distances)| fit(distances, perplexity, probabilities));
        Self::symmetric(neighbours, &conditional)
    }

    /// p(i, j) = (p(j | i) + p(i | j)) / 2n.
    fn symmetric(neighbours: &Neighbours, conditional: &[f64]) -> Self {
        let count = neighbours.count;
        let points = conditional.len() / count;
        let incoming = Incoming::new(neighbours, points);
        let rows: Vec<Vec<(u32, f64)>> = (0..points)
            .into_par_iter()
            .map(|point| {
                let own = point * count..(point + 1) * count;
                let outgoing = own.map(|entry| (neighbours.indices[entry], conditional[entry]));
                let from = |&entry: &usize| ((entry / count) as u32, conditional[entry]);
                let mut row: Vec<(u32, f64)> =
                    outgoing.chain(incoming.of(point).iter().map(from)).collect();
                row.sort_by_key(|&(column, _)| column);
                row.dedup_by(|second, first| {
                    let same = second.0 == first.0;
                    if same {
                        first.1 += second.1;
                    }
                    same
                });
                row
            })
            .collect();
        let mut starts = vec![0];
        starts.extend(rows.iter().scan(0, |end, row| {
            *end += row.len();
            Some(*end)
        }));
        let sum: f64 = rows.iter().flatten().map(|(_, value)| value).sum();
        Self {
            starts,
            columns: rows.iter().flatten().map(|&(column, _)| column).collect(),
            values: rows.iter().flatten().map(|&(_, value)| (value / sum) as f32).collect(),
        }
    }

    pub(super) fn points(&self) -> usize {
        self.starts.len() - 1
    }

    /// The points that have anything to do with `point`, and how much.
    pub(super) fn row(&self, point: usize) -> impl Iterator<Item = (usize, f32)> {
        let row = self.starts[point]..self.starts[point + 1];
        let columns = self.columns[row.clone()].iter().map(|&column| column as usize);
        columns.zip(self.values[row].iter().copied())
    }
}

/// The entries in which each point is somebody's neighbour.
struct Incoming {
    starts: Vec<usize>,
    entries: Vec<usize>,
}

impl Incoming {
    fn new(neighbours: &Neighbours, points: usize) -> Self {
        let mut starts = vec![0; points + 1];
        for &index in &neighbours.indices {
            starts[index as usize + 1] += 1;
        }
        for point in 0..points {
            starts[point + 1] += starts[point];
        }
        let mut ends = starts.clone();
        let mut entries = vec![0; neighbours.indices.len()];
        for (entry, &index) in neighbours.indices.iter().enumerate() {
            entries[ends[index as usize]] = entry;
            ends[index as usize] += 1;
        }
        Self { starts, entries }
    }

    fn of(&self, point: usize) -> &[usize] {
        let range: Range<usize> = self.starts[point]..self.starts[point + 1];
        &self.entries[range]
    }
}

/// The probabilities of a point's neighbours, nearest first, under a Gaussian whose bandwidth gives
/// them the perplexity.
///
/// Where more neighbours are equally near than the perplexity, no bandwidth does: then these share
/// all, as in the limit. The entropy falls with the precision `beta`; Newton's method on its
/// logarithm, by bisection where that leaves the bracket.
fn fit(squared_distances: &[f32], perplexity: f64, probabilities: &mut [f64]) {
    // Distances beyond the nearest: a common factor of all probabilities is left out.
    let beyond = |distance: f32| f64::from(distance) - f64::from(squared_distances[0]);
    let count = squared_distances.len() as f64;
    let mean = squared_distances.iter().map(|&distance| beyond(distance)).sum::<f64>() / count;
    if mean == 0.0 {
        probabilities.fill(1.0 / count);
        return;
    }
    let wanted = perplexity.ln();
    let (mut low, mut high) = (0.0, f64::INFINITY);
    let mut beta = 1.0 / mean;
    let mut sum = 0.0;
    for _ in 0..MOST_STEPS {
        let (mut first, mut second) = (0.0, 0.0);
        sum = 0.0;
        for (probability, &distance) in probabilities.iter_mut().zip(squared_distances) {
            let exponent = beta * beyond(distance);
            *probability = (-exponent).exp();
            sum += *probability;
            first += *probability * exponent;
            second += *probability * exponent * exponent;
        }
        let mean_exponent = first / sum;
        let excess = sum.ln() + mean_exponent - wanted;
        if excess.abs() <= ENTROPY_TOLERANCE {
            break;
        }
        if excess > 0.0 {
            low = beta;
        } else {
            high = beta;
        }
        // The entropy's slope over the logarithm of beta is the exponents' variance, but for its sign.
        let step = excess / (second / sum - mean_exponent * mean_exponent);
        let newton = beta * step.clamp(-2.0, 2.0).exp();
        beta = if newton > low && newton < high {
            newton
        } else if high.is_infinite() {
            beta * 2.0
        } else {
            f64::midpoint(low, high)
        };
    }
    for probability in probabilities {
        *probability /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tsne::made_up::{noise, points};
    use crate::tsne::neighbours::nearest;

    fn dense(affinities: &Affinities) -> Vec<Vec<f64>> {
        let points = affinities.points();
        let mut matrix = vec![vec![0.0; points]; points];
        for (point, row) in matrix.iter_mut().enumerate() {
            for (other, affinity) in affinities.row(point) {
                row[other] = f64::from(affinity);
            }
        }
        matrix
    }

    /// The definition, with every bandwidth by bisection.
    fn plainly(points: &[Vec<f64>], neighbours: usize, perplexity: f64) -> Vec<Vec<f64>> {
        let n = points.len();
        let mut conditional = vec![vec![0.0; n]; n];
        for i in 0..n {
            let distance = |j: usize| -> f64 {
                points[i].iter().zip(&points[j]).map(|(a, b)| (a - b).powi(2)).sum()
            };
            let mut others: Vec<usize> = (0..n).filter(|&j| j != i).collect();
            others.sort_by(|&a, &b| distance(a).total_cmp(&distance(b)));
            others.truncate(neighbours);
            let (mut narrow, mut wide) = (1e-6_f64, 1e6_f64);
            for _ in 0..200 {
                let sigma = (narrow * wide).sqrt();
                let weight = |j: usize| (-distance(j) / (2.0 * sigma * sigma)).exp();
                let sum: f64 = others.iter().map(|&j| weight(j)).sum();
                let mut entropy = 0.0;
                for &j in &others {
                    let p = weight(j) / sum;
                    conditional[i][j] = p;
                    if p > 0.0 {
                        entropy -= p * p.log2();
                    }
                }
                // Of no use where all weights vanish: then the bandwidth is far too narrow.
                if sum > 0.0 && entropy.exp2() > perplexity {
                    wide = sigma;
                } else {
                    narrow = sigma;
                }
            }
        }
        let joint = |i: usize, j: usize| (conditional[i][j] + conditional[j][i]) / (2.0 * n as f64);
        (0..n).map(|i| (0..n).map(|j| joint(i, j)).collect()).collect()
    }

    #[test]
    fn affinities_are_those_of_the_definition() {
        for (number, perplexity) in [(60, 5.0), (150, 12.5), (40, 13.0), (4, 1.5)] {
            let points = points(&noise(number * 6, 11), 6);
            let count = f64::round(3.0 * perplexity) as usize;
            let count = count.min(number - 1);
            let found = dense(&Affinities::new(&nearest(&points, count), perplexity));
            let rows: Vec<Vec<f64>> =
                points.rows().map(|row| row.iter().map(|&x| f64::from(x)).collect()).collect();
            let expected = plainly(&rows, count, perplexity);
            let most = expected.iter().flatten().fold(0.0, |most: f64, &p| most.max(p));
            for (found, expected) in found.iter().flatten().zip(expected.iter().flatten()) {
                assert!((found - expected).abs() < 1e-6 * most, "{found} for {expected}");
            }
        }
    }

    #[test]
    fn more_equal_points_than_the_perplexity_share_all() {
        let mut numbers = vec![0.5; 20 * 2];
        numbers.extend(noise(40 * 2, 4));
        let points = points(&numbers, 2);
        let affinities = Affinities::new(&nearest(&points, 15), 5.0);
        let matrix = dense(&affinities);
        assert!(matrix.iter().flatten().all(|p| p.is_finite()));
        assert!((matrix.iter().flatten().sum::<f64>() - 1.0).abs() < 1e-6);
        // The first of the equal points is a neighbour of all the others.
        let expected = 2.0 / 15.0 / (2.0 * 60.0);
        assert!((matrix[0][1] - expected).abs() < 1e-6 * expected, "{}", matrix[0][1]);
    }
}
