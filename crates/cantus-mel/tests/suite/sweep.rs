//! Against librosa 0.11.0 over many settings, see `tests/golden/generate_mel_sweep.py`.

use cantus_mel::{LogMel, LogMelPlan, MelConfig};
use serde::Deserialize;

use crate::golden_files::{read_json, signal};

#[derive(Deserialize)]
struct Sweep {
    float32_differs_by_db: Differences,
    cases: Vec<Case>,
    short_tail: ShortTail,
}

/// Down to 60 dB under the maximum, and below that.
#[derive(Deserialize, Default, Clone, Copy, Debug)]
struct Differences {
    loud: f64,
    quiet: f64,
}

#[derive(Deserialize)]
struct Case {
    config: MelConfig,
    signal: String,
    samples: usize,
    n_frames: usize,
    max: f64,
    mean: f64,
    frames: Vec<usize>,
    bands: Vec<usize>,
    /// Of those frames and bands.
    values: Vec<f64>,
}

/// Where librosa's last frame is not what its padding says; see the script.
#[derive(Deserialize)]
struct ShortTail {
    config: MelConfig,
    signal: String,
    samples: usize,
    last_frame: Vec<f64>,
    last_frame_padded_whole: Vec<f64>,
}

impl Case {
    fn compute(&self) -> LogMel {
        let samples = signal(&self.signal, self.samples);
        LogMelPlan::new(&self.config).unwrap().compute(&samples).unwrap()
    }

    fn describe(&self) -> String {
        format!("{} samples of {}, {:?}", self.samples, self.signal, self.config)
    }

    /// How far the sampled cells lie from librosa's, at most.
    fn differences(&self) -> Differences {
        let log_mel = self.compute();
        let cells = self.frames.iter().flat_map(|&frame| {
            let bands = log_mel.frame(frame).unwrap();
            self.bands.iter().map(|&band| f64::from(bands[band]))
        });
        assert_eq!(self.values.len(), self.frames.len() * self.bands.len());
        let mut largest = Differences::default();
        for (ours, &theirs) in cells.zip(&self.values) {
            let difference = (ours - theirs).abs();
            assert!(!difference.is_nan(), "{}", self.describe());
            let part =
                if theirs < self.max - 60.0 { &mut largest.quiet } else { &mut largest.loud };
            *part = part.max(difference);
        }
        largest
    }
}

fn cases() -> Vec<Case> {
    let cases = read_json::<Sweep>("mel_sweep").cases;
    assert_eq!(cases.len(), 47);
    cases
}

#[test]
fn cells_of_any_settings_are_those_of_librosa() {
    let mut largest = Differences::default();
    for case in cases() {
        let Differences { loud, quiet } = case.differences();
        assert!(loud <= 1e-4, "{loud} dB: {}", case.describe());
        assert!(quiet <= 1e-3, "{quiet} dB in the quiet cells: {}", case.describe());
        largest = Differences { loud: largest.loud.max(loud), quiet: largest.quiet.max(quiet) };
    }
    println!("{largest:?} dB");
}

#[test]
fn cells_lie_no_farther_from_librosa_in_double_precision_than_librosa_in_single_does() {
    let theirs = read_json::<Sweep>("mel_sweep").float32_differs_by_db;
    for case in cases() {
        let ours = case.differences();
        assert!(ours.loud <= theirs.loud, "{} dB: {}", ours.loud, case.describe());
        assert!(ours.quiet <= theirs.quiet, "{} dB: {}", ours.quiet, case.describe());
    }
}

#[test]
fn the_cells_between_those_stored_have_librosas_number_maximum_and_mean() {
    let (mut of_maximum, mut of_mean) = (0.0_f64, 0.0_f64);
    for case in cases() {
        let log_mel = case.compute();
        assert_eq!(log_mel.n_frames, case.n_frames, "{}", case.describe());
        let values = || log_mel.values.iter().copied().map(f64::from);
        let maximum = (values().fold(f64::NEG_INFINITY, f64::max) - case.max).abs();
        let mean = (values().sum::<f64>() / log_mel.values.len() as f64 - case.mean).abs();
        assert!(maximum <= 1e-4, "{maximum} dB in the maximum: {}", case.describe());
        assert!(mean <= 1e-4, "{mean} dB in the mean: {}", case.describe());
        (of_maximum, of_mean) = (of_maximum.max(maximum), of_mean.max(mean));
    }
    println!("maximum {of_maximum:.1e}, mean {of_mean:.1e} dB");
}

#[test]
fn the_last_frame_is_reflected_whole_where_librosa_falls_short_by_a_sample() {
    let case = read_json::<Sweep>("mel_sweep").short_tail;
    let samples = signal(&case.signal, case.samples);
    let log_mel = LogMelPlan::new(&case.config).unwrap().compute(&samples).unwrap();
    let last_frame = log_mel.frame(log_mel.n_frames - 1).unwrap();
    let farthest = |theirs: &[f64]| {
        let pairs = last_frame.iter().zip(theirs);
        pairs.map(|(&ours, theirs)| (f64::from(ours) - theirs).abs()).fold(0.0, f64::max)
    };
    assert!(farthest(&case.last_frame_padded_whole) <= 1e-4);
    // Else the exception need not be made any longer.
    assert!(farthest(&case.last_frame) > 0.01);
}
