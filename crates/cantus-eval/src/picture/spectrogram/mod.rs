//! Spectrograms as pictures: one, or a grid of one an artist.

mod axes;
mod colour_map;
mod grid;
mod image;
mod single;

use super::confusion::COLUMN_WIDTH;
use crate::error::EvalError;

pub use grid::{ArtistClip, spectrogram_grid_svg};
pub use single::spectrogram_svg;

/// Pixels of the bar that says which colour is which level.
const BAR_WIDTH: f64 = 160.0;
/// Pixels of a heading.
const HEADING_SIZE: f64 = 16.0;

/// No sound is as far from another as this, and the axes are safe from overflow.
const MOST_DECIBELS_FROM_NOUGHT: f32 = 10_000.0;

/// How the values of a spectrogram follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpectrogramLayout {
    /// `decibels[frame * bands + band]`: whole songs, as they stand in files.
    TimeMajor,
    /// `decibels[band * frames + frame]`: clips, as networks read them.
    MelMajor,
}

/// A log-mel spectrogram to be drawn.
///
/// `frames` is what `decibels` holds over the number of bands.
#[derive(Clone, Copy, Debug)]
pub struct SpectrogramView<'a> {
    /// Levels in decibel, of any reference: frames times bands, at least one frame.
    pub decibels: &'a [f32],
    /// In which order.
    pub layout: SpectrogramLayout,
    /// The middle of each mel band in Hz, rising: one a band.
    pub band_centres_hz: &'a [f64],
    /// From one frame to the next: hop length over sample rate.
    pub seconds_per_frame: f64,
}

impl SpectrogramView<'_> {
    fn bands(&self) -> usize {
        self.band_centres_hz.len()
    }

    fn frames(&self) -> usize {
        self.decibels.len() / self.bands()
    }

    /// Length of so many frames.
    fn seconds(&self, frames: usize) -> f64 {
        frames as f64 * self.seconds_per_frame
    }

    /// In decibel.
    fn level(&self, frame: usize, band: usize) -> f32 {
        match self.layout {
            SpectrogramLayout::TimeMajor => self.decibels[frame * self.bands() + band],
            SpectrogramLayout::MelMajor => self.decibels[band * self.frames() + frame],
        }
    }

    /// Refuses what cannot be drawn, in the name of `of`.
    fn check(&self, of: &str) -> Result<(), EvalError> {
        let refuse = |problem: String| {
            Err(EvalError::SpectrogramShape { spectrogram: of.to_owned(), problem })
        };
        let (bands, values) = (self.bands(), self.decibels.len());
        if bands == 0 || values == 0 || !values.is_multiple_of(bands) {
            return refuse(format!("{values} values in {bands} mel bands"));
        }
        let centres = self.band_centres_hz;
        let are_frequencies = centres.iter().all(|hz| hz.is_finite() && *hz >= 0.0);
        if !are_frequencies || !centres.is_sorted_by(|a, b| a < b) {
            return refuse("mel bands whose frequencies do not rise".to_owned());
        }
        let seconds = self.seconds_per_frame;
        // So that a song's length is finite as well.
        if !(1e-9..1e9).contains(&seconds) {
            return refuse(format!("frames of {seconds} s"));
        }
        let is_level = |level: &f32| level.abs() <= MOST_DECIBELS_FROM_NOUGHT;
        let Some(index) = self.decibels.iter().position(|level| !is_level(level)) else {
            return Ok(());
        };
        let (frame, band) = match self.layout {
            SpectrogramLayout::TimeMajor => (index / bands, index % bands),
            SpectrogramLayout::MelMajor => (index % self.frames(), index / self.frames()),
        };
        let value = self.decibels[index];
        Err(EvalError::SpectrogramValue { spectrogram: of.to_owned(), frame, band, value })
    }
}

/// How much of a title there is room for left of the bar in a picture of this width.
fn title_columns(width: f64) -> usize {
    ((width - BAR_WIDTH - 80.0) / (HEADING_SIZE * COLUMN_WIDTH)) as usize
}
