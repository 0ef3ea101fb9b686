//! The container around the packets: finding it, its audio track, and what the track claims.

use std::io::{ErrorKind, Read, Seek};

use symphonia::core::audio::Channels;
use symphonia::core::codecs::CodecParameters;
use symphonia::core::codecs::audio::{
    AudioCodecParameters, AudioDecoder, AudioDecoderOptions, well_known as id,
};
use symphonia::core::common::Limit;
use symphonia::core::errors::Error as SymphoniaError;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::well_known::FORMAT_ID_ISOMP4;
use symphonia::core::formats::{FormatOptions, FormatReader, Track, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;
use symphonia::core::packet::Packet;
use symphonia::core::units::Duration;

use crate::codecs::{REGISTRY, codec_name};
use crate::edit_list::{Edit, read_first_edit};
use crate::source::{Budget, Source};
use crate::{AudioError, Limits, Origin};

/// An opened file: its demultiplexer, and what symphonia does not read.
pub(crate) struct Container {
    pub(crate) format: Box<dyn FormatReader>,
    budget: Budget,
    edit: Option<Edit>,
}

impl Container {
    /// Recognises the container by its bytes and reads its headers and tags, at most
    /// `max_metadata_bytes` of them.
    pub(crate) fn open<R>(
        reader: R,
        origin: &Origin,
        extension_hint: Option<&str>,
        limits: &Limits,
    ) -> Result<Self, AudioError>
    where
        R: Read + Seek + Send + Sync + 'static,
    {
        let budget = Budget::new(limits.max_metadata_bytes);
        let as_io = |error| AudioError::from_io(origin, error);
        let mut source = Source::new(reader, budget.clone()).map_err(as_io)?;
        if source.is_empty() {
            return Err(AudioError::Empty { origin: origin.clone() });
        }
        let edit = read_first_edit(&mut source).map_err(as_io)?;
        source.rewind().map_err(as_io)?;

        let mut hint = Hint::new();
        if let Some(extension) = extension_hint {
            hint.with_extension(extension);
        }
        let bytes =
            Limit::Maximum(usize::try_from(limits.max_metadata_bytes).unwrap_or(usize::MAX));
        let metadata = MetadataOptions::default().limit_tag_bytes(bytes).limit_visual_bytes(bytes);
        let stream = MediaSourceStream::new(Box::new(source), MediaSourceStreamOptions::default());
        let format = symphonia::default::get_probe()
            .probe(&hint, stream, FormatOptions::default(), metadata)
            .map_err(|error| {
                if budget.is_spent() {
                    return AudioError::LimitExceeded {
                        origin: origin.clone(),
                        quantity: "headers and tags in bytes",
                        value: limits.max_metadata_bytes as f64,
                        limit: limits.max_metadata_bytes as f64,
                    };
                }
                match error {
                    SymphoniaError::Unsupported(reason) if reason.starts_with("core (probe)") => {
                        AudioError::NotAudio {
                            origin: origin.clone(),
                            extension: extension_hint.map(str::to_owned),
                        }
                    }
                    other => AudioError::from_symphonia(origin, other),
                }
            })?;
        Ok(Self { format, budget, edit })
    }

    /// Lets packets be read without bound.
    pub(crate) fn lift_budget(&self) {
        self.budget.lift();
    }

    /// The default audio track.
    pub(crate) fn audio_track(&self, origin: &Origin) -> Result<TrackInfo, AudioError> {
        let track = self
            .format
            .default_track(TrackType::Audio)
            .or_else(|| self.format.first_track(TrackType::Audio))
            .ok_or_else(|| AudioError::NoAudioTrack { origin: origin.clone() })?;
        let is_mp4 = self.format.format_info().format == FORMAT_ID_ISOMP4;
        TrackInfo::new(track, is_mp4, self.edit)
            .ok_or_else(|| AudioError::NoAudioTrack { origin: origin.clone() })
    }
}

/// What the container says of an audio track.
#[derive(Debug, Clone)]
pub(crate) struct TrackInfo {
    pub(crate) id: u32,
    pub(crate) codec: String,
    pub(crate) sample_rate: Option<u32>,
    pub(crate) channels: Option<usize>,
    /// Length in seconds without encoder delay and padding.
    pub(crate) seconds: Option<f64>,
    /// The length was written down by the encoder, not estimated from the size of the file.
    pub(crate) states_length_exactly: bool,
    /// Frames to cut off the start beyond what the decoder cuts.
    pub(crate) skip_frames: u64,
    parameters: AudioCodecParameters,
    ticks_per_second: Option<u32>,
    trusts_padding: bool,
    trims_by_duration: bool,
}

impl TrackInfo {
    fn new(track: &Track, is_mp4: bool, edit: Option<Edit>) -> Option<Self> {
        let Some(CodecParameters::Audio(parameters)) = &track.codec_params else { return None };
        let mut parameters = parameters.clone();
        let is_mp3 = parameters.codec == id::CODEC_ID_MP3;
        let is_aac = parameters.codec == id::CODEC_ID_AAC;
        let is_opus = parameters.codec == id::CODEC_ID_OPUS;
        let has_gapless_tag = track.delay.is_some() || track.padding.is_some();

        let seconds_per_tick =
            track.time_base.map(|base| f64::from(base.numer.get()) / f64::from(base.denom.get()));
        let rate = parameters.sample_rate.map(f64::from).filter(|rate| *rate > 0.0);
        let stated = match (track.duration, seconds_per_tick, track.num_frames, rate) {
            (Some(ticks), Some(tick), _, _) => Some(ticks.get() as f64 * tick),
            (_, _, Some(frames), Some(rate)) => Some(frames as f64 / rate),
            _ => None,
        };

        let mut skip_frames = 0;
        if is_opus {
            skip_frames = take_pre_skip(&mut parameters, is_mp4);
        } else if let (true, Some(edit), Some(rate)) = (is_aac, edit, rate) {
            skip_frames = edit.skipped_frames(rate);
        }
        let skipped_seconds = rate.map_or(0.0, |rate| skip_frames as f64 / rate);

        Some(Self {
            id: track.id,
            codec: codec_name(parameters.codec),
            sample_rate: parameters.sample_rate,
            channels: parameters.channels.as_ref().map(Channels::count),
            seconds: stated
                .map(|seconds| seconds - skipped_seconds)
                .filter(|seconds| seconds.is_finite() && *seconds > 0.0),
            states_length_exactly: !is_mp3 || has_gapless_tag,
            skip_frames,
            ticks_per_second: track
                .time_base
                .filter(|base| base.numer.get() == 1)
                .map(|base| base.denom.get()),
            trusts_padding: !is_mp3 || has_gapless_tag,
            trims_by_duration: is_mp4 && (is_aac || is_opus),
            parameters,
        })
    }

    /// Refuses what the header claims beyond `limits`.
    pub(crate) fn check(&self, origin: &Origin, limits: &Limits) -> Result<(), AudioError> {
        if let Some(rate) = self.sample_rate {
            limits.check_format(origin, rate, self.channels.unwrap_or(1))?;
        }
        if let Some(channels) = self.channels {
            limits.check_channels(origin, channels)?;
        }
        Ok(())
    }

    pub(crate) fn make_decoder(
        &self,
        origin: &Origin,
    ) -> Result<Box<dyn AudioDecoder>, AudioError> {
        if REGISTRY.get_audio_decoder(self.parameters.codec).is_none() {
            return Err(AudioError::UnsupportedCodec {
                origin: origin.clone(),
                codec: self.codec.clone(),
            });
        }
        REGISTRY
            .make_audio_decoder(&self.parameters, &AudioDecoderOptions::default())
            .map_err(|error| AudioError::from_symphonia(origin, error))
    }

    /// Undoes a trim that nothing in the file asks for: without a LAME tag, symphonia cuts an MP3
    /// at a length that it guessed from the bit rate.
    pub(crate) fn correct_trim(&self, packet: &mut Packet) {
        if !self.trusts_padding {
            packet.trim_end = Duration::ZERO;
        }
    }

    /// How many of a packet's decoded frames the container says to play: the last AAC packet of
    /// an MP4 file states a shorter duration than it decodes to.
    pub(crate) fn playable_frames(&self, packet: &Packet, decoded: usize, rate: u32) -> usize {
        match self.ticks_per_second {
            Some(ticks) if self.trims_by_duration && ticks % rate == 0 => {
                let frames = packet.dur.get() / u64::from(ticks / rate);
                if frames == 0 { decoded } else { decoded.min(frames as usize) }
            }
            // Durations in a coarser unit are rounded: cutting by them would tear holes.
            _ => decoded,
        }
    }
}

/// Takes the pre-skip (RFC 7845, section 5.1: at byte 10) out of the header that the decoder
/// gets. The decoder would cut it from the first packet alone, though it may be longer than that,
/// and would take the big-endian number of an MP4 file for the little-endian one of Ogg.
fn take_pre_skip(parameters: &mut AudioCodecParameters, is_mp4: bool) -> u64 {
    let Some(bytes) = parameters.extra_data.as_mut().and_then(|header| header.get_mut(10..12))
    else {
        return 0;
    };
    let number = [bytes[0], bytes[1]];
    bytes.fill(0);
    u64::from(if is_mp4 { u16::from_be_bytes(number) } else { u16::from_le_bytes(number) })
}

impl Limits {
    pub(crate) fn check_channels(
        &self,
        origin: &Origin,
        channels: usize,
    ) -> Result<(), AudioError> {
        if channels <= usize::from(self.max_channels) {
            return Ok(());
        }
        Err(AudioError::LimitExceeded {
            origin: origin.clone(),
            quantity: "a number of channels",
            value: channels as f64,
            limit: f64::from(self.max_channels),
        })
    }

    pub(crate) fn check_format(
        &self,
        origin: &Origin,
        rate: u32,
        channels: usize,
    ) -> Result<(), AudioError> {
        self.check_channels(origin, channels)?;
        let limit = if rate > self.max_sample_rate {
            self.max_sample_rate
        } else if rate < self.min_sample_rate {
            self.min_sample_rate
        } else {
            return Ok(());
        };
        Err(AudioError::LimitExceeded {
            origin: origin.clone(),
            quantity: "a sample rate in Hz",
            value: f64::from(rate),
            limit: f64::from(limit),
        })
    }
}

impl AudioError {
    pub(crate) fn from_symphonia(origin: &Origin, error: SymphoniaError) -> Self {
        let origin_of = origin.clone();
        match error {
            SymphoniaError::IoError(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Self::DamagedHeader {
                    origin: origin_of,
                    reason: "it ends in the middle".to_owned(),
                }
            }
            SymphoniaError::IoError(error) => Self::from_io(origin, error),
            // Of an MP4 file that was cut; what is missing nobody could support.
            SymphoniaError::Unsupported(reason) if reason.contains("missing") => {
                Self::DamagedHeader { origin: origin_of, reason: reason.to_owned() }
            }
            SymphoniaError::Unsupported(feature) => {
                Self::UnsupportedFeature { origin: origin_of, feature: feature.to_owned() }
            }
            SymphoniaError::DecodeError(reason) | SymphoniaError::LimitError(reason) => {
                Self::DamagedHeader { origin: origin_of, reason: reason.to_owned() }
            }
            other => Self::DamagedHeader { origin: origin_of, reason: other.to_string() },
        }
    }
}
