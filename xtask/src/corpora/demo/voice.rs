//! Notes into sound: waveforms that darken, frequency modulation and plucked strings.

use std::collections::HashMap;
use std::f64::consts::TAU;

use super::SAMPLE_RATE;
use super::composition::Note;
use super::draws::Draws;
use super::envelope::EnvelopeRun;
use super::instruments::{Source, Timbre};
use super::wavetable::{HIGHEST_HARMONIC_HZ, Phase, Tables, Wavetable};

/// The pitch of a note with vibrato changes this often, in samples.
const CONTROL_INTERVAL: usize = 32;
/// After this many times its release a note has fallen by 35 dB and may end.
const RELEASES_HEARD: f64 = 4.0;

/// Renders one part; keeps the wavetables of the pitches it has met.
pub(super) struct Voice {
    timbre: Timbre,
    tables: HashMap<i32, Option<Tables>>,
    sine: Wavetable,
}

impl Voice {
    pub(super) fn new(timbre: Timbre) -> Self {
        Self { timbre, tables: HashMap::new(), sine: Wavetable::sine() }
    }

    /// Adds the notes to `out`; what would sound beyond its end is cut.
    pub(super) fn play(&mut self, notes: &[Note], draws: &mut Draws, out: &mut [f32]) {
        let samples = |seconds: f64| (seconds * f64::from(SAMPLE_RATE)) as usize;
        for note in notes {
            let tail_seconds = RELEASES_HEARD * self.timbre.envelope.release_seconds;
            let first = samples(note.start_seconds).min(out.len());
            let last = (first + samples(note.seconds + tail_seconds)).min(out.len());
            self.play_note(note, draws, &mut out[first..last]);
        }
    }

    fn play_note(&mut self, note: &Note, draws: &mut Draws, out: &mut [f32]) {
        let timbre = self.timbre;
        let loudness = Loudness {
            envelope: EnvelopeRun::new(timbre.envelope, note.seconds),
            gain: note.loudness * timbre.gain as f32,
        };
        if let Source::String { brightness, ring_seconds } = timbre.source {
            let hz = hertz(f64::from(note.pitch));
            return pluck(hz, brightness, ring_seconds, loudness, draws, out);
        }
        let tables = self
            .tables
            .entry(note.pitch)
            .or_insert_with(|| Tables::new(timbre.source, hertz(f64::from(note.pitch))));
        for semitones in detuned_voices(timbre.detune_semitones) {
            let hz = hertz(f64::from(note.pitch) + semitones);
            match (timbre.source, tables.as_ref()) {
                (Source::Modulation { ratio, index }, _) => {
                    modulate(&self.sine, hz, ratio, index, loudness, draws, out);
                }
                (_, Some(tables)) => scan(tables, hz, timbre, loudness, draws, out),
                (_, None) => {}
            }
        }
    }
}

/// How loud a note is, whatever makes its waveform.
#[derive(Clone, Copy)]
struct Loudness {
    envelope: EnvelopeRun,
    gain: f32,
}

impl Loudness {
    /// The gain of the next sample, and how bright it is, 0 to 1.
    fn advance(&mut self) -> (f32, f32) {
        let (level, bright) = self.envelope.advance();
        (self.gain * level, bright)
    }
}

fn hertz(pitch: f64) -> f64 {
    440.0 * ((pitch - 69.0) / 12.0).exp2()
}

/// Where the voices that sound together lie beside the note, in semitones: one on it, or two
/// around it.
fn detuned_voices(distance_semitones: f64) -> impl Iterator<Item = f64> {
    let half = distance_semitones / 2.0;
    let second = (half > 0.0).then_some(half);
    [-half].into_iter().chain(second)
}

/// The pitch of a note that wobbles once it has stood for a while.
struct Vibrato {
    hz: f64,
    wobbles_per_second: f64,
    semitones: f64,
    start: f64,
}

impl Vibrato {
    /// Periods a sample at this position in the note.
    fn step(&self, sample: usize) -> f32 {
        let rate = f64::from(SAMPLE_RATE);
        let seconds = sample as f64 / rate;
        let depth = self.semitones * (seconds / 0.25).min(1.0);
        let wobble = depth * (TAU * (self.wobbles_per_second * seconds + self.start)).sin();
        (self.hz * (wobble / 12.0).exp2() / rate) as f32
    }
}

fn scan(
    tables: &Tables,
    hz: f64,
    timbre: Timbre,
    mut loudness: Loudness,
    draws: &mut Draws,
    out: &mut [f32],
) {
    let vibrato = Vibrato {
        hz,
        wobbles_per_second: timbre.vibrato_hz,
        semitones: timbre.vibrato_semitones,
        start: draws.uniform(),
    };
    let breath = timbre.breath as f32;
    let mut phase = Phase(draws.uniform() as f32);
    for (block, values) in out.chunks_mut(CONTROL_INTERVAL).enumerate() {
        let step = vibrato.step(block * CONTROL_INTERVAL);
        for value in values {
            let (gain, bright) = loudness.advance();
            let dull_value = tables.dull.read(phase.0);
            let mut tone = dull_value + bright * (tables.bright.read(phase.0) - dull_value);
            if breath > 0.0 {
                tone += breath * draws.noise();
            }
            *value += gain * tone;
            phase.advance(step);
        }
    }
}

