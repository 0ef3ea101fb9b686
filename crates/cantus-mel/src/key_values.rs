use std::collections::BTreeMap;

use crate::{MelConfig, MelError, MelNorm, MelScale, Padding};

/// Marks our keys where several front-end stages share one map.
const PREFIX: &str = "mel.";

impl MelConfig {
    /// The settings as text, one key each, all starting with `mel.`: the form in which they travel
    /// beside spectrograms and weights. Equal settings give equal text; numbers are written with
    /// the fewest digits that read back as the same number.
    pub fn to_key_values(&self) -> BTreeMap<String, String> {
        let entries = [
            ("sample_rate", self.sample_rate.to_string()),
            ("n_fft", self.n_fft.to_string()),
            ("hop_length", self.hop_length.to_string()),
            ("n_mels", self.n_mels.to_string()),
            ("f_min", number(self.f_min)),
            ("f_max", self.f_max.map_or_else(|| "nyquist".to_owned(), number)),
            ("scale", word(&SCALES, self.scale)),
            ("norm", word(&NORMS, self.norm)),
            ("padding", word(&PADDINGS, self.padding)),
            ("amin", number(self.amin)),
            ("top_db", self.top_db.map_or_else(|| "none".to_owned(), number)),
        ];
        entries.into_iter().map(|(key, value)| (format!("{PREFIX}{key}"), value)).collect()
    }

    /// Reads back what [`to_key_values`](Self::to_key_values) wrote. Keys that do not start with
    /// `mel.` belong to somebody else and are passed over.
    ///
    /// # Errors
    ///
    /// [`MelError::MissingKey`], [`MelError::UnknownKey`] or [`MelError::UnreadableValue`] where
    /// the text is not ours, and what [`validate`](Self::validate) finds in the settings.
    pub fn from_key_values(entries: &BTreeMap<String, String>) -> Result<Self, MelError> {
        let mut ours = Entries(
            entries
                .iter()
                .filter_map(|(key, value)| Some((key.strip_prefix(PREFIX)?, value.as_str())))
                .collect(),
        );
        let config = Self {
            sample_rate: ours.whole("sample_rate")?,
            n_fft: ours.whole("n_fft")?,
            hop_length: ours.whole("hop_length")?,
            n_mels: ours.whole("n_mels")?,
            f_min: ours.number("f_min")?,
            f_max: ours.number_or("f_max", "nyquist")?,
            scale: ours.word("scale", &SCALES)?,
            norm: ours.word("norm", &NORMS)?,
            padding: ours.word("padding", &PADDINGS)?,
            amin: ours.number("amin")?,
            top_db: ours.number_or("top_db", "none")?,
        };
        if let Some(key) = ours.0.keys().next() {
            return Err(MelError::UnknownKey { key: format!("{PREFIX}{key}") });
        }
        config.validate()?;
        Ok(config)
    }
}

const SCALES: [(&str, MelScale); 2] = [("slaney", MelScale::Slaney), ("htk", MelScale::Htk)];
const NORMS: [(&str, MelNorm); 2] = [("slaney", MelNorm::Slaney), ("none", MelNorm::None)];
const PADDINGS: [(&str, Padding); 2] = [("reflect", Padding::Reflect), ("zero", Padding::Zero)];

fn word<T: PartialEq + Copy>(words: &[(&str, T)], value: T) -> String {
    words.iter().find(|(_, known)| *known == value).map_or("", |(word, _)| word).to_owned()
}

fn number(value: f64) -> String {
    // Adding zero turns -0 into 0: they are equal, so their text must be.
    format!("{:?}", value + 0.0)
}

