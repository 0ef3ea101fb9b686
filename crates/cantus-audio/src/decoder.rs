//! A file, or a part of it, as a stream of mono samples at a rate of one's choice.

use std::io::{Read, Seek};
use std::path::Path;

use crate::middle::Middle;
use crate::{
    AudioError, AudioStream, Damage, DecodeOptions, Excerpt, Limits, Origin, Resampler, SourceInfo,
};

/// Samples of an excerpt from the middle that are resampled at once.
const BLOCK: usize = 1 << 14;

/// What [`decode_path`](crate::decode_path) returns, piece by piece: the same samples to the last
/// bit, without holding them all (but for [`Excerpt::Middle`], which holds as much as there).
///
/// ```
/// # fn main() -> Result<(), cantus_audio::AudioError> {
/// use cantus_audio::{DecodeOptions, Decoder};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tone.mp3");
/// let options = DecodeOptions { sample_rate: Some(16_000), ..DecodeOptions::default() };
/// let mut decoder = Decoder::open(path.as_ref(), &options)?;
/// let (mut samples, mut count) = (Vec::new(), 0);
/// while decoder.read(&mut samples)? {
///     count += samples.len();
///     samples.clear();
/// }
/// assert_eq!(count, 8_000);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Decoder {
    stream: AudioStream,
    resampler: Resampler,
    sample_rate: u32,
    limits: Limits,
    left: Remaining,
    start_seconds: f64,
    /// Between the stream and the resampler.
    packet: Vec<f32>,
}

/// What is still to come.
#[derive(Debug)]
enum Remaining {
    /// At most so many frames of the stream.
    Frames(u64),
    /// The middle so many frames of the stream, of which none has been read.
    Middle(u64),
    /// The excerpt from a place on.
    Excerpt(Vec<f32>, usize),
    Nothing,
}

impl Decoder {
    /// Opens a file and decodes its first packet.
    ///
    /// # Errors
    ///
    /// As [`decode_path`](crate::decode_path), save for what only further packets show.
    pub fn open(path: &Path, options: &DecodeOptions) -> Result<Self, AudioError> {
        options.check()?;
        Self::start(AudioStream::open(path, &options.limits)?, options)
    }

    /// As [`open`](Self::open), from the start of any reader.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn from_reader<R>(
        reader: R,
        extension_hint: Option<&str>,
        options: &DecodeOptions,
    ) -> Result<Self, AudioError>
    where
        R: Read + Seek + Send + Sync + 'static,
    {
        options.check()?;
        Self::start(AudioStream::from_reader(reader, extension_hint, &options.limits)?, options)
    }

    fn start(stream: AudioStream, options: &DecodeOptions) -> Result<Self, AudioError> {
        let rate = stream.sample_rate();
        let sample_rate = options.sample_rate.unwrap_or(rate);
        let frames_of = |seconds: f64| ((seconds * f64::from(rate)).round() as u64).max(1);
        let left = match options.excerpt {
            Excerpt::Whole => Remaining::Frames(u64::MAX),
            Excerpt::First { seconds } => Remaining::Frames(frames_of(seconds)),
            Excerpt::Middle { seconds } => Remaining::Middle(frames_of(seconds)),
        };
        Ok(Self {
            resampler: Resampler::new(rate, sample_rate)?,
            stream,
            sample_rate,
            limits: options.limits.clone(),
            left,
            start_seconds: 0.0,
            packet: Vec::new(),
        })
    }

    /// Rate of the samples in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Where in the recording the samples start, in seconds; known once the first were read.
    pub fn start_seconds(&self) -> f64 {
        self.start_seconds
    }

    /// What the file is; see [`AudioStream::source`].
    pub fn source(&self) -> SourceInfo {
        self.stream.source()
    }

    /// What was lost so far.
    pub fn damage(&self) -> Damage {
        self.stream.damage()
    }

    /// What is being read.
    pub fn origin(&self) -> &Origin {
        self.stream.origin()
    }

    /// Appends the next samples: at least one, or none and `false` at the end. An excerpt from the
    /// middle is read whole before its first sample is given.
    ///
    /// # Errors
    ///
    /// As [`AudioStream::read`], and where an excerpt is larger than the limits allow to hold.
    /// `samples` is as it was then, and the decoder at its end.
    pub fn read(&mut self, samples: &mut Vec<f32>) -> Result<bool, AudioError> {
        let before = samples.len();
        loop {
            let is_over = self.advance(samples).inspect_err(|_| {
                self.left = Remaining::Nothing;
                samples.truncate(before);
            })?;
            if samples.len() > before {
                return Ok(true);
            }
            if is_over {
                return Ok(false);
            }
        }
    }

    /// One packet or block further; true at the end.
    fn advance(&mut self, samples: &mut Vec<f32>) -> Result<bool, AudioError> {
        match &mut self.left {
            Remaining::Nothing => return Ok(true),
            Remaining::Frames(left) => {
                self.packet.clear();
                if *left > 0 && self.stream.read(&mut self.packet)? {
                    let wanted = (*left).min(self.packet.len() as u64);
                    *left -= wanted;
                    self.resampler.process(&self.packet[..wanted as usize], samples)?;
                    return Ok(false);
                }
            }
            Remaining::Middle(frames) => {
                let frames = *frames;
                let (middle, start) = self.read_middle(frames)?;
                self.start_seconds = start as f64 / f64::from(self.stream.sample_rate());
                self.left = Remaining::Excerpt(middle, 0);
                return Ok(false);
            }
            Remaining::Excerpt(middle, from) => {
                if let Some(rest) = middle.get(*from..).filter(|rest| !rest.is_empty()) {
                    let block = &rest[..rest.len().min(BLOCK)];
                    *from += block.len();
                    self.resampler.process(block, samples)?;
                    return Ok(false);
                }
            }
        }
        self.left = Remaining::Nothing;
        self.resampler.finish(samples)?;
        // A stream judges itself at its end, which an excerpt may not have reached.
        self.stream.check_damage()?;
        Ok(true)
    }

    /// The middle `frames` frames, and how many come before them.
    fn read_middle(&mut self, frames: u64) -> Result<(Vec<f32>, u64), AudioError> {
        let mut middle = Middle::new(frames, self.stream.stated_frames());
        while !middle.is_whole() && self.stream.read(&mut self.packet)? {
            middle.push(&self.packet);
            self.packet.clear();
            self.check_held(middle.held())?;
        }
        Ok(middle.finish())
    }

    /// Refuses to hold more samples than the limits allow.
    pub(crate) fn check_held(&self, held: usize) -> Result<(), AudioError> {
        if held as u64 <= self.limits.max_samples {
            return Ok(());
        }
        Err(AudioError::LimitExceeded {
            origin: self.origin().clone(),
            quantity: "a number of samples to hold",
            value: held as f64,
            limit: self.limits.max_samples as f64,
        })
    }
}
