#![doc = include_str!("../README.md")]

mod config;
mod crnn1d;
mod crnn2d;
mod error;
mod initial;
mod loss;
mod model;
mod model_file;
mod onnx;
mod open_set;
mod pass;
mod random;
mod rnn;
mod tensors;

pub use config::{GruForm, ModelConfig};
pub use crnn1d::Crnn1dConfig;
pub use crnn2d::Crnn2dConfig;
pub use error::CrnnError;
pub use loss::{PROBABILITY_FLOOR, cross_entropy};
pub use model::{BatchStatistics, Forward, Mode, Model};
pub use model_file::{MAX_MODEL_BYTES, ModelFile};
pub use open_set::OpenSet;
pub use rnn::RnnConfig;

/// candle, in the version whose tensors this crate takes and returns.
pub use candle_core;
