//! Points on a plane, coloured by class.

use std::fmt::Write;

use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::marker::Marker;
use super::palette::{Look, palette_css};
use super::{Placement, STYLE, pixel};
use crate::error::EvalError;
use crate::label::{columns, shortened};
use crate::template::render;

/// Names longer than this are cut; the whole name shows when pointed at.
const MOST_LABEL_COLUMNS: usize = 26;
/// Mean advance of a column of text at 12.5 pixels; on the wide side.
const COLUMN_WIDTH: f64 = 12.5 * 0.58;
const LEFT: f64 = 16.0;
const TOP: f64 = 62.0;
/// Pixels of the plane's side, and of the room between its frame and the points.
const SIDE: f64 = 660.0;
const ROOM: f64 = 14.0;
const LEGEND_ROW: f64 = 22.0;
/// Pixels of a column of the legend beside its names.
const LEGEND_ROOM: f64 = 40.0;
const LEGEND_RADIUS: f64 = 5.0;
/// Pixels of a point's radius: few points are drawn large.
const RADII: std::ops::RangeInclusive<f64> = 1.5..=6.0;

/// A point of a map: a clip, or a song.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MapPoint {
    /// Where it lies, in units of no meaning.
    pub position: [f32; 2],
    /// Index of its class in the labels.
    pub class: usize,
}

/// A picture of `points`, each in the colour and shape of its class, with a legend.
///
/// `labels[class]` is a class's name. `unit` names what the points are: `clips` or `songs`. The more
/// points, the smaller each: thousands of clips make clouds, hundreds of songs large single marks.
/// Both axes have one scale and no numbers, for a map has no units. Up to 60 classes have looks of
/// their own, ten hues that colour-blind readers tell apart times six shapes; with more, looks come
/// again.
///
/// # Errors
///
/// [`EvalError::UnknownClass`] for a class without a label, [`EvalError::NotFinite`] for a position
/// that is none, and the template engine's as [`EvalError::Draw`].
pub fn scatter_svg(
    points: &[MapPoint],
    labels: &[String],
    title: &str,
    unit: &str,
    placement: Placement,
) -> Result<String, EvalError> {
    let plane = Plane::of(points, labels.len())?;
    let radius = radius(points.len());
    let mut classes: Vec<Class<'_>> =
        labels.iter().enumerate().map(|(class, label)| Class::new(class, label, radius)).collect();
    for point in points {
        let [x, y] = plane.tenths(point.position);
        classes[point.class].add(x, y);
    }
    let longest = labels.iter().map(|label| columns(&shortened(label, MOST_LABEL_COLUMNS))).max();
    let column_width = longest.unwrap_or(0) as f64 * COLUMN_WIDTH + LEGEND_ROOM;
    let rows = (SIDE / LEGEND_ROW) as usize;
    let legend_columns = labels.len().div_ceil(rows);
    let rows = labels.len().div_ceil(legend_columns.max(1));
    for (index, class) in classes.iter_mut().enumerate() {
        class.x = pixel(LEFT + SIDE + 24.0 + (index / rows) as f64 * column_width);
        class.y = pixel(TOP + ((index % rows) as f64 + 0.5) * LEGEND_ROW);
    }
    let width = pixel(LEFT + SIDE + 24.0 + legend_columns as f64 * column_width);
    let context = context! {
        style => STYLE,
        palette => palette_css(".cantus-figure"),
        standalone => placement == Placement::Standalone,
        title,
        unit,
        total => points.len(),
        width,
        height => TOP + SIDE + 16.0,
        left => LEFT,
        top => TOP,
        side => SIDE,
        dot => pixel(20.0 * radius),
        legend_dot => 20.0 * LEGEND_RADIUS,
        label_columns => MOST_LABEL_COLUMNS,
        classes => Serde(classes),
    };
    render("a map", include_str!("../../templates/scatter.svg"), context)
}

fn radius(points: usize) -> f64 {
    (130.0 / (points.max(1) as f64).sqrt()).clamp(*RADII.start(), *RADII.end())
}

/// From positions to tenths of pixels.
struct Plane {
    /// The positions' middle, and pixels a unit.
    middle: [f64; 2],
    scale: f64,
}

impl Plane {
    fn of(points: &[MapPoint], classes: usize) -> Result<Self, EvalError> {
        let mut low = [f64::INFINITY; 2];
        let mut high = [f64::NEG_INFINITY; 2];
        for (position, point) in points.iter().enumerate() {
            let class = point.class;
            if class >= classes {
                return Err(EvalError::UnknownClass { position, class, classes });
            }
            for axis in 0..2 {
                let coordinate = f64::from(point.position[axis]);
                if !coordinate.is_finite() {
                    return Err(EvalError::NotFinite { point: position });
                }
                low[axis] = low[axis].min(coordinate);
                high[axis] = high[axis].max(coordinate);
            }
        }
        if points.is_empty() {
            return Ok(Self { middle: [0.0; 2], scale: 1.0 });
        }
        let span = (high[0] - low[0]).max(high[1] - low[1]);
        let scale = if span > 0.0 { (SIDE - 2.0 * ROOM) / span } else { 1.0 };
        Ok(Self { middle: [0, 1].map(|axis| f64::midpoint(low[axis], high[axis])), scale })
    }

    /// Within the frame, upwards positive as in a plot.
    fn tenths(&self, position: [f32; 2]) -> [i32; 2] {
        let from_middle =
            |axis: usize| (f64::from(position[axis]) - self.middle[axis]) * self.scale;
        let tenths = |pixels: f64| ((SIDE / 2.0 + pixels) * 10.0).round() as i32;
        [tenths(from_middle(0)), tenths(-from_middle(1))]
    }
}

/// A class's points as one path, and its place in the legend.
#[derive(Serialize)]
struct Class<'a> {
    label: &'a str,
    count: usize,
    hue: usize,
    /// A circle is a stroke of no length with a round end, which takes fewest letters.
    dots: bool,
    path: String,
    legend_path: String,
    x: f64,
    y: f64,
    #[serde(skip)]
    start: [i32; 2],
    #[serde(skip)]
    rest: String,
}

impl<'a> Class<'a> {
    fn new(class: usize, label: &'a str, radius: f64) -> Self {
        let Look { hue, marker } = Look::of(class);
        let dots = marker == Marker::Circle;
        let (start, rest) = if dots {
            ([0, 0], "h0".to_owned())
        } else {
            let outline = marker.outline(10.0 * radius);
            (outline.start, outline.path)
        };
        let legend_path =
            if dots { "M0 0h0".to_owned() } else { marker.outline(10.0 * LEGEND_RADIUS).at(0, 0) };
        Self {
            label,
            count: 0,
            hue,
            dots,
            path: String::new(),
            legend_path,
            x: 0.0,
            y: 0.0,
            start,
            rest,
        }
    }

    fn add(&mut self, x: i32, y: i32) {
        self.count += 1;
        let _ = write!(self.path, "M{} {}{}", x + self.start[0], y + self.start[1], self.rest);
    }
}
