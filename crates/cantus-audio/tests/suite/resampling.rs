//! Resampling: against soxr, against the ideal, and its promises.

use std::path::Path;

use cantus_audio::{AudioError, Resampler, resample};
use npyz::NpyFile;
use proptest::prelude::*;
use realfft::RealFftPlanner;

use super::{cases, rms, sine};

fn golden(name: &str) -> Vec<f32> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden");
    let bytes = std::fs::read(Path::new(folder).join(name)).unwrap();
    NpyFile::new(&bytes[..]).unwrap().into_vec().unwrap()
}

/// Energy of the spectrum below `hertz`.
fn energy_below(samples: &[f32], sample_rate: u32, hertz: f64) -> f64 {
    let fft = RealFftPlanner::<f64>::new().plan_fft_forward(samples.len());
    let mut time: Vec<f64> = samples.iter().map(|sample| f64::from(*sample)).collect();
    let mut spectrum = fft.make_output_vec();
    fft.process(&mut time, &mut spectrum).unwrap();
    let bins = hertz * samples.len() as f64 / f64::from(sample_rate);
    spectrum[..bins as usize].iter().map(realfft::num_complex::Complex::norm_sqr).sum()
}

#[test]
fn the_pass_band_agrees_with_soxr() {
    for (input, output, from) in [
        ("noisy_22050.npy", "noisy_22050_to_16000.npy", 22_050),
        ("chirps_44100.npy", "chirps_44100_to_16000.npy", 44_100),
    ] {
        let ours = resample(&golden(input), from, 16_000).unwrap();
        let soxr = golden(output);
        assert_eq!(ours.len(), soxr.len(), "{input}");
        let difference: Vec<f32> = ours.iter().zip(&soxr).map(|(a, b)| a - b).collect();
        let pass_band = 0.85 * 8_000.0;
        let error = (energy_below(&difference, 16_000, pass_band)
            / energy_below(&soxr, 16_000, pass_band))
        .sqrt();
        println!("{input}: relative RMS error below 6.8 kHz {error:.2e}");
        assert!(error <= 1e-3, "{input}: {error:.2e}");
    }
}

#[test]
fn a_tone_in_the_pass_band_comes_out_as_the_ideal_tone() {
    for (from, to) in [
        (44_100, 16_000),
        (22_050, 16_000),
        (48_000, 16_000),
        (44_101, 16_000),
        (16_000, 44_101),
        (8_000, 48_000),
        (44_100, 48_000),
        (192_000, 16_000),
        (16_001, 15_999),
        (1_000, 48_000),
    ] {
        let nyquist = f64::from(from.min(to)) / 2.0;
        for share in [0.05, 0.5, 0.85] {
            let hertz = share * nyquist;
            let output = resample(&sine(hertz, from, 4 * from as usize), from, to).unwrap();
            let ideal = sine(hertz, to, output.len());
            // Away from the ends, where the tone meets silence.
            let margin = output.len() / 4;
            let worst = output[margin..output.len() - margin]
                .iter()
                .zip(&ideal[margin..])
                .map(|(a, b)| (a - b).abs())
                .fold(0.0, f32::max);
            assert!(worst < 1e-4, "{from} to {to} at {hertz} Hz: {worst:.2e}");
        }
    }
}

#[test]
fn what_lies_above_the_lower_nyquist_frequency_is_80_db_down() {
    for (from, to) in [(44_100, 16_000), (22_050, 16_000), (44_101, 16_000), (48_000, 44_100)] {
        let nyquist = f64::from(to) / 2.0;
        let top = f64::from(from) / 2.0;
        for step in 0..8 {
            let hertz = nyquist + (top - nyquist) * (0.01 + 0.98 * f64::from(step) / 7.0);
            let tone = sine(hertz, from, 4 * from as usize);
            let output = resample(&tone, from, to).unwrap();
            let margin = output.len() / 4;
            let level = rms(&output[margin..output.len() - margin]) / rms(&tone);
            let decibel = 20.0 * level.log10();
            assert!(decibel <= -80.0, "{from} to {to} at {hertz:.0} Hz: {decibel:.1} dB");
        }
    }
}

