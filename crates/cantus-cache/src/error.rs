//! What can go wrong, with the file or song it went wrong with.

use std::io;
use std::path::PathBuf;

/// Why spectrograms could not be written, read or held.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The file cannot be opened or read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The writer handed in by the caller failed.
    #[error("cannot write an album's spectrograms")]
    Write {
        /// The writer's own error.
        source: io::Error,
    },
    /// The Parquet library refused to write.
    #[error("cannot encode an album's spectrograms: {detail}")]
    Encode {
        /// What it said.
        detail: String,
    },
    /// The file is something else than Parquet.
    #[error("not a Parquet file: {}", path.display())]
    NotParquet {
        /// The file.
        path: PathBuf,
    },
    /// The file begins as Parquet but has no end.
    #[error("cut off: {} is a Parquet file without its end", path.display())]
    CutOff {
        /// The file.
        path: PathBuf,
    },
    /// The file contradicts itself or its digests.
    #[error("damaged: {}: {detail}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A Parquet file without one of the columns.
    #[error("no column `{column}` in {}", path.display())]
    MissingColumn {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
    },
    /// A column of another type.
    #[error("column `{column}` in {} is {found}, not {expected}", path.display())]
    ColumnType {
        /// The file.
        path: PathBuf,
        /// The column.
        column: &'static str,
        /// The type it should have.
        expected: String,
        /// The type it has.
        found: String,
    },
    /// A file that this crate did not write, or another version of it.
    #[error(
        "{} has format version {}, not {}",
        path.display(),
        found.as_deref().unwrap_or("none"),
        crate::FORMAT_VERSION
    )]
    FormatVersion {
        /// The file.
        path: PathBuf,
        /// The version it claims, if any.
        found: Option<String>,
    },
    /// A spectrogram of another length than its frames times its bands.
    #[error(
        "spectrogram of `{song}` has {found} values, not {n_frames} frames of {n_mels} mel bands"
    )]
    MelLength {
        /// The song's id.
        song: String,
        /// Frames that it claims.
        n_frames: u32,
        /// Mel bands that it claims.
        n_mels: u32,
        /// Values that there are.
        found: usize,
    },
    /// A spectrogram with a value that is NaN, infinite, or too large for 16 bits.
    #[error(
        "spectrogram of `{song}` has the value {value} in frame {frame}, band {band}, \
         which {precision} cannot hold as a finite number"
    )]
    Value {
        /// The song's id.
        song: String,
        /// The frame, from 0.
        frame: usize,
        /// The mel band, from 0.
        band: usize,
        /// The value.
        value: f32,
        /// How it was to be kept.
        precision: crate::Precision,
    },
    /// More values than a Parquet list can have.
    #[error("spectrogram of `{song}` is too long: {values} values, at most {}", i32::MAX)]
    TooLong {
        /// The song's id.
        song: String,
        /// Its values.
        values: usize,
    },
    /// Two songs with one id.
    #[error("two songs have the id `{song}`")]
    DuplicateSong {
        /// The id.
        song: String,
    },
    /// No song at this place.
    #[error("no song {index}: there are {songs}")]
    NoSuchSong {
        /// The place asked for.
        index: usize,
        /// How many there are.
        songs: usize,
    },
    /// A song that is not in the file where it was looked for.
    #[error("no spectrogram of `{song}` in {}", path.display())]
    MissingSong {
        /// The song's id.
        song: String,
        /// The file.
        path: PathBuf,
    },
    /// Files whose spectrograms were computed in different ways.
    #[error(
        "spectrograms do not fit together: {key} is {first_value} in {} but {second_value} in {}",
        first.display(),
        second.display()
    )]
    MixedConfiguration {
        /// The setting that differs.
        key: String,
        /// One file.
        first: PathBuf,
        /// Its value, or "absent".
        first_value: String,
        /// Another file.
        second: PathBuf,
        /// Its value, or "absent".
        second_value: String,
    },
    /// The songs do not fit the memory budget, even at 16 bits a value where that would do.
    #[error(
        "{songs} spectrograms need {needed_bytes} bytes at {} bits a value; \
         the memory budget is {budget_bytes}",
        8 * precision.bytes()
    )]
    MemoryBudget {
        /// How many songs were asked for.
        songs: usize,
        /// The least precision that would do.
        precision: crate::Precision,
        /// What they need in it.
        needed_bytes: u64,
        /// What they may take.
        budget_bytes: u64,
    },
    /// A clip that begins or ends outside its song.
    #[error("song {song} has {available} frames: none for a clip of {n_frames} from {first_frame}")]
    ClipRange {
        /// The song's place in the store.
        song: usize,
        /// First frame asked for.
        first_frame: usize,
        /// Frames asked for.
        n_frames: usize,
        /// Frames that the song has.
        available: usize,
    },
    /// A clip's buffer of the wrong length.
    #[error("a clip has {expected} values, its buffer {found}")]
    ClipBuffer {
        /// Mel bands times frames.
        expected: usize,
        /// The buffer's length.
        found: usize,
    },
}

impl CacheError {
    /// Whether it is the file that is wrong, so that writing it anew is the cure.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::CutOff { .. }
                | Self::Damaged { .. }
                | Self::MissingColumn { .. }
                | Self::ColumnType { .. }
                | Self::FormatVersion { .. }
        )
    }

    /// What the user can do about it, where there is something to do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { .. } => Some("check the path and who may read it".to_owned()),
            Self::NotParquet { .. } => {
                Some("give a file that the preprocessing wrote, or remove this one".to_owned())
            }
            _ if self.is_damage() => {
                Some("remove the file; the preprocessing writes it again".to_owned())
            }
            Self::MissingSong { .. } => Some(
                "run the preprocessing again; if the song is still missing, it could not be \
                 decoded"
                    .to_owned(),
            ),
            Self::MixedConfiguration { .. } => {
                Some("run the preprocessing again with one set of settings".to_owned())
            }
            Self::MemoryBudget { needed_bytes, .. } => Some(format!(
                "raise the memory budget to {:.1} GiB, or use fewer songs or fewer seconds of each",
                tenths_of_gib(*needed_bytes) as f64 / 10.0
            )),
            _ => None,
        }
    }
}

/// Rounded up: what is printed must be enough.
fn tenths_of_gib(bytes: u64) -> u64 {
    bytes.saturating_mul(10).div_ceil(1 << 30)
}

#[cfg(test)]
mod tests {
    use super::CacheError;

    #[test]
    fn the_hint_names_a_budget_in_gib_that_is_enough() {
        let hint = |needed_bytes| {
            let precision = crate::Precision::F16;
            CacheError::MemoryBudget { songs: 1, precision, needed_bytes, budget_bytes: 0 }
                .hint()
                .unwrap()
        };
        assert!(hint(1).contains("to 0.1 GiB"), "{}", hint(1));
        assert!(hint(3 << 30).contains("to 3.0 GiB"), "{}", hint(3 << 30));
        assert!(hint((3 << 30) + 1).contains("to 3.1 GiB"), "{}", hint((3 << 30) + 1));
    }
}
