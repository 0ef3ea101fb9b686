#![doc = include_str!("../README.md")]

mod adam;
mod augment;
mod batches;
mod checkpoint;
mod clips;
mod config;
mod error;
mod event;
mod history;
mod logits;
mod network;
mod order;
mod predict;
mod source;
mod tensorboard;
mod trainer;

pub use adam::{Adam, AdamSettings, AdamState};
pub use augment::Augment;
pub use checkpoint::{check_checkpoint, epochs_in_checkpoint};
pub use clips::{Clip, ClipSet};
pub use config::{AdamForm, ClassWeights, Schedule, TrainConfig};
pub use error::TrainError;
pub use event::{Control, Event, Outcome, StepReport};
pub use history::{BestEpoch, EpochRecord};
pub use network::{Network, Output};
pub use predict::{ClipPredictions, predict};
pub use source::{ClipSource, SourceError};
pub use tensorboard::{EventFile, event_file_name};
pub use trainer::{Trainer, TrainingData};

/// candle, in the version whose tensors this crate takes and returns.
pub use candle_core;
