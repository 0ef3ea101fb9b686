//! The order of the clips in an epoch: a pure function of seed and epoch. And what other draws of an
//! epoch are drawn from.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// The number of the random stream that orders clips; no other purpose of this crate may use it.
const ORDER_STREAM: u64 = 1;
/// Random words set aside for an epoch: more than any permutation of `u32` indices draws.
const WORDS_PER_EPOCH_LOG2: u32 = 40;

/// A permutation of `0..n`, by Fisher and Yates, that depends on the arguments alone.
///
/// # Panics
/// When `n` is above `u32::MAX`.
#[expect(clippy::expect_used, reason = "documented; 4 billion clips do not fit in memory")]
pub(crate) fn clip_order(seed: u64, epoch: usize, n: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(n).expect("at most u32::MAX clips")).collect();
    let mut generator = generator(seed, ORDER_STREAM, epoch, 0);
    for last in (1..n).rev() {
        order.swap(last, below(&mut generator, last as u64 + 1) as usize);
    }
    order
}

/// A stream for one epoch, from one of its words on. The key is written out here, not derived by `seed_from_u64`, whose
/// derivation a release of `rand_core` may change.
pub(crate) fn generator(seed: u64, stream: u64, epoch: usize, word: u128) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..20].copy_from_slice(b"cantus-train");
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(stream);
    generator.set_word_pos(((epoch as u128) << WORDS_PER_EPOCH_LOG2) + word);
    generator
}

/// A uniform draw from `0..bound`, without bias: draws in the incomplete last multiple of `bound`
/// are thrown away.
fn below(generator: &mut ChaCha8Rng, bound: u64) -> u64 {
    let rest = (u64::MAX % bound + 1) % bound;
    loop {
        let draw = generator.next_u64();
        if draw <= u64::MAX - rest {
            return draw % bound;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_a_permutation_that_seed_and_epoch_decide() {
        let order = clip_order(7, 3, 100);
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..100).collect::<Vec<_>>());
        assert_eq!(order, clip_order(7, 3, 100));
        assert_ne!(order, clip_order(7, 4, 100));
        assert_ne!(order, clip_order(8, 3, 100));
    }

    #[test]
    fn the_first_orders_of_seed_zero_stay_as_they_are() {
        // A change here makes every earlier training unrepeatable.
        // (Computed by an independent ChaCha8.)
        assert_eq!(clip_order(0, 1, 8), [5, 1, 3, 6, 0, 4, 2, 7]);
        assert_eq!(clip_order(0, 2, 8), [0, 5, 7, 6, 2, 4, 3, 1]);
    }

    #[test]
    fn every_clip_comes_first_about_equally_often() {
        let mut firsts = [0_u32; 5];
        for epoch in 0..5_000 {
            firsts[clip_order(1, epoch, 5)[0] as usize] += 1;
        }
        // Five standard deviations of a binomial with n = 5000, p = 1/5 are 141.
        assert!(firsts.iter().all(|&n| n.abs_diff(1000) < 141), "{firsts:?}");
    }
}
