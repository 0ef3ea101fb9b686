//! One recording twice: in another encoding, at another loudness, cut elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// Of the values that a word can have, one in so many is looked up. The same ones in every song, so
/// that two copies are found by the words that they share.
const LOOKED_UP: u32 = 8;
/// A value in more places than this is of silence or a held tone and tells nothing.
const MOST_PLACES: usize = 64;
/// After so many different words the caller is asked whether to go on.
const WORDS_PER_QUESTION: usize = 1 << 14;
/// Shifts this near to one that was found are the same one.
const SAME_SHIFT: i64 = 2;

/// When two songs are called alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NearDuplicateOptions {
    /// Words in a row that must be alike: 10 s of the song.
    pub words: usize,
    /// Bits of a word that are used, 1 to 32.
    pub bits: u32,
    /// Of these bits, the most that may differ, as a share. Unlike songs differ in half of them.
    pub most_bit_errors: f64,
}

impl Default for NearDuplicateOptions {
    /// 313 words of 32 bits (10 s at the paper's 31.25 frames a second) with at most a quarter of
    /// their bits different.
    fn default() -> Self {
        Self { words: 313, bits: 32, most_bit_errors: 0.25 }
    }
}

/// Two songs of which a stretch is the same recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NearDuplicate {
    /// The song whose id comes first.
    pub first: String,
    /// The other.
    pub second: String,
    /// Words by which the second lags behind the first; below 0 where it is ahead.
    pub lag: i64,
    /// Words that both have at that lag.
    pub common_words: usize,
    /// How many of these are alike, counted in whole stretches.
    pub alike_words: usize,
    /// Share of the bits that differ in the most similar stretch found.
    pub bit_errors: f64,
}

/// Pairs of songs that hold the same recording for a stretch, sorted by their ids; none if
/// `goes_on`, which is asked again and again, says no.
///
/// `songs` are audio fingerprints by song id, a word of up to 32 bits a frame, such as
/// `cantus_mel::audio_fingerprint` makes: the search of Haitsma & Kalker (ISMIR 2002), by words
/// that two songs share, each then compared over [`NearDuplicateOptions::words`] words around it.
/// Stretches with little to tell (silence, a held tone) are passed over; so are songs shorter than a
/// stretch. A pair is told at the lag where most of it is alike. The index that is searched takes
/// less memory than the fingerprints.
///
/// Words that stand in more than 64 places are not looked up. In a corpus of some ten thousand songs
/// and more, chance alone makes many words as common, and copies are missed.
pub fn near_duplicates(
    songs: &BTreeMap<String, Vec<u32>>,
    options: &NearDuplicateOptions,
    mut goes_on: impl FnMut() -> bool,
) -> Option<Vec<NearDuplicate>> {
    let ids: Vec<&str> = songs.keys().map(String::as_str).collect();
    let words: Vec<&[u32]> = songs.values().map(Vec::as_slice).collect();
    let places = places(&words);
    let mut found: BTreeMap<(usize, usize), Match> = BTreeMap::new();
    for (number, same) in places.chunk_by(|a, b| a.word == b.word).enumerate() {
        if number.is_multiple_of(WORDS_PER_QUESTION) && !goes_on() {
            return None;
        }
        if same.len() > MOST_PLACES {
            continue;
        }
        for (index, first) in same.iter().enumerate() {
            for second in same[index + 1..].iter().filter(|second| second.song != first.song) {
                let pair = (first.song as usize, second.song as usize);
                let lag = i64::from(second.at) - i64::from(first.at);
                if found.get(&pair).is_some_and(|best| best.covers(lag)) {
                    continue;
                }
                let (a, b) = overlap(words[pair.0], words[pair.1], lag);
                let centre = first.at as usize - usize::try_from(-lag).unwrap_or(0);
                if let Some(bit_errors) = bit_errors_around(centre, a, b, options) {
                    let here = alike(a, b, bit_errors, lag, options);
                    found.entry(pair).or_default().add(here);
                }
            }
        }
    }
    let named = found.into_iter().filter_map(|((first, second), found)| {
        let best = found.best?;
        Some(NearDuplicate {
            first: ids[first].to_owned(),
            second: ids[second].to_owned(),
            lag: best.lag,
            common_words: best.common,
            alike_words: best.alike,
            bit_errors: best.bit_errors,
        })
    });
    Some(named.collect())
}

