//! A whole file, or a part of it, in one call.

use std::io::{Read, Seek};
use std::path::Path;

use crate::{
    AudioError, AudioStream, Damage, DecodeOptions, Excerpt, Limits, Resampler, SourceInfo,
};

/// Decoded audio.
#[derive(Debug, Clone, PartialEq)]
pub struct Audio {
    /// Mono samples, nominally in -1..=1; never empty, always finite.
    pub samples: Vec<f32>,
    /// Rate of `samples` in Hz.
    pub sample_rate: u32,
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
    options.check()?;
    collect(AudioStream::open(path, &options.limits)?, options)
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
    options.check()?;
    collect(AudioStream::from_reader(reader, extension_hint, &options.limits)?, options)
}

fn collect(mut stream: AudioStream, options: &DecodeOptions) -> Result<Audio, AudioError> {
    let rate = stream.sample_rate();
    let sample_rate = options.sample_rate.unwrap_or(rate);
    let mut resampler = Resampler::new(rate, sample_rate)?;
    let frames_of = |seconds: f64| ((seconds * f64::from(rate)).round() as u64).max(1);

    let mut samples = Vec::new();
    match options.excerpt {
        Excerpt::Whole => {
            copy(&mut stream, u64::MAX, &mut resampler, &mut samples, &options.limits)?;
        }
        Excerpt::First { seconds } => {
            let frames = frames_of(seconds);
            copy(&mut stream, frames, &mut resampler, &mut samples, &options.limits)?;
        }
        Excerpt::Middle { seconds } => {
            let middle = read_middle(&mut stream, frames_of(seconds), &options.limits)?;
            resampler.process(&middle, &mut samples)?;
        }
    }
    resampler.finish(&mut samples)?;
    // A stream judges itself at its end, which an excerpt may not have reached.
    stream.check_damage()?;
    Ok(Audio { samples, sample_rate, source: stream.source(), damage: stream.damage() })
}

/// Resamples at most `frames` frames into `samples`, one packet at a time.
fn copy(
    stream: &mut AudioStream,
    mut frames: u64,
    resampler: &mut Resampler,
    samples: &mut Vec<f32>,
    limits: &Limits,
) -> Result<(), AudioError> {
    let mut chunk = Vec::new();
    while frames > 0 && stream.read(&mut chunk)? {
        let wanted = frames.min(chunk.len() as u64);
        resampler.process(&chunk[..wanted as usize], samples)?;
        check_held(stream, samples.len(), limits)?;
        frames -= wanted;
        chunk.clear();
    }
    Ok(())
}

/// The middle `frames` frames.
///
/// However the file ends, the excerpt of what was decoded so far starts at half of what is not
/// wanted: everything before can be let go, so that at most half of the recording is held.
fn read_middle(
    stream: &mut AudioStream,
    frames: u64,
    limits: &Limits,
) -> Result<Vec<f32>, AudioError> {
    let planned_start = stream.stated_frames().map(|stated| stated.saturating_sub(frames) / 2);
    let planned_end = planned_start.map_or(u64::MAX, |start| start + frames);

    let mut held: Vec<f32> = Vec::new();
    let mut held_from = 0_u64;
    let mut decoded = 0_u64;
    let mut ended = false;
    while decoded < planned_end && !ended {
        let before = held.len();
        ended = !stream.read(&mut held)?;
        decoded += (held.len() - before) as u64;
        check_held(stream, held.len(), limits)?;
        // Dropping only when half of what is held is stale keeps the copying linear.
        let stale = (decoded.saturating_sub(frames) / 2 - held_from) as usize;
        if stale > held.len() / 2 {
            held.drain(..stale);
            held_from += stale as u64;
        }
    }
    let start = match planned_start {
        Some(start) if decoded >= planned_end => start,
        _ => decoded.saturating_sub(frames) / 2,
    };
    held.drain(..(start - held_from) as usize);
    held.truncate(frames as usize);
    Ok(held)
}

fn check_held(stream: &AudioStream, held: usize, limits: &Limits) -> Result<(), AudioError> {
    if held as u64 <= limits.max_samples {
        return Ok(());
    }
    Err(AudioError::LimitExceeded {
        origin: stream.origin().clone(),
        quantity: "a number of samples to hold",
        value: held as f64,
        limit: limits.max_samples as f64,
    })
}
