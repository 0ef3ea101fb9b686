use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{MelError, MelScale};

/// How the triangles of the filter bank are scaled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MelNorm {
    /// Each filter times 2 over its width in hertz, so that each passes the same energy of white
    /// noise (librosa's `norm="slaney"`).
    #[default]
    Slaney,
    /// Every triangle has its peak at 1 (librosa's `norm=None`).
    None,
}

/// What stands before the first and after the last sample; half an FFT window at both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Padding {
    /// The signal mirrored at its first and last sample (`pad_mode="reflect"`, librosa's default
    /// when the paper was written).
    #[default]
    Reflect,
    /// Silence (`pad_mode="constant"`, librosa's default since version 0.10).
    Zero,
}

/// Settings of a log-mel spectrogram. The default is [`MelConfig::paper`].
///
/// With serde, missing fields take the paper's values, unknown ones are refused, and an absent
/// `top_db` is written as the string `"none"` (TOML has no null).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MelConfig {
    /// Samples a second.
    pub sample_rate: u32,
    /// FFT size, which is the window's length too, in samples; 2 to 65536, any integer.
    pub n_fft: usize,
    /// Samples from one frame to the next; at least 1.
    pub hop_length: usize,
    /// Number of mel bands; 1 to 4096.
    pub n_mels: usize,
    /// Lower edge of the lowest band, in hertz.
    pub f_min: f64,
    /// Upper edge of the highest band, in hertz; `None` is half the sample rate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub f_max: Option<f64>,
    /// How frequency is bent into mel.
    pub scale: MelScale,
    /// How the filters are scaled.
    pub norm: MelNorm,
    /// What stands beyond both ends of the signal.
    pub padding: Padding,
    /// Power below this counts as this, before the logarithm.
    pub amin: f64,
    /// Values more than this many decibels under the spectrogram's own maximum are raised to that;
    /// `None` leaves them.
    #[serde(with = "number_or_none")]
    pub top_db: Option<f64>,
}

impl Default for MelConfig {
    fn default() -> Self {
        Self::paper()
    }
}

impl MelConfig {
    pub(crate) const MOST_FFT: usize = 1 << 16;
    pub(crate) const MOST_BANDS: usize = 1 << 12;

    /// The front end of Nasrullah & Zhao (IJCNN 2019): 16 kHz, 2048 samples every 512, 128 bands
    /// up to 8 kHz, reflected at the ends, 80 dB deep.
    pub fn paper() -> Self {
        Self {
            sample_rate: 16_000,
            n_fft: 2048,
            hop_length: 512,
            n_mels: 128,
            f_min: 0.0,
            f_max: None,
            scale: MelScale::Slaney,
            norm: MelNorm::Slaney,
            padding: Padding::Reflect,
            amin: 1e-10,
            top_db: Some(80.0),
        }
    }

    /// What `librosa.power_to_db(librosa.feature.melspectrogram(y=y))` does of itself since version
    /// 0.10: 22.05 kHz, zero padding, else as the paper.
    pub fn librosa() -> Self {
        Self { sample_rate: 22_050, padding: Padding::Zero, ..Self::paper() }
    }

    /// Frequency of each band's peak in hertz, from the lowest band up; empty if there are none.
    pub fn band_centres_hz(&self) -> Vec<f64> {
        let edges = self.scale.spaced_hz(self.n_mels + 2, self.f_min, self.f_max_hz());
        edges[1..=self.n_mels].to_vec()
    }

    /// Upper edge of the highest band in hertz, with the default filled in.
    pub fn f_max_hz(&self) -> f64 {
        self.f_max.unwrap_or_else(|| self.nyquist_hz())
    }

    /// Frequencies of the power spectrum: `n_fft / 2 + 1`.
    pub fn n_bins(&self) -> usize {
        self.n_fft / 2 + 1
    }

    /// Frames of a spectrogram of so many samples: one every hop, the first centred on the first
    /// sample; 0 of 0 samples.
    pub fn frames(&self, samples: usize) -> usize {
        if samples == 0 {
            return 0;
        }
        // An odd window is padded by one sample less than it is long.
        let span = samples - self.n_fft % 2;
        1 + span / self.hop_length.max(1)
    }

    pub(crate) fn nyquist_hz(&self) -> f64 {
        f64::from(self.sample_rate) / 2.0
    }

