//! All pairs, one by one.

use rayon::prelude::*;

use crate::tsne::attraction::similarity;

/// Points of a task: enough to be worth one.
const TASK: usize = 32;

/// As [`Repulsion::forces`](super::Repulsion::forces).
pub(super) fn forces(positions: &[[f64; 2]], forces: &mut [[f64; 2]]) -> f64 {
    let mut similarities = vec![0.0; positions.len()];
    forces.par_iter_mut().zip(&mut similarities).zip(positions).with_min_len(TASK).for_each(
        |((force, similarity_sum), &here)| {
            let mut sum = [0.0; 2];
            // A point's similarity to itself is 1, and no part of the sum.
            let mut similarities = -1.0;
            for &there in positions {
                let q = similarity(here, there);
                similarities += q;
                sum[0] += q * q * (here[0] - there[0]);
                sum[1] += q * q * (here[1] - there[1]);
            }
            *force = sum;
            *similarity_sum = similarities;
        },
    );
    similarities.iter().sum()
}
