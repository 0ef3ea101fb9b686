//! Where frequencies stand beside a spectrogram.

use crate::picture::axis::Tick;
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
