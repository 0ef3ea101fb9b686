//! Counts for people and for `--json`.

use serde::{Deserialize, Serialize};

use crate::corpus::Corpus;

/// What a corpus holds, in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CorpusSummary {
    /// Artists, that is, classes.
    pub artists: usize,
    /// Albums; one name with two artists counts twice.
    pub albums: usize,
    /// Songs.
    pub songs: usize,
    /// The same for each artist, sorted by name.
    pub per_artist: Vec<ArtistSummary>,
}

/// One artist's line of a [`CorpusSummary`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ArtistSummary {
    /// The artist's name: the class label.
    pub artist: String,
    /// How many albums.
    pub albums: usize,
    /// How many songs.
    pub songs: usize,
}

impl CorpusSummary {
    pub(crate) fn of(corpus: &Corpus) -> Self {
        let per_artist: Vec<ArtistSummary> = corpus
            .artists()
            .into_iter()
            .map(|(artist, albums)| ArtistSummary {
                artist: artist.to_owned(),
                albums: albums.len(),
                songs: albums.values().map(Vec::len).sum(),
            })
            .collect();
        Self {
            artists: per_artist.len(),
            albums: per_artist.iter().map(|artist| artist.albums).sum(),
            songs: corpus.songs.len(),
            per_artist,
        }
    }
}
