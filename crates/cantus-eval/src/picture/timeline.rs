//! What a model hears in a recording, clip by clip.

use std::fmt::Write;

use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::palette::{HUES, palette_css};
use super::time_axis::{clock_time, time_axis};
use super::{Placement, STYLE, pixel};
use crate::error::EvalError;
use crate::label::{check_labels, columns, printable, shortened};
use crate::predictions::argmax;
use crate::template::render;

/// Names longer than this are cut; the whole name shows when pointed at.
const MOST_LABEL_COLUMNS: usize = 26;
/// Mean advance of a column of text at 12.5 pixels; on the wide side.
const LABEL_COLUMN_WIDTH: f64 = 12.5 * 0.58;
/// Room of the legend beside its names: the square before them, the share behind them.
const LEGEND_ROOM: f64 = 84.0;
const LEGEND_ROW: f64 = 22.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 66.0;
/// Pixels of the strip that says who is the most probable.
const STRIP_HEIGHT: f64 = 12.0;
const PLOT_TOP: f64 = TOP + STRIP_HEIGHT + 6.0;
const PLOT_HEIGHT: f64 = 208.0;
/// A few clips are drawn this wide each, more as wide as there is room.
const CLIP_WIDTH: f64 = 24.0;
const PLOT_WIDTHS: (f64, f64) = (376.0, 872.0);
/// Of more clips, a column stands for several.
const MOST_PLOT_COLUMNS: usize = 436;
const PIXELS_PER_MARK: f64 = 70.0;
/// Pixels of a column of the heading's text.
const HEADING_COLUMN_WIDTH: f64 = 16.0 * 0.58;

/// A clip of a recording, and what a model says of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimelineClip<'a> {
    /// Where in the recording it starts.
    pub start_seconds: f64,
    /// The probability of each class, in the order of the labels.
    pub probabilities: &'a [f32],
}

