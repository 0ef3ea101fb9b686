//! Our own draws: each is a pure function of the seed, its purpose and its position.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// What a draw is for. The numbers are ChaCha streams: they are part of every saved split's
/// meaning and never change.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    /// The order of one artist's songs; position: the artist.
    SongOrder = 1,
    /// Who gives one song more when shares are equally near to it; position: the part.
    ShareTies = 2,
    /// The order of one artist's albums; position: the artist.
    AlbumOrder = 3,
    /// The order of the songs of an album that two parts share; position: the artist.
    SharedAlbum = 4,
    /// The order in which one artist's songs or albums are dealt to folds; position: the artist.
    FoldOrder = 5,
    /// Who validates one song more when shares are equally near to it; position: the fold.
    FoldShareTies = 6,
    /// Which songs of one artist validate; position: the artist and the fold.
    FoldValidation = 7,
    /// Which artists are taken; position: 0.
    ArtistChoice = 8,
    /// The artists' names dealt to songs anew; position: 0.
    ShuffledLabels = 9,
}

/// ChaCha8, as its 2008 paper has it; only the drawing of numbers and orders from it is ours, so
/// that no release of a library changes a split.
pub(crate) struct Draws(ChaCha8Rng);

impl Draws {
    /// The draws for a purpose at a position.
    pub(crate) fn new(seed: u64, purpose: Purpose, position: usize) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = ChaCha8Rng::from_seed(key);
        rng.set_stream(purpose as u64);
        // 2^32 words for each position: no two overlap.
        rng.set_word_pos((position as u128) << 32);
        Self(rng)
    }

    /// Uniform in `0..bound`, without bias.
    fn below(&mut self, bound: u64) -> u64 {
        // The top of the range, where a remainder would favour small numbers, is drawn again.
        let fair = u64::MAX - u64::MAX % bound;
        loop {
            let value = self.0.next_u64();
            if value < fair {
                return value % bound;
            }
        }
    }

    /// A uniform permutation (Fisher and Yates).
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(seed: u64, purpose: Purpose, position: usize) -> Vec<u32> {
        let mut items: Vec<u32> = (0..20).collect();
        Draws::new(seed, purpose, position).shuffle(&mut items);
        items
    }

    #[test]
    fn the_order_drawn_today_is_the_order_drawn_ever_after() {
        // Computed by a second implementation, in Python, from the paper on ChaCha: were it to
        // change, saved seeds would mean other splits.
        let expected = [2_u32, 19, 10, 0, 8, 12, 9, 7, 16, 3, 1, 4, 5, 6, 15, 17, 18, 13, 14, 11];
        assert_eq!(order(42, Purpose::SongOrder, 3), expected);
    }

    #[test]
    fn seed_purpose_and_position_each_change_the_order() {
        let one = order(42, Purpose::SongOrder, 3);
        assert_ne!(one, order(43, Purpose::SongOrder, 3));
        assert_ne!(one, order(42, Purpose::AlbumOrder, 3));
        assert_ne!(one, order(42, Purpose::SongOrder, 4));
    }

    #[test]
    fn each_of_the_six_orders_of_three_comes_up_as_often() {
        let mut counts = std::collections::BTreeMap::new();
        for position in 0..6000 {
            let mut items = [0, 1, 2];
            Draws::new(0, Purpose::SongOrder, position).shuffle(&mut items);
            *counts.entry(items).or_insert(0_u32) += 1;
        }
        // Chi squared over the six has 5 degrees of freedom: 20.5 is its 99.9th percentile.
        let chi_squared: f64 =
            counts.values().map(|&count| (f64::from(count) - 1000.0).powi(2) / 1000.0).sum();
        assert_eq!(counts.len(), 6);
        assert!(chi_squared < 20.5, "{chi_squared}: {counts:?}");
    }
}
