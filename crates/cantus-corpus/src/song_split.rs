//! The split by song.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::corpus::{Corpus, Song};
use crate::error::CorpusError;
use crate::original;
use crate::rng::{Draws, Purpose};
use crate::split::{Part, Split, SplitKind, SplitRng, check_two_artists};

/// Splits by song, as the paper does: a tenth for the test, a tenth of the rest for validation,
/// each artist in proportion.
///
/// The parts are as large as scikit-learn's: of n songs, n / 10 rounded up test, and of the m that
/// are left, m / 10 rounded up validate. In both steps each artist gives its proportional share,
/// rounded down or up: up for those with the largest remainders, ties by lot.
///
/// With [`SplitRng::Cantus`] every artist with two songs or more keeps at least one to train on.
/// Where a part has fewer songs than there are artists, some have none in it, and a warning names
/// them; such corpora scikit-learn refuses. The order of `corpus.songs` plays no part.
///
/// With [`SplitRng::Original`] the parts are those of the original's code for the songs in the
/// order of their ids and the artists in the order of their names (both by bytes). The original
/// itself lists songs in the order of the file system, which no other machine has.
///
/// # Errors
///
/// [`CorpusError::TooFewArtists`]; [`CorpusError::ArtistsWithOneSong`]: one song cannot be both
/// learnt from and tested on; [`CorpusError::RepeatedSong`]; with the original's generator
/// [`CorpusError::OriginalSeed`] and [`CorpusError::OriginalRefuses`].
pub fn split_by_song(corpus: &Corpus, seed: u64, rng: SplitRng) -> Result<Split, CorpusError> {
    check_two_artists(corpus)?;
    let corpus = &*corpus.in_order()?;
    check_two_songs(corpus)?;
    let artists = songs_by_artist(corpus);
    let parts = match rng {
        SplitRng::Cantus => draw(&artists, seed),
        SplitRng::Original => draw_as_original(corpus, &artists, seed)?,
    };
    Split::new(corpus, SplitKind::Song, seed, rng, None, parts)
}

/// One song cannot be both learnt from and tested on.
pub(crate) fn check_two_songs(corpus: &Corpus) -> Result<(), CorpusError> {
    let artists = songs_by_artist(corpus).into_iter();
    let with_one_song = artists.filter(|(_, songs)| songs.len() < 2);
    let with_one_song: Vec<String> = with_one_song.map(|(artist, _)| artist.to_owned()).collect();
    if with_one_song.is_empty() {
        Ok(())
    } else {
        Err(CorpusError::ArtistsWithOneSong { artists: with_one_song })
    }
}

/// Each artist's songs, artists by name.
pub(crate) fn songs_by_artist(corpus: &Corpus) -> Vec<(&str, Vec<&Song>)> {
    let mut artists: BTreeMap<&str, Vec<&Song>> = BTreeMap::new();
    // Songs of an artist mostly stand together: it is looked up once for all of them.
    for songs in corpus.songs.chunk_by(|a, b| a.artist == b.artist) {
        artists.entry(&songs[0].artist).or_default().extend(songs.iter().map(Arc::as_ref));
    }
    artists.into_iter().collect()
}

fn draw(artists: &[(&str, Vec<&Song>)], seed: u64) -> BTreeMap<String, Part> {
    let counts: Vec<usize> = artists.iter().map(|(_, songs)| songs.len()).collect();
    let test = shares_of_a_tenth(&counts, &mut Draws::new(seed, Purpose::ShareTies, 0));
    let rest: Vec<usize> = counts.iter().zip(&test).map(|(count, test)| count - test).collect();
    let validation = shares_of_a_tenth(&rest, &mut Draws::new(seed, Purpose::ShareTies, 1));

    let mut parts = Vec::with_capacity(counts.iter().sum());
    for (index, (_, songs)) in artists.iter().enumerate() {
        let mut songs = songs.clone();
        Draws::new(seed, Purpose::SongOrder, index).shuffle(&mut songs);
        let begin = parts.len();
        parts.extend(songs.into_iter().enumerate().map(|(place, song)| {
            let part = if place < test[index] {
                Part::Test
            } else if place < test[index] + validation[index] {
                Part::Validation
            } else {
                Part::Train
            };
            (song.id.clone(), part)
        }));
        // An artist's ids are mostly next to each other, and few are sorted faster than all.
        parts[begin..].sort_unstable();
    }
    parts.into_iter().collect()
}