/// A picture of a recording's clips: time to the right, probabilities of the classes stacked upwards
/// to 1, the class with the largest mean at the bottom; above, a strip of the class that is the most
/// probable at each time; a legend with mean probabilities.
///
/// `labels[class]` is a class's name. A clip is drawn until the next one starts, the last for
/// `clip_seconds`. Of up to ten classes each has a hue of its own, the same in every recording; of
/// more, the nine with the largest means have one, and the rest is grey. Of more than 436 clips, a
/// column stands for several and shows their mean.
///
/// # Errors
///
/// Those of labels that are none, empty or twice there; [`EvalError::NoPredictions`] without clips;
/// [`EvalError::TimelineClip`] for a clip whose time does not follow the one before, or whose
/// probabilities are none; and the template engine's as [`EvalError::Draw`].
pub fn timeline_svg(
    clips: &[TimelineClip<'_>],
    clip_seconds: f64,
    labels: &[String],
    title: &str,
    placement: Placement,
) -> Result<String, EvalError> {
    check(clips, clip_seconds, labels)?;
    let per_column = clips.len().div_ceil(MOST_PLOT_COLUMNS);
    let columns: Vec<Column> =
        clips.chunks(per_column).map(|clips| Column::of(clips, labels.len())).collect();
    let (first, last) =
        (clips[0].start_seconds, clips[clips.len() - 1].start_seconds + clip_seconds);
    let plot_width =
        (columns.len() as f64 * CLIP_WIDTH).clamp(PLOT_WIDTHS.0, PLOT_WIDTHS.1).round();
    let at = |seconds: f64| pixel((seconds - first) / (last - first) * plot_width);
    let starts = columns.iter().map(|column| at(column.start_seconds));
    let edges: Vec<f64> = starts.chain([plot_width]).collect();

    let bands = bands(clips, labels);
    let layers = layers(&columns, &edges, &bands);
    let longest =
        bands.iter().map(|band| self::columns(&shortened(&band.label, MOST_LABEL_COLUMNS)));
    let legend_width = longest.max().unwrap_or(0) as f64 * LABEL_COLUMN_WIDTH + LEGEND_ROOM;
    let legend_left = LEFT + plot_width + 24.0;
    let width = pixel(legend_left + legend_width + 16.0);
    let times = time_axis(first, last, plot_width, PIXELS_PER_MARK);
    let context = context! {
        style => STYLE,
        palette => palette_css(".cantus-figure"),
        standalone => placement == Placement::Standalone,
        title,
        title_columns => ((width - 32.0) / HEADING_COLUMN_WIDTH) as usize,
        remark => remark(clips.len(), clip_seconds, per_column),
        width,
        height => PLOT_TOP + PLOT_HEIGHT + 52.0,
        left => LEFT,
        top => TOP,
        plot_top => PLOT_TOP,
        plot_width,
        plot_height => PLOT_HEIGHT,
        strip_height => STRIP_HEIGHT,
        strip => Serde(strip(&columns, &edges, &bands)),
        layers => Serde(layers),
        pointed => Serde(pointed(&columns, &edges, labels)),
        legend_left,
        legend_width,
        legend_row => LEGEND_ROW,
        label_columns => MOST_LABEL_COLUMNS,
        bands => Serde(&bands),
        shares => Serde([(0.0, "100 %"), (PLOT_HEIGHT / 2.0, "50 %"), (PLOT_HEIGHT, "0 %")]),
        times => Serde(times.ticks),
        time_name => times.name,
    };
    render("a timeline", include_str!("../../templates/timeline.svg"), context)
}

fn check(
    clips: &[TimelineClip<'_>],
    clip_seconds: f64,
    labels: &[String],
) -> Result<(), EvalError> {
    check_labels(labels)?;
    if clips.is_empty() {
        return Err(EvalError::NoPredictions);
    }
    let refuse = |clip: usize, problem: String| Err(EvalError::TimelineClip { clip, problem });
    // So that the whole timeline's length is finite and the axis can be divided.
    if !(1e-3..1e6).contains(&clip_seconds) {
        return refuse(0, format!("has a length of {clip_seconds} s"));
    }
    let mut before = None;
    for (index, clip) in clips.iter().enumerate() {
        let start = clip.start_seconds;
        if !(0.0..1e9).contains(&start) || before.is_some_and(|before| start <= before) {
            return refuse(index, format!("starts at {start} s"));
        }
        before = Some(start);
        let (found, classes) = (clip.probabilities.len(), labels.len());
        if found != classes {
            return refuse(index, format!("has {found} probabilities for {classes} classes"));
        }
        if let Some(wrong) = clip.probabilities.iter().find(|p| !(0.0..=1.0).contains(*p)) {
            return refuse(index, format!("has a probability of {wrong}"));
        }
    }
    Ok(())
}

/// One or several clips, drawn as one.
struct Column {
    start_seconds: f64,
    /// Of each class, adding up to 1.
    shares: Vec<f64>,
}

impl Column {
    fn of(clips: &[TimelineClip<'_>], classes: usize) -> Self {
        Self { start_seconds: clips[0].start_seconds, shares: shares(clips, classes) }
    }
}

/// Mean probabilities; what rounding or the caller left out of 1 is dealt out evenly.
fn shares(clips: &[TimelineClip<'_>], classes: usize) -> Vec<f64> {
    let mut sums = vec![0.0; classes];
    for clip in clips {
        for (sum, &probability) in sums.iter_mut().zip(clip.probabilities) {
            *sum += f64::from(probability);
        }
    }
    let total: f64 = sums.iter().sum();
    let even = 1.0 / classes as f64;
    sums.iter().map(|sum| if total > 0.0 { sum / total } else { even }).collect()
}

/// A class, or all that are too many to have hues, and its line of the legend.
#[derive(Serialize)]
struct Band {
    label: String,
    /// Number of the hue; grey where there is none.
    hue: Option<usize>,
    mean: f64,
    #[serde(skip)]
    classes: Vec<usize>,
}

/// The classes by falling mean, the rest as one.
fn bands(clips: &[TimelineClip<'_>], labels: &[String]) -> Vec<Band> {
    let means = shares(clips, labels.len());
    let mut ranked: Vec<usize> = (0..labels.len()).collect();
    ranked.sort_by(|&a, &b| means[b].total_cmp(&means[a]));
    let all_have_hues = labels.len() <= HUES;
    let shown = if all_have_hues { labels.len() } else { HUES - 1 };
    let rest = ranked.split_off(shown);
    let mut bands: Vec<Band> = ranked
        .into_iter()
        .enumerate()
        .map(|(rank, class)| Band {
            label: labels[class].clone(),
            hue: Some(if all_have_hues { class } else { rank }),
            mean: means[class],
            classes: vec![class],
        })
        .collect();
    if !rest.is_empty() {
        bands.push(Band {
            label: format!("{} others", rest.len()),
            hue: None,
            mean: rest.iter().map(|&class| means[class]).sum(),
            classes: rest,
        });
    }
    bands
}

/// A band's share at all times, as one path.
#[derive(Serialize)]
struct Layer {
    hue: Option<usize>,
    path: String,
}

/// The bands one on the other, each between two flights of steps.
fn layers(columns: &[Column], edges: &[f64], bands: &[Band]) -> Vec<Layer> {
    let mut below = vec![0.0; columns.len()];
    let height = |share: f64| pixel(PLOT_HEIGHT * (1.0 - share.min(1.0)));
    bands
        .iter()
        .map(|band| {
            let above: Vec<f64> = columns
                .iter()
                .zip(&below)
                .map(|(column, below)| {
                    below + band.classes.iter().map(|&class| column.shares[class]).sum::<f64>()
                })
                .collect();
            let mut path = format!("M{} {}", edges[0], height(above[0]));
            for (column, share) in above.iter().enumerate() {
                let _ = write!(path, "V{}H{}", height(*share), edges[column + 1]);
            }
            for (column, share) in below.iter().enumerate().rev() {
                let _ = write!(path, "V{}H{}", height(*share), edges[column]);
            }
            path.push('z');
            below = above;
            Layer { hue: band.hue, path }
        })
        .collect()
}

/// A stretch of time with one most probable class.
#[derive(Serialize)]
struct Stretch {
    hue: Option<usize>,
    x: f64,
    width: f64,
}

fn strip(columns: &[Column], edges: &[f64], bands: &[Band]) -> Vec<Stretch> {
    let mut strip: Vec<Stretch> = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let winner = argmax(&column.shares);
        let hue = bands.iter().find(|band| band.classes.contains(&winner));
        let hue = hue.and_then(|band| band.hue);
        let width = pixel(edges[index + 1] - edges[index]);
        match strip.last_mut().filter(|last| last.hue == hue) {
            Some(last) => last.width = pixel(last.width + width),
            None => strip.push(Stretch { hue, x: edges[index], width }),
        }
    }
    strip
}

/// What shows when a column is pointed at.
#[derive(Serialize)]
struct Pointed {
    x: f64,
    width: f64,
    text: String,
}

fn pointed(columns: &[Column], edges: &[f64], labels: &[String]) -> Vec<Pointed> {
    let of = |(index, column): (usize, &Column)| {
        let winner = argmax(&column.shares);
        let (time, percent) = (clock_time(column.start_seconds), 100.0 * column.shares[winner]);
        Pointed {
            x: edges[index],
            width: pixel(edges[index + 1] - edges[index]),
            text: format!("{time}, {} {percent:.0} %", printable(&labels[winner])),
        }
    };
    columns.iter().enumerate().map(of).collect()
}

/// What is to be seen, in words.
fn remark(clips: usize, clip_seconds: f64, per_column: usize) -> String {
    let noun = if clips == 1 { "clip" } else { "clips" };
    let clips = format!("{clips} {noun} of {clip_seconds:.1} s");
    match per_column {
        1 => clips,
        several => format!("{clips}; the mean of {several} a column"),
    }
}