    /// Checks every setting, without planning anything.
    ///
    /// # Errors
    ///
    /// [`MelError::Setting`] or [`MelError::BandEdges`] for the first setting that is not usable.
    pub fn validate(&self) -> Result<(), MelError> {
        whole_number("sample_rate", self.sample_rate as usize, 1, u32::MAX as usize)?;
        whole_number("n_fft", self.n_fft, 2, Self::MOST_FFT)?;
        whole_number("hop_length", self.hop_length, 1, i32::MAX as usize)?;
        whole_number("n_mels", self.n_mels, 1, Self::MOST_BANDS)?;
        if !(self.amin.is_finite() && self.amin > 0.0) {
            return Err(MelError::Setting {
                setting: "amin",
                value: self.amin.to_string(),
                expected: "a positive number".to_owned(),
            });
        }
        if let Some(top_db) = self.top_db
            && !(top_db.is_finite() && top_db >= 0.0)
        {
            return Err(MelError::Setting {
                setting: "top_db",
                value: top_db.to_string(),
                expected: "a number of decibels, 0 or more, or none".to_owned(),
            });
        }
        let (f_min_hz, f_max_hz, nyquist_hz) = (self.f_min, self.f_max_hz(), self.nyquist_hz());
        // Written so that a NaN fails it.
        if !(0.0 <= f_min_hz && f_min_hz < f_max_hz && f_max_hz <= nyquist_hz) {
            return Err(MelError::BandEdges { f_min_hz, f_max_hz, nyquist_hz });
        }
        // A range so narrow that floats cannot tell the bands' edges apart has no triangles.
        let edges_hz = self.scale.spaced_hz(self.n_mels + 2, f_min_hz, f_max_hz);
        if !edges_hz.windows(2).all(|pair| pair[0] < pair[1]) {
            return Err(MelError::BandEdges { f_min_hz, f_max_hz, nyquist_hz });
        }
        Ok(())
    }
}

pub(crate) fn whole_number(
    setting: &'static str,
    value: usize,
    least: usize,
    most: usize,
) -> Result<(), MelError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(MelError::Setting {
        setting,
        value: value.to_string(),
        expected: format!("{least} to {most}"),
    })
}

/// An absent field means the paper's 80 dB, so absence of the limit needs a word of its own.
mod number_or_none {
    use super::{Deserialize, Deserializer, Serialize, Serializer, de};

    #[derive(Serialize, Deserialize)]
    #[serde(untagged)]
    enum NumberOrWord {
        Number(f64),
        Word(String),
    }

    #[expect(clippy::ref_option, reason = "serde's `with` hands over a reference to the field")]
    pub(super) fn serialize<S: Serializer>(
        value: &Option<f64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(number) => NumberOrWord::Number(*number),
            None => NumberOrWord::Word("none".to_owned()),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<f64>, D::Error> {
        match NumberOrWord::deserialize(deserializer)? {
            NumberOrWord::Number(number) => Ok(Some(number)),
            NumberOrWord::Word(word) if word == "none" => Ok(None),
            NumberOrWord::Word(word) => Err(de::Error::invalid_value(
                de::Unexpected::Str(&word),
                &"a number of decibels or `none`",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(config: &MelConfig) -> String {
        config.validate().unwrap_err().to_string()
    }

    #[test]
    fn both_presets_are_usable() {
        assert_eq!(MelConfig::paper().validate(), Ok(()));
        assert_eq!(MelConfig::librosa().validate(), Ok(()));
        assert_eq!(MelConfig::default(), MelConfig::paper());
    }

    #[test]
    fn zero_settings_are_refused_by_name() {
        let paper = MelConfig::paper();
        let cases = [
            (MelConfig { sample_rate: 0, ..paper.clone() }, "`sample_rate` is 0"),
            (MelConfig { n_fft: 0, ..paper.clone() }, "`n_fft` is 0"),
            (MelConfig { hop_length: 0, ..paper.clone() }, "`hop_length` is 0"),
            (MelConfig { n_mels: 0, ..paper.clone() }, "`n_mels` is 0"),
            (MelConfig { amin: 0.0, ..paper.clone() }, "`amin` is 0"),
            (MelConfig { top_db: Some(-1.0), ..paper.clone() }, "`top_db` is -1"),
            (MelConfig { n_fft: usize::MAX, ..paper.clone() }, "expected 2 to 65536"),
        ];
        for (config, expected) in cases {
            let text = message(&config);
            assert!(text.contains(expected), "{text}");
        }
    }

    #[test]
    fn bands_outside_of_the_spectrum_are_refused() {
        let paper = MelConfig::paper();
        for (f_min, f_max) in [
            (0.0, Some(8000.5)),
            (-1.0, None),
            (8000.0, None),
            (500.0, Some(500.0)),
            (f64::NAN, None),
            (0.0, Some(f64::INFINITY)),
        ] {
            let config = MelConfig { f_min, f_max, ..paper.clone() };
            assert!(matches!(config.validate(), Err(MelError::BandEdges { .. })), "{config:?}");
        }
    }

    #[test]
    fn toml_returns_what_it_was_given_and_refuses_what_it_does_not_know() {
        for config in [
            MelConfig::paper(),
            MelConfig { top_db: None, f_max: Some(7600.0), ..MelConfig::librosa() },
        ] {
            let text = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<MelConfig>(&text).unwrap(), config, "{text}");
        }
        assert!(toml::from_str::<MelConfig>("n_ftt = 1024").is_err());
        assert!(toml::from_str::<MelConfig>("top_db = \"nine\"").is_err());
        assert_eq!(toml::from_str::<MelConfig>("").unwrap(), MelConfig::paper());
    }

    #[test]
    fn frames_are_counted_as_librosa_counts_them() {
        let paper = MelConfig::paper();
        for (samples, frames) in [(0, 0), (1, 1), (511, 1), (512, 2), (40_000, 79), (48_000, 94)] {
            assert_eq!(paper.frames(samples), frames, "{samples} samples");
        }
        let odd = MelConfig { n_fft: 1025, hop_length: 1, ..paper };
        assert_eq!(odd.frames(100), 100);
    }
}
