//! Where frequencies and times stand beside a spectrogram.

use super::SpectrogramView;
use crate::picture::axis::{Tick, between, round_step};
use crate::picture::pixel;

/// Octaves, as equalisers have them.
const OCTAVES: [(f64, &str); 8] = [
    (16_000.0, "16k"),
    (8_000.0, "8k"),
    (4_000.0, "4k"),
    (2_000.0, "2k"),
    (1_000.0, "1k"),
    (500.0, "500"),
    (250.0, "250"),
    (125.0, "125"),
];
/// Pixels from one frequency to the next, at least: the mel scale crowds low octaves, and those that
/// would be closer go unnamed.
const LEAST_DISTANCE: f64 = 14.0;
/// From here on, times are minutes and seconds.
const LONG_SECONDS: f64 = 90.0;
/// Round numbers of seconds in a longer piece.
const LONG_STEPS: [f64; 9] = [15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0];

/// Frequencies along the bands' axis of `height` pixels, in Hz, from above.
///
/// A band is a row of equal height whose middle is at the band's; between two middles frequency
/// goes on evenly.
pub(super) fn frequency_ticks(centres: &[f64], height: f64) -> Vec<Tick> {
    let at = |row: f64| pixel(height - (row + 0.5) / centres.len() as f64 * height);
    let mut ticks: Vec<Tick> = Vec::new();
    for (hz, text) in OCTAVES {
        let Some(at) = row_of(hz, centres).map(at) else { continue };
        if ticks.last().is_some_and(|above| at - above.at < LEAST_DISTANCE) {
            break;
        }
        ticks.push(Tick { at, text: text.to_owned() });
    }
    if ticks.len() < 2 {
        let ends = [centres.len() - 1, 0];
        let ends = if centres.len() > 1 { &ends[..] } else { &ends[..1] };
        let tick = |&row: &usize| Tick { at: at(row as f64), text: format!("{:.0}", centres[row]) };
        ticks = ends.iter().map(tick).collect();
    }
    ticks
}

/// On which row, counted in bands from the lowest's middle, a frequency lies; none if outside.
fn row_of(hz: f64, centres: &[f64]) -> Option<f64> {
    let above = centres.partition_point(|centre| *centre < hz).clamp(1, centres.len().max(2) - 1);
    let (low, high) = (centres.get(above - 1)?, centres.get(above)?);
    let row = (above - 1) as f64 + (hz - low) / (high - low);
    let (first, last) = (-0.5, centres.len() as f64 - 0.5);
    // The highest band's filter ends half a band above its row: that frequency is worth naming.
    let reach = 0.6;
    (first - reach..last + reach).contains(&row).then(|| row.clamp(first, last))
}

/// The times along an axis.
pub(super) struct TimeAxis {
    pub(super) ticks: Vec<Tick>,
    /// What the numbers are.
    pub(super) name: &'static str,
}

/// Times along `width` pixels that stand for `frames` of the spectrogram, a mark in every
/// `pixels_per_mark` at most.
pub(super) fn time_axis(
    spectrogram: &SpectrogramView<'_>,
    frames: usize,
    width: f64,
    pixels_per_mark: f64,
) -> TimeAxis {
    let seconds = frames as f64 * spectrogram.seconds_per_frame;
    let most = (width / pixels_per_mark).max(2.0);
    let at = |time: f64| pixel(time / seconds * width);
    if seconds < LONG_SECONDS {
        let ticks = between(round_step(seconds, most), 0.0, seconds);
        let ticks = ticks.map(|(time, text)| Tick { at: at(time), text }).collect();
        return TimeAxis { ticks, name: "seconds" };
    }
    let step = LONG_STEPS.into_iter().find(|step| seconds / step <= most);
    let step = step.unwrap_or_else(|| round_step(seconds, most));
    let ticks = between(step, 0.0, seconds).map(|(time, _)| {
        let whole = time as u64;
        Tick { at: at(time), text: format!("{}:{:02}", whole / 60, whole % 60) }
    });
    TimeAxis { ticks: ticks.collect(), name: "minutes:seconds" }
}
