//! From the key-values of a model file to the spectrograms that it was trained on.

use std::collections::BTreeMap;

use cantus_audio::{Excerpt, MAX_RATE, MIN_RATE};
use cantus_mel::MelConfig;

use crate::CantusError;

const EXCERPT: &str = "audio.excerpt";
const VERSION: &str = "format_version";

/// The versions of spectrograms that this crate makes: their numbers are the same, their files
/// differ.
const NEWEST_VERSION: u32 = 4;

/// Which part of a recording becomes what spectrogram.
#[derive(Debug, PartialEq)]
pub(crate) struct FrontEnd {
    pub(crate) mel: MelConfig,
    pub(crate) excerpt: Excerpt,
}

impl FrontEnd {
    /// Refuses whatever would give other numbers than the training had, unknown keys included.
    pub(crate) fn read(entries: &BTreeMap<String, String>) -> Result<Self, CantusError> {
        let mel =
            MelConfig::from_key_values(entries).map_err(|source| CantusError::Mel { source })?;
        if !(MIN_RATE..=MAX_RATE).contains(&mel.sample_rate) {
            let expected = format!("a rate from {MIN_RATE} to {MAX_RATE} Hz");
            return Err(refused("mel.sample_rate", &mel.sample_rate.to_string(), expected));
        }
        let mut excerpt = Excerpt::Whole;
        for (key, value) in entries {
            match key.as_str() {
                EXCERPT => excerpt = read_excerpt(value)?,
                VERSION => check_version(value)?,
                key if key.starts_with("mel.") => {}
                key => return Err(refused(key, value, "no such key".to_owned())),
            }
        }
        Ok(Self { mel, excerpt })
    }
}

fn read_excerpt(text: &str) -> Result<Excerpt, CantusError> {
    if text == "whole" {
        return Ok(Excerpt::Whole);
    }
    let seconds = text.strip_prefix("middle ").and_then(|rest| rest.strip_suffix(" s"));
    match seconds.and_then(|seconds| seconds.parse::<f64>().ok()) {
        Some(seconds) if seconds.is_finite() && seconds > 0.0 => Ok(Excerpt::Middle { seconds }),
        _ => Err(refused(EXCERPT, text, "`whole` or `middle N s`".to_owned())),
    }
}

fn check_version(text: &str) -> Result<(), CantusError> {
    match text.parse::<u32>() {
        Ok(version) if (1..=NEWEST_VERSION).contains(&version) => Ok(()),
        _ => Err(refused(VERSION, text, format!("1 to {NEWEST_VERSION}"))),
    }
}

fn refused(key: &str, value: &str, expected: String) -> CantusError {
    CantusError::FrontEnd { key: key.to_owned(), value: value.to_owned(), expected }
}

#[cfg(test)]
mod tests {
    use cantus_mel::MelError;

    use super::*;

    /// The paper's front end with `key` set to `value`.
    fn with(key: &str, value: &str) -> BTreeMap<String, String> {
        let mut entries = MelConfig::paper().to_key_values();
        entries.insert(key.to_owned(), value.to_owned());
        entries
    }

    #[test]
    fn without_an_excerpt_the_whole_recording_is_heard() {
        let front_end = FrontEnd::read(&MelConfig::paper().to_key_values()).unwrap();
        assert_eq!(front_end, FrontEnd { mel: MelConfig::paper(), excerpt: Excerpt::Whole });
    }

    #[test]
    fn an_excerpt_is_that_of_the_training() {
        let of = |text| FrontEnd::read(&with(EXCERPT, text)).unwrap().excerpt;
        assert_eq!(of("whole"), Excerpt::Whole);
        assert_eq!(of("middle 44 s"), Excerpt::Middle { seconds: 44.0 });
        assert_eq!(of("middle 0.5 s"), Excerpt::Middle { seconds: 0.5 });
    }

    #[test]
    fn what_cannot_be_made_is_refused_by_its_key() {
        for (key, value) in [
            (EXCERPT, "first 30 s"),
            (EXCERPT, "middle -1 s"),
            (EXCERPT, "middle NaN s"),
            (EXCERPT, ""),
            (VERSION, "5"),
            (VERSION, "0"),
            (VERSION, "four"),
            ("mel.sample_rate", "999"),
            ("chroma.bins", "12"),
        ] {
            let error = FrontEnd::read(&with(key, value)).unwrap_err();
            assert!(
                matches!(&error, CantusError::FrontEnd { key: named, value: found, .. }
                    if named == key && found == value),
                "{key} = {value}: {error}"
            );
        }
    }

    #[test]
    fn settings_of_the_mel_spectrogram_must_be_there_and_usable() {
        let missing = FrontEnd::read(&BTreeMap::new()).unwrap_err();
        assert!(matches!(missing, CantusError::Mel { source: MelError::MissingKey { .. } }));
        let unknown = FrontEnd::read(&with("mel.window", "hamming")).unwrap_err();
        assert!(matches!(unknown, CantusError::Mel { source: MelError::UnknownKey { .. } }));
        let unusable = FrontEnd::read(&with("mel.hop_length", "0")).unwrap_err();
        assert!(matches!(unusable, CantusError::Mel { source: MelError::Setting { .. } }));
    }
}
