//! The settings that decide what a spectrogram looks like.

use std::collections::BTreeMap;

use cantus_audio::{DecodeOptions, Excerpt};
use cantus_cache::Precision;
use cantus_mel::MelConfig;

use crate::settings::Config;

/// From a file to a spectrogram: which part of the song, at which rate, as which features.
pub(crate) struct FrontEnd {
    mel: MelConfig,
    max_seconds: Option<f64>,
    precision: Precision,
    key_values: BTreeMap<String, String>,
}

impl FrontEnd {
    /// The front end of a configuration.
    pub(crate) fn new(config: &Config, format_version: u32) -> Self {
        let mut key_values = config.mel.to_key_values();
        let excerpt = match config.max_seconds_per_song {
            Some(seconds) => format!("middle {seconds} s"),
            None => "whole".to_owned(),
        };
        key_values.insert("audio.excerpt".to_owned(), excerpt);
        key_values.insert("format_version".to_owned(), format_version.to_string());
        Self {
            mel: config.mel.clone(),
            max_seconds: config.max_seconds_per_song,
            precision: config.precision,
            key_values,
        }
    }

    /// The settings as text, as they stand in the footer of each file and in a model's header.
    pub(crate) fn key_values(&self) -> &BTreeMap<String, String> {
        &self.key_values
    }

    /// A folder of its own for each front end, so that going to and fro between two decodes
    /// nothing twice.
    pub(crate) fn folder_name(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        for (key, value) in &self.key_values {
            for text in [key, value] {
                hasher.update(&(text.len() as u64).to_le_bytes());
                hasher.update(text.as_bytes());
            }
        }
        format!("log-mel-{}-{}", self.precision, &hasher.finalize().to_hex()[..8])
    }

    /// The spectrogram's settings.
    pub(crate) fn mel(&self) -> &MelConfig {
        &self.mel
    }

    /// How spectrograms are stored.
    pub(crate) fn precision(&self) -> Precision {
        self.precision
    }

    /// The most that is used of a song.
    pub(crate) fn max_seconds(&self) -> Option<f64> {
        self.max_seconds
    }

    /// What is decoded of a song.
    pub(crate) fn decode_options(&self) -> DecodeOptions {
        let excerpt = match self.max_seconds {
            Some(seconds) => Excerpt::Middle { seconds },
            None => Excerpt::Whole,
        };
        let sample_rate = Some(self.mel.sample_rate);
        DecodeOptions { sample_rate, excerpt, ..DecodeOptions::default() }
    }
}