#[test]
fn no_images_appear_above_the_old_nyquist_frequency() {
    for (from, to) in [(16_000, 44_100), (8_000, 48_000), (16_000, 44_101)] {
        let nyquist = f64::from(from) / 2.0;
        let output = resample(&sine(0.7 * nyquist, from, 4 * from as usize), from, to).unwrap();
        let margin = output.len() / 4;
        let middle = &output[margin..output.len() - margin];
        // A Hann window keeps the tone itself from leaking over the whole spectrum.
        let step = std::f64::consts::TAU / middle.len() as f64;
        let windowed: Vec<f32> = middle
            .iter()
            .enumerate()
            .map(|(index, sample)| {
                (f64::from(*sample) * 0.5 * (1.0 - (step * index as f64).cos())) as f32
            })
            .collect();
        let all = energy_below(&windowed, to, f64::from(to) / 2.0);
        let images = all - energy_below(&windowed, to, nyquist);
        let decibel = 10.0 * (images / all).log10();
        assert!(decibel <= -80.0, "{from} to {to}: {decibel:.1} dB");
    }
}

#[test]
fn an_impulse_stays_where_it_is() {
    for (from, to) in [(44_100_u32, 16_000_u32), (44_101, 16_000), (16_000, 48_000)] {
        // 0.25 s, which is a whole sample at both rates or nearly so.
        let at = from as usize / 4;
        let mut input = vec![0.0; from as usize / 2];
        input[at] = 1.0;
        let output = resample(&input, from, to).unwrap();
        let peak = (0..output.len()).max_by(|a, b| output[*a].total_cmp(&output[*b])).unwrap();
        let exact = at as f64 * f64::from(to) / f64::from(from);
        assert!((peak as f64 - exact).abs() <= 0.5 + 1e-9, "{from} to {to}: {peak} for {exact}");
    }
}

#[test]
fn the_same_rate_changes_nothing() {
    let samples = sine(440.0, 44_100, 1_000);
    assert_eq!(resample(&samples, 44_100, 44_100).unwrap(), samples);
}

#[test]
fn nothing_in_gives_nothing_out() {
    assert!(resample(&[], 44_100, 16_000).unwrap().is_empty());
}

#[test]
fn rates_out_of_range_are_refused() {
    for (from, to) in [(0, 16_000), (16_000, 0), (999, 16_000), (u32::MAX, 16_000)] {
        assert!(matches!(
            resample(&[0.0; 10], from, to),
            Err(AudioError::UnsupportedRate { from: f, to: t }) if (f, t) == (from, to)
        ));
    }
}

proptest! {
    #![proptest_config(cases(48))]

    #[test]
    fn chunks_of_any_size_give_the_same_bits_as_one_call(
        len in 0_usize..20_000,
        cuts in prop::collection::vec(1_usize..4_000, 1..20),
        (from, to) in prop::sample::select(vec![
            (44_100_u32, 16_000_u32), (16_000, 22_050), (8_000, 11_025),
            (16_007, 16_000), (16_000, 44_101),
        ]),
    ) {
        let input = sine(333.0, from, len);
        let whole = resample(&input, from, to).unwrap();
        let expected = (len as u64 * u64::from(to)).div_ceil(u64::from(from));
        prop_assert_eq!(whole.len() as u64, expected);

        let mut resampler = Resampler::new(from, to).unwrap();
        prop_assert_eq!(resampler.output_len(len as u64), expected);
        // Twice over, since a finished resampler is as good as new.
        for _ in 0..2 {
            let mut output = Vec::new();
            let mut rest = &input[..];
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (chunk, tail) = rest.split_at((*cut).min(rest.len()));
                resampler.process(chunk, &mut output).unwrap();
                rest = tail;
            }
            resampler.finish(&mut output).unwrap();
            prop_assert_eq!(&output, &whole);
        }
    }
}

#[test]
fn samples_that_are_no_numbers_are_refused_and_loud_ones_stay_finite() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let refused = resample(&[0.0, value], 44_100, 16_000);
        assert!(matches!(refused, Err(AudioError::NonFiniteInput { index: 1, .. })), "{refused:?}");
    }
    let square: Vec<f32> =
        (0..40_000).map(|i| if i / 500 % 2 == 0 { f32::MAX } else { f32::MIN }).collect();
    let resampled = resample(&square, 44_100, 16_000).unwrap();
    assert!(resampled.iter().all(|sample| sample.is_finite()));
}
