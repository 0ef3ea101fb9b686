//! What longer clips are worth.

use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::axis::{Tick, multiples};
use super::confusion::COLUMN_WIDTH;
use super::{Placement, STYLE, pixel};
use crate::error::EvalError;
use crate::grid::{Grid, GridPoint, GridSummary, Level};
use crate::label::{columns, shortened};
use crate::template::render;

const PANEL_WIDTH: f64 = 400.0;
const PANEL_HEIGHT: f64 = 230.0;
const PANEL_DISTANCE: f64 = 476.0;
const ROW_DISTANCE: f64 = 336.0;
const LEFT: f64 = 56.0;
const TOP: f64 = 100.0;
/// Above a row of panels, where there are several models.
const MODEL_HEIGHT: f64 = 16.0;
const RIGHT: f64 = 28.0;
/// Under the last row.
const AXIS_HEIGHT: f64 = 54.0;
/// Between two splits at one clip length, at most, so that their bars do not cover each other.
const MOST_DODGE: f64 = 20.0;
const F1_STEP: f64 = 0.2;
/// Half of a bar's cap.
const CAP: f64 = 5.0;
/// In the legend: a sample, and the room after its text.
const SAMPLE_WIDTH: f64 = 28.0;
const LEGEND_GAP: f64 = 22.0;
const FAINT_SIZE: f64 = 12.0;
const SPLIT_COLUMNS: usize = 20;

/// A picture of the weighted F1 of a grid over the length of its clips.
///
/// A panel for each of `levels`, a row of them for each model if there are several; in each a line
/// for each split through the means of its trials, the trials as dots beside it, and bars that reach
/// the standard deviation up and down (that of a sample, cut at 0 and 1; none of one trial). Clip
/// lengths are evenly apart, from the shortest up. A paper's figures (see [`Grid::beside`]) are
/// diamonds of the split's colour, and `chance`, the F1 of guessing, is a line across. A clip length
/// that a split has no trial of, or none that is a number, breaks its line.
///
/// # Errors
///
/// The template engine's, as [`EvalError::Draw`].
pub fn clip_length_svg(
    grid: &Grid,
    levels: &[Level],
    chance: Option<f64>,
    title: &str,
    placement: Placement,
) -> Result<String, EvalError> {
    let axes = Axes::of(grid);
    let chance = chance.filter(|chance| chance.is_finite());
    let several = axes.models.len() > 1;
    let top = TOP + if several { MODEL_HEIGHT } else { 0.0 };
    let panels: Vec<Panel<'_>> = axes
        .models
        .iter()
        .enumerate()
        .flat_map(|(row, &model)| {
            let axes = &axes;
            levels.iter().enumerate().map(move |(column, &level)| Panel {
                model: (several && column == 0).then_some(model),
                level: level.name(),
                x: LEFT + column as f64 * PANEL_DISTANCE,
                y: top + row as f64 * ROW_DISTANCE,
                series: axes.series(grid, model, level),
            })
        })
        .collect();
    let legend = legend(&axes.splits, &panels, chance);
    let plots_width = (levels.len().max(1) - 1) as f64 * PANEL_DISTANCE + PANEL_WIDTH;
    let legend_width = legend.iter().map(Entry::end).fold(0.0, f64::max);
    let width = (LEFT + plots_width + RIGHT).max(legend_width);
    let rows = axes.models.len().max(1) as f64;
    let context = context! {
        style => STYLE,
        standalone => placement == Placement::Standalone,
        title,
        title_columns => ((width - 32.0) / (16.0 * COLUMN_WIDTH)) as usize,
        width,
        height => top + (rows - 1.0) * ROW_DISTANCE + PANEL_HEIGHT + AXIS_HEIGHT,
        panel_width => PANEL_WIDTH,
        panel_height => PANEL_HEIGHT,
        cap => CAP,
        legend => Serde(legend),
        is_empty => panels.is_empty(),
        panels => Serde(panels),
        clips => Serde(axes.ticks()),
        clip_columns => (axes.slot() / (FAINT_SIZE * COLUMN_WIDTH)) as usize,
        scores => Serde(multiples(F1_STEP, 1.0)
            .map(|(score, text)| Tick { at: height_of(score), text })
            .collect::<Vec<_>>()),
        chance,
        chance_at => chance.map(height_of),
    };
    render("F1 by clip length", include_str!("../../templates/clip_length.svg"), context)
}

