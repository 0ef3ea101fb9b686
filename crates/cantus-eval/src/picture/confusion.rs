//! Confusion matrices as pictures.

use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::{Placement, STYLE, pixel};
use crate::confusion::ConfusionMatrix;
use crate::error::EvalError;
use crate::label::{columns, shortened};
use crate::template::render;

/// Names longer than this are cut; the whole name shows when pointed at.
const MOST_LABEL_COLUMNS: usize = 24;
/// Mean advance of a column of text, in parts of the font size; on the wide side.
pub(super) const COLUMN_WIDTH: f64 = 0.58;
const TOP: f64 = 84.0;
/// Room for the axis' name left of the labels.
const AXIS_ROOM: f64 = 44.0;
/// Room for the counts right of the matrix.
const COUNT_ROOM: f64 = 62.0;

/// A picture of `confusion`, each row as shares of its true class.
///
/// Rows are the true classes, columns the predicted ones. What is right has one colour, what is
/// wrong another; every cell says its share, and its count when pointed at. `unit` names what was
/// counted: `clips` or `songs`. From about 45 classes on, the cells are too small for numbers.
///
/// # Errors
///
/// The template engine's, as [`EvalError::Draw`].
pub fn confusion_svg(
    confusion: &ConfusionMatrix,
    title: &str,
    unit: &str,
    placement: Placement,
) -> Result<String, EvalError> {
    let classes = confusion.labels().len();
    let size = Size::of(classes);
    let label_columns = confusion
        .labels()
        .iter()
        .map(|label| columns(&shortened(label, MOST_LABEL_COLUMNS)))
        .max()
        .unwrap_or(0);
    let label_width = label_columns as f64 * size.label * COLUMN_WIDTH;
    let left = pixel((AXIS_ROOM + label_width).max(120.0));
    let extent = size.side * classes as f64;
    let width = pixel((left + extent + COUNT_ROOM).max(400.0));
    let height = pixel(TOP + extent + 56.0 + label_width * std::f64::consts::FRAC_1_SQRT_2);
    let (cells, zeros) = cells(confusion, left, size.side);
    let support = confusion.support();
    let rows: Vec<Row<'_>> = confusion
        .labels()
        .iter()
        .enumerate()
        .map(|(class, label)| {
            let centre = (class as f64 + 0.5) * size.side;
            Row {
                label,
                support: support[class],
                centre: pixel(TOP + centre),
                column_centre: pixel(left + centre),
            }
        })
        .collect();
    let context = context! {
        style => STYLE,
        standalone => placement == Placement::Standalone,
        title,
        title_columns => ((width - 32.0) / (16.0 * COLUMN_WIDTH)) as usize,
        unit,
        total => confusion.total(),
        width,
        height,
        left,
        top => TOP,
        extent => pixel(extent),
        side => size.side,
        grid => grid(classes, left, size.side).concat(),
        value_size => size.value,
        label_size => size.label,
        label_columns => MOST_LABEL_COLUMNS,
        cells => Serde(cells),
        zeros => Serde(zeros),
        rows => Serde(rows),
    };
    render("a confusion matrix", include_str!("../../templates/confusion.svg"), context)
}

/// Pixels of a cell and of its text.
struct Size {
    side: f64,
    label: f64,
    /// None where the cells are too small for numbers.
    value: Option<f64>,
}

impl Size {
    fn of(classes: usize) -> Self {
        match classes {
            0..=10 => Self { side: 54.0, label: 13.0, value: Some(13.0) },
            11..=24 => Self { side: 38.0, label: 12.5, value: Some(11.0) },
            25..=44 => Self { side: 27.0, label: 11.0, value: Some(8.5) },
            _ => Self { side: 13.0, label: 9.5, value: None },
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    label: &'a str,
    support: u64,
    centre: f64,
    column_centre: f64,
}

#[derive(Serialize)]
struct Cell<'a> {
    true_label: &'a str,
    predicted_label: &'a str,
    hit: bool,
    count: u64,
    support: u64,
    share: f64,
    opacity: f64,
    x: f64,
    y: f64,
    tone: &'static str,
}

/// The cells that hold anything, and the centres of those that do not.
fn cells(confusion: &ConfusionMatrix, left: f64, side: f64) -> (Vec<Cell<'_>>, Vec<[f64; 2]>) {
    let labels = confusion.labels();
    let support = confusion.support();
    let (mut cells, mut zeros) = (Vec::new(), Vec::new());
    for (truth, shares) in confusion.normalised().into_iter().enumerate() {
        for (predicted, share) in shares.into_iter().enumerate() {
            let x = left + predicted as f64 * side;
            let y = TOP + truth as f64 * side;
            let count = confusion.counts()[truth][predicted];
            if count == 0 {
                zeros.push([pixel(x + side / 2.0), pixel(y + side / 2.0)]);
                continue;
            }
            cells.push(Cell {
                true_label: &labels[truth],
                predicted_label: &labels[predicted],
                hit: truth == predicted,
                count,
                support: support[truth],
                share,
                opacity: opacity(share),
                x: pixel(x),
                y: pixel(y),
                tone: tone(share),
            });
        }
    }
    (cells, zeros)
}

/// How much of its colour a cell takes on: more than its share, or rare errors would hardly show.
fn opacity(share: f64) -> f64 {
    share.powf(0.7)
}

/// Which text colour is legible on a cell. The two colour schemes turn at different shares, since
/// one darkens the cell with its share and the other brightens it.
fn tone(share: f64) -> &'static str {
    const BARELY: f64 = 0.03;
    match opacity(share) {
        0.75.. => "strong",
        0.55.. => "medium",
        _ if share < BARELY => "barely",
        _ => "weak",
    }
}

/// The lines between the cells, as pieces of one path.
fn grid(classes: usize, left: f64, side: f64) -> Vec<String> {
    let extent = classes as f64 * side;
    (1..classes)
        .map(|index| {
            let offset = index as f64 * side;
            let (x, y) = (pixel(left + offset), pixel(TOP + offset));
            format!("M{x} {TOP}v{extent}M{left} {y}h{extent}")
        })
        .collect()
}
