//! How long a clip is: a duration on the command line, a number of frames in the network.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The paper's clip lengths: its table, not a formula (20 s and 29.12 s are not rounded as the
/// others are).
const PAPER_FRAMES: [(f64, usize); 7] =
    [(1.0, 32), (3.0, 94), (5.0, 157), (6.0, 188), (10.0, 313), (20.0, 628), (30.0, 911)];

/// A clip length in seconds, as in `3s`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct ClipLength {
    seconds: f64,
}

impl ClipLength {
    /// The lengths of the paper.
    pub(crate) const PAPER: [Self; 7] = [
        Self { seconds: 1.0 },
        Self { seconds: 3.0 },
        Self { seconds: 5.0 },
        Self { seconds: 6.0 },
        Self { seconds: 10.0 },
        Self { seconds: 20.0 },
        Self { seconds: 30.0 },
    ];

    /// As a number.
    pub(crate) fn seconds(self) -> f64 {
        self.seconds
    }

    /// The length of so many spectrogram frames: the paper's where it is one of them, else in as few
    /// decimals as tell it from its neighbours. None for an hour or more, and for no frames.
    pub(crate) fn of_frames(frames: usize, sample_rate: u32, hop_length: usize) -> Option<Self> {
        let seconds = frames as f64 * hop_length as f64 / f64::from(sample_rate);
        // The exact length may round up to a frame more, or be in the paper's table for other frames:
        // one step below does neither.
        let rounded = (0..=6).flat_map(|decimals| {
            let scale = 10_f64.powi(decimals);
            let steps = (seconds * scale).floor();
            [steps, steps - 1.0].map(|steps| Self { seconds: steps / scale })
        });
        Self::PAPER
            .into_iter()
            .chain(rounded)
            .filter(|length| length.seconds > 0.0 && length.seconds < 3600.0)
            .find(|length| length.frames(sample_rate, hop_length) == frames)
    }

    /// The length in spectrogram frames.
    ///
    /// The paper's lengths at the paper's frame rate (31.25 a second) are the paper's table; every
    /// other length rounds up to whole frames.
    pub(crate) fn frames(self, sample_rate: u32, hop_length: usize) -> usize {
        let papers_frame_rate = sample_rate == 16_000 && hop_length == 512;
        let in_table =
            PAPER_FRAMES.iter().find(|(seconds, _)| seconds.total_cmp(&self.seconds).is_eq());
        match in_table {
            Some((_, frames)) if papers_frame_rate => *frames,
            _ => (self.seconds * f64::from(sample_rate) / hop_length as f64).ceil() as usize,
        }
    }
}

impl Default for ClipLength {
    fn default() -> Self {
        Self { seconds: 3.0 }
    }
}

impl fmt::Display for ClipLength {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}s", self.seconds)
    }
}

impl FromStr for ClipLength {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_suffix('s').unwrap_or(text).trim();
        let seconds: f64 = number
            .parse()
            .map_err(|_| format!("`{text}` is not a clip length; write seconds, as in `3s`"))?;
        if !seconds.is_finite() || seconds <= 0.0 {
            return Err(format!("a clip of `{text}` holds no sound; write a length above 0s"));
        }
        if seconds > 3600.0 {
            return Err(format!("a clip of `{text}` is longer than an hour"));
        }
        Ok(Self { seconds })
    }
}

impl TryFrom<String> for ClipLength {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ClipLength> for String {
    fn from(length: ClipLength) -> Self {
        length.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::ClipLength;

    fn frames(text: &str) -> usize {
        text.parse::<ClipLength>().unwrap().frames(16_000, 512)
    }

    #[test]
    fn the_papers_lengths_are_the_papers_table() {
        let table = [("1s", 32), ("3s", 94), ("5s", 157), ("6s", 188), ("10s", 313), ("20s", 628)];
        for (text, expected) in table {
            assert_eq!(frames(text), expected, "{text}");
        }
        assert_eq!(frames("30s"), 911);
    }

    #[test]
    fn other_lengths_round_up_to_whole_frames() {
        assert_eq!(frames("2s"), 63);
        assert_eq!(frames("0.5"), 16);
        assert_eq!(frames("0.001s"), 1);
        assert_eq!("20s".parse::<ClipLength>().unwrap().frames(22_050, 512), 862);
    }

    #[test]
    fn so_many_frames_are_the_shortest_length_that_has_them() {
        let told = |frames| ClipLength::of_frames(frames, 16_000, 512).map(|it| it.to_string());
        let lengths = [(94, "3s"), (911, "30s"), (63, "2s"), (16, "0.5s"), (95, "3.04s")];
        for (frames, text) in [&lengths[..], &[(625, "19.99s")]].concat() {
            assert_eq!(told(frames).as_deref(), Some(text));
        }
        for frames in 1..3_000 {
            assert_eq!(self::frames(&told(frames).unwrap()), frames);
        }
        assert_eq!((told(0), told(200_000)), (None, None));
    }

    #[test]
    fn nothing_negative_empty_or_absurd_is_a_length() {
        for text in ["0", "0s", "-3s", "NaN", "inf", "s", "three", "", "999999999s"] {
            assert!(text.parse::<ClipLength>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_length_prints_as_it_is_read() {
        for text in ["3s", "0.5s", "30s"] {
            assert_eq!(text.parse::<ClipLength>().unwrap().to_string(), text);
        }
    }
}
