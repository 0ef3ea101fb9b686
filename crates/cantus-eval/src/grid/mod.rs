//! Many trials side by side: the paper's tables.

mod markdown;
mod rows;
mod summary;

use serde::{Deserialize, Serialize};

use crate::bootstrap::Estimate;
use crate::metrics::{LevelMetrics, Metrics};
use crate::report::PartCounts;

pub use summary::GridSummary;

/// At which level trials are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Every clip by itself ("frame level" in the paper).
    Clip,
    /// Songs by the original's vote, the paper's "song level".
    SongVote,
    /// Songs by the mean probability of their clips.
    SongMean,
}

impl Level {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Clip, Self::SongVote, Self::SongMean];

    /// In the words of the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Clip => "clips",
            Self::SongVote => "songs, by vote",
            Self::SongMean => "songs, by mean probability",
        }
    }

    /// As it is called in files.
    pub fn key(self) -> &'static str {
        match self {
            Self::Clip => "clip",
            Self::SongVote => "song_vote",
            Self::SongMean => "song_mean",
        }
    }
}

/// The scores of one trial at one level.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelScores {
    /// The number of clips or songs scored.
    pub count: u64,
    /// F1 averaged over classes by their support: the headline.
    pub weighted_f1: Estimate,
    /// F1 averaged over the classes that occur.
    pub macro_f1: Estimate,
    /// Share of correct predictions.
    pub accuracy: Estimate,
    /// Mean recall of the classes that occur.
    pub balanced_accuracy: Estimate,
}

impl From<&LevelMetrics> for LevelScores {
    fn from(level: &LevelMetrics) -> Self {
        Self {
            count: level.count,
            weighted_f1: level.weighted_f1,
            macro_f1: level.macro_f1,
            accuracy: level.accuracy,
            balanced_accuracy: level.balanced_accuracy,
        }
    }
}

/// What is varied in a grid.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GridPoint {
    /// The network, or a baseline.
    pub model: String,
    /// What the parts do not share: `song` or `album`.
    pub split: String,
    /// Clip length, as in `3s`.
    pub clip: String,
    /// The same as a number.
    pub clip_seconds: f64,
}

/// One trial: a point of the grid, a seed, and how it scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GridTrial {
    /// What was varied.
    #[serde(flatten)]
    pub point: GridPoint,
    /// The trial's seed.
    pub seed: u64,
    /// Over how many folds the predictions were pooled; none where there was one split.
    pub folds: Option<usize>,
    /// What the parts of the split hold; of folds, those of the first.
    pub parts: Vec<PartCounts>,
    /// The scores of the clips.
    pub clip: LevelScores,
    /// The scores of the songs by vote.
    pub song_vote: LevelScores,
    /// The scores of the songs by mean probability.
    pub song_mean: LevelScores,
}

impl GridTrial {
    /// A trial with the scores of `metrics`.
    pub fn new(
        point: GridPoint,
        seed: u64,
        folds: Option<usize>,
        parts: Vec<PartCounts>,
        metrics: &Metrics,
    ) -> Self {
        Self {
            point,
            seed,
            folds,
            parts,
            clip: (&metrics.clip).into(),
            song_vote: (&metrics.song_vote).into(),
            song_mean: (&metrics.song_mean).into(),
        }
    }

    /// The scores at a level.
    pub fn scores(&self, level: Level) -> &LevelScores {
        match level {
            Level::Clip => &self.clip,
            Level::SongVote => &self.song_vote,
            Level::SongMean => &self.song_mean,
        }
    }
}

/// The figure that a paper printed for a point of a grid, to stand beside ours.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedScore {
    /// The network, as [`GridPoint::model`] names it.
    pub model: String,
    /// `song` or `album`.
    pub split: String,
    /// Clip length in seconds.
    pub clip_seconds: f64,
    /// At which level.
    pub level: Level,
    /// Weighted F1, the mean of the trials.
    pub mean: f64,
    /// Weighted F1 of the best.
    pub best: f64,
}

/// All trials of a grid.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grid {
    trials: Vec<GridTrial>,
    published: Vec<PublishedScore>,
}

impl Grid {
    /// The trials in the order of split (by song first), model, clip length and seed, whatever order
    /// they come in.
    pub fn new(mut trials: Vec<GridTrial>) -> Self {
        trials.sort_by(|a, b| {
            let key = |trial: &GridTrial| (trial.point.model.clone(), trial.point.split.clone());
            (key(b).1.cmp(&key(a).1))
                .then(key(a).0.cmp(&key(b).0))
                .then(a.point.clip_seconds.total_cmp(&b.point.clip_seconds))
                .then(a.seed.cmp(&b.seed))
        });
        Self { trials, published: Vec::new() }
    }

    /// The same with a paper's figures beside it.
    #[must_use]
    pub fn beside(self, published: Vec<PublishedScore>) -> Self {
        Self { published, ..self }
    }

    /// The paper's figures.
    pub fn published(&self) -> &[PublishedScore] {
        &self.published
    }

    /// The trials.
    pub fn trials(&self) -> &[GridTrial] {
        &self.trials
    }
}
