//! What a command says of a trial when it is done.

use std::fmt;

use anyhow::Result;
use cantus_eval::{EpochRecord, Estimate, LevelMetrics, best_epoch, read_history};
use serde::Serialize;

use crate::session::{SongProblem, count};
use crate::stages::baseline::{self, MethodScores};
use crate::stages::trial::{StageName, Trial, TrialOutcome};
use crate::stages::{evaluate, report, train};

/// The end of a trial, for people and for programs.
#[derive(Debug, Serialize)]
pub(crate) struct TrialSummary {
    corpus: String,
    run: String,
    model: String,
    clip: String,
    split: String,
    seed: u64,
    epochs: usize,
    best_epoch: Option<EpochRecord>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scores: Option<Scores>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    baselines: Vec<Baseline>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<String>,
    seconds: Vec<(&'static str, f64)>,
    unusable: Vec<SongProblem>,
    damaged: Vec<SongProblem>,
}

#[derive(Debug, Serialize)]
struct Scores {
    artists: usize,
    clip: Score,
    song_vote: Score,
    song_mean: Score,
}

/// An older method on the same split.
#[derive(Debug, Serialize)]
struct Baseline {
    method: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    clip: Option<Score>,
    #[serde(skip_serializing_if = "Option::is_none")]
    song_vote: Option<Score>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl Baseline {
    fn of(scores: MethodScores) -> Self {
        let MethodScores { method, metrics, failure } = scores;
        Self {
            method: method.as_str(),
            clip: metrics.as_ref().map(|metrics| Score::of(&metrics.clip)),
            song_vote: metrics.as_ref().map(|metrics| Score::of(&metrics.song_vote)),
            failure,
        }
    }
}

#[derive(Debug, Serialize)]
struct Score {
    count: u64,
    weighted_f1: Estimate,
    macro_f1: Estimate,
    accuracy: Estimate,
    balanced_accuracy: Estimate,
    chance_uniform_accuracy: f64,
    chance_majority_weighted_f1: f64,
}

impl Score {
    fn of(level: &LevelMetrics) -> Self {
        Self {
            count: level.count,
            weighted_f1: level.weighted_f1,
            macro_f1: level.macro_f1,
            accuracy: level.accuracy,
            balanced_accuracy: level.balanced_accuracy,
            chance_uniform_accuracy: level.chance.uniform_accuracy,
            chance_majority_weighted_f1: level.chance.majority_weighted_f1,
        }
    }
}

impl TrialSummary {
    /// Reads what the stages up to `last` left behind.
    pub(crate) fn read(trial: &Trial, last: StageName, done: TrialOutcome) -> Result<Self> {
        let config = &trial.config;
        let is_trained = last != StageName::Baseline;
        let history =
            if is_trained { read_history(&train::history_path(&trial.run))? } else { Vec::new() };
        let baselines = if last >= StageName::Baseline && last != StageName::Train {
            baseline::read_scores(&trial.run)?
        } else {
            Vec::new()
        };
        let scores = if is_trained && last >= StageName::Evaluate {
            let metrics = evaluate::read_metrics(&trial.run)?;
            Some(Scores {
                artists: metrics.labels.len(),
                clip: Score::of(&metrics.clip),
                song_vote: Score::of(&metrics.song_vote),
                song_mean: Score::of(&metrics.song_mean),
            })
        } else {
            None
        };
        let report = (last >= StageName::Report)
            .then(|| report::page_path(&trial.run).display().to_string());
        Ok(Self {
            corpus: trial.source.name.clone(),
            run: trial.run.display().to_string(),
            model: config.model.name.as_str().to_owned(),
            clip: config.clip.to_string(),
            split: config.split.to_string(),
            seed: config.seed,
            epochs: history.len(),
            best_epoch: best_epoch(&history).cloned(),
            scores,
            baselines: baselines.into_iter().map(Baseline::of).collect(),
            report,
            seconds: done.seconds.0,
            unusable: done.unusable,
            damaged: done.damaged,
        })
    }
}

impl fmt::Display for TrialSummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "{}, {} clips, split by {}, seed {}",
            self.corpus, self.clip, self.split, self.seed
        )?;
        if let Some(best) = &self.best_epoch {
            writeln!(
                formatter,
                "  best of {}: {}, validation loss {:.4}, accuracy {:.3}",
                count(self.epochs, "epoch"),
                best.epoch,
                best.validation_loss,
                best.validation_accuracy
            )?;
        }
        if self.scores.is_some() || !self.baselines.is_empty() {
            writeln!(
                formatter,
                "  {:<26}{:>8}{:>15}{:>10}{:>10}{:>8}",
                "test", "F1", "95 %", "macro", "accuracy", "count"
            )?;
        }
        if let Some(scores) = &self.scores {
            for (name, score) in [
                ("clips", &scores.clip),
                ("songs, by vote", &scores.song_vote),
                ("songs, by mean probability", &scores.song_mean),
            ] {
                write_score(formatter, name, score)?;
            }
            writeln!(
                formatter,
                "  chance: accuracy {:.3} (guessing among {} artists), F1 {:.3} (always the most \
                 common artist)",
                scores.clip.chance_uniform_accuracy,
                scores.artists,
                scores.clip.chance_majority_weighted_f1
            )?;
        }
        for baseline in &self.baselines {
            let rows = [("clips", &baseline.clip), ("songs", &baseline.song_vote)];
            for (unit, score) in rows.into_iter().filter_map(|(unit, s)| Some((unit, s.as_ref()?)))
            {
                let name = format!("{}, {unit}", baseline.method);
                write_score(formatter, &name, score)?;
            }
            if let Some(failure) = &baseline.failure {
                writeln!(formatter, "  {}: {failure}", baseline.method)?;
            }
        }
        let stages: Vec<String> =
            self.seconds.iter().map(|(stage, seconds)| format!("{stage} {seconds:.1} s")).collect();
        if stages.is_empty() {
            writeln!(formatter, "  nothing was stale")?;
        } else {
            writeln!(formatter, "  {}", stages.join(", "))?;
        }
        writeln!(formatter, "  {}", self.report.as_ref().unwrap_or(&self.run))
    }
}

fn write_score(formatter: &mut fmt::Formatter<'_>, name: &str, score: &Score) -> fmt::Result {
    writeln!(
        formatter,
        "  {name:<26}{:>8.3}{:>15}{:>10.3}{:>10.3}{:>8}",
        score.weighted_f1.value,
        interval(&score.weighted_f1),
        score.macro_f1.value,
        score.accuracy.value,
        score.count
    )
}

fn interval(estimate: &Estimate) -> String {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => format!("{low:.3}-{high:.3}"),
        _ => String::new(),
    }
}