/// From above, in pixels.
fn height_of(score: f64) -> f64 {
    pixel(PANEL_HEIGHT - score.clamp(0.0, 1.0) * PANEL_HEIGHT)
}

/// What a grid varies.
struct Axes<'a> {
    models: Vec<&'a str>,
    splits: Vec<&'a str>,
    /// Seconds and name, from the shortest up.
    clips: Vec<(f64, &'a str)>,
}

impl<'a> Axes<'a> {
    fn of(grid: &'a Grid) -> Self {
        let mut axes = Self { models: Vec::new(), splits: Vec::new(), clips: Vec::new() };
        for GridPoint { model, split, clip, clip_seconds } in
            grid.trials().iter().map(|trial| &trial.point)
        {
            if !axes.models.contains(&model.as_str()) {
                axes.models.push(model);
            }
            if !axes.splits.contains(&split.as_str()) {
                axes.splits.push(split);
            }
            if axes.position(*clip_seconds, clip).is_none() {
                axes.clips.push((*clip_seconds, clip));
            }
        }
        axes.clips.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(b.1)));
        axes
    }

    fn position(&self, seconds: f64, name: &str) -> Option<usize> {
        self.clips.iter().position(|clip| clip.0.total_cmp(&seconds).is_eq() && clip.1 == name)
    }

    /// Pixels for a clip length.
    fn slot(&self) -> f64 {
        PANEL_WIDTH / self.clips.len().max(1) as f64
    }

    fn x(&self, position: usize) -> f64 {
        (position as f64 + 0.5) * self.slot()
    }

    fn ticks(&self) -> Vec<Tick> {
        let clips = self.clips.iter().enumerate();
        clips.map(|(at, clip)| Tick { at: pixel(self.x(at)), text: clip.1.to_owned() }).collect()
    }

    /// How far a split's points stand from the middle of their clip length.
    fn offset(&self, split: usize) -> f64 {
        (split as f64 - (self.splits.len() - 1) as f64 / 2.0) * self.dodge()
    }

    /// From one split's points to the next one's.
    fn dodge(&self) -> f64 {
        MOST_DODGE.min(self.slot() / (self.splits.len() + 1) as f64)
    }

    /// How far trials stand to the right of their mean, and a published score to the left.
    fn aside(&self) -> f64 {
        self.dodge() * 0.4
    }

    /// What one panel shows.
    fn series(&self, grid: &Grid, model: &str, level: Level) -> Vec<Series<'a>> {
        let summaries: Vec<GridSummary> =
            grid.summaries(level).into_iter().filter(|all| all.point.model == model).collect();
        let splits = self.splits.iter().enumerate();
        splits
            .map(|(index, &split)| {
                let points = self.points(grid, &summaries, index);
                Series {
                    split,
                    style: style(index),
                    path: path(&points),
                    points,
                    published: self.published(grid, model, level, index),
                }
            })
            .collect()
    }

    fn points(&self, grid: &Grid, summaries: &[GridSummary], split: usize) -> Vec<Point<'a>> {
        let of_split = summaries
            .iter()
            .filter(|all| all.point.split == self.splits[split] && all.mean.is_finite());
        let mut points: Vec<Point<'a>> = of_split
            .filter_map(|summary| {
                let position = self.position(summary.point.clip_seconds, &summary.point.clip)?;
                let x = self.x(position) + self.offset(split);
                let trials = trials(grid, summary, x + self.aside());
                Some(Point::of(summary, trials, (position, self.clips[position].1), x))
            })
            .collect();
        points.sort_by_key(|point| point.position);
        points
    }

    fn published(
        &self,
        grid: &Grid,
        model: &str,
        level: Level,
        split: usize,
    ) -> Vec<Published<'a>> {
        let of_split = grid.published().iter().filter(|score| {
            let is_of_series = score.model == model && score.level == level;
            is_of_series && score.split == self.splits[split] && score.mean.is_finite()
        });
        of_split
            .filter_map(|score| {
                let is_of = |clip: &(f64, &str)| clip.0.total_cmp(&score.clip_seconds).is_eq();
                let position = self.clips.iter().position(is_of)?;
                Some(Published {
                    clip: self.clips[position].1,
                    x: pixel(self.x(position) + self.offset(split) - self.aside()),
                    y: height_of(score.mean),
                    mean: score.mean,
                    best: score.best,
                })
            })
            .collect()
    }
}

