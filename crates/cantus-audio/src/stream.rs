//! A file as a stream of mono samples at its own rate.

use std::io::{ErrorKind, Read, Seek};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use serde::{Deserialize, Serialize};
use symphonia::core::audio::{Audio as _, GenericAudioBufferRef};
use symphonia::core::codecs::audio::AudioDecoder;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::packet::Packet;

use crate::container::{Container, TrackInfo};
use crate::mix::append_mean;
use crate::source::{extension_of, open_file};
use crate::{AudioError, Limits, Origin};

/// Packets in a row that may decode to nothing before the file is given up as damaged. Real
/// codecs prime themselves with one or two; a forged table may promise four thousand million.
const MAX_BARREN_PACKETS: u32 = 4_096;

/// Lost packets that are always forgiven: the first frames of an MP3 cut out of a longer one lean
/// on bytes that are gone.
const FORGIVEN_PACKETS: u64 = 2;

/// What a file is, once its first packet was decoded.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SourceInfo {
    /// Short name of the codec, such as `mp3` or `pcm_s16le`.
    pub codec: String,
    /// The file's own sample rate in Hz.
    pub sample_rate: u32,
    /// Channels before the mix-down.
    pub channels: u16,
    /// Length of the whole recording in seconds: as decoded, or as the header states it where
    /// decoding stopped early.
    pub seconds: f64,
}

/// What was lost on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Damage {
    /// Packets read.
    pub packets: u64,
    /// Packets that could not be decoded and were skipped; their time is missing from the samples.
    pub damaged_packets: u64,
    /// The file ends inside a packet, or well before the length its header states.
    pub truncated: bool,
}

impl Damage {
    /// Nothing was lost.
    pub fn is_none(&self) -> bool {
        self.damaged_packets == 0 && !self.truncated
    }

    /// What was lost, in words; empty if nothing was.
    pub fn describe(&self) -> String {
        let Self { packets, damaged_packets, truncated } = *self;
        let mut parts = Vec::new();
        if damaged_packets > 0 {
            parts.push(format!("{damaged_packets} of {packets} packets could not be decoded"));
        }
        if truncated {
            parts.push("some of the music that the file states is missing".to_owned());
        }
        parts.join("; ")
    }

    /// More than 5 % of the packets were lost.
    fn is_fatal(&self) -> bool {
        self.damaged_packets > FORGIVEN_PACKETS && self.damaged_packets * 20 > self.packets
    }
}

/// Decodes a file packet by packet to mono samples at the file's own rate.
///
/// Encoder delay and padding are trimmed where the file states them. Memory is one packet and the
/// decoder's state, however long the file is.
///
/// ```
/// # fn main() -> Result<(), cantus_audio::AudioError> {
/// use cantus_audio::{AudioStream, Limits};
///
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tone.flac");
/// let mut stream = AudioStream::open(path.as_ref(), &Limits::default())?;
/// let mut samples = Vec::new();
/// let mut peak = 0.0_f32;
/// while stream.read(&mut samples)? {
///     peak = samples.drain(..).fold(peak, |peak, sample| peak.max(sample.abs()));
/// }
/// println!("{} Hz, peak {peak:.3}", stream.sample_rate());
/// # Ok(())
/// # }
/// ```
pub struct AudioStream {
    container: Container,
    track: TrackInfo,
    decoder: Box<dyn AudioDecoder>,
    origin: Origin,
    limits: Limits,
    sample_rate: u32,
    channels: u16,
    /// Frames still to be cut off the start.
    skip_frames: u64,
    /// Mono samples handed out or pending.
    frames: u64,
    damage: Damage,
    barren_packets: u32,
    /// One a channel.
    planes: Vec<Vec<f32>>,
    pending: Vec<f32>,
    finished: bool,
}

impl std::fmt::Debug for AudioStream {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("AudioStream")
            .field("origin", &self.origin)
            .field("codec", &self.track.codec)
            .field("sample_rate", &self.sample_rate)
            .field("channels", &self.channels)
            .field("frames", &self.frames)
            .field("damage", &self.damage)
            .finish_non_exhaustive()
    }
}

impl AudioStream {
    /// Opens a file and decodes its first packet.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is not audio that this build decodes, or exceeds `limits`.
    pub fn open(path: &Path, limits: &Limits) -> Result<Self, AudioError> {
        let file = open_file(path)?;
        let origin = Origin::Path(path.to_owned());
        Self::start(file, origin, extension_of(path).as_deref(), limits)
    }

