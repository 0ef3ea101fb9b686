#![doc = include_str!("../README.md")]

mod bootstrap;
mod chance;
mod classification;
mod confusion;
mod embeddings;
mod error;
mod grid;
mod history;
mod label;
mod map;
mod metrics;
mod open_set;
mod parquet_file;
mod picture;
mod predictions;
mod report;
mod song;
mod template;
mod tsne;

pub use bootstrap::{BootstrapOptions, Estimate};
pub use chance::Chance;
pub use classification::{AverageScores, ClassScores, ClassificationReport, classification_report};
pub use confusion::{ConfusedPair, ConfusionMatrix};
pub use embeddings::{
    EmbeddedClip, EmbeddedSong, EmbeddingModel, Embeddings, SimilarArtist, SimilarSong,
};
pub use error::EvalError;
pub use grid::{Grid, GridPoint, GridSummary, GridTrial, Level, LevelScores, PublishedScore};
pub use history::{EpochRecord, best_epoch, parse_history, read_history};
pub use map::{ClipMap, MapClip, MapSong};
pub use metrics::{LevelMetrics, METRICS_FORMAT, Metrics};
pub use open_set::area_under_roc;
pub use picture::{
    ArtistClip, MapPoint, Placement, SpectrogramLayout, SpectrogramView, TimelineClip,
    clip_length_svg, clock_time, confusion_svg, history_svg, scatter_svg, spectrogram_grid_svg,
    spectrogram_svg, timeline_svg,
};
pub use predictions::{ClipPrediction, Predictions};
pub use report::{BaselineScores, PartCounts, ReportInput, SongRemark, StageTiming, render_report};
pub use song::{SongPrediction, original_vote, song_votes};
pub use tsne::{TsneMap, TsnePlan, TsneProgress};
