//! How loud a note is from sample to sample.

use super::SAMPLE_RATE;
use super::instruments::Envelope;

/// An envelope at work.
#[derive(Clone, Copy)]
pub(super) struct EnvelopeRun {
    attack_step: f32,
    decay_factor: f32,
    release_factor: f32,
    sustain: f32,
    held_samples: usize,
    position: usize,
    rise: f32,
    /// What is left of the decay, 1 to 0.
    excess: f32,
    release: f32,
}

impl EnvelopeRun {
    /// For a note that is held for so long.
    pub(super) fn new(envelope: Envelope, held_seconds: f64) -> Self {
        let rate = f64::from(SAMPLE_RATE);
        let factor = |seconds: f64| (-1.0 / (seconds.max(1e-4) * rate)).exp() as f32;
        Self {
            attack_step: (1.0 / (envelope.attack_seconds * rate).max(1.0)) as f32,
            decay_factor: factor(envelope.decay_seconds),
            release_factor: factor(envelope.release_seconds),
            sustain: envelope.sustain as f32,
            held_samples: (held_seconds * rate) as usize,
            position: 0,
            rise: 0.0,
            excess: 1.0,
            release: 1.0,
        }
    }

    /// The level of the next sample, and how much of the brightness at the start is left; both 0
    /// to 1.
    pub(super) fn advance(&mut self) -> (f32, f32) {
        if self.position >= self.held_samples {
            self.release *= self.release_factor;
        }
        self.position += 1;
        self.rise = (self.rise + self.attack_step).min(1.0);
        if self.rise >= 1.0 {
            self.excess *= self.decay_factor;
        }
        let level = self.sustain + (1.0 - self.sustain) * self.excess;
        (self.rise * level * self.release, self.excess)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_rises_falls_to_its_sustained_level_and_dies_away() {
        let envelope = Envelope {
            attack_seconds: 0.1,
            decay_seconds: 0.02,
            sustain: 0.5,
            release_seconds: 0.01,
        };
        let mut run = EnvelopeRun::new(envelope, 0.5);
        let levels: Vec<f32> = (0..SAMPLE_RATE).map(|_| run.advance().0).collect();
        let at = |seconds: f64| levels[(seconds * f64::from(SAMPLE_RATE)) as usize];
        assert!((at(0.05) - 0.5).abs() < 0.01, "halfway up");
        assert!((at(0.1) - 1.0).abs() < 0.01, "the peak");
        assert!((at(0.49) - 0.5).abs() < 0.01, "held");
        assert!(at(0.6) < 0.001, "gone");
    }
}