/// Two colours, then the same two with other dashes. The second is dashed as well, for those to
/// whom the two are one.
fn style(split: usize) -> &'static str {
    ["one", "two dashed", "one dotted", "two"][split % 4]
}

/// A line through the means, broken where a clip length is missing.
fn path(points: &[Point<'_>]) -> String {
    let mut before = None;
    let pieces = points.iter().map(|point| {
        let is_next = before.is_some_and(|before| before + 1 == point.position);
        before = Some(point.position);
        format!("{}{} {}", if is_next { 'L' } else { 'M' }, point.x, point.y)
    });
    pieces.collect()
}

#[derive(Serialize)]
struct Panel<'a> {
    /// Of the first panel of a row, where there are several.
    model: Option<&'a str>,
    level: &'static str,
    x: f64,
    y: f64,
    series: Vec<Series<'a>>,
}

#[derive(Serialize)]
struct Series<'a> {
    split: &'a str,
    style: &'static str,
    path: String,
    points: Vec<Point<'a>>,
    published: Vec<Published<'a>>,
}

/// The trials of one clip length.
#[derive(Serialize)]
struct Point<'a> {
    position: usize,
    clip: &'a str,
    x: f64,
    y: f64,
    mean: f64,
    deviation: Option<f64>,
    best: f64,
    /// Ends of the bar, from above.
    bar: Option<[f64; 2]>,
    trials: Vec<Dot>,
}

#[derive(Serialize)]
struct Dot {
    seed: u64,
    score: f64,
    x: f64,
    y: f64,
}

#[derive(Serialize)]
struct Published<'a> {
    clip: &'a str,
    x: f64,
    y: f64,
    mean: f64,
    best: f64,
}

impl<'a> Point<'a> {
    /// The mean of `trials` at `x`.
    fn of(summary: &GridSummary, trials: Vec<Dot>, clip: (usize, &'a str), x: f64) -> Self {
        let bar = summary
            .deviation
            .map(|deviation| [summary.mean + deviation, summary.mean - deviation].map(height_of));
        Self {
            position: clip.0,
            clip: clip.1,
            x: pixel(x),
            y: height_of(summary.mean),
            mean: summary.mean,
            deviation: summary.deviation,
            best: summary.best,
            bar,
            trials,
        }
    }
}

/// The trials of a summary, at `x`.
fn trials(grid: &Grid, summary: &GridSummary, x: f64) -> Vec<Dot> {
    let trials = grid.trials().iter().filter(|trial| trial.point == summary.point);
    trials
        .map(|trial| {
            let score = trial.scores(summary.level).weighted_f1.value;
            Dot { seed: trial.seed, score, x: pixel(x), y: height_of(score) }
        })
        .collect()
}

/// A part of the legend: what a sign means.
#[derive(Serialize)]
struct Entry {
    kind: &'static str,
    style: &'static str,
    text: String,
    x: f64,
}

impl Entry {
    fn end(&self) -> f64 {
        self.x + SAMPLE_WIDTH + columns(&self.text) as f64 * FAINT_SIZE * COLUMN_WIDTH + LEGEND_GAP
    }
}

fn legend(splits: &[&str], panels: &[Panel<'_>], chance: Option<f64>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    let mut push = |kind, style, text: String| {
        let x = pixel(entries.last().map_or(16.0, Entry::end));
        entries.push(Entry { kind, style, text, x });
    };
    for (index, split) in splits.iter().enumerate() {
        push("line", style(index), format!("{} split", shortened(split, SPLIT_COLUMNS)));
    }
    if panels.is_empty() {
        return entries;
    }
    push("bar", "neutral", "mean ± standard deviation".to_owned());
    push("trial", "neutral", "a trial".to_owned());
    if panels.iter().flat_map(|panel| &panel.series).any(|series| !series.published.is_empty()) {
        push("published", "neutral", "published".to_owned());
    }
    if chance.is_some() {
        push("chance", "neutral", "chance".to_owned());
    }
    entries
}
