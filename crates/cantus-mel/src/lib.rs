#![doc = include_str!("../README.md")]

mod config;
mod delta;
mod error;
mod filter_bank;
mod framing;
mod key_values;
mod mfcc;
mod plan;
mod scale;
mod spectrum;

pub use config::{MelConfig, MelNorm, Padding};
pub use delta::{DeltaMode, DeltaPlan};
pub use error::MelError;
pub use filter_bank::mel_filter_bank;
pub use mfcc::MfccPlan;
pub use plan::{LogMel, LogMelPlan, LogMelScratch};
pub use scale::MelScale;
pub use spectrum::hann_window;
