#![doc = include_str!("../README.md")]

mod config;
mod crnn2d;
mod error;
mod initial;
mod loss;
mod model_file;
mod random;
mod tensors;

pub use config::{Crnn2dConfig, GruForm};
pub use crnn2d::{BatchStatistics, Crnn2d, Forward, Mode};
pub use error::CrnnError;
pub use loss::{PROBABILITY_FLOOR, cross_entropy};
pub use model_file::{MAX_MODEL_BYTES, ModelFile};

/// candle, in the version whose tensors this crate takes and returns.
pub use candle_core;
