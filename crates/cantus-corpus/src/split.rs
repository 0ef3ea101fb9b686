//! Which songs train, which validate, which test.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::album_split::split_by_album;
use crate::corpus::{Albums, Corpus};
use crate::error::{CorpusError, counted, listed};
use crate::folds::Fold;
use crate::song_split::split_by_song;

/// What a song is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// To learn from.
    Train,
    /// To decide when to stop.
    Validation,
    /// To score, once, at the end.
    Test,
}

/// What must not stand in two parts (the paper's section on the producer effect).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SplitKind {
    /// A song. Songs of one album may stand in different parts.
    #[default]
    Song,
    /// An album: a model cannot then pass by recognising how an album was produced.
    Album,
}

/// Whose random numbers draw a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SplitRng {
    /// This project's: ChaCha8, the same on every machine and for any corpus.
    #[default]
    Cantus,
    /// The original's: NumPy's legacy generator as scikit-learn 0.20 draws from it, and Python's
    /// `random`.
    Original,
}

impl Part {
    /// All three, in the order of the data's way.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];
}

/// Both spellings of an enum whose values are plain words.
macro_rules! words {
    ($name:ident: $($variant:ident = $word:literal),+) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }

        impl FromStr for $name {
            type Err = String;

            /// The reverse of `Display`; the error says which words there are.
            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$variant),)+
                    _ => Err(format!("expected one of {}", [$($word),+].join(", "))),
                }
            }
        }
    };
}

words!(Part: Train = "train", Validation = "validation", Test = "test");
words!(SplitKind: Song = "song", Album = "album");
words!(SplitRng: Cantus = "cantus", Original = "original");

/// A drawn split.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// What stays together.
    pub kind: SplitKind,
    /// The seed it was drawn with.
    pub seed: u64,
    /// The generator it was drawn with.
    pub rng: SplitRng,
    /// Which of several folds it is, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<Fold>,
    /// The part of each song, by id.
    pub parts: BTreeMap<String, Part>,
    /// What to know before reading much into scores. Not saved in the table, since
    /// [`Split::review`] finds them again.
    pub warnings: Vec<SplitWarning>,
}

/// Something that is allowed and yet worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SplitWarning {
    /// Under the split by album, artists with two albums only: one tests, and songs of the other
    /// both train and validate, so that the validation score is too good.
    TwoAlbums {
        /// Their names, sorted.
        artists: Vec<String>,
    },
    /// Artists without any song in a part.
    AbsentFrom {
        /// The part.
        part: Part,
        /// Their names, sorted.
        artists: Vec<String>,
    },
}

impl fmt::Display for SplitWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TwoAlbums { artists } => write!(
                f,
                "found {} with two albums ({}), where the split by album expects three: one \
                 tests, a fifth of the other's songs validate",
                counted(artists.len(), "artist"),
                listed(artists)
            ),
            Self::AbsentFrom { part, artists } => write!(
                f,
                "found no song in the {part} part of {} ({})",
                counted(artists.len(), "artist"),
                listed(artists)
            ),
        }
    }
}

impl Split {
    pub(crate) fn new(
        corpus: &Corpus,
        kind: SplitKind,
        seed: u64,
        rng: SplitRng,
        fold: Option<Fold>,
        parts: BTreeMap<String, Part>,
    ) -> Result<Self, CorpusError> {
        let mut split = Self { kind, seed, rng, fold, parts, warnings: Vec::new() };
        for part in Part::ALL {
            if split.count(part) == 0 {
                return Err(CorpusError::EmptyPart { part });
            }
        }
        split.warnings = split.review(corpus);
        Ok(split)
    }

    /// How many songs a part holds.
    pub fn count(&self, part: Part) -> usize {
        self.parts.values().filter(|&&other| other == part).count()
    }

    /// The ids of a part's songs, sorted by their bytes.
    pub fn songs(&self, part: Part) -> Vec<&str> {
        let of_part = self.parts.iter().filter(|&(_, &other)| other == part);
        of_part.map(|(id, _)| id.as_str()).collect()
    }

    /// What is worth knowing about this split of this corpus.
    pub fn review(&self, corpus: &Corpus) -> Vec<SplitWarning> {
        let mut warnings = Vec::new();
        let artists = corpus.artists();
        let with_two_albums: Vec<String> = artists
            .iter()
            .filter(|(_, albums)| {
                self.kind == SplitKind::Album && self.fold.is_none() && albums.len() == 2
            })
            .map(|(artist, _)| (*artist).to_owned())
            .collect();
        if !with_two_albums.is_empty() {
            warnings.push(SplitWarning::TwoAlbums { artists: with_two_albums });
        }
        for part in Part::ALL {
            let is_present = |albums: &Albums<'_>| {
                albums.values().flatten().any(|song| self.parts.get(&song.id) == Some(&part))
            };
            let absent: Vec<String> = artists
                .iter()
                .filter(|(_, albums)| !is_present(albums))
                .map(|(artist, _)| (*artist).to_owned())
                .collect();
            if !absent.is_empty() {
                warnings.push(SplitWarning::AbsentFrom { part, artists: absent });
            }
        }
        warnings
    }
}

/// Draws a split of either kind.
///
/// # Errors
///
/// Those of [`split_by_song`] or [`split_by_album`].
pub fn split(
    corpus: &Corpus,
    kind: SplitKind,
    seed: u64,
    rng: SplitRng,
) -> Result<Split, CorpusError> {
    match kind {
        SplitKind::Song => split_by_song(corpus, seed, rng),
        SplitKind::Album => split_by_album(corpus, seed, rng),
    }
}

/// No part can be drawn for a single class.
pub(crate) fn check_two_artists(corpus: &Corpus) -> Result<(), CorpusError> {
    let artists = corpus.artists();
    if artists.len() < 2 {
        let artists = artists.keys().map(ToString::to_string).collect();
        return Err(CorpusError::TooFewArtists { artists });
    }
    Ok(())
}
