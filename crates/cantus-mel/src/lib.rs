#![doc = include_str!("../README.md")]
#![expect(
    clippy::inline_always,
    reason = "a loop is compiled for each kind of processor by being inlined into its entry"
)]

mod audio_fingerprint;
mod config;
mod decibels;
mod delta;
mod error;
mod filter_bank;
mod framing;
mod key_values;
mod log_mel;
mod mfcc;
mod plan;
mod scale;
mod spectrum;
mod stream;

pub use audio_fingerprint::{FINGERPRINT_BITS, audio_fingerprint};
pub use config::{MelConfig, MelNorm, Padding};
pub use delta::{DeltaMode, DeltaPlan};
pub use error::MelError;
pub use filter_bank::mel_filter_bank;
pub use log_mel::LogMel;
pub use mfcc::MfccPlan;
pub use plan::{LogMelPlan, LogMelScratch};
pub use scale::MelScale;
pub use spectrum::hann_window;
pub use stream::LogMelStream;
