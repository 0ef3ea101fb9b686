//! What drives points apart: a sum over all pairs of the map.

mod bands;
mod convolution;
mod exact;
mod mesh;
mod spline;

use self::mesh::Mesh;

/// From here on a mesh is quicker than all pairs.
const FEWEST_ON_A_MESH: usize = 1500;

/// A way to sum over all pairs, with what it keeps from one iteration to the next.
pub(super) enum Repulsion {
    /// Every pair: n² similarities.
    Exact,
    /// Pairs by way of a mesh: n steps and a Fourier transform.
    Mesh(Box<Mesh>),
}

impl Repulsion {
    pub(super) fn for_points(points: usize) -> Self {
        if points < FEWEST_ON_A_MESH { Self::Exact } else { Self::Mesh(Box::new(Mesh::new())) }
    }

    /// For every point i the sum over all others j of q(i, j)² (y(i) - y(j)) into `forces`; returns
    /// the sum of q over all ordered pairs. q is the similarity 1 / (1 + d²).
    pub(super) fn forces(&mut self, positions: &[[f64; 2]], forces: &mut [[f64; 2]]) -> f64 {
        match self {
            Self::Exact => exact::forces(positions, forces),
            Self::Mesh(mesh) => mesh.forces(positions, forces),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tsne::made_up::noise;

    /// Points in twelve clusters, `span` wide in all and half as high.
    fn clusters(points: usize, span: f64) -> Vec<[f64; 2]> {
        let pairs = |count: usize, seed: u64| -> Vec<[f64; 2]> {
            let numbers = noise(2 * count, seed);
            numbers.chunks(2).map(|pair| [f64::from(pair[0]), f64::from(pair[1])]).collect()
        };
        let centres = pairs(12, 1);
        let offsets = pairs(points, 2);
        let place = |(index, offset): (usize, &[f64; 2])| {
            let centre = centres[index % centres.len()];
            [(centre[0] + 0.1 * offset[0]) * span / 2.2, (centre[1] + 0.1 * offset[1]) * span / 4.4]
        };
        offsets.iter().enumerate().map(place).collect()
    }

    /// The error of the mesh's forces as a share of the forces (root mean squares), and that of the
    /// sum of similarities as a share of it.
    fn errors(positions: &[[f64; 2]]) -> (f64, f64) {
        let mut expected = vec![[0.0; 2]; positions.len()];
        let mut found = expected.clone();
        let expected_sum = exact::forces(positions, &mut expected);
        let found_sum = Mesh::new().forces(positions, &mut found);
        let squares = |numbers: &mut dyn Iterator<Item = f64>| numbers.map(|x| x * x).sum::<f64>();
        let both = || found.iter().flatten().zip(expected.iter().flatten());
        let error = squares(&mut both().map(|(found, expected)| found - expected));
        let size = squares(&mut expected.iter().flatten().copied());
        ((error / size).sqrt(), (found_sum / expected_sum - 1.0).abs())
    }

    #[test]
    fn forces_on_a_mesh_are_those_of_all_pairs_to_three_thousandths_at_any_size_of_the_map() {
        for span in [2e-4, 1e-2, 1.0, 10.0, 60.0, 200.0] {
            let (force, sum) = errors(&clusters(2000, span));
            assert!(force < 3e-3 && sum < 1e-4, "span {span}: {force:.1e}, {sum:.1e}");
        }
    }

    #[test]
    fn a_map_too_wide_for_a_fine_mesh_and_one_on_a_spot_have_finite_forces() {
        for positions in [clusters(2000, 1e5), vec![[0.0; 2]; 2000], vec![[7.0, -3.0]; 2000]] {
            let mut forces = vec![[0.0; 2]; positions.len()];
            let sum = Mesh::new().forces(&positions, &mut forces);
            assert!(sum.is_finite() && forces.iter().flatten().all(|force| force.is_finite()));
        }
    }

    #[test]
    fn a_mesh_that_has_served_other_maps_gives_the_forces_of_a_new_one() {
        let mut mesh = Mesh::new();
        for span in [1.0, 150.0, 40.0] {
            let positions = clusters(2000, span);
            let mut forces = vec![[0.0; 2]; positions.len()];
            let (mut expected, fresh) =
                (forces.clone(), Mesh::new().forces(&positions, &mut forces));
            let sum = mesh.forces(&positions, &mut expected);
            let most = forces.iter().flatten().fold(0.0, |most: f64, force| most.max(force.abs()));
            for (force, expected) in forces.iter().flatten().zip(expected.iter().flatten()) {
                assert!((force - expected).abs() < 1e-9 * most, "span {span}");
            }
            assert!((sum / fresh - 1.0).abs() < 1e-9, "span {span}");
        }
    }
}
