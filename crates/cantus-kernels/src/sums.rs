//! Sums in double precision and in a fixed order, whatever the number of threads.

use rayon::prelude::*;

use crate::element::Element;

/// Independent running sums, so that a long addition need not wait for the one before it.
const LANES: usize = 8;

/// The sum of `term(a[i], b[i])`.
pub(crate) fn sum_of_pairs<T: Element>(a: &[T], b: &[T], term: impl Fn(f64, f64) -> f64) -> f64 {
    debug_assert_eq!(a.len(), b.len());
    let mut lanes = [0.0; LANES];
    let (a_blocks, a_rest) = a.as_chunks::<LANES>();
    let (b_blocks, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a_blocks.iter().zip(b_blocks) {
        for lane in 0..LANES {
            lanes[lane] += term(a[lane].to_f64(), b[lane].to_f64());
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| term(a.to_f64(), b.to_f64())).sum();
    lanes.iter().sum::<f64>() + rest
}

/// The sum of `term(a[i])`.
pub(crate) fn sum_of<T: Element>(a: &[T], term: impl Fn(f64) -> f64) -> f64 {
    let mut lanes = [0.0; LANES];
    let (blocks, rest) = a.as_chunks::<LANES>();
    for block in blocks {
        for lane in 0..LANES {
            lanes[lane] += term(block[lane].to_f64());
        }
    }
    let rest: f64 = rest.iter().map(|a| term(a.to_f64())).sum();
    lanes.iter().sum::<f64>() + rest
}

/// Adds up vectors of `length` elements that lie one after the other, first to last.
pub(crate) fn sum_of_vectors<T: Element>(vectors: &[T], length: usize) -> Vec<T> {
    const BLOCK: usize = 4096;
    let mut sum = vec![T::zero(); length];
    sum.par_chunks_mut(BLOCK).enumerate().for_each(|(block, sum)| {
        for (i, sum) in sum.iter_mut().enumerate() {
            let position = block * BLOCK + i;
            let column = vectors.iter().skip(position).step_by(length);
            *sum = T::from_f64(column.map(|v| v.to_f64()).sum());
        }
    });
    sum
}
