//! What is kept of a song beside its spectrogram.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How the values of a spectrogram are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits: bit for bit what was computed.
    #[default]
    F32,
    /// 16 bits, rounded to the nearest: a decibel value `x` is off by at most `|x| / 2048`, that is
    /// 0.04 dB at 80 dB.
    F16,
}

impl Precision {
    /// Bytes of one value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::F16 => 2,
        }
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
        })
    }
}

/// A song's row without its spectrogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SongInfo {
    /// Path under the corpus, `/` between its parts; unique in a corpus.
    pub id: String,
    /// Who made it.
    pub artist: String,
    /// The album it is on.
    pub album: String,
    /// Its title.
    pub title: String,
    /// The music file, as the scan found it.
    pub source_path: String,
    /// BLAKE3 of the music file's content, hexadecimal.
    pub source_hash: String,
    /// BLAKE3 of the samples that the spectrogram was computed from, hexadecimal: the same for one
    /// recording under two names or with other tags, whose files differ.
    pub sound_hash: String,
    /// Where in the song the spectrogram starts, in seconds: above 0 where only its middle is used.
    pub start_seconds: f64,
    /// Seconds of music that the spectrogram covers.
    pub seconds: f64,
    /// Samples a second that the spectrogram was computed at.
    pub sample_rate: u32,
    /// Frames of the spectrogram.
    pub n_frames: u32,
    /// Mel bands of the spectrogram.
    pub n_mels: u32,
    /// What of the music file could not be decoded and is missing, in words; empty where nothing is.
    pub damage: String,
}

impl SongInfo {
    /// Values of the spectrogram: frames times bands.
    pub fn n_values(&self) -> usize {
        // Both are 32 bits wide, so this only saturates where `usize` is.
        (self.n_frames as usize).saturating_mul(self.n_mels as usize)
    }
}
