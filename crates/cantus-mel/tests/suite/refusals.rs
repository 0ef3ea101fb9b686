//! What is refused, and what a plan and its buffers stand.

use cantus_mel::{LogMelPlan, MelConfig, MelError};

#[test]
fn samples_that_cannot_be_used_are_named() {
    let plan = LogMelPlan::new(&MelConfig::paper()).unwrap();
    assert_eq!(plan.compute(&[]), Err(MelError::Empty));
    assert_eq!(plan.compute(&[0.1; 1024]), Err(MelError::TooShort { samples: 1024, least: 1025 }));
    assert_eq!(plan.compute(&[0.1; 1025]).unwrap().n_frames, 3);

    let mut samples = vec![0.1; 3000];
    samples[2999] = f32::NEG_INFINITY;
    assert_eq!(
        plan.compute(&samples),
        Err(MelError::NonFinite { index: 2999, value: f32::NEG_INFINITY })
    );
    samples[7] = f32::NAN;
    assert_eq!(
        plan.compute(&samples).unwrap_err().to_string(),
        "sample 7 is NaN, expected a finite number"
    );

    let zero = LogMelPlan::new(&MelConfig::librosa()).unwrap();
    assert_eq!(zero.compute(&[0.1]).unwrap().n_frames, 1);
}

#[test]
fn the_largest_finite_samples_give_finite_decibels() {
    let plan = LogMelPlan::new(&MelConfig::paper()).unwrap();
    let log_mel = plan.compute(&vec![f32::MAX; 4000]).unwrap();
    assert!(log_mel.values.iter().all(|value| value.is_finite()));
}

#[test]
fn buffers_of_the_wrong_size_are_refused_and_left_alone() {
    let plan = LogMelPlan::new(&MelConfig::paper()).unwrap();
    let samples = [0.1; 4000];
    let mut out = vec![7.0; 8 * 128 + 1];
    assert_eq!(
        plan.process(&samples, &mut plan.make_scratch(), &mut out),
        Err(MelError::OutputLength { expected: 8 * 128, got: 8 * 128 + 1 })
    );
    let other = LogMelPlan::new(&MelConfig { n_fft: 1024, ..MelConfig::paper() }).unwrap();
    assert_eq!(
        plan.process(&samples, &mut other.make_scratch(), &mut out[..1024]),
        Err(MelError::ForeignScratch { expected: (2048, 128), got: (1024, 128) })
    );
    assert_eq!(out, [7.0; 8 * 128 + 1]);
}

#[test]
fn a_used_scratch_leaves_no_trace_and_a_plan_serves_threads() {
    let plan = LogMelPlan::new(&MelConfig::paper()).unwrap();
    let loud: Vec<f32> = (0..9000).map(|i| ((i * i) % 101) as f32 / 101.0).collect();
    let soft: Vec<f32> = loud.iter().rev().map(|sample| sample * 0.01).collect();
    let fresh = plan.compute(&soft).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut scratch = plan.make_scratch();
                let mut out = vec![0.0; fresh.values.len()];
                plan.process(&loud, &mut scratch, &mut out).unwrap();
                assert_ne!(out, fresh.values);
                plan.process(&soft, &mut scratch, &mut out).unwrap();
                assert_eq!(out, fresh.values);
            });
        }
    });
}
