//! Cepstral coefficients: librosa's numbers, laws, refusals.

use cantus_mel::{DeltaMode, DeltaPlan, LogMelPlan, MelConfig, MelError, MfccPlan};
use proptest::prelude::*;
use serde::Deserialize;

use crate::golden_files::{features, read_json, signal};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    chains: Vec<Chain>,
}

#[derive(Deserialize)]
struct Case {
    n_frames: usize,
    n_mels: usize,
    seed: u64,
    n_mfcc: usize,
    lifter: f64,
    values: Vec<f64>,
}

/// From a signal to coefficients and their deltas, of some frames.
#[derive(Deserialize)]
struct Chain {
    config: MelConfig,
    signal: String,
    samples: usize,
    n_mfcc: usize,
    lifter: f64,
    frames: Vec<usize>,
    mfcc: Vec<f64>,
    delta: Vec<f64>,
}

#[test]
fn coefficients_are_those_of_librosa_rounded_to_f32() {
    let cases = read_json::<Golden>("mfcc").cases;
    assert_eq!(cases.len(), 7);
    for case in cases {
        let values = features(case.n_frames * case.n_mels, case.seed);
        let log_mel: Vec<f32> = values.iter().map(|value| value - 40.0).collect();
        let plan = MfccPlan::new(case.n_mels, case.n_mfcc, case.lifter).unwrap();
        let ours = plan.compute(&log_mel).unwrap();
        assert_eq!(ours.len(), case.values.len());
        for (i, (ours, theirs)) in ours.into_iter().zip(case.values).enumerate() {
            let rounding = f64::from(f32::EPSILON) / 2.0 * theirs.abs();
            assert!(
                (f64::from(ours) - theirs).abs() <= rounding + 1e-10,
                "value {i} is {ours}, not {theirs}: {plan:?}"
            );
        }
    }
}

#[test]
fn from_a_signal_on_coefficients_and_their_deltas_are_those_of_librosa() {
    let chains = read_json::<Golden>("mfcc").chains;
    assert_eq!(chains.len(), 3);
    for chain in chains {
        let samples = signal(&chain.signal, chain.samples);
        let log_mel = LogMelPlan::new(&chain.config).unwrap().compute(&samples).unwrap();
        let plan = MfccPlan::new(log_mel.n_mels, chain.n_mfcc, chain.lifter).unwrap();
        let mfcc = plan.compute(&log_mel.values).unwrap();
        let delta =
            DeltaPlan::new(9, 1, DeltaMode::Interp).unwrap().compute(&mfcc, plan.n_mfcc()).unwrap();
        for (name, ours, theirs) in [("mfcc", mfcc, chain.mfcc), ("delta", delta, chain.delta)] {
            assert_eq!(theirs.len(), chain.frames.len() * chain.n_mfcc);
            let rows = theirs.chunks_exact(chain.n_mfcc);
            let mut largest = 0.0_f64;
            for (&frame, theirs) in chain.frames.iter().zip(rows) {
                for (ours, theirs) in ours[frame * chain.n_mfcc..].iter().zip(theirs) {
                    largest = largest.max((f64::from(*ours) - theirs).abs());
                }
            }
            println!("{name} of {}: {largest:.1e}", chain.signal);
            assert!(largest <= 1e-4, "{name} of {}: {largest}", chain.signal);
        }
    }
}

#[test]
fn settings_that_make_no_sense_are_refused_by_name() {
    for (n_mels, n_mfcc, lifter, expected) in [
        (0, 1, 0.0, "`n_mels` is 0, expected 1 to 4096"),
        (4097, 1, 0.0, "`n_mels` is 4097, expected 1 to 4096"),
        (40, 0, 0.0, "`n_mfcc` is 0, expected 1 to 40"),
        (40, 41, 0.0, "`n_mfcc` is 41, expected 1 to 40"),
        (40, 13, -1.0, "`lifter` is -1, expected a number, 0 or more"),
        (40, 13, f64::NAN, "`lifter` is NaN, expected a number, 0 or more"),
        (40, 13, f64::INFINITY, "`lifter` is inf, expected a number, 0 or more"),
    ] {
        let error = MfccPlan::new(n_mels, n_mfcc, lifter).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn spectrograms_that_are_not_whole_frames_are_refused_and_the_output_left_alone() {
    let plan = MfccPlan::new(4, 3, 0.0).unwrap();
    let mut out = [7.0; 7];
    for (values, length, expected) in [
        (9, 6, MelError::RaggedFrames { values: 9, per_frame: 4 }),
        (8, 7, MelError::OutputLength { expected: 6, got: 7 }),
        (8, 5, MelError::OutputLength { expected: 6, got: 5 }),
    ] {
        assert_eq!(plan.process(&vec![0.5; values], &mut out[..length]), Err(expected));
    }
    assert_eq!(out, [7.0; 7]);
    assert_eq!(plan.compute(&[]), Ok(vec![]));
}

fn any_frame() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-100.0_f32..20.0, 1..200)
}

fn energy(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value).powi(2)).sum()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn as_many_coefficients_as_bands_keep_the_energy_of_the_frame(frame in any_frame()) {
        let mfcc = MfccPlan::new(frame.len(), frame.len(), 0.0).unwrap().compute(&frame).unwrap();
        let (in_bands, in_coefficients) = (energy(&frame), energy(&mfcc));
        prop_assert!((in_bands - in_coefficients).abs() <= 1e-6 * (1.0 + in_bands));
    }

    #[test]
    fn a_louder_signal_moves_the_first_coefficient_alone(
        frame in any_frame(),
        step_db in 1.0_f32..20.0,
    ) {
        let plan = MfccPlan::new(frame.len(), frame.len(), 0.0).unwrap();
        let louder: Vec<f32> = frame.iter().map(|band| band + step_db).collect();
        let (before, after) = (plan.compute(&frame).unwrap(), plan.compute(&louder).unwrap());
        for (n, (before, after)) in before.iter().zip(after).enumerate() {
            let expected = if n == 0 { step_db * (frame.len() as f32).sqrt() } else { 0.0 };
            prop_assert!((after - before - expected).abs() < 1e-3, "{n}: {before} to {after}");
        }
    }

    #[test]
    fn fewer_coefficients_are_the_first_of_more(
        (frame, n_mfcc) in any_frame().prop_flat_map(|frame| {
            let most = frame.len();
            (Just(frame), 1..=most)
        }),
        lifter in 0.0_f64..100.0,
    ) {
        let some = MfccPlan::new(frame.len(), n_mfcc, lifter).unwrap().compute(&frame).unwrap();
        let all = MfccPlan::new(frame.len(), frame.len(), lifter).unwrap().compute(&frame).unwrap();
        prop_assert_eq!(&some[..], &all[..n_mfcc]);
    }

    #[test]
    fn each_frame_is_alone(first in any_frame()) {
        let second: Vec<f32> = first.iter().rev().copied().collect();
        let plan = MfccPlan::new(first.len(), first.len().div_ceil(2), 22.0).unwrap();
        let together = plan.compute(&[&first[..], &second].concat()).unwrap();
        let alone = [plan.compute(&first).unwrap(), plan.compute(&second).unwrap()].concat();
        prop_assert_eq!(together, alone);
    }
}
