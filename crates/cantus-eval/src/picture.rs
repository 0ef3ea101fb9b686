//! Pictures as SVG: text that can be selected, readable on light and dark ground, no scripts.

mod axis;
mod clip_length;
mod confusion;
mod history;
pub(crate) mod marker;
pub(crate) mod palette;
mod scatter;
mod spectrogram;
mod time_axis;
mod timeline;

pub use clip_length::clip_length_svg;
pub use confusion::confusion_svg;
pub use history::history_svg;
pub use scatter::{MapPoint, scatter_svg};
pub use spectrogram::{
    ArtistClip, SpectrogramLayout, SpectrogramView, spectrogram_grid_svg, spectrogram_svg,
};
pub use time_axis::clock_time;
pub use timeline::{TimelineClip, timeline_svg};

/// Colours and type of all pictures; they follow the reader's colour scheme.
const STYLE: &str = include_str!("../templates/figure.css");

/// Where a picture will stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Placement {
    /// In a file of its own, with a ground of its own.
    Standalone,
    /// Within a page, on the page's ground.
    Inline,
}

/// A position with a tenth of a pixel, so that equal pictures are equal bytes on all machines.
fn pixel(position: f64) -> f64 {
    (position * 10.0).round() / 10.0
}
