//! Drums, each made once a song and then struck.

use std::f64::consts::TAU;

use super::SAMPLE_RATE;
use super::artist::Kit;
use super::composition::{Drum, Stroke};
use super::draws::Draws;

/// The sounds of one song's drums.
pub(super) struct DrumKit {
    kick: Vec<f32>,
    snare: Vec<f32>,
    hat: Vec<f32>,
}

/// How one kit is built and struck.
struct Recipe {
    kick_hz: (f64, f64),
    kick_seconds: f64,
    kick_click: f64,
    snare_hz: f64,
    snare_tone: f64,
    snare_seconds: f64,
    /// How much of the noise's low end goes, 0 to 1.
    snare_thin: f64,
    hat_seconds: f64,
    hat_gain: f64,
}

impl Recipe {
    fn of(kit: Kit) -> Self {
        match kit {
            Kit::Wooden => Self {
                kick_hz: (130.0, 58.0),
                kick_seconds: 0.12,
                kick_click: 0.35,
                snare_hz: 190.0,
                snare_tone: 0.6,
                snare_seconds: 0.09,
                snare_thin: 0.5,
                hat_seconds: 0.035,
                hat_gain: 0.35,
            },
            Kit::Machine => Self {
                kick_hz: (170.0, 46.0),
                kick_seconds: 0.25,
                kick_click: 0.1,
                snare_hz: 240.0,
                snare_tone: 0.2,
                snare_seconds: 0.14,
                snare_thin: 0.8,
                hat_seconds: 0.05,
                hat_gain: 0.5,
            },
            Kit::Brushes => Self {
                kick_hz: (95.0, 62.0),
                kick_seconds: 0.08,
                kick_click: 0.05,
                snare_hz: 170.0,
                snare_tone: 0.1,
                snare_seconds: 0.16,
                snare_thin: 0.3,
                hat_seconds: 0.07,
                hat_gain: 0.25,
            },
        }
    }
}

impl DrumKit {
    /// Builds a kit, its tuning and its damping a little different in every song.
    pub(super) fn new(kit: Kit, draws: &mut Draws) -> Self {
        let recipe = Recipe::of(kit);
        let tuning = draws.between(0.88, 1.14);
        let damping = draws.between(0.75, 1.3);
        Self {
            kick: kick(&recipe, tuning, damping, draws),
            snare: snare(&recipe, tuning, damping, draws),
            hat: hat(&recipe, damping, draws),
        }
    }

    /// Adds the strokes to `out`; what would sound beyond its end is cut.
    pub(super) fn play(&self, strokes: &[Stroke], out: &mut [f32]) {
        for stroke in strokes {
            let sound = match stroke.drum {
                Drum::Kick => &self.kick,
                Drum::Snare => &self.snare,
                Drum::Hat => &self.hat,
            };
            let first = (stroke.start_seconds * f64::from(SAMPLE_RATE)) as usize;
            for (value, sample) in out.iter_mut().skip(first).zip(sound) {
                *value += stroke.loudness * sample;
            }
        }
    }
}

/// Seconds of each sample of a sound that fades within `fade_seconds`.
fn times(fade_seconds: f64) -> impl Iterator<Item = f64> {
    let rate = f64::from(SAMPLE_RATE);
    (0..(6.0 * fade_seconds * rate) as usize).map(move |i| i as f64 / rate)
}

fn kick(recipe: &Recipe, tuning: f64, damping: f64, draws: &mut Draws) -> Vec<f32> {
    let fade_seconds = recipe.kick_seconds * damping;
    let (high_hz, low_hz) = recipe.kick_hz;
    let mut phase = 0.0;
    times(fade_seconds)
        .map(|t| {
            let hz = tuning * (low_hz + (high_hz - low_hz) * (-t / 0.03).exp());
            phase += TAU * hz / f64::from(SAMPLE_RATE);
            let click = recipe.kick_click * f64::from(draws.noise()) * (-t / 0.004).exp();
            (1.4 * (phase.sin() * (-t / fade_seconds).exp() + click)) as f32
        })
        .collect()
}

fn snare(recipe: &Recipe, tuning: f64, damping: f64, draws: &mut Draws) -> Vec<f32> {
    let fade_seconds = recipe.snare_seconds * damping;
    let mut before = 0.0;
    times(fade_seconds)
        .map(|t| {
            let white = f64::from(draws.noise());
            let noise = white - recipe.snare_thin * before;
            before = white;
            let tone = recipe.snare_tone * (TAU * tuning * recipe.snare_hz * t).sin();
            (tone * (-t / 0.06).exp() + 0.8 * noise * (-t / fade_seconds).exp()) as f32
        })
        .collect()
}

fn hat(recipe: &Recipe, damping: f64, draws: &mut Draws) -> Vec<f32> {
    let fade_seconds = recipe.hat_seconds * damping;
    let (mut before, mut thin_before) = (0.0, 0.0);
    times(fade_seconds)
        .map(|t| {
            // Two differences in a row leave the top alone.
            let white = f64::from(draws.noise());
            let thin = white - before;
            let thinner = thin - thin_before;
            (before, thin_before) = (white, thin);
            (recipe.hat_gain * 0.5 * thinner * (-t / fade_seconds).exp()) as f32
        })
        .collect()
}