/// What two songs have in common at one lag.
#[derive(Clone, Copy)]
struct Lagged {
    lag: i64,
    common: usize,
    alike: usize,
    bit_errors: f64,
}

/// The best of what two songs have in common, and every lag at which they have anything.
#[derive(Default)]
struct Match {
    best: Option<Lagged>,
    lags: Vec<i64>,
}

impl Match {
    fn covers(&self, lag: i64) -> bool {
        self.lags.iter().any(|known| (known - lag).abs() <= SAME_SHIFT)
    }

    fn add(&mut self, here: Lagged) {
        let is_better =
            |best: &Lagged| (here.alike, -here.bit_errors) > (best.alike, -best.bit_errors);
        if self.best.as_ref().is_none_or(is_better) {
            self.best = Some(here);
        }
        self.lags.push(here.lag);
    }
}

/// Where a word stands.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    word: u32,
    song: u32,
    at: u32,
}

/// The places of the words that are looked up, by word, song and place.
fn places(songs: &[&[u32]]) -> Vec<Place> {
    let mut places = Vec::new();
    for (song, words) in songs.iter().enumerate() {
        for (at, &word) in words.iter().enumerate() {
            // Multiplied first: the low bits alone are of the lowest bands.
            let is_looked_up = word.wrapping_mul(0x9E37_79B1) < u32::MAX / LOOKED_UP;
            if is_looked_up {
                places.push(Place { word, song: song as u32, at: at as u32 });
            }
        }
    }
    places.sort_unstable();
    places
}

/// The words that two songs have at the same time, if the second lags behind by so many.
fn overlap<'a>(first: &'a [u32], second: &'a [u32], lag: i64) -> (&'a [u32], &'a [u32]) {
    let skip = |words: &'a [u32], count: i64| {
        &words[usize::try_from(count).unwrap_or(0).min(words.len())..]
    };
    let (first, second) = (skip(first, -lag), skip(second, lag));
    let both = first.len().min(second.len());
    (&first[..both], &second[..both])
}

/// The share of differing bits in the stretch around a word; none where there are too many, or
/// where the stretch is too short or tells nothing.
fn bit_errors_around(
    centre: usize,
    first: &[u32],
    second: &[u32],
    options: &NearDuplicateOptions,
) -> Option<f64> {
    let last_start = first.len().checked_sub(options.words)?;
    let start = centre.saturating_sub(options.words / 2).min(last_start);
    let stretch = start..start + options.words;
    few_bit_errors(&first[stretch.clone()], &second[stretch], options)
}

/// The share of differing bits, if it is small and the words tell something. Bits are counted first:
/// that alone turns nearly all down.
fn few_bit_errors(first: &[u32], second: &[u32], options: &NearDuplicateOptions) -> Option<f64> {
    if first.is_empty() {
        return None;
    }
    let different: u32 = first.iter().zip(second).map(|(a, b)| (a ^ b).count_ones()).sum();
    let share = f64::from(different) / (options.bits as usize * first.len()) as f64;
    let is_alike = share <= options.most_bit_errors && tells_enough(first) && tells_enough(second);
    is_alike.then_some(share)
}

/// Music has a new word nearly every frame.
fn tells_enough(words: &[u32]) -> bool {
    let distinct: BTreeSet<u32> = words.iter().copied().collect();
    4 * distinct.len() >= words.len()
}