    /// As [`open`](Self::open), from the start of any reader.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn from_reader<R>(
        reader: R,
        extension_hint: Option<&str>,
        limits: &Limits,
    ) -> Result<Self, AudioError>
    where
        R: Read + Seek + Send + Sync + 'static,
    {
        Self::start(reader, Origin::Reader, extension_hint, limits)
    }

    fn start<R>(
        reader: R,
        origin: Origin,
        extension_hint: Option<&str>,
        limits: &Limits,
    ) -> Result<Self, AudioError>
    where
        R: Read + Seek + Send + Sync + 'static,
    {
        contain(&origin.clone(), || {
            let container = Container::open(reader, &origin, extension_hint, limits)?;
            let track = container.audio_track(&origin)?;
            track.check(&origin, limits)?;
            let decoder = track.make_decoder(&origin)?;
            container.lift_budget();
            let mut stream = Self {
                container,
                skip_frames: track.skip_frames,
                track,
                decoder,
                origin,
                limits: limits.clone(),
                sample_rate: 0,
                channels: 0,
                frames: 0,
                damage: Damage::default(),
                barren_packets: 0,
                planes: Vec::new(),
                pending: Vec::new(),
                finished: false,
            };
            // The first packet settles rate and channels, which headers leave out or get wrong.
            let mut first = Vec::new();
            stream.advance(&mut first)?;
            stream.pending = first;
            Ok(stream)
        })
    }

    /// Sample rate of the file in Hz.
    pub fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// What the file is; `seconds` is the length so far until the end is reached, or what the
    /// header states if that is more.
    pub fn source(&self) -> SourceInfo {
        let decoded = self.frames as f64 / f64::from(self.sample_rate);
        let stated = self.track.seconds.unwrap_or(0.0);
        SourceInfo {
            codec: self.track.codec.clone(),
            sample_rate: self.sample_rate,
            channels: self.channels,
            seconds: if self.finished { decoded } else { decoded.max(stated) },
        }
    }

    /// What was lost so far.
    pub fn damage(&self) -> Damage {
        self.damage
    }

    /// What is being read.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Length as the header states it, in frames at [`sample_rate`](Self::sample_rate).
    pub(crate) fn stated_frames(&self) -> Option<u64> {
        let frames = self.track.seconds? * f64::from(self.sample_rate);
        Some(frames.round() as u64)
    }

    /// Appends the next mono samples to `samples`: at least one, or none and `false` at the end.
    ///
    /// # Errors
    ///
    /// If reading fails, more than 5 % of the packets are lost, a sample is not finite, or a limit
    /// is exceeded; `samples` is as it was then, and the stream at its end.
    pub fn read(&mut self, samples: &mut Vec<f32>) -> Result<bool, AudioError> {
        if !self.pending.is_empty() {
            samples.append(&mut self.pending);
            return Ok(true);
        }
        if self.finished {
            return Ok(false);
        }
        let origin = self.origin.clone();
        let before = samples.len();
        let result = contain(&origin, || self.advance(samples));
        if result.is_err() {
            self.finished = true;
            samples.truncate(before);
        }
        result
    }

    /// Decodes packets until one yields samples.
    fn advance(&mut self, samples: &mut Vec<f32>) -> Result<bool, AudioError> {
        loop {
            let Some(packet) = self.next_packet()? else {
                self.finish()?;
                return Ok(false);
            };
            self.damage.packets += 1;
            let before = samples.len();
            self.decode(packet, samples)?;
            let added = samples.len() - before;
            if added > 0 {
                self.barren_packets = 0;
                self.account_for(&samples[before..])?;
                return Ok(true);
            }
            self.barren_packets += 1;
            if self.barren_packets > MAX_BARREN_PACKETS {
                return Err(self.damaged());
            }
        }
    }

    /// The next packet of the track, or none at the end of what can be read.
    fn next_packet(&mut self) -> Result<Option<Packet>, AudioError> {
        loop {
            match self.container.format.next_packet() {
                Ok(Some(packet)) if packet.track_id == self.track.id => return Ok(Some(packet)),
                Ok(Some(_)) => {}
                Ok(None) => return Ok(None),
                Err(SymphoniaError::ResetRequired) => self.start_next_link()?,
                Err(SymphoniaError::IoError(error)) if error.kind() != ErrorKind::UnexpectedEof => {
                    return Err(AudioError::from_io(&self.origin, error));
                }
                // A container that cannot find its next packet has come to its end: what was
                // decoded so far is good.
                Err(error) => {
                    tracing::debug!(origin = %self.origin, %error, "the file ends early");
                    self.damage.truncated = true;
                    return Ok(None);
                }
            }
        }
    }

    /// Goes on with the next of several streams chained in one Ogg file.
    fn start_next_link(&mut self) -> Result<(), AudioError> {
        let mut track = self.container.audio_track(&self.origin)?;
        track.check(&self.origin, &self.limits)?;
        if let Some(rate) = track.sample_rate
            && rate != self.sample_rate
            && self.sample_rate != 0
        {
            return Err(AudioError::SampleRateChanged {
                origin: self.origin.clone(),
                from: self.sample_rate,
                to: rate,
            });
        }
        self.decoder = track.make_decoder(&self.origin)?;
        self.skip_frames = track.skip_frames;
        // The length of one link says nothing about the whole.
        track.seconds = None;
        self.track = track;
        Ok(())
    }

    /// Appends what one packet holds; a damaged packet is counted and adds nothing.
    fn decode(&mut self, mut packet: Packet, samples: &mut Vec<f32>) -> Result<(), AudioError> {
        self.track.correct_trim(&mut packet);
        let buffer = match self.decoder.decode(&packet) {
            Ok(buffer) => buffer,
            // What concerns one packet alone: skip it. Anything else stops the stream.
            Err(SymphoniaError::DecodeError(reason)) => {
                tracing::trace!(origin = %self.origin, reason, "skipped a damaged packet");
                self.damage.damaged_packets += 1;
                return Ok(());
            }
            Err(SymphoniaError::IoError(_)) => {
                self.damage.damaged_packets += 1;
                return Ok(());
            }
            Err(SymphoniaError::ResetRequired) => {
                self.decoder.reset();
                return Ok(());
            }
            Err(error) => return Err(AudioError::from_symphonia(&self.origin, error)),
        };
        if buffer.frames() == 0 {
            return Ok(());
        }
        let rate = buffer.spec().rate();
        let channels = buffer.spec().channels().count();
        if self.sample_rate == 0 {
            self.sample_rate = rate;
            self.channels = u16::try_from(channels).unwrap_or(u16::MAX);
        } else if rate != self.sample_rate {
            // Within one stream this is a forged or garbled frame header.
            self.damage.damaged_packets += 1;
            return Ok(());
        }
        self.limits.check_format(&self.origin, rate, channels)?;

        let frames = buffer.frames();
        let skip = self.skip_frames.min(frames as u64) as usize;
        self.skip_frames -= skip as u64;
        let played = skip..self.track.playable_frames(&packet, frames, rate).max(skip);
        match buffer {
            GenericAudioBufferRef::F32(buffer) => {
                append_mean(buffer.iter_planes().map(|plane| &plane[played.clone()]), samples);
            }
            other => {
                other.copy_to_vecs_planar(&mut self.planes);
                append_mean(self.planes.iter().map(|plane| &plane[played.clone()]), samples);
            }
        }
        Ok(())
    }

    /// Checks and counts new samples.
    fn account_for(&mut self, new: &[f32]) -> Result<(), AudioError> {
        let rate = f64::from(self.sample_rate);
        if let Some(index) = new.iter().position(|sample| !sample.is_finite()) {
            return Err(AudioError::NonFiniteSamples {
                origin: self.origin.clone(),
                seconds: (self.frames + index as u64) as f64 / rate,
            });
        }
        self.frames += new.len() as u64;
        let seconds = self.frames as f64 / rate;
        if seconds > self.limits.max_seconds {
            return Err(AudioError::LimitExceeded {
                origin: self.origin.clone(),
                quantity: "a length in seconds",
                value: seconds,
                limit: self.limits.max_seconds,
            });
        }
        Ok(())
    }

    /// Refuses what lost too much so far.
    pub(crate) fn check_damage(&self) -> Result<(), AudioError> {
        if self.damage.is_fatal() { Err(self.damaged()) } else { Ok(()) }
    }

    /// Judges the whole at its end.
    fn finish(&mut self) -> Result<(), AudioError> {
        self.finished = true;
        self.check_damage()?;
        if self.frames == 0 {
            return Err(if self.damage.damaged_packets > 0 {
                self.damaged()
            } else {
                AudioError::NoSamples { origin: self.origin.clone() }
            });
        }
        if let Some(stated) = self.stated_frames().filter(|_| self.track.states_length_exactly) {
            // Codecs that lose nothing state their frames to the last one; others count blocks.
            let is_lossless = self.track.codec == "flac"
                || self.track.codec == "alac"
                || self.track.codec.starts_with("pcm");
            let tolerance = if is_lossless { 1 } else { u64::from(self.sample_rate / 10) };
            self.damage.truncated |= self.frames + tolerance < stated;
        }
        if !self.damage.is_none() {
            tracing::info!(origin = %self.origin, "damaged: {}", self.damage.describe());
        }
        Ok(())
    }

    fn damaged(&self) -> AudioError {
        AudioError::Damaged {
            origin: self.origin.clone(),
            packets: self.damage.packets,
            damaged_packets: self.damage.damaged_packets.max(u64::from(self.barren_packets)),
        }
    }
}

