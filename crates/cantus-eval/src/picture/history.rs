//! The course of a training as a picture.

use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::axis::{Tick, multiples, round_step};
use super::{Placement, STYLE, pixel};
use crate::error::EvalError;
use crate::history::{EpochRecord, best_epoch};
use crate::template::render;

const PANEL_WIDTH: f64 = 400.0;
const PANEL_HEIGHT: f64 = 230.0;
const PANEL_LEFT: [f64; 2] = [56.0, 532.0];
const PANEL_TOP: f64 = 82.0;
const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 366.0;
/// Up to here every epoch gets a dot; more of them would hide the line.
const MOST_DOTTED_EPOCHS: usize = 30;

/// A picture of loss and accuracy over the epochs, for training and validation clips.
///
/// The last epoch marked as best has a ring. Values that are not finite leave a gap.
///
/// # Errors
///
/// The template engine's, as [`EvalError::Draw`].
pub fn history_svg(
    history: &[EpochRecord],
    title: &str,
    placement: Placement,
) -> Result<String, EvalError> {
    let loss = Series {
        name: "loss",
        train: |record| record.training_loss,
        validation: |record| record.validation_loss,
        fixed_most: None,
    };
    let accuracy = Series {
        name: "accuracy",
        train: |record| record.training_accuracy,
        validation: |record| record.validation_accuracy,
        fixed_most: Some(1.0),
    };
    let panels = [panel(history, &loss, PANEL_LEFT[0]), panel(history, &accuracy, PANEL_LEFT[1])];
    let context = context! {
        style => STYLE,
        standalone => placement == Placement::Standalone,
        title,
        width => WIDTH,
        height => HEIGHT,
        panels => Serde(panels),
    };
    render("a training history", include_str!("../../templates/history.svg"), context)
}

/// One measure, of the training and of the validation clips.
struct Series {
    name: &'static str,
    train: fn(&EpochRecord) -> f64,
    validation: fn(&EpochRecord) -> f64,
    /// Upper end of the axis, where it does not follow the values.
    fixed_most: Option<f64>,
}

#[derive(Serialize)]
struct Panel {
    name: &'static str,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    x_ticks: Vec<Tick>,
    y_ticks: Vec<Tick>,
    train_path: String,
    validation_path: String,
    points: Vec<Point>,
    dots: bool,
    best: Option<Best>,
}

#[derive(Serialize)]
struct Point {
    series: &'static str,
    epoch: u32,
    value: f64,
    x: f64,
    y: f64,
}

#[derive(Serialize)]
struct Best {
    epoch: u32,
    x: f64,
    y: Option<f64>,
    value: f64,
    /// How its text, above the panel, stands to the line: clear of the measure's name at the left
    /// and within the panel at the right.
    anchor: &'static str,
}

/// From epochs and values to pixels within a panel.
struct Scale {
    first_epoch: f64,
    last_epoch: f64,
    most: f64,
}

impl Scale {
    fn x(&self, epoch: f64) -> f64 {
        let range = (self.last_epoch - self.first_epoch).max(1.0);
        pixel((epoch - self.first_epoch) / range * PANEL_WIDTH)
    }

    fn y(&self, value: f64) -> f64 {
        pixel(PANEL_HEIGHT - value / self.most * PANEL_HEIGHT)
    }
}

fn panel(history: &[EpochRecord], series: &Series, x: f64) -> Panel {
    let finite = |measure: fn(&EpochRecord) -> f64| {
        history.iter().map(measure).filter(|value| value.is_finite())
    };
    let largest = finite(series.train).chain(finite(series.validation)).fold(0.0, f64::max);
    let most = series.fixed_most.unwrap_or(if largest > 0.0 { largest } else { 1.0 });
    let step = round_step(most, 5.0);
    let epochs = || history.iter().map(|record| f64::from(record.epoch));
    let scale = Scale {
        first_epoch: epochs().fold(f64::INFINITY, f64::min),
        last_epoch: epochs().fold(0.0, f64::max),
        most: (most / step - 1e-9).ceil() * step,
    };
    let train = points(history, "train", series.train, &scale);
    let validation = points(history, "validation", series.validation, &scale);
    Panel {
        name: series.name,
        x,
        y: PANEL_TOP,
        width: PANEL_WIDTH,
        height: PANEL_HEIGHT,
        x_ticks: epoch_ticks(history, &scale),
        y_ticks: multiples(step, scale.most)
            .map(|(value, text)| Tick { at: scale.y(value), text })
            .collect(),
        train_path: path(history, &train),
        validation_path: path(history, &validation),
        best: best_epoch(history).map(|record| best(record, series, &scale)),
        points: train.into_iter().chain(validation).collect(),
        dots: history.len() <= MOST_DOTTED_EPOCHS,
    }
}

fn best(record: &EpochRecord, series: &Series, scale: &Scale) -> Best {
    let value = (series.validation)(record);
    let x = scale.x(f64::from(record.epoch));
    Best {
        epoch: record.epoch,
        x,
        y: value.is_finite().then(|| scale.y(value)),
        value,
        anchor: if x > PANEL_WIDTH * 0.85 {
            "end"
        } else if x < PANEL_WIDTH * 0.35 {
            "start"
        } else {
            "middle"
        },
    }
}

fn points(
    history: &[EpochRecord],
    series: &'static str,
    measure: fn(&EpochRecord) -> f64,
    scale: &Scale,
) -> Vec<Point> {
    let point = |record: &EpochRecord| {
        let value = measure(record);
        value.is_finite().then(|| Point {
            series,
            epoch: record.epoch,
            value,
            x: scale.x(f64::from(record.epoch)),
            y: scale.y(value),
        })
    };
    history.iter().filter_map(point).collect()
}

/// A line through the points, broken where an epoch of the history has none.
fn path(history: &[EpochRecord], points: &[Point]) -> String {
    let mut path = Vec::new();
    let mut points = points.iter().peekable();
    let mut pen_down = false;
    for record in history {
        match points.next_if(|point| point.epoch == record.epoch) {
            Some(Point { x, y, .. }) if pen_down => path.push(format!("L{x} {y}")),
            Some(Point { x, y, .. }) => {
                // A line of no length, with round ends, is a dot: a lone point stays visible.
                path.push(format!("M{x} {y}h0"));
                pen_down = true;
            }
            None => pen_down = false,
        }
    }
    path.concat()
}

fn epoch_ticks(history: &[EpochRecord], scale: &Scale) -> Vec<Tick> {
    if history.is_empty() {
        return Vec::new();
    }
    let step = round_step(scale.last_epoch, 8.0).max(1.0);
    let mut ticks: Vec<Tick> = multiples(step, scale.last_epoch)
        .filter(|(epoch, _)| *epoch >= scale.first_epoch)
        .map(|(epoch, text)| Tick { at: scale.x(epoch), text })
        .collect();
    if ticks.is_empty() {
        ticks.push(Tick { at: 0.0, text: scale.first_epoch.to_string() });
    }
    ticks
}
