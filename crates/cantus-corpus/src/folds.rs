//! Cross-validation: as many splits as there are folds, in which every song tests once.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::album_split::check_two_albums;
use crate::corpus::{Corpus, Song};
use crate::error::CorpusError;
use crate::rng::{Draws, Purpose};
use crate::song_split::{check_two_songs, shares_of_a_tenth, songs_by_artist};
use crate::split::{Part, Split, SplitKind, SplitRng, check_two_artists};

/// Which of how many folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fold {
    number: usize,
    of: usize,
}

impl Fold {
    /// Most folds there may be.
    pub const MOST: usize = 1_000;

    /// Fold `number`, counted from 1, of `of`.
    ///
    /// # Errors
    ///
    /// [`CorpusError::NoSuchFold`] where there is no such fold, fewer than two or more than
    /// [`Fold::MOST`].
    pub fn new(number: usize, of: usize) -> Result<Self, CorpusError> {
        if (2..=Self::MOST).contains(&of) && (1..=of).contains(&number) {
            Ok(Self { number, of })
        } else {
            Err(CorpusError::NoSuchFold { number, of })
        }
    }

    /// Every fold of so many.
    ///
    /// # Errors
    ///
    /// As [`Fold::new`].
    pub fn all(of: usize) -> Result<Vec<Self>, CorpusError> {
        Self::new(1, of)?;
        (1..=of).map(|number| Self::new(number, of)).collect()
    }

    /// Which, counted from 1.
    pub fn number(self) -> usize {
        self.number
    }

    /// How many there are.
    pub fn of(self) -> usize {
        self.of
    }
}

impl fmt::Display for Fold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Fold {
    type Err = String;

    /// Reads `2/4`.
    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once('/')
            .and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        let (number, of) = parts.ok_or_else(|| "expected a fold such as `2/4`".to_owned())?;
        Self::new(number, of).map_err(|error| error.to_string())
    }
}

impl TryFrom<String> for Fold {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Fold> for String {
    fn from(fold: Fold) -> Self {
        fold.to_string()
    }
}

/// One fold of a cross-validation by song or by album.
///
/// Each artist's songs (or albums) are shuffled and dealt to the folds in turn, going on from where
/// the last artist ended: folds differ by one song (or album) at most, those of one artist too. What
/// was dealt to this fold tests; of the rest a tenth (rounded up) validates, each artist in
/// proportion, and what is left trains. By album, validation is by song all the same, since a tenth
/// of few albums is none: no album of the test stands elsewhere, but others may both train and
/// validate.
///
/// Over all folds of a seed every song tests exactly once. An artist with fewer songs (albums) than
/// there are folds is absent from the test of some; [`Split::warnings`] say so. All draws are
/// [`SplitRng::Cantus`].
///
/// With as many folds as artists have albums this is Ellis' leave-one-album-out (ISMIR 2007).
///
/// # Errors
///
/// [`CorpusError::TooFewArtists`], [`CorpusError::RepeatedSong`]; by song
/// [`CorpusError::ArtistsWithOneSong`], by album [`CorpusError::ArtistsWithOneAlbum`];
/// [`CorpusError::EmptyPart`] where there are more folds than songs or albums.
pub fn split_into_fold(
    corpus: &Corpus,
    kind: SplitKind,
    seed: u64,
    fold: Fold,
) -> Result<Split, CorpusError> {
    check_two_artists(corpus)?;
    let corpus = &*corpus.in_order()?;
    match kind {
        SplitKind::Song => check_two_songs(corpus)?,
        SplitKind::Album => check_two_albums(corpus)?,
    }
    let mut dealt = 0;
    let mut parts = Vec::with_capacity(corpus.songs.len());
    let mut rest: Vec<Vec<&Song>> = Vec::new();
    for (artist, (_, songs)) in songs_by_artist(corpus).into_iter().enumerate() {
        let mut left = Vec::new();
        for group in groups(kind, songs, seed, artist) {
            if dealt % fold.of == fold.number - 1 {
                parts.extend(group.iter().map(|song| (song.id.clone(), Part::Test)));
            } else {
                left.extend(group);
            }
            dealt += 1;
        }
        rest.push(left);
    }
    let counts: Vec<usize> = rest.iter().map(Vec::len).collect();
    let mut ties = Draws::new(seed, Purpose::FoldShareTies, fold.position(0));
    let validating = shares_of_a_tenth(&counts, &mut ties);
    for (artist, (mut songs, validating)) in rest.into_iter().zip(validating).enumerate() {
        Draws::new(seed, Purpose::FoldValidation, fold.position(artist)).shuffle(&mut songs);
        for (place, song) in songs.into_iter().enumerate() {
            let part = if place < validating { Part::Validation } else { Part::Train };
            parts.push((song.id.clone(), part));
        }
    }
    Split::new(corpus, kind, seed, SplitRng::Cantus, Some(fold), parts.into_iter().collect())
}

/// What of an artist is dealt as one, in a drawn order: its songs, or its albums.
fn groups(kind: SplitKind, songs: Vec<&Song>, seed: u64, artist: usize) -> Vec<Vec<&Song>> {
    let mut groups: Vec<Vec<&Song>> = match kind {
        SplitKind::Song => songs.into_iter().map(|song| vec![song]).collect(),
        SplitKind::Album => {
            let mut albums: BTreeMap<&str, Vec<&Song>> = BTreeMap::new();
            for song in songs {
                albums.entry(&song.album).or_default().push(song);
            }
            albums.into_values().collect()
        }
    };
    // The same for every fold of a seed: this is what makes each song test once.
    Draws::new(seed, Purpose::FoldOrder, artist).shuffle(&mut groups);
    groups
}

impl Fold {
    /// Of an artist in this fold: no two share one.
    fn position(self, artist: usize) -> usize {
        artist * (Self::MOST + 1) + self.number
    }
}