/// What has not been read yet, by key without the prefix.
struct Entries<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Entries<'a> {
    fn take(&mut self, key: &str) -> Result<&'a str, MelError> {
        self.0.remove(key).ok_or_else(|| MelError::MissingKey { key: format!("{PREFIX}{key}") })
    }

    fn whole<T: std::str::FromStr>(&mut self, key: &str) -> Result<T, MelError> {
        let value = self.take(key)?;
        value.parse().map_err(|_| unreadable(key, value, "a whole number"))
    }

    fn number(&mut self, key: &str) -> Result<f64, MelError> {
        let value = self.take(key)?;
        value.parse().map_err(|_| unreadable(key, value, "a number"))
    }

    fn number_or(&mut self, key: &str, absent: &str) -> Result<Option<f64>, MelError> {
        if self.0.get(key) == Some(&absent) {
            self.0.remove(key);
            return Ok(None);
        }
        self.number(key).map(Some)
    }

    fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Result<T, MelError> {
        let value = self.take(key)?;
        words
            .iter()
            .find_map(|(word, known)| (*word == value).then_some(*known))
            .ok_or_else(|| unreadable(key, value, "a name this version knows"))
    }
}

fn unreadable(key: &str, value: &str, expected: &'static str) -> MelError {
    MelError::UnreadableValue { key: format!("{PREFIX}{key}"), value: value.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_papers_settings_have_this_text() {
        let text: Vec<String> = MelConfig::paper()
            .to_key_values()
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let expected = "mel.amin=1e-10 mel.f_max=nyquist mel.f_min=0.0 mel.hop_length=512 \
            mel.n_fft=2048 mel.n_mels=128 mel.norm=slaney mel.padding=reflect \
            mel.sample_rate=16000 mel.scale=slaney mel.top_db=80.0";
        assert_eq!(text.join(" "), expected);
    }

    #[test]
    fn keys_of_others_are_passed_over_and_ours_must_be_all_there_and_known() {
        let mut entries = MelConfig::paper().to_key_values();
        entries.insert("audio.excerpt".to_owned(), "whole".to_owned());
        assert_eq!(MelConfig::from_key_values(&entries), Ok(MelConfig::paper()));

        let mut unknown = entries.clone();
        unknown.insert("mel.colour".to_owned(), "blue".to_owned());
        assert_eq!(
            MelConfig::from_key_values(&unknown),
            Err(MelError::UnknownKey { key: "mel.colour".to_owned() })
        );

        let mut missing = entries.clone();
        missing.remove("mel.n_fft");
        assert_eq!(
            MelConfig::from_key_values(&missing),
            Err(MelError::MissingKey { key: "mel.n_fft".to_owned() })
        );

        for (key, value) in [
            ("mel.n_fft", "2k"),
            ("mel.scale", "bark"),
            ("mel.top_db", "nothing"),
            ("mel.f_min", ""),
        ] {
            let mut broken = entries.clone();
            broken.insert(key.to_owned(), value.to_owned());
            let error = MelConfig::from_key_values(&broken).unwrap_err();
            assert!(matches!(error, MelError::UnreadableValue { .. }), "{error}");
        }

        let mut absurd = entries;
        absurd.insert("mel.amin".to_owned(), "NaN".to_owned());
        let error = MelConfig::from_key_values(&absurd).unwrap_err();
        assert!(matches!(error, MelError::Setting { setting: "amin", .. }), "{error}");
    }

    proptest! {
        #[test]
        fn any_usable_settings_return_from_their_text(
            sample_rate in 2_u32..200_000,
            n_fft in 2_usize..9000,
            hop_length in 1_usize..9000,
            n_mels in 1_usize..500,
            edges in (0.0_f64..0.5, prop::option::of(0.5_f64..=1.0)),
            choices in (any::<bool>(), any::<bool>(), any::<bool>()),
            amin in 1e-300_f64..1.0,
            top_db in prop::option::of(0.0_f64..500.0),
        ) {
            let nyquist_hz = f64::from(sample_rate) / 2.0;
            let config = MelConfig {
                sample_rate,
                n_fft,
                hop_length,
                n_mels,
                f_min: edges.0 * nyquist_hz,
                f_max: edges.1.map(|part| part * nyquist_hz),
                scale: if choices.0 { MelScale::Slaney } else { MelScale::Htk },
                norm: if choices.1 { MelNorm::Slaney } else { MelNorm::None },
                padding: if choices.2 { Padding::Reflect } else { Padding::Zero },
                amin,
                top_db,
            };
            prop_assert_eq!(MelConfig::from_key_values(&config.to_key_values()), Ok(config));
        }
    }
}
