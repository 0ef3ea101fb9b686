//! What an instrument is: a recipe for its sound, which a song then bends a little.

use super::draws::{Draws, Place, Purpose};
use super::strength::TIMBRE_SPREAD;

/// The instruments that the artists share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Instrument {
    Reed,
    Flute,
    Brass,
    SawLead,
    PluckedString,
    Bell,
    ElectricPiano,
    Organ,
    Strings,
    RoundBass,
    HollowBass,
    GrowlBass,
}

/// How a sound swells and fades.
#[derive(Debug, Clone, Copy)]
pub(super) struct Envelope {
    pub(super) attack_seconds: f64,
    /// Time in which it falls by a factor of e towards the sustained level.
    pub(super) decay_seconds: f64,
    /// Of the peak, 0 to 1.
    pub(super) sustain: f64,
    pub(super) release_seconds: f64,
}

/// What makes the waveform.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// A sum of harmonics: harmonic k has amplitude `k^-slope`, even ones times `even`. The note
    /// starts with the first slope and darkens to the second within the envelope's decay.
    Harmonics { bright_slope: f64, dull_slope: f64, even: f64 },
    /// Drawbars: amplitudes of the first eight harmonics.
    Drawbars([f64; 8]),
    /// Frequency modulation: a sine of `ratio` times the pitch bends it by `index` radians, which
    /// fades within the envelope's decay.
    Modulation { ratio: f64, index: f64 },
    /// A noise burst in a string that damps it: `brightness` 0 to 1, and the time in which it
    /// falls by a factor of e.
    String { brightness: f64, ring_seconds: f64 },
}

/// A recipe for a sound.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timbre {
    pub(super) source: Source,
    pub(super) envelope: Envelope,
    pub(super) vibrato_hz: f64,
    pub(super) vibrato_semitones: f64,
    /// Noise of breath or bow beside the tone.
    pub(super) breath: f64,
    /// Distance of a second voice, in semitones; 0 for a single voice.
    pub(super) detune_semitones: f64,
    pub(super) gain: f64,
}

fn envelope(attack: f64, decay: f64, sustain: f64, release: f64) -> Envelope {
    Envelope { attack_seconds: attack, decay_seconds: decay, sustain, release_seconds: release }
}

impl Instrument {
    /// As everybody knows the instrument, before a song bends it.
    fn timbre(self) -> Timbre {
        let plain = Timbre {
            source: Source::Harmonics { bright_slope: 1.0, dull_slope: 1.5, even: 1.0 },
            envelope: envelope(0.01, 0.3, 0.8, 0.05),
            vibrato_hz: 0.0,
            vibrato_semitones: 0.0,
            breath: 0.0,
            detune_semitones: 0.0,
            gain: 1.0,
        };
        match self {
            Self::Reed => Timbre {
                source: Source::Harmonics { bright_slope: 0.7, dull_slope: 1.0, even: 0.1 },
                envelope: envelope(0.04, 0.3, 0.8, 0.06),
                vibrato_hz: 5.2,
                vibrato_semitones: 0.15,
                breath: 0.02,
                ..plain
            },
            Self::Flute => Timbre {
                source: Source::Harmonics { bright_slope: 2.2, dull_slope: 2.6, even: 0.7 },
                envelope: envelope(0.06, 0.3, 0.9, 0.08),
                vibrato_hz: 5.8,
                vibrato_semitones: 0.25,
                breath: 0.08,
                ..plain
            },
            Self::Brass => Timbre {
                source: Source::Harmonics { bright_slope: 0.6, dull_slope: 1.3, even: 1.0 },
                envelope: envelope(0.05, 0.2, 0.7, 0.07),
                vibrato_hz: 4.6,
                vibrato_semitones: 0.1,
                ..plain
            },
            Self::SawLead => Timbre {
                source: Source::Harmonics { bright_slope: 0.9, dull_slope: 1.1, even: 1.0 },
                envelope: envelope(0.008, 0.4, 0.7, 0.1),
                detune_semitones: 0.18,
                ..plain
            },
            Self::PluckedString => Timbre {
                source: Source::String { brightness: 0.6, ring_seconds: 0.5 },
                envelope: envelope(0.002, 4.0, 0.8, 0.12),
                gain: 2.2,
                ..plain
            },
            Self::Bell => Timbre {
                source: Source::Modulation { ratio: 3.53, index: 2.4 },
                envelope: envelope(0.003, 0.5, 0.0, 0.3),
                gain: 1.2,
                ..plain
            },
            Self::ElectricPiano => Timbre {
                source: Source::Modulation { ratio: 1.0, index: 1.6 },
                envelope: envelope(0.006, 0.7, 0.15, 0.12),
                detune_semitones: 0.05,
                gain: 1.1,
                ..plain
            },
            Self::Organ => Timbre {
                source: Source::Drawbars([0.8, 1.0, 0.7, 0.5, 0.0, 0.35, 0.0, 0.4]),
                envelope: envelope(0.012, 0.3, 1.0, 0.03),
                vibrato_hz: 6.4,
                vibrato_semitones: 0.1,
                gain: 0.6,
                ..plain
            },
            Self::Strings => Timbre {
                source: Source::Harmonics { bright_slope: 1.1, dull_slope: 1.3, even: 1.0 },
                envelope: envelope(0.22, 0.6, 0.9, 0.3),
                vibrato_hz: 4.9,
                vibrato_semitones: 0.12,
                breath: 0.01,
                detune_semitones: 0.12,
                gain: 0.7,
            },
            Self::RoundBass => Timbre {
                source: Source::Harmonics { bright_slope: 2.4, dull_slope: 3.0, even: 1.0 },
                envelope: envelope(0.01, 0.4, 0.6, 0.06),
                gain: 1.2,
                ..plain
            },
            Self::HollowBass => Timbre {
                source: Source::Harmonics { bright_slope: 1.1, dull_slope: 1.8, even: 0.05 },
                envelope: envelope(0.006, 0.25, 0.6, 0.04),
                ..plain
            },
            Self::GrowlBass => Timbre {
                source: Source::Harmonics { bright_slope: 0.8, dull_slope: 1.6, even: 1.0 },
                envelope: envelope(0.006, 0.18, 0.7, 0.05),
                ..plain
            },
        }
    }

    /// The instrument as one song has it.
    pub(super) fn timbre_in_song(self, draws: &mut Draws) -> Timbre {
        let mut stray = || (TIMBRE_SPREAD * draws.normal()).exp();
        let mut timbre = self.timbre();
        let (brightness, attack, decay) = (stray(), stray(), stray());
        timbre.envelope.attack_seconds *= attack;
        timbre.envelope.decay_seconds *= decay;
        timbre.source = match timbre.source {
            Source::Harmonics { bright_slope, dull_slope, even } => Source::Harmonics {
                bright_slope: bright_slope / brightness,
                dull_slope: dull_slope / brightness,
                even,
            },
            Source::Drawbars(mut drawbars) => {
                for drawbar in &mut drawbars[2..] {
                    *drawbar *= brightness;
                }
                Source::Drawbars(drawbars)
            }
            Source::Modulation { ratio, index } => {
                Source::Modulation { ratio, index: index * brightness }
            }
            Source::String { brightness: own, ring_seconds } => Source::String {
                brightness: (own * brightness).min(0.95),
                ring_seconds: ring_seconds * decay,
            },
        };
        timbre
    }
}

/// The draws for the timbres of a song.
pub(super) fn timbre_draws(seed: u64, place: Place) -> Draws {
    Draws::of_song(seed, Purpose::Timbre, place)
}
