//! A whole file, or a part of it, in one call.

use std::collections::VecDeque;
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
    let mut first_frame = 0;
    match options.excerpt {
        Excerpt::Whole => {
            copy(&mut stream, u64::MAX, &mut resampler, &mut samples, &options.limits)?;
        }
        Excerpt::First { seconds } => {
            let frames = frames_of(seconds);
            copy(&mut stream, frames, &mut resampler, &mut samples, &options.limits)?;
        }
        Excerpt::Middle { seconds } => {
            let (middle, start) = read_middle(&mut stream, frames_of(seconds), &options.limits)?;
            first_frame = start;
            resampler.process(&middle, &mut samples)?;
        }
    }
    resampler.finish(&mut samples)?;
    // A stream judges itself at its end, which an excerpt may not have reached.
    stream.check_damage()?;
    let start_seconds = first_frame as f64 / f64::from(rate);
    let (source, damage) = (stream.source(), stream.damage());
    Ok(Audio { samples, sample_rate, start_seconds, source, damage })
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

/// The middle `frames` frames, and how many come before them.
fn read_middle(
    stream: &mut AudioStream,
    frames: u64,
    limits: &Limits,
) -> Result<(Vec<f32>, u64), AudioError> {
    let mut middle = Middle::new(frames, stream.stated_frames());
    let mut chunk = Vec::new();
    while !middle.is_whole() && stream.read(&mut chunk)? {
        middle.push(&chunk);
        chunk.clear();
        check_held(stream, middle.held.len(), limits)?;
    }
    Ok(middle.finish())
}

/// The middle of a recording that is still being decoded.
///
/// However the file ends, its excerpt starts no earlier than half of what is not wanted of what was
/// decoded so far: everything before is let go, so that half of the recording and half of the
/// excerpt are held at most.
struct Middle {
    /// Wanted.
    frames: u64,
    /// Where the excerpt starts if the file is as long as it states.
    planned_start: Option<u64>,
    held: VecDeque<f32>,
    /// Frames that were let go.
    held_from: u64,
    decoded: u64,
}

impl Middle {
    fn new(frames: u64, stated_frames: Option<u64>) -> Self {
        let planned_start = stated_frames.map(|stated| stated.saturating_sub(frames) / 2);
        Self { frames, planned_start, held: VecDeque::new(), held_from: 0, decoded: 0 }
    }

    /// True where all of the planned excerpt was decoded.
    fn is_whole(&self) -> bool {
        self.planned_start.is_some_and(|start| self.decoded >= start.saturating_add(self.frames))
    }

    fn push(&mut self, chunk: &[f32]) {
        self.decoded += chunk.len() as u64;
        // A packet may reach beyond the stated end; the planned excerpt stays whole.
        let needed_from = self.centred_start().min(self.planned_start.unwrap_or(u64::MAX));
        let stale = ((needed_from - self.held_from) as usize).min(self.held.len());
        // A queue lets go of its front without moving the rest.
        self.held.drain(..stale);
        self.held_from += stale as u64;
        self.held.extend(chunk);
    }

    /// Where the middle of what was decoded starts.
    fn centred_start(&self) -> u64 {
        self.decoded.saturating_sub(self.frames) / 2
    }

    fn finish(self) -> (Vec<f32>, u64) {
        let start = match self.planned_start {
            Some(start) if self.is_whole() => start,
            _ => self.centred_start(),
        };
        let mut samples = Vec::from(self.held);
        samples.drain(..(start - self.held_from) as usize);
        samples.truncate(self.frames as usize);
        (samples, start)
    }
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

#[cfg(test)]
mod tests {
    use super::Middle;

    /// Frames 0, 1, 2, ... in packets of `packet`, and the most that was ever held.
    fn middle(frames: u64, stated: Option<u64>, decoded: u64, packet: usize) -> (Vec<f32>, usize) {
        let mut middle = Middle::new(frames, stated);
        let all: Vec<f32> = (0..decoded).map(|frame| frame as f32).collect();
        let mut most = 0;
        for chunk in all.chunks(packet) {
            if middle.is_whole() {
                break;
            }
            middle.push(chunk);
            most = most.max(middle.held.len());
        }
        let (samples, start) = middle.finish();
        assert_eq!(samples.first().copied(), Some(start as f32));
        (samples, most)
    }

    fn range(from: u32, to: u32) -> Vec<f32> {
        (from..to).map(|frame| frame as f32).collect()
    }

    #[test]
    fn of_a_file_of_unstated_length_half_of_it_and_of_the_excerpt_are_held_at_most() {
        let (samples, most) = middle(1_000, None, 101_000, 100);
        assert_eq!(samples, range(50_000, 51_000));
        assert!(most <= 51_000 + 100, "{most} of 101000 frames were held");
    }

    #[test]
    fn a_file_that_ends_early_or_late_gives_its_middle_whatever_its_packets() {
        for packet in [1, 7, 64, 1_000, 5_000] {
            assert_eq!(middle(100, Some(1_000), 1_000, packet).0, range(450, 550), "{packet}");
            assert_eq!(middle(100, Some(1_000), 300, packet).0, range(100, 200), "{packet}");
            assert_eq!(middle(100, Some(101), 4_000, packet).0, range(0, 100), "{packet}");
            assert_eq!(middle(100, Some(0), 4_000, packet).0, range(0, 100), "{packet}");
            assert_eq!(middle(100, Some(1_000), 60, packet).0, range(0, 60), "{packet}");
            assert_eq!(middle(100, None, 4_001, packet).0, range(1_950, 2_050), "{packet}");
        }
    }
}
