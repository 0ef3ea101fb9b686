//! What to decode, and how much of it.

use serde::{Deserialize, Serialize};

use crate::{AudioError, MAX_RATE, MIN_RATE};

/// What to decode and at which rate. The default is the whole file at its own rate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodeOptions {
    /// Sample rate to return in Hz; `None` keeps the file's own.
    pub sample_rate: Option<u32>,
    /// Which part of the file to return.
    pub excerpt: Excerpt,
    /// How much a file may claim and hold.
    pub limits: Limits,
}

impl DecodeOptions {
    pub(crate) fn check(&self) -> Result<(), AudioError> {
        if let Some(rate) = self.sample_rate
            && !(MIN_RATE..=MAX_RATE).contains(&rate)
        {
            return Err(AudioError::InvalidOption {
                option: "sample_rate",
                expected: "between 1000 and 768000 Hz",
                value: f64::from(rate),
            });
        }
        match self.excerpt {
            Excerpt::First { seconds } | Excerpt::Middle { seconds }
                if !(seconds.is_finite() && seconds > 0.0) =>
            {
                Err(AudioError::InvalidOption {
                    option: "the excerpt's seconds",
                    expected: "positive and finite",
                    value: seconds,
                })
            }
            _ => Ok(()),
        }
    }
}

/// Which part of a recording to return. A recording shorter than asked for is returned whole.
///
/// The part is cut at the file's own rate and then resampled, as `librosa.load` does with
/// `offset` and `duration`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Excerpt {
    /// All of it.
    #[default]
    Whole,
    /// The first `seconds`; decoding stops there.
    First {
        /// Length in seconds.
        seconds: f64,
    },
    /// The middle `seconds`. Where the header states the length, decoding stops after the
    /// excerpt; where it does not, or states more than there is, the middle of what was decoded
    /// is taken.
    Middle {
        /// Length in seconds.
        seconds: f64,
    },
}

/// How much a file may claim in its header, and hold.
///
/// Nothing is ever allocated by what a header says the length is, so a lie about it costs nothing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Most channels.
    pub max_channels: u16,
    /// Lowest sample rate in Hz.
    pub min_sample_rate: u32,
    /// Highest sample rate in Hz.
    pub max_sample_rate: u32,
    /// Longest recording in seconds, counted while decoding.
    pub max_seconds: f64,
    /// Most mono samples held in memory at once: at 4 bytes each, the default is 1.6 GB, which is
    /// two hours at 48 kHz with room to spare. Stops a small file that unpacks to very much.
    pub max_samples: u64,
    /// Most bytes read before the first packet of audio: headers, tags and pictures.
    pub max_metadata_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_channels: 32,
            min_sample_rate: 1_000,
            max_sample_rate: 768_000,
            max_seconds: 7_200.0,
            max_samples: 400_000_000,
            max_metadata_bytes: 64 * 1024 * 1024,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_that_make_no_sense_are_refused() {
        for seconds in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let first =
                DecodeOptions { excerpt: Excerpt::First { seconds }, ..DecodeOptions::default() };
            assert!(matches!(first.check(), Err(AudioError::InvalidOption { .. })));
        }
        for rate in [0, 999, 768_001] {
            let options = DecodeOptions { sample_rate: Some(rate), ..DecodeOptions::default() };
            assert!(matches!(options.check(), Err(AudioError::InvalidOption { .. })));
        }
        DecodeOptions::default().check().unwrap();
    }
}
