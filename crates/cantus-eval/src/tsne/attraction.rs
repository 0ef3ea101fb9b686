//! What draws points together: the sum over the pairs that are near in the original space.

use rayon::prelude::*;

use super::affinities::Affinities;

/// Points of a task: enough to be worth one.
const TASK: usize = 256;

/// 1 / (1 + d²), Student's distribution with one degree of freedom, of two positions.
#[inline]
pub(super) fn similarity(a: [f64; 2], b: [f64; 2]) -> f64 {
    let (x, y) = (a[0] - b[0], a[1] - b[1]);
    1.0 / (1.0 + (x * x + y * y))
}

/// For every point i the sum over j of p(i, j) q(i, j) (y(i) - y(j)), where q is the
/// [`similarity`], into `forces`.
pub(super) fn attraction(affinities: &Affinities, positions: &[[f64; 2]], forces: &mut [[f64; 2]]) {
    forces.par_iter_mut().with_min_len(TASK).enumerate().for_each(|(point, force)| {
        let here = positions[point];
        let mut sum = [0.0; 2];
        for (other, affinity) in affinities.row(point) {
            let there = positions[other];
            let weight = f64::from(affinity) * similarity(here, there);
            sum[0] += weight * (here[0] - there[0]);
            sum[1] += weight * (here[1] - there[1]);
        }
        *force = sum;
    });
}

/// The Kullback-Leibler divergence of the map from the affinities, in nats, where `normaliser` is
/// the sum of the similarities of all pairs.
pub(super) fn divergence(affinities: &Affinities, positions: &[[f64; 2]], normaliser: f64) -> f64 {
    let by_point: Vec<f64> = (0..affinities.points())
        .into_par_iter()
        .with_min_len(TASK)
        .map(|point| {
            affinities
                .row(point)
                .map(|(other, affinity)| (other, f64::from(affinity)))
                .filter(|&(_, affinity)| affinity > 0.0)
                .map(|(other, affinity)| {
                    let share = similarity(positions[point], positions[other]) / normaliser;
                    affinity * (affinity / share).ln()
                })
                .sum()
        })
        .collect();
    by_point.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tsne::made_up::{noise, points};
    use crate::tsne::neighbours::nearest;
    use crate::tsne::repulsion::Repulsion;

    fn forty_points() -> (Affinities, Vec<[f64; 2]>) {
        let neighbours = nearest(&points(&noise(40 * 5, 21), 5), 12);
        let numbers = noise(40 * 2, 22);
        let place = |pair: &[f32]| [3.0 * f64::from(pair[0]), 3.0 * f64::from(pair[1])];
        (Affinities::new(&neighbours, 4.0), numbers.chunks(2).map(place).collect())
    }

    fn measured(affinities: &Affinities, positions: &[[f64; 2]]) -> f64 {
        let mut forces = vec![[0.0; 2]; positions.len()];
        let normaliser = Repulsion::Exact.forces(positions, &mut forces);
        divergence(affinities, positions, normaliser)
    }

    #[test]
    fn the_divergence_is_that_of_the_definition() {
        let (affinities, positions) = forty_points();
        let n = positions.len();
        let q =
            |i: usize, j: usize| if i == j { 0.0 } else { similarity(positions[i], positions[j]) };
        let sum: f64 = (0..n).flat_map(|i| (0..n).map(move |j| (i, j))).map(|(i, j)| q(i, j)).sum();
        let mut expected = 0.0;
        for i in 0..n {
            for (j, p) in affinities.row(i) {
                expected += f64::from(p) * (f64::from(p) / (q(i, j) / sum)).ln();
            }
        }
        let found = measured(&affinities, &positions);
        assert!((found - expected).abs() < 1e-12 * expected, "{found} for {expected}");
    }

    #[test]
    fn four_times_the_forces_are_the_slope_of_the_divergence() {
        const STEP: f64 = 1e-5;
        let (affinities, positions) = forty_points();
        let mut drawing = vec![[0.0; 2]; positions.len()];
        let mut driving = drawing.clone();
        attraction(&affinities, &positions, &mut drawing);
        let normaliser = Repulsion::Exact.forces(&positions, &mut driving);
        for point in 0..positions.len() {
            for axis in 0..2 {
                let moved = |by: f64| {
                    let mut positions = positions.clone();
                    positions[point][axis] += by;
                    measured(&affinities, &positions)
                };
                let slope = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
                let gradient = 4.0 * (drawing[point][axis] - driving[point][axis] / normaliser);
                assert!((gradient - slope).abs() < 1e-8, "{gradient} for {slope}");
            }
        }
    }
}
