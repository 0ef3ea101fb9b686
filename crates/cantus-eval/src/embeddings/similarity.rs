//! Which songs and artists of a corpus sound like a recording to the network.

use std::collections::BTreeMap;

use super::{Embeddings, mean};
use crate::error::EvalError;

/// A song of a corpus beside a recording.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct SimilarSong {
    /// Index of the song in [`Embeddings::songs`].
    pub song: usize,
    /// Cosine similarity of its mean embedding and the recording's: 1 for the same, -1 for the
    /// opposite.
    pub similarity: f64,
}

/// An artist of a corpus beside a recording.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SimilarArtist {
    /// The artist.
    pub artist: String,
    /// Its songs in the corpus.
    pub songs: usize,
    /// Cosine similarity of the recording's mean embedding and the mean over the artist's songs, each
    /// song counting the same.
    pub similarity: f64,
}

impl Embeddings {
    /// Every song, the one most like `embedding` first; equals stand in order of their ids.
    ///
    /// `embedding` is a recording's mean over its clips, by the same model.
    ///
    /// # Errors
    ///
    /// [`EvalError::EmbeddingQuery`] if it has another number of features, or one that is not finite.
    pub fn similar_songs(&self, embedding: &[f32]) -> Result<Vec<SimilarSong>, EvalError> {
        self.check(embedding)?;
        let mut songs: Vec<SimilarSong> = self
            .song_means()
            .iter()
            .enumerate()
            .map(|(song, mean)| SimilarSong { song, similarity: cosine(mean, embedding) })
            .collect();
        songs.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
        Ok(songs)
    }

    /// Every artist, the one most like `embedding` first; equals stand in order of their names.
    ///
    /// # Errors
    ///
    /// As [`similar_songs`](Self::similar_songs).
    pub fn similar_artists(&self, embedding: &[f32]) -> Result<Vec<SimilarArtist>, EvalError> {
        self.check(embedding)?;
        let mut by_artist: BTreeMap<&str, Vec<&[f32]>> = BTreeMap::new();
        for (song, mean) in self.songs().iter().zip(self.song_means()) {
            by_artist.entry(&song.artist).or_default().push(mean);
        }
        let mut artists: Vec<SimilarArtist> = by_artist
            .into_iter()
            .map(|(artist, means)| SimilarArtist {
                artist: artist.to_owned(),
                songs: means.len(),
                similarity: cosine(&mean(means.into_iter(), self.dimensions()), embedding),
            })
            .collect();
        artists.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
        Ok(artists)
    }

    fn check(&self, embedding: &[f32]) -> Result<(), EvalError> {
        let (found, expected) = (embedding.len(), self.dimensions());
        let problem = if found != expected {
            format!("has {found} features where the corpus' have {expected}")
        } else if !embedding.iter().all(|feature| feature.is_finite()) {
            "has a feature that is not finite".to_owned()
        } else {
            return Ok(());
        };
        Err(EvalError::EmbeddingQuery { problem })
    }
}

/// The cosine of the angle between two vectors; 0 where one of them has no direction.
fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
    };
    let lengths = (dot(a, a) * dot(b, b)).sqrt();
    if lengths > 0.0 { (dot(a, b) / lengths).clamp(-1.0, 1.0) } else { 0.0 }
}
