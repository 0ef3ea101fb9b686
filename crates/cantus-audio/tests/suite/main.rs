//! Tests of the crate from outside.

#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as the tests do")]

mod bad_input;
mod decoding;
mod excerpts;
mod fixtures;
mod mutations;
mod resampling;
mod threads;
mod wav;

use std::path::PathBuf;

use proptest::prelude::ProptestConfig;

/// Names of the committed files that hold audio.
const FIXTURES: &[&str] = &[
    "tone.mp3",
    "tone-untagged.mp3",
    "tone-untagged-vbr.mp3",
    "tone.ogg",
    "tone-22050.ogg",
    "tone.flac",
    "tone.m4a",
    "tone.aac",
    "tone-alac.m4a",
    "tone.aiff",
    "tone.opus",
];

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data")).join(name)
}

fn fixture_bytes(name: &str) -> Vec<u8> {
    std::fs::read(fixture(name)).unwrap()
}

fn rms(samples: &[f32]) -> f64 {
    let squares: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    (squares / samples.len() as f64).sqrt()
}

/// A sine of amplitude 1 and phase 0 at the first sample.
fn sine(hertz: f64, sample_rate: u32, len: usize) -> Vec<f32> {
    let step = std::f64::consts::TAU * hertz / f64::from(sample_rate);
    (0..len).map(|index| (step * index as f64).sin() as f32).collect()
}

/// So many cases, and no file of failures in the source tree.
fn cases(count: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(count) }
}
