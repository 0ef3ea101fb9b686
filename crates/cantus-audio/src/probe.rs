//! What a file is, without decoding it.

use std::io::{Read, Seek};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::container::Container;
use crate::source::{extension_of, open_file};
use crate::stream::contain;
use crate::{AudioError, Limits, Origin, Tags};

/// What headers and tags say of a file. Nothing of it is checked against the audio itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Probe {
    /// Short name of the codec, such as `mp3`; also of codecs that this build cannot decode.
    pub codec: String,
    /// Sample rate in Hz.
    pub sample_rate: Option<u32>,
    /// Channels.
    pub channels: Option<u16>,
    /// Length in seconds. For an MP3 without a Xing or VBRI header an estimate from its bit rate.
    pub seconds: Option<f64>,
    /// Artist, album, title.
    pub tags: Tags,
}

/// Reads headers and tags of a file, at most [`Limits::max_metadata_bytes`] of it.
///
/// # Errors
///
/// If the file cannot be read, is not audio in a known container, or claims more than `limits`.
/// A codec that this build cannot decode is no error here.
pub fn probe_path(path: &Path, limits: &Limits) -> Result<Probe, AudioError> {
    let file = open_file(path)?;
    probe(file, &Origin::Path(path.to_owned()), extension_of(path).as_deref(), limits)
}

/// As [`probe_path`], from the start of any reader.
///
/// # Errors
///
/// As [`probe_path`].
pub fn probe_reader<R>(
    reader: R,
    extension_hint: Option<&str>,
    limits: &Limits,
) -> Result<Probe, AudioError>
where
    R: Read + Seek + Send + Sync + 'static,
{
    probe(reader, &Origin::Reader, extension_hint, limits)
}

fn probe<R>(
    reader: R,
    origin: &Origin,
    extension_hint: Option<&str>,
    limits: &Limits,
) -> Result<Probe, AudioError>
where
    R: Read + Seek + Send + Sync + 'static,
{
    contain(origin, || {
        let mut container = Container::open(reader, origin, extension_hint, limits)?;
        let track = container.audio_track(origin)?;
        track.check(origin, limits)?;
        Ok(Probe {
            tags: Tags::read(container.format.as_mut()),
            codec: track.codec,
            sample_rate: track.sample_rate,
            channels: track.channels.and_then(|channels| u16::try_from(channels).ok()),
            seconds: track.seconds,
        })
    })
}
