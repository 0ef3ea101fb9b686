//! What can go wrong, and to which file.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::EXTENSIONS;

/// Where audio comes from, as error messages name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file.
    Path(PathBuf),
    /// A reader handed over by the caller, whose name is not known here.
    Reader,
    /// Samples handed over by the caller.
    Samples,
}

impl Origin {
    /// The path, where one is known.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Reader | Self::Samples => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(formatter, "`{}`", path.display()),
            Self::Reader => formatter.write_str("the given reader"),
            Self::Samples => formatter.write_str("the given buffer"),
        }
    }
}

/// Every way in which reading, resampling or writing audio can fail.
///
/// `Display` says what happened to which file; [`hint`](AudioError::hint) says what to do about
/// it, where there is something to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AudioError {
    /// There is no such file.
    #[error("no such file: `{}`", path.display())]
    NotFound {
        /// The missing file.
        path: PathBuf,
    },
    /// A directory stands where a file was expected.
    #[error("expected an audio file, found a directory: `{}`", path.display())]
    IsDirectory {
        /// The directory.
        path: PathBuf,
    },
    /// A pipe, a socket or a device, which could block for ever.
    #[error("not a regular file: `{}`", path.display())]
    NotAFile {
        /// The special file.
        path: PathBuf,
    },
    /// The file may not be read.
    #[error("permission denied: `{}`", path.display())]
    PermissionDenied {
        /// The unreadable file.
        path: PathBuf,
    },
    /// Reading failed for any other reason.
    #[error("could not read {origin}")]
    Io {
        /// What was being read.
        origin: Origin,
        /// The system's own words.
        source: io::Error,
    },
    /// There is not a single byte to read.
    #[error("{origin} is empty")]
    Empty {
        /// The empty file.
        origin: Origin,
    },
    /// No known audio format was found in the bytes.
    #[error("{origin} is not audio in a known format{}", extension_note(extension.as_deref()))]
    NotAudio {
        /// What was being read.
        origin: Origin,
        /// The file's extension or the caller's hint.
        extension: Option<String>,
    },
    /// The container is known, what it holds is not.
    #[error("{origin} holds `{codec}`, which this build cannot decode")]
    UnsupportedCodec {
        /// What was being read.
        origin: Origin,
        /// Short name of the codec, such as `opus`.
        codec: String,
    },
    /// The container is known and whole, but uses something that is not supported.
    #[error("{origin} cannot be decoded: {feature}")]
    UnsupportedFeature {
        /// What was being read.
        origin: Origin,
        /// The decoder's own words.
        feature: String,
    },
    /// The container holds only video, subtitles or nothing.
    #[error("{origin} has no audio track")]
    NoAudioTrack {
        /// What was being read.
        origin: Origin,
    },
    /// The header is not what the format says it must be.
    #[error("the header of {origin} is damaged: {reason}")]
    DamagedHeader {
        /// What was being read.
        origin: Origin,
        /// What was wrong with it.
        reason: String,
    },
    /// Too many packets could not be decoded.
    #[error("{origin} is damaged: {damaged_packets} of {packets} packets could not be decoded")]
    Damaged {
        /// What was being read.
        origin: Origin,
        /// Packets read so far.
        packets: u64,
        /// How many of them were lost.
        damaged_packets: u64,
    },
    /// The file ended without a single sample.
    #[error("{origin} holds no samples")]
    NoSamples {
        /// What was being read.
        origin: Origin,
    },
    /// The file claims or holds more than [`Limits`](crate::Limits) allow.
    #[error("{origin} has {quantity} of {value}, the limit is {limit}")]
    LimitExceeded {
        /// What was being read.
        origin: Origin,
        /// Which limit, with its unit.
        quantity: &'static str,
        /// What the file claims or holds.
        value: f64,
        /// What is allowed.
        limit: f64,
    },
    /// A sample is NaN or infinite.
    #[error("{origin} holds samples that are not finite, the first at {seconds:.3} s")]
    NonFiniteSamples {
        /// What was being read.
        origin: Origin,
        /// Time of the first such sample from the start, in seconds.
        seconds: f64,
    },
    /// A chained file goes on at another sample rate.
    #[error("{origin} changes its sample rate from {from} to {to} Hz halfway")]
    SampleRateChanged {
        /// What was being read.
        origin: Origin,
        /// Rate of the first part in Hz.
        from: u32,
        /// Rate of the next part in Hz.
        to: u32,
    },
    /// A decoder panicked on this input: a fault in the decoder, contained here.
    #[error("the decoder failed on {origin}: {message}")]
    DecoderPanicked {
        /// What was being read.
        origin: Origin,
        /// The panic's message.
        message: String,
    },
    /// A sample rate outside [`MIN_RATE`](crate::MIN_RATE)..=[`MAX_RATE`](crate::MAX_RATE).
    #[error("cannot resample from {from} Hz to {to} Hz")]
    UnsupportedRate {
        /// Input rate in Hz.
        from: u32,
        /// Output rate in Hz.
        to: u32,
    },
    /// The resampler refused its input.
    #[error("resampling failed: {reason}")]
    Resample {
        /// The resampler's own words.
        reason: String,
    },
    /// An option makes no sense.
    #[error("{option} must be {expected}, got {value}")]
    InvalidOption {
        /// Name of the option.
        option: &'static str,
        /// What it may be.
        expected: &'static str,
        /// What it was.
        value: f64,
    },
    /// A sample to be resampled is infinite or not a number.
    #[error("sample {index} is {value}, expected a finite number")]
    NonFiniteInput {
        /// Position of the first such sample in the signal.
        index: u64,
        /// Its value.
        value: f32,
    },
    /// A WAV file could not be written.
    #[error("could not write WAV data")]
    WriteWav {
        /// The writer's own words.
        source: hound::Error,
    },
}

