//! Intervals of the headline numbers by drawing songs again.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// The generator's stream for this purpose: the letters of "bootstrp".
const STREAM: u64 = u64::from_be_bytes(*b"bootstrp");

/// How the intervals are made.
///
/// The percentile bootstrap over **songs** (Efron 1979): as many songs as there are, drawn with
/// replacement, with all their clips, since the clips of a song are anything but independent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BootstrapOptions {
    /// Seed of the draws: equal seeds and predictions give equal intervals.
    pub seed: u64,
    /// How often the songs are drawn; 0 makes no intervals.
    pub replicates: usize,
    /// The share of the replicates that an interval holds, above 0 and below 1.
    pub confidence: f64,
}

impl Default for BootstrapOptions {
    /// Seed 0, 1000 replicates, 95 %.
    fn default() -> Self {
        Self { seed: 0, replicates: 1000, confidence: 0.95 }
    }
}

impl BootstrapOptions {
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        if self.confidence > 0.0 && self.confidence < 1.0 {
            Ok(())
        } else {
            Err(EvalError::Confidence { confidence: self.confidence })
        }
    }
}

/// A score and the interval around it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The score on the songs as they are.
    pub value: f64,
    /// The interval's lower end; absent if none was asked for.
    pub low: Option<f64>,
    /// The interval's upper end; absent if none was asked for.
    pub high: Option<f64>,
}

/// The predictions of one song: its true class, and how often each class was predicted.
pub(crate) struct SongCounts {
    pub(crate) truth: usize,
    pub(crate) predicted: Vec<(usize, u64)>,
}

/// The scores that get an interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Headline<T> {
    pub(crate) accuracy: T,
    pub(crate) weighted_f1: T,
    pub(crate) macro_f1: T,
    pub(crate) balanced_accuracy: T,
}

/// The headline scores of `songs`, with intervals.
pub(crate) fn estimates(
    songs: &[SongCounts],
    classes: usize,
    options: &BootstrapOptions,
) -> Headline<Estimate> {
    let value = Tally::of(songs.iter(), classes).headline();
    let replicates: Vec<Headline<f64>> = (0..options.replicates)
        .map(|replicate| {
            let chosen = draw_songs(songs.len(), replicate, options.seed);
            Tally::of(chosen.into_iter().map(|song| &songs[song]), classes).headline()
        })
        .collect();
    let estimate = |score: fn(&Headline<f64>) -> f64| {
        let mut scores: Vec<f64> = replicates.iter().map(score).collect();
        scores.sort_by(f64::total_cmp);
        let tail = (1.0 - options.confidence) / 2.0;
        Estimate {
            value: score(&value),
            low: quantile(&scores, tail),
            high: quantile(&scores, 1.0 - tail),
        }
    };
    Headline {
        accuracy: estimate(|scores| scores.accuracy),
        weighted_f1: estimate(|scores| scores.weighted_f1),
        macro_f1: estimate(|scores| scores.macro_f1),
        balanced_accuracy: estimate(|scores| scores.balanced_accuracy),
    }
}

/// Songs of one replicate: a pure function of the seed and the replicate's number.
fn draw_songs(songs: usize, replicate: usize, seed: u64) -> Vec<usize> {
    const WORDS_PER_DRAW: u128 = 2;
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    let mut random = ChaCha8Rng::from_seed(key);
    random.set_stream(STREAM);
    random.set_word_pos(replicate as u128 * songs as u128 * WORDS_PER_DRAW);
    (0..songs)
        .map(|_| {
            // A 64-bit fraction of the range: the bias is below songs / 2^64.
            ((u128::from(random.next_u64()) * songs as u128) >> 64) as usize
        })
        .collect()
}

/// What a set of songs sums up to, class by class.
struct Tally {
    support: Vec<u64>,
    predicted: Vec<u64>,
    hits: Vec<u64>,
}

impl Tally {
    fn of<'a>(songs: impl Iterator<Item = &'a SongCounts>, classes: usize) -> Self {
        let zeros = vec![0; classes];
        let mut tally = Self { support: zeros.clone(), predicted: zeros.clone(), hits: zeros };
        for song in songs {
            for &(class, count) in &song.predicted {
                tally.support[song.truth] += count;
                tally.predicted[class] += count;
                if class == song.truth {
                    tally.hits[class] += count;
                }
            }
        }
        tally
    }

    /// The scores. The macro averages are over the classes that are the true one of something: of
    /// the others nothing is known.
    fn headline(&self) -> Headline<f64> {
        let total = self.support.iter().sum::<u64>().max(1) as f64;
        let (mut f1_sum, mut f1_weighted, mut recall_sum, mut supported) = (0.0, 0.0, 0.0, 0);
        for class in 0..self.support.len() {
            let (support, hits) = (self.support[class] as f64, self.hits[class] as f64);
            if support > 0.0 {
                let f1 = 2.0 * hits / (support + self.predicted[class] as f64);
                supported += 1;
                f1_sum += f1;
                f1_weighted += f1 * support;
                recall_sum += hits / support;
            }
        }
        Headline {
            accuracy: self.hits.iter().sum::<u64>() as f64 / total,
            weighted_f1: f1_weighted / total,
            macro_f1: f1_sum / f64::from(supported.max(1)),
            balanced_accuracy: recall_sum / f64::from(supported.max(1)),
        }
    }
}

/// Quantile of sorted values, linear between neighbours as `numpy.quantile`; `None` of none.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let position = share * last as f64;
    let below = (position.floor() as usize).min(last);
    let above = (below + 1).min(last);
    let weight = position - below as f64;
    Some(sorted[below] + (sorted[above] - sorted[below]) * weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_linear_between_neighbours() {
        let values = [1.0, 2.0, 4.0, 8.0];
        assert_eq!(quantile(&values, 0.0), Some(1.0));
        assert_eq!(quantile(&values, 0.5), Some(3.0));
        assert_eq!(quantile(&values, 1.0), Some(8.0));
        assert_eq!(quantile(&[], 0.5), None);
    }

    #[test]
    fn a_replicate_is_the_same_whichever_were_drawn_before() {
        let third = draw_songs(50, 3, 9);
        let _ = draw_songs(50, 2, 9);
        assert_eq!(draw_songs(50, 3, 9), third);
        assert_ne!(draw_songs(50, 4, 9), third);
        assert_ne!(draw_songs(50, 3, 10), third);
    }

    #[test]
    fn every_song_is_drawn_about_once_a_replicate() {
        let mut drawn = [0_u32; 20];
        for replicate in 0..2000 {
            for song in draw_songs(20, replicate, 1) {
                drawn[song] += 1;
            }
        }
        // Binomial with mean 2000 and deviation 44.
        assert!(drawn.iter().all(|&times| times.abs_diff(2000) < 220), "{drawn:?}");
    }
}