/// How much of two overlapping songs is alike, of which a stretch with `bit_errors` is.
fn alike(
    first: &[u32],
    second: &[u32],
    bit_errors: f64,
    lag: i64,
    options: &NearDuplicateOptions,
) -> Lagged {
    let stretches = first.chunks_exact(options.words).zip(second.chunks_exact(options.words));
    let alike: Vec<f64> = stretches.filter_map(|(a, b)| few_bit_errors(a, b, options)).collect();
    Lagged {
        lag,
        common: first.len(),
        // The one that was found need not be one of these.
        alike: options.words * alike.len().max(1),
        bit_errors: alike.iter().copied().fold(bit_errors, f64::min),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::{Draws, Purpose};

    fn noise(seed: u64, length: usize) -> Vec<u32> {
        let mut draws = Draws::new(seed, Purpose::SongOrder, 0);
        let mut bits: Vec<u8> = (0..=255).collect();
        (0..length)
            .map(|_| {
                draws.shuffle(&mut bits);
                u32::from_le_bytes([bits[0], bits[1], bits[2], bits[3]])
            })
            .collect()
    }

    /// One bit of each word turned, in three words of four: 2.3 % of all bits.
    fn encoded(words: &[u32]) -> Vec<u32> {
        let turned = |(at, word): (usize, &u32)| {
            if at.is_multiple_of(4) { *word } else { word ^ (1 << (at % 32)) }
        };
        words.iter().enumerate().map(turned).collect()
    }

    fn found(songs: &[(&str, Vec<u32>)]) -> Vec<NearDuplicate> {
        let songs = songs.iter().map(|(id, words)| ((*id).to_owned(), words.clone())).collect();
        near_duplicates(&songs, &NearDuplicateOptions::default(), || true).unwrap()
    }

    #[test]
    fn unlike_songs_are_no_pair() {
        let songs: Vec<(String, Vec<u32>)> =
            (0..8).map(|seed| (format!("{seed}"), noise(seed, 2_000))).collect();
        let songs: Vec<(&str, Vec<u32>)> =
            songs.iter().map(|(id, words)| (id.as_str(), words.clone())).collect();
        assert_eq!(found(&songs), []);
    }

    #[test]
    fn a_copy_is_found_with_its_lag_and_its_errors() {
        let whole = noise(1, 3_000);
        let copy = [noise(2, 40), encoded(&whole[..2_500])].concat();
        let pairs = found(&[("a", whole), ("b", noise(3, 3_000)), ("c", copy)]);
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        let pair = &pairs[0];
        assert_eq!((pair.first.as_str(), pair.second.as_str(), pair.lag), ("a", "c", 40));
        assert!((pair.bit_errors - 0.75 / 32.0).abs() < 0.002, "{pair:?}");
        assert_eq!((pair.common_words, pair.alike_words), (2_500, 2_500 / 313 * 313));
    }

    #[test]
    fn a_copy_that_is_ahead_has_a_lag_below_zero() {
        let whole = noise(1, 3_000);
        let copy = whole[700..].to_vec();
        let pairs = found(&[("a", whole), ("b", copy)]);
        assert_eq!((pairs.len(), pairs[0].lag), (1, -700));
    }

    #[test]
    fn a_passage_that_two_songs_share_is_found_and_is_a_small_part() {
        // Hardly longer than a stretch: only a word near its middle shows it.
        let passage = noise(9, 330);
        let first = [noise(1, 1_000), passage.clone(), noise(2, 2_000)].concat();
        let second = [noise(3, 1_500), passage, noise(4, 1_500)].concat();
        let pairs = found(&[("a", first), ("b", second)]);
        assert_eq!((pairs.len(), pairs[0].lag), (1, 500));
        assert_eq!((pairs[0].alike_words, pairs[0].common_words), (313, 2_830), "{pairs:?}");
    }

    #[test]
    fn common_silence_and_short_songs_are_no_pair() {
        let quiet = |seed| [vec![0; 1_000], noise(seed, 1_000)].concat();
        assert_eq!(found(&[("a", quiet(1)), ("b", quiet(2))]), []);
        assert_eq!(found(&[("a", noise(1, 312)), ("b", noise(1, 312))]), []);
        assert_eq!(found(&[("a", noise(1, 313)), ("b", noise(1, 313))]).len(), 1);
        assert_eq!(found(&[("a", vec![]), ("b", vec![])]), []);
    }

    #[test]
    fn more_errors_than_allowed_are_no_pair() {
        let whole = noise(1, 2_000);
        let copy = encoded(&whole);
        let songs: BTreeMap<String, Vec<u32>> =
            [("a".to_owned(), whole), ("b".to_owned(), copy)].into();
        let strict = NearDuplicateOptions { most_bit_errors: 0.02, ..Default::default() };
        assert_eq!(near_duplicates(&songs, &strict, || true).unwrap(), []);
        let loose = NearDuplicateOptions { most_bit_errors: 0.03, ..Default::default() };
        assert_eq!(near_duplicates(&songs, &loose, || true).unwrap().len(), 1);
        // As if words of half as many bits had been compared.
        let narrow = NearDuplicateOptions { bits: 16, ..loose };
        assert_eq!(near_duplicates(&songs, &narrow, || true).unwrap(), []);
        assert_eq!(near_duplicates(&songs, &loose, || false), None);
    }
}
