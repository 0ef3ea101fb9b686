//! Against librosa 1.0.0: filters, window and the spectrograms of whole files.

use cantus_mel::{LogMelPlan, MelConfig, Padding, hann_window, mel_filter_bank};

use crate::golden_files::read_npy;

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
fn spectrograms_are_those_of_the_version_that_the_paper_used() {
    for (name, rate) in [("chirps_16000", 16_000), ("gaps_16000", 16_000), ("noisy_22050", 22_050)]
    {
        compare(name, &format!("{name}_logmel_librosa051"), rate, Padding::Reflect);
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
