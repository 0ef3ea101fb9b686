//! Against librosa 1.0.0: filters, window and spectrograms, and laws any spectrogram obeys.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test: failing is its errand, and how close the numbers come is worth seeing"
)]

use cantus_mel::{
    LogMelPlan, MelConfig, MelError, MelNorm, MelScale, Padding, hann_window, mel_filter_bank,
};
use proptest::prelude::*;

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/");

fn read_npy<T: npyz::Deserialize>(name: &str) -> (Vec<u64>, Vec<T>) {
    let bytes = std::fs::read(format!("{GOLDEN}{name}.npy")).unwrap();
    let array = npyz::NpyFile::new(&bytes[..]).unwrap();
    (array.shape().to_vec(), array.into_vec().unwrap())
}

/// Holds `signal` to the file `expected`: down to 60 dB under the maximum, and below that.
fn compare(signal: &str, expected: &str, sample_rate: u32, padding: Padding) {
    let (_, samples) = read_npy::<f32>(signal);
    let (shape, golden) = read_npy::<f32>(expected);
    let config = MelConfig { sample_rate, padding, ..MelConfig::paper() };
    let ours = LogMelPlan::new(&config).unwrap().compute(&samples).unwrap();
    assert_eq!(shape, [ours.n_mels as u64, ours.n_frames as u64]);

    let maximum = golden.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let (mut loud, mut quiet) = (0.0_f32, 0.0_f32);
    for band in 0..ours.n_mels {
        for frame in 0..ours.n_frames {
            let expected = golden[band * ours.n_frames + frame];
            let error = (ours.values[frame * ours.n_mels + band] - expected).abs();
            assert!(!error.is_nan());
            let largest = if expected < maximum - 60.0 { &mut quiet } else { &mut loud };
            *largest = largest.max(error);
        }
    }
    println!("{expected}: {loud:.1e} dB, more than 60 dB under the maximum {quiet:.1e} dB");
    assert!(loud <= 1e-4, "{expected}: {loud} dB");
    assert!(quiet <= 1e-3, "{expected}: {quiet} dB in the quiet cells");
}

#[test]
fn spectrograms_padded_by_reflection_are_those_of_librosa() {
    for (name, rate) in [("chirps_16000", 16_000), ("gaps_16000", 16_000), ("noisy_22050", 22_050)]
    {
        compare(name, &format!("{name}_logmel_reflect"), rate, Padding::Reflect);
    }
}

#[test]
fn spectrograms_padded_by_zeros_are_those_of_librosa() {
    for (name, rate) in [("chirps_16000", 16_000), ("gaps_16000", 16_000), ("noisy_22050", 22_050)]
    {
        compare(name, &format!("{name}_logmel_constant"), rate, Padding::Zero);
    }
}

#[test]
fn spectrograms_of_resampled_signals_are_those_of_librosa() {
    for name in ["noisy_22050_to_16000", "chirps_44100_to_16000"] {
        compare(name, &format!("{name}_logmel_reflect"), 16_000, Padding::Reflect);
    }
}

#[test]
fn the_filter_bank_is_that_of_librosa() {
    let (shape, golden) = read_npy::<f32>("mel_bank_16000");
    assert_eq!(shape, [128, 1025]);
    let ours = mel_filter_bank(&MelConfig::paper()).unwrap();
    assert_eq!(ours.len(), golden.len());
    let largest = ours.iter().zip(&golden).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("mel bank: {largest:.1e}");
    assert!(largest <= 1e-7, "{largest}");
}

#[test]
fn the_window_is_that_of_librosa() {
    let (_, golden) = read_npy::<f64>("hann_2048");
    let ours = hann_window(2048);
    assert_eq!(ours.len(), golden.len());
    let largest = ours.iter().zip(&golden).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    println!("window: {largest:.1e}");
    assert!(largest <= 1e-15, "{largest}");
}

#[test]
fn silence_is_the_floor_everywhere() {
    for (amin, floor_db) in [(1e-10, -100.0), (1e-5, -50.0)] {
        let config = MelConfig { amin, ..MelConfig::paper() };
        let log_mel = LogMelPlan::new(&config).unwrap().compute(&vec![0.0; 5000]).unwrap();
        assert!(log_mel.values.iter().all(|value| (value - floor_db).abs() < 1e-5));
    }
}