/// Each artist's share of a tenth (rounded up) of all songs: its proportion rounded down, or up
/// for those with the largest remainders. Nobody gives its last song.
pub(crate) fn shares_of_a_tenth(counts: &[usize], draws: &mut Draws) -> Vec<usize> {
    let total: usize = counts.iter().sum();
    let wanted = total.div_ceil(10);
    let mut shares: Vec<usize> = counts.iter().map(|count| count * wanted / total).collect();
    let left_over = wanted - shares.iter().sum::<usize>();

    let remainder = |artist: usize| counts[artist] * wanted % total;
    let mut may_give_more: Vec<usize> = (0..counts.len())
        .filter(|&artist| remainder(artist) > 0 && shares[artist] + 1 < counts[artist])
        .collect();
    // Shuffled first, since the sort is stable: equal remainders stay in the order of the lot.
    draws.shuffle(&mut may_give_more);
    may_give_more.sort_by_key(|&artist| Reverse(remainder(artist)));
    // There are always enough: `every_corpus_can_be_split` counts all small ones.
    debug_assert!(left_over <= may_give_more.len());
    for artist in may_give_more.into_iter().take(left_over) {
        shares[artist] += 1;
    }
    shares
}

fn draw_as_original(
    corpus: &Corpus,
    artists: &[(&str, Vec<&Song>)],
    seed: u64,
) -> Result<BTreeMap<String, Part>, CorpusError> {
    let seed = u32::try_from(seed).map_err(|_| CorpusError::OriginalSeed { seed })?;
    let numbers: BTreeMap<&str, usize> =
        artists.iter().enumerate().map(|(number, (artist, _))| (*artist, number)).collect();
    let labels: Vec<usize> =
        corpus.songs.iter().map(|song| numbers[song.artist.as_str()]).collect();
    let drawn = original::song_split(&labels, seed)?;
    let mut parts = BTreeMap::new();
    for (part, songs) in
        [(Part::Train, drawn.train), (Part::Validation, drawn.validation), (Part::Test, drawn.test)]
    {
        parts.extend(songs.into_iter().map(|song| (corpus.songs[song].id.clone(), part)));
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `check` with every non-decreasing list of `artists` counts from 2 up to `most`.
    fn each_list(artists: usize, most: usize, check: &mut impl FnMut(&[usize])) {
        fn grow(list: &mut Vec<usize>, left: usize, most: usize, check: &mut impl FnMut(&[usize])) {
            if left == 0 {
                return check(list);
            }
            for count in list.last().copied().unwrap_or(2)..=most {
                list.push(count);
                grow(list, left - 1, most, check);
                list.pop();
            }
        }
        grow(&mut Vec::new(), artists, most, check);
    }

    #[test]
    fn every_corpus_can_be_split() {
        let mut lists = 0;
        let mut check = |counts: &[usize]| {
            for seed in 0..2 {
                let mut counts = counts.to_vec();
                for part in 0..2 {
                    let mut draws = Draws::new(seed, Purpose::ShareTies, part);
                    let shares = shares_of_a_tenth(&counts, &mut draws);
                    let wanted = counts.iter().sum::<usize>().div_ceil(10);
                    assert_eq!(shares.iter().sum::<usize>(), wanted, "{counts:?}");
                    counts.iter_mut().zip(&shares).for_each(|(count, share)| *count -= share);
                    assert!(counts.iter().all(|&count| count > 0), "{counts:?}");
                }
            }
            lists += 1;
        };
        each_list(2, 60, &mut check);
        each_list(3, 30, &mut check);
        each_list(4, 14, &mut check);
        each_list(6, 8, &mut check);
        each_list(9, 5, &mut check);
        each_list(24, 3, &mut check);
        // All of them: 1770 + 4495 + 1820 + 924 + 220 + 25.
        assert_eq!(lists, 9254);
    }
}
