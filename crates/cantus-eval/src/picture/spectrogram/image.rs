//! Spectrograms as pixels.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::SpectrogramView;
use super::colour_map::palette;
use crate::error::EvalError;
use crate::picture::axis::{Tick, between, round_step};
use crate::picture::pixel;

/// Of more frames, several share a column.
const MOST_COLUMNS: usize = 1600;
/// What lies further under the loudest is drawn as if it lay here: librosa's `top_db`.
const MOST_DECIBELS: f32 = 80.0;

/// Which levels have the first and the last colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scale {
    low: f32,
    high: f32,
}

impl Scale {
    /// From the quietest to the loudest of all, 80 dB at most; checked spectrograms.
    pub(super) fn of<'a>(spectrograms: impl Iterator<Item = &'a SpectrogramView<'a>>) -> Self {
        let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
        for level in spectrograms.flat_map(|spectrogram| spectrogram.decibels) {
            low = low.min(*level);
            high = high.max(*level);
        }
        // One level alone is the highest.
        Self { low: low.max(high - MOST_DECIBELS).min(high - 1.0), high }
    }

    fn colour(self, level: f32) -> u8 {
        let share = (level - self.low) / (self.high - self.low);
        (share.clamp(0.0, 1.0) * 255.0).round() as u8
    }

    /// Round levels along a bar of `width` pixels.
    pub(super) fn ticks(self, width: f64) -> Vec<Tick> {
        let (low, high) = (f64::from(self.low), f64::from(self.high));
        between(round_step(high - low, 4.0), low, high)
            .map(|(level, text)| Tick { at: pixel((level - low) / (high - low) * width), text })
            .collect()
    }
}

/// A spectrogram's pixels: the highest band above, a column a frame or several.
pub(super) struct Image {
    pub(super) frames_per_column: usize,
    columns: usize,
    bands: usize,
    /// Colours, row by row.
    colours: Vec<u8>,
}

impl Image {
    pub(super) fn of(spectrogram: &SpectrogramView<'_>, scale: Scale) -> Self {
        let (frames, bands) = (spectrogram.frames(), spectrogram.bands());
        let frames_per_column = frames.div_ceil(MOST_COLUMNS);
        let columns = frames.div_ceil(frames_per_column);
        let mut colours = Vec::with_capacity(columns * bands);
        for band in (0..bands).rev() {
            for column in 0..columns {
                let first = column * frames_per_column;
                let of_column = first..frames.min(first + frames_per_column);
                let levels = of_column.map(|frame| spectrogram.level(frame, band));
                colours.push(scale.colour(levels.fold(f32::NEG_INFINITY, f32::max)));
            }
        }
        Self { frames_per_column, columns, bands, colours }
    }

    /// How many frames the columns stand for: the last may be short of some.
    pub(super) fn frames(&self) -> usize {
        self.columns * self.frames_per_column
    }

    /// Whether a frame is to be seen as a block of its own. Without blocks, where columns have less
    /// than a pixel each, all of them have a part in it.
    pub(super) fn is_enlarged(&self, width: f64) -> bool {
        self.columns as f64 <= width
    }

    /// The image as an address that holds it whole.
    pub(super) fn data_uri(&self) -> Result<String, EvalError> {
        data_uri(self.columns, self.bands, &self.colours)
    }
}

/// All colours from left to right, in one row.
pub(super) fn colour_bar() -> Result<String, EvalError> {
    let colours: Vec<u8> = (0..=u8::MAX).collect();
    data_uri(colours.len(), 1, &colours)
}

fn data_uri(width: usize, height: usize, colours: &[u8]) -> Result<String, EvalError> {
    let png = png(width, height, colours)
        .map_err(|source| EvalError::Draw { what: "a spectrogram", source: source.into() })?;
    Ok(format!("data:image/png;base64,{}", STANDARD.encode(png)))
}

fn png(width: usize, height: usize, colours: &[u8]) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_palette(palette().concat());
    // The other ways to compress go through flate2, whose bytes depend on the features that the
    // rest of a program asks of it.
    encoder.set_compression(png::Compression::Fast);
    encoder.set_filter(png::Filter::Sub);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(colours)?;
    writer.finish()?;
    Ok(bytes)
}