#[test]
fn a_tone_has_the_power_the_window_leaves_it() {
    // A tone on a bin: the window's mean of 1/2 and half of the amplitude in each of the two
    // mirrored bins leave `(a n / 4)^2` in its bin and a quarter of that in both neighbours.
    let config = MelConfig { n_fft: 512, n_mels: 1, norm: MelNorm::None, ..MelConfig::paper() };
    let bank = mel_filter_bank(&config).unwrap();
    let tone: Vec<f32> = (0..4096)
        .map(|i| (0.5 * (std::f64::consts::TAU * 20.0 * f64::from(i) / 512.0).sin()) as f32)
        .collect();
    let log_mel = LogMelPlan::new(&config).unwrap().compute(&tone).unwrap();
    let peak = (0.5 * 512.0 / 4.0_f64).powi(2);
    let weight = |bin: usize| f64::from(bank[bin]);
    let expected = 10.0 * (peak * (weight(20) + 0.25 * (weight(19) + weight(21)))).log10();
    let got = f64::from(log_mel.frame(4).unwrap()[0]);
    assert!((got - expected).abs() < 1e-5, "{got} dB is not {expected} dB");
}

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
        Err(MelError::ForeignScratch { expected: 2048, got: 1024 })
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

fn any_config() -> impl Strategy<Value = MelConfig> {
    let paddings = prop_oneof![Just(Padding::Reflect), Just(Padding::Zero)];
    let scales = prop_oneof![Just(MelScale::Slaney), Just(MelScale::Htk)];
    (4000_u32..50_000, 2_usize..600, 1_usize..400, 1_usize..60, paddings, scales).prop_map(
        |(sample_rate, n_fft, hop_length, n_mels, padding, scale)| MelConfig {
            sample_rate,
            n_fft,
            hop_length,
            n_mels,
            padding,
            scale,
            amin: 1e-30,
            top_db: None,
            ..MelConfig::paper()
        },
    )
}

fn any_signal() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec(-1.0_f32..1.0, 400..2000)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn doubling_the_amplitude_quadruples_the_power(config in any_config(), signal in any_signal()) {
        let plan = LogMelPlan::new(&config).unwrap();
        let twice: Vec<f32> = signal.iter().map(|sample| 2.0 * sample).collect();
        let (once, twice) = (plan.compute(&signal).unwrap(), plan.compute(&twice).unwrap());
        let step_db = 10.0 * 4.0_f32.log10();
        for (once, twice) in once.values.iter().zip(&twice.values) {
            // At the floor there is nothing to double.
            if *once > -290.0 {
                prop_assert!((twice - once - step_db).abs() < 1e-4, "{once} dB became {twice} dB");
            }
        }
    }

    #[test]
    fn dropping_one_hop_moves_the_inner_frames_by_one(
        config in any_config(),
        signal in any_signal(),
    ) {
        prop_assume!(signal.len() > config.hop_length + config.n_fft);
        let plan = LogMelPlan::new(&config).unwrap();
        let whole = plan.compute(&signal).unwrap();
        let later = plan.compute(&signal[config.hop_length..]).unwrap();
        prop_assert_eq!(later.n_frames + 1, whole.n_frames);
        let margin = config.n_fft.div_ceil(2).div_ceil(config.hop_length);
        for frame in margin..later.n_frames.saturating_sub(margin) {
            prop_assert_eq!(later.frame(frame), whole.frame(frame + 1));
        }
    }

    #[test]
    fn nothing_lies_deeper_under_the_maximum_than_top_db(
        config in any_config(),
        signal in any_signal(),
        top_db in 0.0_f32..100.0,
    ) {
        let open = LogMelPlan::new(&config).unwrap().compute(&signal).unwrap();
        let config = MelConfig { top_db: Some(f64::from(top_db)), ..config };
        let closed = LogMelPlan::new(&config).unwrap().compute(&signal).unwrap();
        let floor = open.values.iter().copied().fold(f32::NEG_INFINITY, f32::max) - top_db;
        let raised: Vec<f32> = open.values.iter().map(|value| value.max(floor)).collect();
        prop_assert_eq!(closed.values, raised);
    }

    #[test]
    fn bands_without_a_bin_hold_the_floor(config in any_config(), signal in any_signal()) {
        let plan = LogMelPlan::new(&config).unwrap();
        let log_mel = plan.compute(&signal).unwrap();
        for band in plan.empty_bands() {
            for frame in 0..log_mel.n_frames {
                let value = log_mel.frame(frame).unwrap()[band];
                prop_assert!((value + 300.0).abs() < 1e-3, "{value} dB");
            }
        }
    }
}
