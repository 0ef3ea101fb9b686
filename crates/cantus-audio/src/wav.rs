//! Writing WAV files.

use std::io::{Seek, Write};

use hound::{SampleFormat, WavSpec, WavWriter};
use serde::{Deserialize, Serialize};

use crate::AudioError;

/// How samples are stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WavFormat {
    /// 32-bit floats: every bit is kept, and so are values beyond ±1.
    #[default]
    Float32,
    /// 16-bit integers: `round(sample * 32768)`, halves away from zero, clipped to
    /// -32768..=32767, so that 1.0 becomes 32767 and what was decoded from 16 bits is written
    /// back as it was. No dither.
    Int16,
}

/// Writes mono samples as a WAV file.
///
/// The header is completed at the end, so `writer` must be able to seek; wrap a file in a
/// `BufWriter`. The writer is flushed, not synced.
///
/// # Errors
///
/// [`AudioError::InvalidOption`] for a sample rate of 0, [`AudioError::NonFiniteSamples`] before
/// anything is written, [`AudioError::WriteWav`] if writing fails or the data exceeds 4 GiB.
pub fn write_wav<W: Write + Seek>(
    writer: W,
    samples: &[f32],
    sample_rate: u32,
    format: WavFormat,
) -> Result<(), AudioError> {
    if sample_rate == 0 {
        return Err(AudioError::InvalidOption {
            option: "sample_rate",
            expected: "at least 1 Hz",
            value: 0.0,
        });
    }
    if let Some(index) = samples.iter().position(|sample| !sample.is_finite()) {
        return Err(AudioError::NonFiniteSamples {
            origin: crate::Origin::Samples,
            seconds: index as f64 / f64::from(sample_rate),
        });
    }
    let (bits_per_sample, sample_format) = match format {
        WavFormat::Float32 => (32, SampleFormat::Float),
        WavFormat::Int16 => (16, SampleFormat::Int),
    };
    let spec = WavSpec { channels: 1, sample_rate, bits_per_sample, sample_format };
    let failed = |source| AudioError::WriteWav { source };
    let mut wav = WavWriter::new(writer, spec).map_err(failed)?;
    for &sample in samples {
        match format {
            WavFormat::Float32 => wav.write_sample(sample),
            WavFormat::Int16 => wav.write_sample(to_int16(sample)),
        }
        .map_err(failed)?;
    }
    wav.finalize().map_err(failed)
}

/// Rust's float-to-integer conversion saturates, which is the clipping.
fn to_int16(sample: f32) -> i16 {
    (sample * 32_768.0).round() as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sixteen_bits_round_half_away_from_zero_and_clip() {
        assert_eq!(to_int16(1.0), 32_767);
        assert_eq!(to_int16(-1.0), -32_768);
        assert_eq!(to_int16(-7.0), -32_768);
        assert_eq!(to_int16(0.5 / 32_768.0), 1);
        assert_eq!(to_int16(-0.5 / 32_768.0), -1);
        assert_eq!(to_int16(0.49 / 32_768.0), 0);
    }

    #[test]
    fn every_16_bit_value_survives_the_way_through_f32() {
        for value in i16::MIN..=i16::MAX {
            assert_eq!(to_int16(f32::from(value) / 32_768.0), value);
        }
    }
}
