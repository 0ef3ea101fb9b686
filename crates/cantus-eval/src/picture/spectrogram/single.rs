//! One spectrogram.

use minijinja::context;
use minijinja::value::Serde;

use super::axes::frequency_ticks;
use super::image::{Image, Scale, colour_bar};
use super::{BAR_WIDTH, SpectrogramView, title_columns};
use crate::error::EvalError;
use crate::picture::time_axis::time_axis;
use crate::picture::{Placement, STYLE, pixel};
use crate::template::render;

const LEFT: f64 = 60.0;
const TOP: f64 = 76.0;
const RIGHT: f64 = 28.0;
const PLOT_HEIGHT: f64 = 256.0;
/// A short piece is drawn this wide a frame, a longer one as wide as there is room.
const FRAME_WIDTH: f64 = 4.0;
const PLOT_WIDTHS: (f64, f64) = (376.0, 872.0);
const PIXELS_PER_MARK: f64 = 70.0;

/// A picture of `spectrogram`: time to the right, the mel bands upwards, levels as colours.
///
/// A frame is drawn from its number times `seconds_per_frame` on. Of more than 1600 frames, a column
/// stands for several and shows the loudest of each band. The colours reach from the quietest to the
/// loudest level, or 80 dB below that if there is quieter. The image is a PNG inside the SVG.
///
/// # Errors
///
/// [`EvalError::SpectrogramShape`] for sizes and axes that do not fit together,
/// [`EvalError::SpectrogramValue`] for the first value that is no level, and the template engine's
/// and the PNG encoder's, as [`EvalError::Draw`].
pub fn spectrogram_svg(
    spectrogram: &SpectrogramView<'_>,
    title: &str,
    placement: Placement,
) -> Result<String, EvalError> {
    spectrogram.check(title)?;
    let scale = Scale::of(std::iter::once(spectrogram));
    let image = Image::of(spectrogram, scale);
    let plot_width =
        (image.frames() as f64 * FRAME_WIDTH).clamp(PLOT_WIDTHS.0, PLOT_WIDTHS.1).round();
    let width = LEFT + plot_width + RIGHT;
    let times = time_axis(0.0, spectrogram.seconds(image.frames()), plot_width, PIXELS_PER_MARK);
    let context = context! {
        style => STYLE,
        standalone => placement == Placement::Standalone,
        title,
        title_columns => title_columns(width),
        remark => remark(spectrogram, &image),
        width,
        height => TOP + PLOT_HEIGHT + 52.0,
        left => LEFT,
        top => TOP,
        plot_width,
        plot_height => PLOT_HEIGHT,
        image => image.data_uri()?,
        is_enlarged => image.is_enlarged(plot_width),
        bar => colour_bar()?,
        bar_left => pixel(width - RIGHT - BAR_WIDTH),
        bar_width => BAR_WIDTH,
        levels => Serde(scale.ticks(BAR_WIDTH)),
        frequencies => Serde(frequency_ticks(spectrogram.band_centres_hz, PLOT_HEIGHT)),
        times => Serde(times.ticks),
        time_name => times.name,
    };
    render("a spectrogram", include_str!("../../../templates/spectrogram.svg"), context)
}

/// What is to be seen, in words.
fn remark(spectrogram: &SpectrogramView<'_>, image: &Image) -> String {
    let (bands, frames) = (spectrogram.bands(), spectrogram.frames());
    let milliseconds = (spectrogram.seconds_per_frame * 1e5).round() / 100.0;
    let frames = format!("{bands} mel bands, {frames} frames of {milliseconds} ms");
    match image.frames_per_column {
        1 => frames,
        several => format!("{frames}; the loudest of {several} a column"),
    }
}
