//! Laws that any log-mel spectrogram obeys.

use cantus_mel::{LogMelPlan, MelConfig, MelNorm, MelScale, Padding, mel_filter_bank};
use proptest::prelude::*;

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

fn maximum(values: &[f32]) -> f32 {
    values.iter().copied().fold(f32::NEG_INFINITY, f32::max)
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 64,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_gain_adds_its_decibels_to_every_cell(
        config in any_config(),
        signal in prop::collection::vec(any::<i16>(), 400..2000),
        gain in 1_u8..64,
    ) {
        // Few bits each, so that their product is exact.
        let signal: Vec<f32> = signal.into_iter().map(|sample| f32::from(sample) / 32_768.0).collect();
        let gain = f32::from(gain) / 8.0;
        let louder: Vec<f32> = signal.iter().map(|sample| gain * sample).collect();
        let plan = LogMelPlan::new(&config).unwrap();
        let (before, after) = (plan.compute(&signal).unwrap(), plan.compute(&louder).unwrap());
        let gain_db = 20.0 * gain.log10();
        // At the floor there is nothing to amplify, and what the transform's rounding leaves does
        // not grow in step.
        let least = (maximum(&before.values) - 150.0).max(-290.0);
        for (before, after) in before.values.iter().zip(&after.values) {
            if *before > least {
                prop_assert!((after - before - gain_db).abs() < 1e-4, "{before} to {after} dB");
            }
        }
    }

    #[test]
    fn a_signal_upside_down_has_the_same_spectrogram(config in any_config(), signal in any_signal()) {
        let plan = LogMelPlan::new(&config).unwrap();
        let negative: Vec<f32> = signal.iter().map(|sample| -sample).collect();
        prop_assert_eq!(plan.compute(&negative).unwrap(), plan.compute(&signal).unwrap());
    }

    #[test]
    fn a_signal_backwards_has_the_spectrogram_backwards(
        config in any_config(),
        signal in any_signal(),
    ) {
        // An even window is the same to the left and right of the sample it is centred on. The
        // last frame is centred on the last sample; with a hop of 1 there would be one more.
        let n_fft = config.n_fft.next_multiple_of(2);
        let config = MelConfig { n_fft, hop_length: config.hop_length.max(2), ..config };
        let hops = (signal.len() - 1) / config.hop_length;
        let signal = &signal[..=hops * config.hop_length];
        prop_assume!(signal.len() > config.n_fft / 2);
        let plan = LogMelPlan::new(&config).unwrap();
        let forwards = plan.compute(signal).unwrap();
        let reversed: Vec<f32> = signal.iter().rev().copied().collect();
        let backwards = plan.compute(&reversed).unwrap();
        let least = (maximum(&forwards.values) - 150.0).max(-290.0);
        let frames = forwards.values.chunks_exact(config.n_mels);
        let mirrored = backwards.values.chunks_exact(config.n_mels).rev();
        for (ours, mirrored) in frames.flatten().zip(mirrored.flatten()) {
            if *ours > least {
                prop_assert!((ours - mirrored).abs() < 1e-4, "{ours} dB, mirrored {mirrored} dB");
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
        let floor = maximum(&open.values) - top_db;
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
