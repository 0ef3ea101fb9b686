//! A whole file, or a part of it, in one call.

use std::io::{Read, Seek};
use std::path::Path;

use crate::{AudioError, Damage, DecodeOptions, Decoder, SourceInfo};

/// Decoded audio.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Audio {
    /// Mono samples, nominally in -1..=1; never empty, always finite.
    pub samples: Vec<f32>,
    /// Rate of `samples` in Hz.
    pub sample_rate: u32,
    /// Where in the recording the samples start, in seconds: above 0 for an excerpt from its
    /// middle.
    pub start_seconds: f64,
    /// What the file is.
    pub source: SourceInfo,
    /// What was lost.
    pub damage: Damage,
}

/// Decodes a file to mono samples.
///
/// # Errors
///
/// If the options make no sense, the file cannot be read, is not audio that this build decodes,
/// exceeds the limits, or is damaged beyond 5 % of its packets. See [`AudioError`].
///
/// # Panics
///
/// Never: a decoder that panics becomes [`AudioError::DecoderPanicked`] (though the panic hook
/// still speaks up on stderr).
pub fn decode_path(path: &Path, options: &DecodeOptions) -> Result<Audio, AudioError> {
    collect(Decoder::open(path, options)?)
}

/// As [`decode_path`], from the start of any reader. The hint is the usual extension of such
/// files, used in error messages: the bytes decide.
///
/// # Errors
///
/// As [`decode_path`].
pub fn decode_reader<R>(
    reader: R,
    extension_hint: Option<&str>,
    options: &DecodeOptions,
) -> Result<Audio, AudioError>
where
    R: Read + Seek + Send + Sync + 'static,
{
    collect(Decoder::from_reader(reader, extension_hint, options)?)
}

fn collect(mut decoder: Decoder) -> Result<Audio, AudioError> {
    let mut samples = Vec::new();
    while decoder.read(&mut samples)? {
        decoder.check_held(samples.len())?;
    }
    Ok(Audio {
        samples,
        sample_rate: decoder.sample_rate(),
        start_seconds: decoder.start_seconds(),
        source: decoder.source(),
        damage: decoder.damage(),
    })
}
