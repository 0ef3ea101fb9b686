//! Deltas: librosa's numbers, laws, refusals.

use cantus_mel::{DeltaMode, DeltaPlan, MelError};
use proptest::prelude::*;
use serde::Deserialize;

use crate::golden_files::{features, read_json};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    n_frames: usize,
    n_features: usize,
    seed: u64,
    width: usize,
    order: usize,
    mode: String,
    values: Vec<f64>,
}

#[test]
fn deltas_are_those_of_librosa_rounded_to_f32() {
    let cases = read_json::<Golden>("delta").cases;
    assert_eq!(cases.len(), 13);
    for case in cases {
        let mode = match case.mode.as_str() {
            "interp" => DeltaMode::Interp,
            "nearest" => DeltaMode::Nearest,
            mode => panic!("no mode is called {mode}"),
        };
        let input = features(case.n_frames * case.n_features, case.seed);
        let plan = DeltaPlan::new(case.width, case.order, mode).unwrap();
        let ours = plan.compute(&input, case.n_features).unwrap();
        assert_eq!(ours.len(), case.values.len());
        for (i, (ours, theirs)) in ours.into_iter().zip(case.values).enumerate() {
            let rounding = f64::from(f32::EPSILON) / 2.0 * theirs.abs();
            assert!(
                (f64::from(ours) - theirs).abs() <= rounding + 1e-11,
                "value {i} is {ours}, not {theirs}: width {}, order {}, {mode:?}",
                case.width,
                case.order,
            );
        }
    }
}

