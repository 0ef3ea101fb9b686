//! The tables for people.

use std::fmt::Write;

use super::{Grid, GridPoint, GridSummary, Level, PublishedScore};
use crate::bootstrap::Estimate;

impl Grid {
    /// The paper's two tables (clips and songs, a row a split, a column a clip length: mean,
    /// standard deviation and best weighted F1 of the trials), songs by mean probability, what the
    /// parts held, and every trial with its intervals, as Markdown.
    pub fn to_markdown(&self) -> String {
        let mut text = String::new();
        for level in Level::ALL {
            self.table(level, &mut text);
        }
        self.parts(&mut text);
        self.every_trial(&mut text);
        text
    }

    fn table(&self, level: Level, text: &mut String) {
        let summaries = self.summaries(level);
        let mut clips: Vec<(f64, &str)> = Vec::new();
        for summary in &summaries {
            let clip = (summary.point.clip_seconds, summary.point.clip.as_str());
            if !clips.contains(&clip) {
                clips.push(clip);
            }
        }
        clips.sort_by(|a, b| a.0.total_cmp(&b.0));
        let names: Vec<&str> = clips.iter().map(|(_, name)| *name).collect();
        line(text, &format!("## Weighted F1, {}\n", level.name()));
        line(text, &format!("| model | split | {} |", names.join(" | ")));
        line(text, &format!("|---|---|{}", "---|".repeat(names.len())));
        for row in summaries.chunk_by(is_same_row) {
            let cell = |clip: &(f64, &str)| {
                row.iter().find(|summary| summary.point.clip == clip.1).map(of_trials)
            };
            let cells: Vec<String> =
                clips.iter().map(|clip| cell(clip).unwrap_or_default()).collect();
            let point = &row[0].point;
            let model = escaped(&point.model);
            line(text, &format!("| {model} | {} | {} |", point.split, cells.join(" | ")));
            self.published_row(level, point, &clips, text);
        }
        text.push('\n');
    }

    fn published_row(
        &self,
        level: Level,
        point: &GridPoint,
        clips: &[(f64, &str)],
        text: &mut String,
    ) {
        let of_row = |score: &&PublishedScore| {
            score.level == level && score.split == point.split && score.model == point.model
        };
        if !self.published.iter().any(|score| of_row(&score)) {
            return;
        }
        let cells: Vec<String> = clips
            .iter()
            .map(|(seconds, _)| {
                let scores = self.published.iter().filter(of_row);
                let mut here = scores.filter(|score| score.clip_seconds.total_cmp(seconds).is_eq());
                here.next().map_or_else(String::new, |score| {
                    format!("{:.3}, best {:.3}", score.mean, score.best)
                })
            })
            .collect();
        line(text, &format!("| the paper's | {} | {} |", point.split, cells.join(" | ")));
    }

    fn parts(&self, text: &mut String) {
        line(text, "## Songs and clips in each part\n");
        line(text, "| split | clip | seed | part | artists | albums | songs | clips |");
        line(text, "|---|---|---|---|---|---|---|---|");
        let mut seen = Vec::new();
        for trial in &self.trials {
            let key = (&trial.point.split, &trial.point.clip, trial.seed);
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            for part in &trial.parts {
                let point = &trial.point;
                line(
                    text,
                    &format!(
                        "| {} | {} | {} | {} | {} | {} | {} | {} |",
                        point.split,
                        point.clip,
                        trial.seed,
                        part.part,
                        part.artists,
                        part.albums,
                        part.songs,
                        part.clips
                    ),
                );
            }
        }
        text.push('\n');
    }

    fn every_trial(&self, text: &mut String) {
        line(text, "## Every trial\n");
        line(
            text,
            "| model | split | clip | seed | folds | level | count | weighted F1 | macro F1 | \
             accuracy | balanced accuracy |",
        );
        line(text, "|---|---|---|---|---|---|---|---|---|---|---|");
        for trial in &self.trials {
            for level in Level::ALL {
                let (point, scores) = (&trial.point, trial.scores(level));
                let folds = trial.folds.map_or_else(String::new, |folds| folds.to_string());
                line(
                    text,
                    &format!(
                        "| {} | {} | {} | {} | {folds} | {} | {} | {} | {} | {} | {} |",
                        escaped(&point.model),
                        point.split,
                        point.clip,
                        trial.seed,
                        level.name(),
                        scores.count,
                        with_interval(&scores.weighted_f1),
                        with_interval(&scores.macro_f1),
                        with_interval(&scores.accuracy),
                        with_interval(&scores.balanced_accuracy),
                    ),
                );
            }
        }
    }
}

fn is_same_row(a: &GridSummary, b: &GridSummary) -> bool {
    a.point.model == b.point.model && a.point.split == b.point.split
}

fn of_trials(summary: &GridSummary) -> String {
    match summary.deviation {
        Some(deviation) => {
            format!("{:.3} ± {deviation:.3}, best {:.3}", summary.mean, summary.best)
        }
        None => format!("{:.3}", summary.mean),
    }
}

fn with_interval(estimate: &Estimate) -> String {
    match (estimate.low, estimate.high) {
        (Some(low), Some(high)) => format!("{:.3} ({low:.3}-{high:.3})", estimate.value),
        _ => format!("{:.3}", estimate.value),
    }
}

/// A bar would end the cell.
fn escaped(text: &str) -> String {
    text.replace('|', "\\|")
}

fn line(text: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "{line}");
}
