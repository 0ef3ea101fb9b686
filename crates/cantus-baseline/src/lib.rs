#![doc = include_str!("../README.md")]

mod checks;
mod clip_statistics;
mod error;
mod labelled_songs;
mod linear_discriminant;
mod moments;
mod nearest_songs;
mod shrinkage;
mod smo;
mod song_gaussian;
mod song_vectors;

pub use clip_statistics::{ClipStatistics, ClipStatisticsConfig, ClipStatisticsScratch};
pub use error::BaselineError;
pub use labelled_songs::LabelledSongs;
pub use linear_discriminant::{LinearDiscriminant, LinearDiscriminantConfig, Priors};
pub use nearest_songs::{NearestSongs, NearestSongsConfig};
pub use shrinkage::Shrinkage;
pub use song_gaussian::{SongGaussian, SongGaussianConfig, SongGaussianPlan};
pub use song_vectors::{SongVectorMachine, SongVectorMachineConfig};