#[test]
fn windows_that_librosa_refuses_are_refused() {
    for (width, order, expected) in [
        (8, 1, "`width` is 8, expected an odd number, 3 to 65535"),
        (1, 1, "`width` is 1, expected an odd number, 3 to 65535"),
        (0, 1, "`width` is 0, expected an odd number, 3 to 65535"),
        (65_537, 1, "`width` is 65537, expected an odd number, 3 to 65535"),
        (9, 0, "`order` is 0, expected 1 to 8"),
        (9, 9, "`order` is 9, expected 1 to 8"),
        (99, 17, "`order` is 17, expected 1 to 16"),
    ] {
        for mode in [DeltaMode::Interp, DeltaMode::Nearest] {
            let error = DeltaPlan::new(width, order, mode).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}

#[test]
fn interpolation_needs_a_whole_window_and_the_nearest_frame_does_not() {
    let interp = DeltaPlan::new(9, 1, DeltaMode::Interp).unwrap();
    assert_eq!(interp.compute(&[0.5; 16], 2), Err(MelError::TooFewFrames { frames: 8, width: 9 }));
    assert_eq!(interp.compute(&[], 2), Err(MelError::TooFewFrames { frames: 0, width: 9 }));
    assert_eq!(interp.compute(&[0.5; 18], 2), Ok(vec![0.0; 18]));
    let nearest = DeltaPlan::new(9, 1, DeltaMode::Nearest).unwrap();
    assert_eq!(nearest.compute(&[0.5; 2], 2), Ok(vec![0.0; 2]));
    assert_eq!(nearest.compute(&[], 2), Ok(vec![]));
}

#[test]
fn matrices_that_are_not_whole_frames_are_refused_and_the_output_left_alone() {
    let plan = DeltaPlan::new(3, 1, DeltaMode::Nearest).unwrap();
    let mut out = [7.0; 13];
    for (values, n_features, length, expected) in [
        (13, 4, 13, MelError::RaggedFrames { values: 13, per_frame: 4 }),
        (12, 4, 13, MelError::OutputLength { expected: 12, got: 13 }),
        (12, 4, 11, MelError::OutputLength { expected: 12, got: 11 }),
    ] {
        let input = vec![0.5; values];
        assert_eq!(plan.process(&input, n_features, &mut out[..length]), Err(expected));
    }
    let error = plan.process(&[], 0, &mut []).unwrap_err();
    assert_eq!(error.to_string(), "`n_features` is 0, expected 1 or more");
    assert_eq!(out, [7.0; 13]);
}

fn any_plan() -> impl Strategy<Value = (DeltaPlan, usize, usize)> {
    (1_usize..8, any::<bool>())
        .prop_flat_map(|(half, nearest)| (Just(2 * half + 1), 1..=(2 * half).min(4), Just(nearest)))
        .prop_map(|(width, order, nearest)| {
            let mode = if nearest { DeltaMode::Nearest } else { DeltaMode::Interp };
            (DeltaPlan::new(width, order, mode).unwrap(), width, order)
        })
}

/// Frames enough for the widest of [`any_plan`], 1 to 40 features a frame.
fn any_features() -> impl Strategy<Value = (Vec<f32>, usize)> {
    (15_usize..30, 1_usize..40).prop_flat_map(|(n_frames, n_features)| {
        let count = n_frames * n_features;
        (prop::collection::vec(-100.0_f32..100.0, count), Just(n_features))
    })
}

fn backwards(features: &[f32], n_features: usize) -> Vec<f32> {
    features.chunks_exact(n_features).rev().flatten().copied().collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_stands_still_has_no_delta_at_all(
        (plan, ..) in any_plan(),
        frame in prop::collection::vec(-1e6_f32..1e6, 1..40),
    ) {
        let delta = plan.compute(&frame.repeat(20), frame.len()).unwrap();
        prop_assert!(delta.iter().all(|&value| value == 0.0), "{delta:?}");
    }

    #[test]
    fn a_power_of_time_has_the_factorial_as_its_last_derivative(
        (plan, width, order) in any_plan(),
        slope in -4_i8..4,
    ) {
        let curve: Vec<f32> =
            (-15..15).map(|t| f32::from(slope) * (t as f32).powi(order as i32)).collect();
        let factorial: f32 = (1..=order).map(|i| i as f32).product();
        let delta = plan.compute(&curve, 1).unwrap();
        for value in &delta[width / 2..delta.len() - width / 2] {
            prop_assert!((value - f32::from(slope) * factorial).abs() < 1e-4, "{value}");
        }
    }

    #[test]
    fn backwards_in_time_the_sign_turns_with_each_order(
        (plan, _, order) in any_plan(),
        (input, n_features) in any_features(),
    ) {
        let delta = plan.compute(&input, n_features).unwrap();
        let turned = plan.compute(&backwards(&input, n_features), n_features).unwrap();
        let sign = if order % 2 == 0 { 1.0 } else { -1.0 };
        for (ours, turned) in backwards(&delta, n_features).iter().zip(turned) {
            prop_assert_eq!(sign * ours, turned);
        }
    }

    #[test]
    fn each_feature_is_alone(
        (plan, ..) in any_plan(),
        (input, n_features) in any_features(),
    ) {
        let together = plan.compute(&input, n_features).unwrap();
        for feature in 0..n_features {
            let column = |values: &[f32]| -> Vec<f32> {
                values.iter().skip(feature).step_by(n_features).copied().collect()
            };
            prop_assert_eq!(plan.compute(&column(&input), 1).unwrap(), column(&together));
        }
    }

    #[test]
    fn interpolated_ends_go_on_as_the_outermost_whole_windows(
        half in 1_usize..8,
        order in 1_usize..3,
        (input, n_features) in any_features(),
    ) {
        let width = 2 * half + 1;
        let plan = |mode| DeltaPlan::new(width, order, mode).unwrap();
        let interp = plan(DeltaMode::Interp).compute(&input, n_features).unwrap();
        let nearest = plan(DeltaMode::Nearest).compute(&input, n_features).unwrap();
        let n_frames = input.len() / n_features;
        let row = |values: &[f32], frame: usize| {
            values[frame * n_features..(frame + 1) * n_features].to_vec()
        };
        for frame in 0..n_frames {
            let inner = frame.clamp(half, n_frames - 1 - half);
            prop_assert_eq!(row(&interp, frame), row(&nearest, inner), "frame {}", frame);
        }
    }
}
