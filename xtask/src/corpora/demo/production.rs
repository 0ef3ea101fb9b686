//! What a producer does to all songs of an album: balance, equalisation, room, saturation, hiss and
//! loudness.

use std::f64::consts::LN_10;

use realfft::RealFftPlanner;
use realfft::num_complex::Complex;

use super::SAMPLE_RATE;
use super::artist::ALBUMS;
use super::draws::{Draws, Purpose};
use super::strength::{
    BALANCE_DB, DRIVE, HIGH_CUT_HZ, HISS_DB, LOUDNESS_DB, LOW_CUT_HZ, PEAK_DB, REVERB_MIX,
    REVERB_SECONDS, TILT_DB_PER_OCTAVE,
};

/// Lead, harmony, bass, drums.
pub(super) const PARTS: usize = 4;
/// The tilt turns around this frequency, in hertz.
const TILT_PIVOT_HZ: f64 = 700.0;
/// The lowest frequency that the tilt still moves, in hertz.
const TILT_END_HZ: f64 = 50.0;
/// Above this the limiter bends, of full scale.
const LIMITER_KNEE: f32 = 0.7;

/// One album's sound.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Production {
    balance: [f32; PARTS],
    tilt_db_per_octave: f64,
    peak_hz: f64,
    peak_db: f64,
    low_cut_hz: f64,
    high_cut_hz: f64,
    reverb_seconds: f64,
    reverb_mix: f64,
    drive: f64,
    hiss_db: f64,
    loudness_db: f64,
}

/// Draws values for the albums of one artist so that they spread over the whole range: each album
/// has a share of it to itself. So every artist has dull and bright, dry and roomy albums, and the
/// production says nothing about the artist but through the albums one has heard.
struct Spread {
    draws: Draws,
    album: usize,
}

impl Spread {
    fn uniform(&mut self) -> f64 {
        let shares = self.draws.permutation(ALBUMS);
        // Drawn for all albums alike, so that the sequences stay in step.
        let places: [f64; ALBUMS] = std::array::from_fn(|_| self.draws.uniform());
        (shares[self.album] as f64 + places[self.album]) / ALBUMS as f64
    }

    fn linear(&mut self, (low, high): (f64, f64)) -> f64 {
        low + (high - low) * self.uniform()
    }

    fn logarithmic(&mut self, (low, high): (f64, f64)) -> f64 {
        low * (high / low).powf(self.uniform())
    }
}

impl Production {
    pub(super) fn of_album(seed: u64, artist: usize, album: usize) -> Self {
        let draws = Draws::of_artist(seed, Purpose::Production, artist);
        let mut spread = Spread { draws, album };
        Self {
            balance: std::array::from_fn(|_| {
                amplitude(spread.linear((-BALANCE_DB, BALANCE_DB))) as f32
            }),
            tilt_db_per_octave: spread.linear((-TILT_DB_PER_OCTAVE, TILT_DB_PER_OCTAVE)),
            peak_hz: spread.logarithmic((250.0, 3500.0)),
            peak_db: spread.linear((-PEAK_DB, PEAK_DB)),
            low_cut_hz: spread.logarithmic(LOW_CUT_HZ),
            high_cut_hz: spread.logarithmic(HIGH_CUT_HZ),
            reverb_seconds: spread.logarithmic(REVERB_SECONDS),
            reverb_mix: spread.linear(REVERB_MIX),
            drive: spread.logarithmic(DRIVE),
            hiss_db: spread.linear(HISS_DB),
            loudness_db: spread.linear(LOUDNESS_DB),
        }
    }

