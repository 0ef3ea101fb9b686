//! All scores of one run, as they stand in `metrics.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::bootstrap::{BootstrapOptions, Estimate, SongCounts, estimates};
use crate::chance::Chance;
use crate::classification::ClassificationReport;
use crate::confusion::ConfusionMatrix;
use crate::error::EvalError;
use crate::predictions::{ClipPrediction, Predictions};
use crate::song::{SongPrediction, song_votes};

/// Version of the JSON that [`Metrics::to_json`] writes.
pub const METRICS_FORMAT: u32 = 2;

/// The scores of one level: of clips, or of songs by one of the two ways to pool their clips.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LevelMetrics {
    /// The number of clips or songs scored.
    pub count: u64,
    /// F1 averaged over classes by their support: the headline of the paper.
    pub weighted_f1: Estimate,
    /// F1 averaged over the classes that occur, each counted the same. The report's macro average
    /// counts a class that does not occur as zero, as scikit-learn's does.
    pub macro_f1: Estimate,
    /// Share of correct predictions.
    pub accuracy: Estimate,
    /// Mean recall of the classes that occur.
    pub balanced_accuracy: Estimate,
    /// What one would score without listening.
    pub chance: Chance,
    /// Precision, recall and F1 of each class.
    pub report: ClassificationReport,
    /// Who was taken for whom.
    pub confusion: ConfusionMatrix,
}

/// The scores of one run: what `metrics.json` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Version of this layout: [`METRICS_FORMAT`].
    pub format: u32,
    /// The classes' names.
    pub labels: Vec<String>,
    /// The number of clips scored.
    pub clips: u64,
    /// The number of songs scored.
    pub songs: u64,
    /// Every clip by itself ("frame level" in the paper).
    pub clip: LevelMetrics,
    /// Songs by the original's vote ([`original_vote`](crate::original_vote)).
    pub song_vote: LevelMetrics,
    /// Songs by the mean probability of their clips.
    pub song_mean: LevelMetrics,
    /// How the intervals were made.
    pub bootstrap: BootstrapOptions,
}

impl Metrics {
    /// Scores `predictions` at both levels.
    ///
    /// # Errors
    ///
    /// A confidence that does not lie between 0 and 1.
    pub fn new(predictions: &Predictions, bootstrap: &BootstrapOptions) -> Result<Self, EvalError> {
        bootstrap.check()?;
        let labels = predictions.labels();
        let songs = song_votes(predictions);
        let by_clip: Vec<SongCounts> = predictions
            .songs()
            .map(|clips| counts(clips[0].truth, clips.iter().map(ClipPrediction::predicted)))
            .collect();
        let by_song = |choice: fn(&SongPrediction) -> usize| -> Vec<SongCounts> {
            songs.iter().map(|song| counts(song.truth, std::iter::once(choice(song)))).collect()
        };
        let level = |songs: &[SongCounts]| LevelMetrics::new(songs, labels, bootstrap);
        Ok(Self {
            format: METRICS_FORMAT,
            labels: labels.to_vec(),
            clips: predictions.clips().len() as u64,
            songs: songs.len() as u64,
            clip: level(&by_clip)?,
            song_vote: level(&by_song(|song| song.vote))?,
            song_mean: level(&by_song(|song| song.mean))?,
            bootstrap: *bootstrap,
        })
    }

    /// Indented JSON with a final line break; equal metrics give equal bytes.
    ///
    /// # Errors
    ///
    /// The JSON writer's, which these values do not cause.
    pub fn to_json(&self) -> Result<String, EvalError> {
        let mut json = serde_json::to_string_pretty(self)
            .map_err(|source| EvalError::MetricsJson { source })?;
        json.push('\n');
        Ok(json)
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// Text that is no such JSON, or of another format version.
    pub fn from_json(json: &str) -> Result<Self, EvalError> {
        /// Only the version, since another version may have other fields.
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let damaged = |error: serde_json::Error| EvalError::Metrics { problem: error.to_string() };
        let version: Version = serde_json::from_str(json).map_err(damaged)?;
        if version.format != METRICS_FORMAT {
            let problem = format!("format {} where {METRICS_FORMAT} is known", version.format);
            return Err(EvalError::Metrics { problem });
        }
        serde_json::from_str(json).map_err(damaged)
    }
}

impl LevelMetrics {
    fn new(
        songs: &[SongCounts],
        labels: &[String],
        bootstrap: &BootstrapOptions,
    ) -> Result<Self, EvalError> {
        let mut table = vec![vec![0; labels.len()]; labels.len()];
        for song in songs {
            for &(class, count) in &song.predicted {
                table[song.truth][class] += count;
            }
        }
        let confusion = ConfusionMatrix::from_counts(labels.to_vec(), table)?;
        let headline = estimates(songs, labels.len(), bootstrap);
        Ok(Self {
            count: confusion.total(),
            weighted_f1: headline.weighted_f1,
            macro_f1: headline.macro_f1,
            accuracy: headline.accuracy,
            balanced_accuracy: headline.balanced_accuracy,
            chance: Chance::of(&confusion),
            report: ClassificationReport::from_confusion(&confusion),
            confusion,
        })
    }
}

fn counts(truth: usize, predicted: impl Iterator<Item = usize>) -> SongCounts {
    let mut counts = BTreeMap::new();
    for class in predicted {
        *counts.entry(class).or_insert(0) += 1;
    }
    SongCounts { truth, predicted: counts.into_iter().collect() }
}
