//! The trials of one point of a grid, together.

use super::{Grid, GridPoint, GridTrial, Level};

/// Mean, spread and best of the weighted F1 of a point's trials, at one level.
#[derive(Clone, Debug, PartialEq)]
pub struct GridSummary {
    /// What was varied.
    pub point: GridPoint,
    /// At which level.
    pub level: Level,
    /// How many trials there are.
    pub trials: usize,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation, of a sample (divided by one less than there are); none of one.
    pub deviation: Option<f64>,
    /// The best of them.
    pub best: f64,
}

impl Grid {
    /// A summary of each point that has a trial, in the order of the trials.
    pub fn summaries(&self, level: Level) -> Vec<GridSummary> {
        let points = self.trials.chunk_by(|a, b| a.point == b.point);
        points.map(|trials| summary(trials, level)).collect()
    }
}

/// Of one trial or more.
fn summary(trials: &[GridTrial], level: Level) -> GridSummary {
    let scores: Vec<f64> =
        trials.iter().map(|trial| trial.scores(level).weighted_f1.value).collect();
    let count = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / count;
    let squares: f64 = scores.iter().map(|score| (score - mean).powi(2)).sum();
    GridSummary {
        point: trials[0].point.clone(),
        level,
        trials: trials.len(),
        mean,
        deviation: (trials.len() > 1).then(|| (squares / (count - 1.0)).sqrt()),
        best: scores.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    }
}