fn extension_note(extension: Option<&str>) -> String {
    match extension {
        Some(extension) if !extension.is_empty() => format!(" (extension `{extension}`)"),
        _ => String::new(),
    }
}

impl AudioError {
    /// What was being read, where the error is about a file or reader.
    pub fn origin(&self) -> Option<Origin> {
        match self {
            Self::NotFound { path }
            | Self::IsDirectory { path }
            | Self::NotAFile { path }
            | Self::PermissionDenied { path } => Some(Origin::Path(path.clone())),
            Self::Io { origin, .. }
            | Self::Empty { origin }
            | Self::NotAudio { origin, .. }
            | Self::UnsupportedCodec { origin, .. }
            | Self::UnsupportedFeature { origin, .. }
            | Self::NoAudioTrack { origin }
            | Self::DamagedHeader { origin, .. }
            | Self::Damaged { origin, .. }
            | Self::NoSamples { origin }
            | Self::LimitExceeded { origin, .. }
            | Self::NonFiniteSamples { origin, .. }
            | Self::SampleRateChanged { origin, .. }
            | Self::DecoderPanicked { origin, .. } => Some(origin.clone()),
            Self::UnsupportedRate { .. }
            | Self::Resample { .. }
            | Self::InvalidOption { .. }
            | Self::NonFiniteInput { .. }
            | Self::WriteWav { .. } => None,
        }
    }

    /// What the user can do about it, if anything.
    ///
    /// ```
    /// let error = cantus_audio::decode_path("no-such.mp3".as_ref(), &Default::default());
    /// assert!(error.unwrap_err().hint().unwrap().contains("spelling"));
    /// ```
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NotFound { .. } => "check the spelling, and that the disk is mounted".to_owned(),
            Self::IsDirectory { .. } => "give a file inside it".to_owned(),
            Self::NotAFile { .. } => "copy its contents into a file first".to_owned(),
            Self::PermissionDenied { .. } => {
                "make the file and its folders readable for this user".to_owned()
            }
            Self::Empty { .. } | Self::NoSamples { .. } => {
                "the copy or download may have failed: get the file again".to_owned()
            }
            Self::NotAudio { .. } => format!("supported are {}", EXTENSIONS.join(", ")),
            Self::UnsupportedCodec { codec, .. } if codec == "opus" => {
                "build with the feature `opus`, or convert the file to FLAC".to_owned()
            }
            Self::UnsupportedCodec { .. }
            | Self::UnsupportedFeature { .. }
            | Self::SampleRateChanged { .. } => "convert the file to FLAC or WAV".to_owned(),
            Self::DamagedHeader { .. } | Self::Damaged { .. } => {
                "get the file again, or repair it with a tool for its format".to_owned()
            }
            Self::LimitExceeded { .. } => "raise the limit if the file is to be trusted".to_owned(),
            Self::NonFiniteSamples { .. } => {
                "export the file again: NaN and infinity are not sound".to_owned()
            }
            Self::DecoderPanicked { .. } => {
                "convert the file to FLAC or WAV with another tool".to_owned()
            }
            Self::UnsupportedRate { .. } => {
                format!("rates from {} to {} Hz work", crate::MIN_RATE, crate::MAX_RATE)
            }
            Self::Io { .. }
            | Self::NoAudioTrack { .. }
            | Self::Resample { .. }
            | Self::InvalidOption { .. }
            | Self::NonFiniteInput { .. }
            | Self::WriteWav { .. } => return None,
        };
        Some(hint)
    }

    /// Sorts an I/O error on `origin` into the variant that says most.
    pub(crate) fn from_io(origin: &Origin, source: io::Error) -> Self {
        if let Origin::Path(path) = origin {
            let path = path.clone();
            match source.kind() {
                io::ErrorKind::NotFound => return Self::NotFound { path },
                io::ErrorKind::PermissionDenied => return Self::PermissionDenied { path },
                io::ErrorKind::IsADirectory => return Self::IsDirectory { path },
                _ => {}
            }
        }
        Self::Io { origin: origin.clone(), source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn io_errors_become_the_variant_that_names_them() {
        let origin = Origin::Path(PathBuf::from("/music/a.mp3"));
        let denied = AudioError::from_io(&origin, io::ErrorKind::PermissionDenied.into());
        assert_eq!(denied.to_string(), "permission denied: `/music/a.mp3`");
        assert!(denied.hint().unwrap().contains("readable"));

        let other = AudioError::from_io(&origin, io::ErrorKind::TimedOut.into());
        assert_eq!(other.to_string(), "could not read `/music/a.mp3`");
        assert_eq!(other.origin(), Some(origin));

        let reader = AudioError::from_io(&Origin::Reader, io::ErrorKind::NotFound.into());
        assert!(matches!(reader, AudioError::Io { origin: Origin::Reader, .. }));
    }

    #[test]
    fn an_unsupported_opus_file_points_at_the_feature() {
        let error =
            AudioError::UnsupportedCodec { origin: Origin::Reader, codec: "opus".to_owned() };
        assert!(error.hint().unwrap().contains("feature `opus`"));
    }
}
