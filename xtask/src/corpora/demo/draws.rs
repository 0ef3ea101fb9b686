//! Random draws, each a pure function of the seed, what it is for and which song or album.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

/// What a sequence of draws is for. Sequences of different purposes have nothing in common, so a
/// draw more in one leaves the others alone.
#[derive(Debug, Clone, Copy)]
#[repr(u64)]
pub(super) enum Purpose {
    Production = 1,
    Arrangement = 2,
    Composition = 3,
    Timbre = 4,
    Performance = 5,
    Drums = 6,
    Reverberation = 7,
    Hiss = 8,
}

/// Which artist, album and song, counted from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) artist: usize,
    pub(super) album: usize,
    pub(super) song: usize,
}

/// A sequence of random draws.
pub(super) struct Draws(ChaCha8Rng);

impl Draws {
    pub(super) fn of_song(seed: u64, purpose: Purpose, place: Place) -> Self {
        let Place { artist, album, song } = place;
        Self::new(seed, purpose, [artist as u64, album as u64, 1 + song as u64])
    }

    pub(super) fn of_album(seed: u64, purpose: Purpose, artist: usize, album: usize) -> Self {
        Self::new(seed, purpose, [artist as u64, 1 + album as u64, 0])
    }

    pub(super) fn of_artist(seed: u64, purpose: Purpose, artist: usize) -> Self {
        Self::new(seed, purpose, [artist as u64, 0, 0])
    }

    fn new(seed: u64, purpose: Purpose, place: [u64; 3]) -> Self {
        let mut key = [0; 32];
        for (bytes, word) in key.chunks_exact_mut(8).zip([seed, place[0], place[1], place[2]]) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(purpose as u64);
        Self(generator)
    }

    /// Uniform in 0..1.
    pub(super) fn uniform(&mut self) -> f64 {
        // The 53 bits that an f64 holds exactly.
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.uniform()
    }

    /// Uniform in 0..`count`; `count` is small, so the bias is far below what could be heard.
    pub(super) fn index(&mut self, count: usize) -> usize {
        (self.uniform() * count as f64) as usize
    }

    pub(super) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.uniform() < probability
    }

    /// Standard normal, by the sum of twelve uniform draws: it needs no tails.
    pub(super) fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }

    /// Uniform in -1..1, at the price of one 32-bit word.
    pub(super) fn noise(&mut self) -> f32 {
        (self.0.next_u32() >> 8) as f32 / (1_u32 << 23) as f32 - 1.0
    }

    /// The numbers 0..`count` in random order.
    pub(super) fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            order.swap(last, self.index(last + 1));
        }
        order
    }
}