    /// The parts mixed down and finished; `room` and `hiss` are the song's own noise.
    pub(super) fn produce(
        &self,
        parts: &[Vec<f32>; PARTS],
        room: &mut Draws,
        hiss: &mut Draws,
    ) -> Vec<f32> {
        let length = parts[0].len();
        let mut mix = vec![0.0_f32; length];
        for (part, gain) in parts.iter().zip(self.balance) {
            for (value, sample) in mix.iter_mut().zip(part) {
                *value += gain * sample;
            }
        }
        let mut sound = self.equalise_in_a_room(mix, room);
        set_root_mean_square(&mut sound, 1.0);
        let drive = self.drive as f32;
        for value in &mut sound {
            *value = (drive * *value).tanh();
        }
        set_root_mean_square(&mut sound, 1.0);
        let hiss_gain = amplitude(self.hiss_db) as f32;
        for value in &mut sound {
            *value += hiss_gain * hiss.noise();
        }
        remove_mean(&mut sound);
        set_root_mean_square(&mut sound, amplitude(self.loudness_db));
        for value in &mut sound {
            *value = limit(*value);
        }
        sound
    }

    /// Equalisation and reverberation, both linear, in one pass over the song's spectrum.
    fn equalise_in_a_room(&self, mut mix: Vec<f32>, room: &mut Draws) -> Vec<f32> {
        let length = mix.len();
        let tail = (self.reverb_seconds * f64::from(SAMPLE_RATE)) as usize;
        // Room for the tail, so that it does not come round to the beginning. Transforms of
        // lengths without large prime factors are fast.
        let padded = (length + tail).next_multiple_of(16_000);
        let mut planner = RealFftPlanner::<f32>::new();
        let forward = planner.plan_fft_forward(padded);
        let backward = planner.plan_fft_inverse(padded);

        mix.resize(padded, 0.0);
        let mut spectrum = forward.make_output_vec();
        transform(forward.as_ref(), &mut mix, &mut spectrum);
        let mut response = self.impulse_response(padded, tail, room);
        let mut room_spectrum = forward.make_output_vec();
        transform(forward.as_ref(), &mut response, &mut room_spectrum);

        let bin_hz = f64::from(SAMPLE_RATE) / padded as f64;
        // The curve is smooth: it is worked out for a block of bins at once.
        let block = (padded / 16_384).max(1);
        for (index, (bins, room_bins)) in
            spectrum.chunks_mut(block).zip(room_spectrum.chunks(block)).enumerate()
        {
            let middle = index * block + bins.len() / 2;
            let gain = self.gain(middle as f64 * bin_hz) as f32 / padded as f32;
            for (bin, room_bin) in bins.iter_mut().zip(room_bins) {
                *bin = *bin * *room_bin * gain;
            }
        }
        // A real signal's first and last bin are real; rounding may have left them a trace.
        if let [first, .., last] = spectrum.as_mut_slice() {
            (first.im, last.im) = (0.0, 0.0);
        }
        let mut sound = mix;
        #[expect(
            clippy::expect_used,
            reason = "realfft fails on wrong lengths, and it sized these"
        )]
        backward.process(&mut spectrum, &mut sound).expect("buffers made for this transform");
        sound.truncate(length);
        sound
    }

    /// The dry sound, and a decaying noise behind it.
    fn impulse_response(&self, length: usize, tail: usize, room: &mut Draws) -> Vec<f32> {
        let mut response = vec![0.0_f32; length];
        // A thousandth, 60 dB down, at the end of the tail.
        let factor = (-3.0 * LN_10 / tail.max(1) as f64).exp();
        let energy: f64 = (1.0 - factor.powi(2 * tail as i32)) / (1.0 - factor * factor) / 3.0;
        let mut level = self.reverb_mix / energy.sqrt();
        for value in response.iter_mut().take(tail) {
            *value = level as f32 * room.noise();
            level *= factor;
        }
        response[0] = 1.0;
        response
    }

    /// Amplitude of the equalisation at a frequency.
    fn gain(&self, hz: f64) -> f64 {
        if hz <= 0.0 {
            return 0.0;
        }
        let octaves = (hz.max(TILT_END_HZ) / TILT_PIVOT_HZ).log2();
        let from_peak = (hz / self.peak_hz).log2();
        let peak_db = self.peak_db * (-0.5 * (from_peak / 0.6).powi(2)).exp();
        let tilt_db = self.tilt_db_per_octave * octaves;
        // 12 dB an octave below, 48 dB an octave above.
        let low_cut = 1.0 / (1.0 + (self.low_cut_hz / hz).powi(4)).sqrt();
        let high_cut = 1.0 / (1.0 + (hz / self.high_cut_hz).powi(16)).sqrt();
        amplitude(tilt_db + peak_db) * low_cut * high_cut
    }
}