/// Runs `work` and turns a panic of a decoder into an error.
///
/// The decoders are safe Rust, so that a panic leaves nothing worse than a half-updated decoder,
/// which is not used again.
pub(crate) fn contain<T>(
    origin: &Origin,
    work: impl FnOnce() -> Result<T, AudioError>,
) -> Result<T, AudioError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|payload| {
        let message = payload
            .downcast_ref::<&str>()
            .map(|message| (*message).to_owned())
            .or_else(|| payload.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "panicked without a message".to_owned());
        Err(AudioError::DecoderPanicked { origin: origin.clone(), message })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error_with_its_message() {
        let error = contain::<()>(&Origin::Reader, || panic!("index {} out of range", 3));
        let Err(AudioError::DecoderPanicked { message, .. }) = error else { panic!("{error:?}") };
        assert_eq!(message, "index 3 out of range");
    }

    #[test]
    fn damage_is_fatal_above_one_packet_in_twenty() {
        let damage =
            |packets, damaged_packets| Damage { packets, damaged_packets, truncated: false };
        assert!(!damage(100, 5).is_fatal());
        assert!(damage(100, 6).is_fatal());
        assert!(!damage(3, 2).is_fatal(), "two packets are always forgiven");
        assert!(damage(3, 3).is_fatal());
    }
}
