//! The split by album.

use std::collections::BTreeMap;

use crate::corpus::{Corpus, Song};
use crate::error::{CorpusError, OneAlbum};
use crate::original;
use crate::rng::{Draws, Purpose};
use crate::split::{Part, Split, SplitKind, SplitRng, check_two_artists};

/// Of an artist with two albums, one part in so many of the album that does not test validates.
const SHARED_ALBUM_VALIDATES_ONE_IN: usize = 5;

/// Splits by album, as the paper does: of each artist one album tests, one validates, and the
/// rest train.
///
/// An artist with two albums has none to validate on: one tests, and of the other a fifth of the
/// songs (rounded up) validate and the rest train. A warning says so. If that album has one song
/// only, it trains, and the artist is absent from validation. One album is not enough.
///
/// With [`SplitRng::Original`] the albums are ordered as the original's code orders them, for
/// artists and albums in the order of their names (by bytes): the original takes both in the
/// order of the file system. The original has no rule for two albums, so which songs of the
/// shared one validate is drawn by our own generator.
///
/// # Errors
///
/// [`CorpusError::TooFewArtists`]; [`CorpusError::ArtistsWithOneAlbum`];
/// [`CorpusError::RepeatedSong`]; [`CorpusError::EmptyPart`] if every artist has two albums and
/// each that does not test has one song.
pub fn split_by_album(corpus: &Corpus, seed: u64, rng: SplitRng) -> Result<Split, CorpusError> {
    check_two_artists(corpus)?;
    let corpus = &*corpus.in_order()?;
    check_two_albums(corpus)?;
    let artists = corpus.artists();
    let counts: Vec<usize> = artists.values().map(BTreeMap::len).collect();
    let orders = match rng {
        SplitRng::Cantus => counts.iter().enumerate().map(|(i, &n)| order(i, n, seed)).collect(),
        SplitRng::Original => original::album_orders(&counts, seed),
    };
    let mut parts = Vec::with_capacity(corpus.songs.len());
    for (index, (albums, order)) in artists.values().zip(orders).enumerate() {
        let albums: Vec<&Vec<&Song>> = albums.values().collect();
        for (place, album) in order.into_iter().enumerate() {
            let mut songs = albums[album].clone();
            let validating = match place {
                1 if albums.len() == 2 => {
                    Draws::new(seed, Purpose::SharedAlbum, index).shuffle(&mut songs);
                    songs.len().div_ceil(SHARED_ALBUM_VALIDATES_ONE_IN).min(songs.len() - 1)
                }
                1 => songs.len(),
                _ => 0,
            };
            let other = if place == 0 { Part::Test } else { Part::Train };
            for (number, song) in songs.into_iter().enumerate() {
                let part = if number < validating { Part::Validation } else { other };
                parts.push((song.id.clone(), part));
            }
        }
    }
    Split::new(corpus, SplitKind::Album, seed, rng, None, parts.into_iter().collect())
}

/// One album cannot be both learnt from and tested on.
pub(crate) fn check_two_albums(corpus: &Corpus) -> Result<(), CorpusError> {
    let artists = corpus.artists();
    let with_one_album: Vec<OneAlbum> = artists
        .iter()
        .filter(|(_, albums)| albums.len() < 2)
        .filter_map(|(artist, albums)| {
            let (album, _) = albums.first_key_value()?;
            Some(OneAlbum { artist: (*artist).to_owned(), album: (*album).to_owned() })
        })
        .collect();
    if with_one_album.is_empty() {
        Ok(())
    } else {
        Err(CorpusError::ArtistsWithOneAlbum { artists: with_one_album })
    }
}

fn order(artist: usize, albums: usize, seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..albums).collect();
    Draws::new(seed, Purpose::AlbumOrder, artist).shuffle(&mut order);
    order
}
