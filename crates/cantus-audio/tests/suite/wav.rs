//! WAV in and out, to the bit.

use std::io::Cursor;

use cantus_audio::{AudioError, DecodeOptions, WavFormat, decode_reader, probe_reader, write_wav};
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use proptest::prelude::*;

use super::cases;

fn decode(wav: Vec<u8>) -> cantus_audio::Audio {
    decode_reader(Cursor::new(wav), Some("wav"), &DecodeOptions::default()).unwrap()
}

/// A WAV file of integers, written by hound.
fn integers(bits: u16, channels: u16, sample_rate: u32, samples: &[i32]) -> Vec<u8> {
    let spec =
        WavSpec { channels, sample_rate, bits_per_sample: bits, sample_format: SampleFormat::Int };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    for sample in samples {
        writer.write_sample(*sample).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// A WAV file of floats, written by hound.
fn floats(channels: u16, sample_rate: u32, samples: &[f32]) -> Vec<u8> {
    let spec =
        WavSpec { channels, sample_rate, bits_per_sample: 32, sample_format: SampleFormat::Float };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    for sample in samples {
        writer.write_sample(*sample).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

/// Values over the whole range of `bits`, its ends among them.
fn ramp(bits: u16, len: usize) -> Vec<i32> {
    let lowest = -(1_i64 << (bits - 1));
    let span = (1_i64 << bits) - 1;
    (0..len as i64).map(|index| (lowest + span * index / (len as i64 - 1)) as i32).collect()
}

#[test]
fn integer_samples_decode_to_exact_fractions_of_full_scale() {
    for bits in [8_u16, 16, 24, 32] {
        let full_scale = 2.0_f64.powi(i32::from(bits) - 1);
        for sample_rate in [8_000, 16_000, 22_050, 44_100, 96_000] {
            let samples = ramp(bits, 3_000);
            let audio = decode(integers(bits, 1, sample_rate, &samples));
            let exact: Vec<f32> =
                samples.iter().map(|sample| (f64::from(*sample) / full_scale) as f32).collect();
            assert_eq!(audio.samples, exact, "{bits} bits at {sample_rate} Hz");
            assert_eq!(audio.sample_rate, sample_rate);
        }
    }
}

#[test]
fn stereo_decodes_to_the_mean_of_both_channels() {
    for bits in [8_u16, 16, 24, 32] {
        let full_scale = 2.0_f64.powi(i32::from(bits) - 1);
        let samples = ramp(bits, 2_000);
        let shuffled: Vec<i32> = (0..2_000).map(|index| samples[index * 7 % 2_000]).collect();
        let audio = decode(integers(bits, 2, 44_100, &shuffled));
        let mean: Vec<f32> = shuffled
            .chunks_exact(2)
            .map(|pair| {
                let [left, right] = [pair[0], pair[1]].map(|v| (f64::from(v) / full_scale) as f32);
                (left + right) * 0.5
            })
            .collect();
        assert_eq!(audio.samples, mean, "{bits} bits");
        assert_eq!(audio.source.channels, 2);
    }
}

#[test]
fn float_samples_keep_every_bit() {
    let samples = [0.0, -0.0, 1.0, -1.0, 1.5, -3.25, f32::MIN_POSITIVE, 1e-42, 0.1, 1.0 / 3.0];
    let audio = decode(floats(1, 48_000, &samples));
    let bits = |samples: &[f32]| samples.iter().map(|s| s.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(&audio.samples), bits(&samples));
    assert_eq!(audio.source.codec, "pcm_f32le");
}

#[test]
fn the_header_states_what_probing_says() {
    let wav = integers(16, 2, 22_050, &ramp(16, 44_100));
    let probe = probe_reader(Cursor::new(wav), None, &cantus_audio::Limits::default()).unwrap();
    assert_eq!(probe.codec, "pcm_s16le");
    assert_eq!((probe.sample_rate, probe.channels), (Some(22_050), Some(2)));
    assert_eq!(probe.seconds, Some(1.0));
}

#[test]
fn hound_reads_back_what_was_written() {
    let samples = [0.0, 0.25, -0.25, 0.999_99, -1.0, 2.0, -2.0];
    let mut bytes = Cursor::new(Vec::new());
    write_wav(&mut bytes, &samples, 16_000, WavFormat::Int16).unwrap();
    bytes.set_position(0);
    let mut reader = WavReader::new(&mut bytes).unwrap();
    let spec = reader.spec();
    assert_eq!((spec.channels, spec.sample_rate, spec.bits_per_sample), (1, 16_000, 16));
    let stored: Vec<i16> = reader.samples().map(Result::unwrap).collect();
    assert_eq!(stored, [0, 8_192, -8_192, 32_767, -32_768, 32_767, -32_768]);
}

#[test]
fn samples_that_are_not_finite_are_not_written() {
    let mut bytes = Cursor::new(Vec::new());
    let result = write_wav(&mut bytes, &[0.0, f32::NAN], 1_000, WavFormat::Float32);
    let error = result.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the given buffer holds samples that are not finite, the first at 0.001 s"
    );
    assert!(bytes.into_inner().is_empty());
    let zero_rate = write_wav(Cursor::new(Vec::new()), &[0.0], 0, WavFormat::Float32);
    assert!(matches!(zero_rate, Err(AudioError::InvalidOption { .. })));
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn a_float_file_comes_back_as_it_was(
        samples in prop::collection::vec(-2.0_f32..2.0, 1..5_000),
        sample_rate in 1_000_u32..200_000,
    ) {
        let mut bytes = Cursor::new(Vec::new());
        write_wav(&mut bytes, &samples, sample_rate, WavFormat::Float32).unwrap();
        let audio = decode(bytes.into_inner());
        prop_assert_eq!(audio.samples, samples);
        prop_assert_eq!(audio.sample_rate, sample_rate);
    }

    #[test]
    fn a_16_bit_file_comes_back_within_half_a_step(
        samples in prop::collection::vec(-1.0_f32..0.9999, 1..5_000),
    ) {
        let mut bytes = Cursor::new(Vec::new());
        write_wav(&mut bytes, &samples, 44_100, WavFormat::Int16).unwrap();
        let audio = decode(bytes.into_inner());
        prop_assert_eq!(audio.samples.len(), samples.len());
        for (back, sample) in audio.samples.iter().zip(&samples) {
            prop_assert!((back - sample).abs() <= 0.5 / 32_768.0 + 1e-9);
        }
    }
}