fn modulate(
    sine: &Wavetable,
    hz: f64,
    ratio: f64,
    index: f64,
    mut loudness: Loudness,
    draws: &mut Draws,
    out: &mut [f32],
) {
    let step = (hz / f64::from(SAMPLE_RATE)) as f32;
    let modulator_step = step * ratio as f32;
    // High notes are bent less, or their side bands would alias.
    let room = ((HIGHEST_HARMONIC_HZ / hz - 1.0) / ratio).max(0.0);
    let index_periods = (index.min(room) / TAU) as f32;
    let mut carrier = Phase(draws.uniform() as f32);
    let mut modulator = Phase(0.0);
    for value in out {
        let (gain, bright) = loudness.advance();
        let bent = carrier.0 + index_periods * bright * sine.read(modulator.0);
        *value += gain * sine.read(bent - bent.floor());
        carrier.advance(step);
        modulator.advance(modulator_step);
    }
}

/// A string after Karplus and Strong (1983): a delay line one period long, filled with noise, that
/// smooths itself a little on every round.
fn pluck(
    hz: f64,
    brightness: f64,
    ring_seconds: f64,
    mut loudness: Loudness,
    draws: &mut Draws,
    out: &mut [f32],
) {
    let period = f64::from(SAMPLE_RATE) / hz;
    // The smoothing itself delays by `1 - smooth` samples.
    let smooth = 0.5 + 0.45 * brightness as f32;
    let delay = (period - f64::from(1.0 - smooth)).max(2.0);
    let length = delay as usize;
    let fraction = (delay - length as f64) as f32;
    let loss = (-period / (ring_seconds * f64::from(SAMPLE_RATE))).exp() as f32;

    // One more than whole samples in the delay: the fraction lies between the two oldest values.
    let mut line: Vec<f32> = (0..=length).map(|_| draws.noise()).collect();
    let mean = line.iter().sum::<f32>() / line.len() as f32;
    for value in &mut line {
        *value -= mean;
    }
    let (mut oldest, mut last) = (0, 0.0);
    for value in out {
        let following = (oldest + 1) % line.len();
        let delayed = line[following] + fraction * (line[oldest] - line[following]);
        line[oldest] = loss * (smooth * delayed + (1.0 - smooth) * last);
        last = delayed;
        oldest = following;
        let (gain, _) = loudness.advance();
        *value += gain * delayed;
    }
}

#[cfg(test)]
mod tests {
    use super::super::draws::Place;
    use super::super::instruments::Instrument;
    use super::super::instruments::timbre_draws;
    use super::*;

    const PLACE: Place = Place { artist: 0, album: 0, song: 0 };

    /// One second of A at 220 Hz.
    fn sound(instrument: Instrument) -> Vec<f32> {
        let mut draws = timbre_draws(0, PLACE);
        let timbre = Timbre { vibrato_semitones: 0.0, ..instrument.timbre_in_song(&mut draws) };
        let note = Note { start_seconds: 0.0, seconds: 1.0, pitch: 57, loudness: 1.0 };
        let mut out = vec![0.0; SAMPLE_RATE as usize];
        Voice::new(timbre).play(&[note], &mut draws, &mut out);
        out
    }

    /// Energy of one frequency, by correlation with it.
    fn energy_at(sound: &[f32], hz: f64) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (i, &value) in sound.iter().enumerate() {
            let (sine, cosine) = (TAU * hz * i as f64 / f64::from(SAMPLE_RATE)).sin_cos();
            re += f64::from(value) * cosine;
            im += f64::from(value) * sine;
        }
        re * re + im * im
    }

    #[test]
    fn waveforms_and_strings_sound_at_the_pitch_they_are_given() {
        for instrument in [Instrument::Reed, Instrument::PluckedString, Instrument::Organ] {
            let sound = sound(instrument);
            // Harmonics at 220, 440, 660 ... Hz, and next to nothing between them.
            let on: f64 = (1..8).map(|k| energy_at(&sound, 220.0 * f64::from(k))).sum();
            let off: f64 = (1..8).map(|k| energy_at(&sound, 220.0 * (f64::from(k) + 0.5))).sum();
            assert!(on > 100.0 * off, "{instrument:?}: {on} on, {off} off the harmonics");
        }
    }

    #[test]
    fn notes_beyond_the_end_are_cut() {
        let mut draws = timbre_draws(0, PLACE);
        let mut voice = Voice::new(Instrument::Flute.timbre_in_song(&mut draws));
        let note = |start_seconds| Note { start_seconds, seconds: 9.0, pitch: 60, loudness: 1.0 };
        let mut out = vec![0.0; 1000];
        voice.play(&[note(0.0), note(5.0)], &mut draws, &mut out);
        assert!(out.iter().any(|&value| value.abs() > 0.0));
    }
}
