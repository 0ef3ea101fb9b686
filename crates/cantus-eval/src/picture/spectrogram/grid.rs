//! A spectrogram an artist, side by side.

use minijinja::context;
use minijinja::value::Serde;
use serde::Serialize;

use super::axes::frequency_ticks;
use super::image::{Image, Scale, colour_bar};
use super::{BAR_WIDTH, SpectrogramView, title_columns};
use crate::error::EvalError;
use crate::picture::axis::Tick;
use crate::picture::time_axis::{TimeAxis, time_axis};
use crate::picture::{Placement, STYLE, pixel};
use crate::template::render;

const LEFT: f64 = 60.0;
const TOP: f64 = 72.0;
const RIGHT: f64 = 28.0;
const PANEL_WIDTH: f64 = 168.0;
const PANEL_HEIGHT: f64 = 128.0;
/// Wide enough for the last time of a panel beside the first of the next.
const GAP: f64 = 24.0;
/// Room under a panel for its two names, and above them for times where no panel is below.
const NAMES_HEIGHT: f64 = 54.0;
const TIMES_HEIGHT: f64 = 16.0;
const MOST_COLUMNS: usize = 6;
/// For the heading and the bar.
const LEAST_WIDTH: f64 = 464.0;
const PIXELS_PER_MARK: f64 = 42.0;
/// Pixels of the names, and of a column of them: digits and capitals are wide.
const NAME_SIZE: f64 = 12.0;
const NAME_COLUMN_WIDTH: f64 = 7.6;

/// A piece of an artist's music, to stand beside others'.
#[derive(Clone, Copy, Debug)]
pub struct ArtistClip<'a> {
    /// The artist's name.
    pub artist: &'a str,
    /// The song's name, or its path: of that, the end is shown.
    pub song: &'a str,
    /// The clip.
    pub spectrogram: SpectrogramView<'a>,
}

/// A picture of a clip of each of several artists, row by row, on one scale of levels and the same
/// axes; artist and song stand below, cut where they are long and whole when pointed at.
///
/// A clip that is shorter than the longest leaves the end of its panel empty; otherwise each is
/// drawn as by [`spectrogram_svg`](crate::spectrogram_svg).
///
/// # Errors
///
/// Those of [`spectrogram_svg`](crate::spectrogram_svg), and [`EvalError::SpectrogramShape`] for a
/// clip whose bands or frames are not those of the first.
pub fn spectrogram_grid_svg(
    clips: &[ArtistClip<'_>],
    title: &str,
    placement: Placement,
) -> Result<String, EvalError> {
    check(clips)?;
    let scale = Scale::of(clips.iter().map(|clip| &clip.spectrogram));
    let images: Vec<Image> = clips.iter().map(|clip| Image::of(&clip.spectrogram, scale)).collect();
    let most_frames = images.iter().map(Image::frames).max().unwrap_or(1);
    let columns = columns(clips.len());
    let rows = Rows { clips: clips.len(), columns };
    let panels = clips
        .iter()
        .zip(&images)
        .enumerate()
        .map(|(index, (clip, image))| {
            let (row, column) = (index / columns, index % columns);
            let image_width = image.frames() as f64 / most_frames as f64 * PANEL_WIDTH;
            Ok(Panel {
                artist: clip.artist,
                song: clip.song,
                x: LEFT + column as f64 * (PANEL_WIDTH + GAP),
                y: rows.top(row),
                image: image.data_uri()?,
                image_width: pixel(image_width),
                is_enlarged: image.is_enlarged(image_width),
                has_frequencies: column == 0,
                has_times: index + columns >= clips.len(),
                names_at: PANEL_HEIGHT + rows.times_height(row),
            })
        })
        .collect::<Result<Vec<Panel<'_>>, EvalError>>()?;
    let plot_width = columns as f64 * (PANEL_WIDTH + GAP) - GAP;
    let width = (LEFT + plot_width + RIGHT).max(LEAST_WIDTH);
    let (frequencies, times) = axes(clips, most_frames).unzip();
    let context = context! {
        style => STYLE,
        standalone => placement == Placement::Standalone,
        title,
        title_columns => title_columns(width),
        width,
        height => rows.top(clips.len().div_ceil(columns).max(1)),
        panel_width => PANEL_WIDTH,
        panel_height => PANEL_HEIGHT,
        panels => Serde(panels),
        name_size => NAME_SIZE,
        name_columns => (PANEL_WIDTH / NAME_COLUMN_WIDTH) as usize,
        bar => colour_bar()?,
        bar_left => pixel(width - RIGHT - BAR_WIDTH),
        bar_width => BAR_WIDTH,
        levels => Serde(if clips.is_empty() { Vec::new() } else { scale.ticks(BAR_WIDTH) }),
        frequencies => Serde(frequencies.unwrap_or_default()),
        time_name => times.as_ref().map(|times| times.name),
        times => Serde(times.map(|times| times.ticks).unwrap_or_default()),
    };
    render(
        "a grid of spectrograms",
        include_str!("../../../templates/spectrogram_grid.svg"),
        context,
    )
}

#[derive(Serialize)]
struct Panel<'a> {
    artist: &'a str,
    song: &'a str,
    x: f64,
    y: f64,
    image: String,
    image_width: f64,
    is_enlarged: bool,
    has_frequencies: bool,
    /// Where no panel is below.
    has_times: bool,
    names_at: f64,
}

/// How the rows stand below each other.
struct Rows {
    clips: usize,
    columns: usize,
}

impl Rows {
    /// For times, in a row with a panel that no other is below.
    fn times_height(&self, row: usize) -> f64 {
        if (row + 2) * self.columns > self.clips { TIMES_HEIGHT } else { 0.0 }
    }

    fn top(&self, row: usize) -> f64 {
        let above = (0..row).map(|row| PANEL_HEIGHT + NAMES_HEIGHT + self.times_height(row));
        TOP + above.sum::<f64>()
    }
}

/// Nearly a square, but no wider than a page.
fn columns(clips: usize) -> usize {
    (1..MOST_COLUMNS).find(|columns| columns * columns >= clips).unwrap_or(MOST_COLUMNS)
}

/// What all panels share: those of the first clip, for as many frames as the longest has.
fn axes(clips: &[ArtistClip<'_>], most_frames: usize) -> Option<(Vec<Tick>, TimeAxis)> {
    let first = &clips.first()?.spectrogram;
    let times = time_axis(0.0, first.seconds(most_frames), PANEL_WIDTH, PIXELS_PER_MARK);
    Some((frequency_ticks(first.band_centres_hz, PANEL_HEIGHT), times))
}

fn check(clips: &[ArtistClip<'_>]) -> Result<(), EvalError> {
    for clip in clips {
        let name = format!("{}: {}", clip.artist, clip.song);
        clip.spectrogram.check(&name)?;
        let (first, this) = (&clips[0].spectrogram, &clip.spectrogram);
        let problem = if this.band_centres_hz != first.band_centres_hz {
            "other mel bands than the first"
        } else if this.seconds_per_frame.total_cmp(&first.seconds_per_frame).is_ne() {
            "frames of another length than the first"
        } else {
            continue;
        };
        return Err(EvalError::SpectrogramShape { spectrogram: name, problem: problem.to_owned() });
    }
    Ok(())
}
