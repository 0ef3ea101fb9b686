//! What a network makes of the clips and songs of a corpus: the numbers before its last layer.

mod parquet;
mod similarity;

use std::collections::BTreeMap;

pub use self::similarity::{SimilarArtist, SimilarSong};
use crate::error::EvalError;

/// The model that embeddings come from and what it heard. Embeddings may be compared where this is
/// equal, and nowhere else.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingModel {
    /// BLAKE3 of the model file, in hexadecimal.
    pub model_hash: String,
    /// Settings of the front end that made the spectrograms; not interpreted here.
    pub front_end: BTreeMap<String, String>,
    /// Length of a clip in frames of the spectrogram.
    pub frames_per_clip: u32,
    /// The same in seconds.
    pub clip_seconds: f64,
}

/// A song with the embeddings of its clips.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddedSong {
    /// The song's id: its path under the corpus, `/`-separated.
    pub song_id: String,
    /// Who made it.
    pub artist: String,
    /// What it is from.
    pub album: String,
    /// Its name.
    pub title: String,
    /// BLAKE3 of the file that it was heard from, in hexadecimal.
    pub source_hash: String,
    /// Its clips, from the first on.
    pub clips: Vec<EmbeddedClip>,
}

/// A clip's embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddedClip {
    /// Where in the song it starts, in seconds.
    pub start_seconds: f64,
    /// The numbers before the network's last layer.
    pub features: Vec<f32>,
}

/// Checked embeddings of a corpus by one model.
///
/// Songs are sorted by id (bytes), each once and with at least one clip; all clips have as many
/// features, at least one, each of them finite. The order in which songs were given changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Embeddings {
    model: EmbeddingModel,
    songs: Vec<EmbeddedSong>,
    means: Vec<Vec<f32>>,
}

impl Embeddings {
    /// Checks and sorts `songs`.
    ///
    /// # Errors
    ///
    /// [`EvalError::NoEmbeddings`] without songs, [`EvalError::EmbeddedSong`] for one that breaks a rule
    /// of [`Embeddings`] or has a clip that starts at no time.
    pub fn new(model: EmbeddingModel, mut songs: Vec<EmbeddedSong>) -> Result<Self, EvalError> {
        songs.sort_by(|a, b| a.song_id.cmp(&b.song_id));
        let first = songs.first().ok_or(EvalError::NoEmbeddings)?;
        let dimensions = first.clips.first().map_or(0, |clip| clip.features.len());
        for (index, song) in songs.iter().enumerate() {
            let is_twice = index > 0 && songs[index - 1].song_id == song.song_id;
            let problem = if is_twice {
                Some("is given twice".to_owned())
            } else {
                problem_of(song, dimensions)
            };
            if let Some(problem) = problem {
                return Err(EvalError::EmbeddedSong { song_id: song.song_id.clone(), problem });
            }
        }
        let means = songs
            .iter()
            .map(|song| mean(song.clips.iter().map(|clip| clip.features.as_slice()), dimensions))
            .collect();
        Ok(Self { model, songs, means })
    }

    /// The model, and what it heard.
    pub fn model(&self) -> &EmbeddingModel {
        &self.model
    }

    /// All songs, by id. Never empty.
    pub fn songs(&self) -> &[EmbeddedSong] {
        &self.songs
    }

    /// The embedding of each song, in their order: the mean over its clips.
    pub fn song_means(&self) -> &[Vec<f32>] {
        &self.means
    }

    /// Numbers of an embedding.
    pub fn dimensions(&self) -> usize {
        self.means.first().map_or(0, Vec::len)
    }

    /// Clips of all songs.
    pub fn clips(&self) -> usize {
        self.songs.iter().map(|song| song.clips.len()).sum()
    }
}

/// Why a song cannot be among songs of so many numbers a clip, if so.
fn problem_of(song: &EmbeddedSong, dimensions: usize) -> Option<String> {
    if song.clips.is_empty() {
        return Some("has no clip".to_owned());
    }
    song.clips.iter().enumerate().find_map(|(number, clip)| {
        if !clip.start_seconds.is_finite() || clip.start_seconds < 0.0 {
            Some(format!("has a clip {number} that starts at {} s", clip.start_seconds))
        } else if clip.features.is_empty() {
            Some(format!("has a clip {number} without features"))
        } else if clip.features.len() != dimensions {
            let found = clip.features.len();
            Some(format!(
                "has {found} features in clip {number} where the first song has {dimensions}"
            ))
        } else if !clip.features.iter().all(|feature| feature.is_finite()) {
            Some(format!("has a feature in clip {number} that is not finite"))
        } else {
            None
        }
    })
}

/// The mean of some rows of `dimensions` numbers.
fn mean<'a>(rows: impl Iterator<Item = &'a [f32]>, dimensions: usize) -> Vec<f32> {
    let (mut sums, mut count) = (vec![0.0_f64; dimensions], 0_usize);
    for row in rows {
        count += 1;
        for (sum, &number) in sums.iter_mut().zip(row) {
            *sum += f64::from(number);
        }
    }
    sums.into_iter().map(|sum| (sum / count as f64) as f32).collect()
}
