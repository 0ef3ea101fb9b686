//! Wavetables: one period of a waveform, without harmonics that would alias.

use std::f64::consts::TAU;

use super::instruments::Source;

/// Points in one period.
const TABLE_LENGTH: usize = 1024;
/// Harmonics above this are left out, in hertz.
pub(super) const HIGHEST_HARMONIC_HZ: f64 = 7600.0;
const MOST_HARMONICS: usize = 48;

/// One period, and its first point again at the end.
pub(super) struct Wavetable(Vec<f32>);

impl Wavetable {
    pub(super) fn sine() -> Self {
        Self::of_harmonics(&[1.0])
    }

    /// With harmonics of these amplitudes, scaled to a mean square of 1/2 as a sine has.
    fn of_harmonics(amplitudes: &[f64]) -> Self {
        let energy: f64 = amplitudes.iter().map(|amplitude| amplitude * amplitude).sum();
        let scale = 1.0 / energy.sqrt();
        let points = (0..=TABLE_LENGTH).map(|i| {
            let (sine, cosine) = (TAU * i as f64 / TABLE_LENGTH as f64).sin_cos();
            // sin((k + 1) x) from the two before it: no sine for each harmonic and point.
            let (mut before, mut here) = (0.0, sine);
            let mut sum = 0.0;
            for amplitude in amplitudes {
                sum += amplitude * here;
                (before, here) = (here, 2.0 * cosine * here - before);
            }
            (sum * scale) as f32
        });
        Self(points.collect())
    }

    /// The value at a share of the period, 0 to 1.
    pub(super) fn read(&self, share: f32) -> f32 {
        let position = share * TABLE_LENGTH as f32;
        let index = (position as usize).min(TABLE_LENGTH - 1);
        let between = position - index as f32;
        self.0[index] + between * (self.0[index + 1] - self.0[index])
    }
}

/// How a note begins and what it darkens to.
pub(super) struct Tables {
    pub(super) bright: Wavetable,
    pub(super) dull: Wavetable,
}

impl Tables {
    /// For notes of about this pitch; `None` of a source that is no sum of harmonics.
    pub(super) fn new(source: Source, hz: f64) -> Option<Self> {
        let count = ((HIGHEST_HARMONIC_HZ / hz) as usize).clamp(1, MOST_HARMONICS);
        let harmonics = |slope: f64, even: f64| -> Vec<f64> {
            (1..=count)
                .map(|k| (k as f64).powf(-slope) * if k % 2 == 0 { even } else { 1.0 })
                .collect()
        };
        match source {
            Source::Drawbars(drawbars) => {
                let drawbars = &drawbars[..count.min(drawbars.len())];
                Some(Self {
                    bright: Wavetable::of_harmonics(drawbars),
                    dull: Wavetable::of_harmonics(drawbars),
                })
            }
            Source::Harmonics { bright_slope, dull_slope, even } => Some(Self {
                bright: Wavetable::of_harmonics(&harmonics(bright_slope, even)),
                dull: Wavetable::of_harmonics(&harmonics(dull_slope, even)),
            }),
            Source::Modulation { .. } | Source::String { .. } => None,
        }
    }
}

/// Where in its period an oscillator stands, as a share of it.
pub(super) struct Phase(pub(super) f32);

impl Phase {
    pub(super) fn advance(&mut self, step: f32) {
        self.0 += step;
        self.0 -= self.0.floor();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_is_as_loud_as_a_sine() {
        let source = Source::Harmonics { bright_slope: 0.5, dull_slope: 2.0, even: 0.3 };
        for hz in [50.0, 440.0, 5000.0] {
            let tables = Tables::new(source, hz).unwrap();
            for table in [tables.bright, tables.dull] {
                let energy: f32 = table.0[1..].iter().map(|value| value * value).sum();
                assert!((energy / TABLE_LENGTH as f32 - 0.5).abs() < 1e-4, "{hz} Hz");
            }
        }
    }

    #[test]
    fn a_high_note_keeps_its_fundamental_alone() {
        let source = Source::Harmonics { bright_slope: 0.0, dull_slope: 0.0, even: 1.0 };
        let tables = Tables::new(source, 5000.0).unwrap();
        let sine = Wavetable::sine();
        for share in [0.1, 0.25, 0.6] {
            assert!((tables.bright.read(share) - sine.read(share)).abs() < 1e-6);
        }
    }
}