fn transform(
    plan: &dyn realfft::RealToComplex<f32>,
    signal: &mut [f32],
    spectrum: &mut [Complex<f32>],
) {
    #[expect(clippy::expect_used, reason = "realfft fails on wrong lengths, and it sized these")]
    plan.process(signal, spectrum).expect("buffers made for this transform");
}

/// Decibels to amplitude.
fn amplitude(decibels: f64) -> f64 {
    10.0_f64.powf(decibels / 20.0)
}

pub(super) fn root_mean_square(samples: &[f32]) -> f64 {
    let energy: f64 = samples.iter().map(|&sample| f64::from(sample).powi(2)).sum();
    (energy / samples.len().max(1) as f64).sqrt()
}

fn set_root_mean_square(samples: &mut [f32], target: f64) {
    let gain = (target / root_mean_square(samples).max(1e-9)) as f32;
    for sample in samples {
        *sample *= gain;
    }
}

fn remove_mean(samples: &mut [f32]) {
    let sum: f64 = samples.iter().map(|&sample| f64::from(sample)).sum();
    let mean = (sum / samples.len().max(1) as f64) as f32;
    for sample in samples {
        *sample -= mean;
    }
}

/// Leaves the middle alone and bends what is louder towards full scale, which it never reaches.
fn limit(sample: f32) -> f32 {
    let over = sample.abs() - LIMITER_KNEE;
    if over <= 0.0 {
        return sample;
    }
    let room = 1.0 - LIMITER_KNEE;
    (LIMITER_KNEE + room * (over / room).tanh()).copysign(sample)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_artists_albums_spread_over_the_whole_range() {
        let mut loudness: Vec<f64> =
            (0..ALBUMS).map(|album| Production::of_album(3, 2, album).loudness_db).collect();
        loudness.sort_by(f64::total_cmp);
        let share = (LOUDNESS_DB.1 - LOUDNESS_DB.0) / ALBUMS as f64;
        for (index, value) in loudness.iter().enumerate() {
            let low = LOUDNESS_DB.0 + index as f64 * share;
            assert!((low..=low + share).contains(value), "{loudness:?}");
        }
    }

    #[test]
    fn the_limiter_leaves_the_middle_alone_and_never_clips() {
        for sample in [0.0, 0.3, -0.7] {
            assert_eq!(limit(sample).to_bits(), f32::to_bits(sample));
        }
        for sample in [0.8, 1.0, 5.0, 1e9] {
            assert!(limit(sample) > LIMITER_KNEE && limit(sample) <= 1.0);
            assert_eq!(limit(-sample).to_bits(), (-limit(sample)).to_bits());
        }
    }

    #[test]
    fn equalisation_cuts_both_ends_and_tilts_between() {
        let flat = Production {
            tilt_db_per_octave: 0.0,
            peak_db: 0.0,
            low_cut_hz: 100.0,
            high_cut_hz: 4000.0,
            ..Production::of_album(0, 0, 0)
        };
        assert!(flat.gain(0.0) == 0.0 && flat.gain(25.0) < 0.1 && flat.gain(7000.0) < 0.1);
        assert!((flat.gain(700.0) - 1.0).abs() < 0.01);
        let tilted = Production { tilt_db_per_octave: 3.0, ..flat };
        let octave_db = 20.0 * (tilted.gain(1400.0) / tilted.gain(700.0)).log10();
        assert!((octave_db - 3.0).abs() < 0.01, "{octave_db} dB");
    }
}
