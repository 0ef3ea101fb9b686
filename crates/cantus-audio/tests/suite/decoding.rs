//! Files piece by piece.

use cantus_audio::{
    AudioError, AudioStream, DecodeOptions, Decoder, Excerpt, Limits, decode_path, resample,
};

use crate::{FIXTURES, fixture};

/// The pieces put together, and the largest of them.
fn pieces(name: &str, options: &DecodeOptions) -> (Vec<f32>, usize) {
    let mut decoder = Decoder::open(&fixture(name), options).unwrap();
    let (mut samples, mut largest) = (Vec::new(), 0);
    loop {
        let before = samples.len();
        if !decoder.read(&mut samples).unwrap() {
            break;
        }
        assert!(samples.len() > before, "{name}: a piece without samples");
        largest = largest.max(samples.len() - before);
    }
    assert!(!decoder.read(&mut samples).unwrap(), "{name}: the end stays the end");
    (samples, largest)
}

/// All of a file at its own rate, and that rate.
fn stream(name: &str) -> (Vec<f32>, u32) {
    let mut stream = AudioStream::open(&fixture(name), &Limits::default()).unwrap();
    let mut samples = Vec::new();
    while stream.read(&mut samples).unwrap() {}
    (samples, stream.sample_rate())
}

#[test]
fn the_pieces_are_the_stream_cut_and_resampled() {
    for &name in FIXTURES {
        if name == "tone.opus" && !cfg!(feature = "opus") {
            continue;
        }
        let (all, rate) = stream(name);
        let wanted = (0.2 * f64::from(rate)).round() as usize;
        let start = (all.len() - wanted) / 2;
        for (excerpt, cut) in [
            (Excerpt::Whole, &all[..]),
            (Excerpt::First { seconds: 0.2 }, &all[..wanted]),
            (Excerpt::Middle { seconds: 0.2 }, &all[start..start + wanted]),
        ] {
            let options = DecodeOptions { excerpt, ..DecodeOptions::default() };
            assert_eq!(pieces(name, &options).0, cut, "{name}, {excerpt:?}");
            let options = DecodeOptions { sample_rate: Some(16_000), ..options };
            let expected = resample(cut, rate, 16_000).unwrap();
            assert_eq!(pieces(name, &options).0, expected, "{name}, {excerpt:?}");
            let whole = decode_path(&fixture(name), &options).unwrap();
            assert_eq!(whole.samples, expected, "{name}, {excerpt:?}");
        }
    }
}

#[test]
fn samples_that_are_no_numbers_are_never_handed_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hole.wav");
    let mut samples = vec![0.25; 20_000];
    samples[15_000] = f32::NAN;
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 32,
        sample_format: hound::SampleFormat::Float,
    };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for &sample in &samples {
        writer.write_sample(sample).unwrap();
    }
    writer.finalize().unwrap();
    for rate in [None, Some(8_000)] {
        let options = DecodeOptions { sample_rate: rate, ..DecodeOptions::default() };
        let mut decoder = Decoder::open(&path, &options).unwrap();
        let mut read = vec![0.5];
        let refused = loop {
            match decoder.read(&mut read) {
                Ok(true) => {}
                other => break other,
            }
        };
        assert!(matches!(refused, Err(AudioError::NonFiniteSamples { .. })), "{refused:?}");
        assert!(read.iter().all(|sample| sample.is_finite()));
        let count = read.len();
        assert!(!decoder.read(&mut read).unwrap());
        assert_eq!(read.len(), count);
    }
}

#[test]
fn a_piece_is_a_packet_or_a_block() {
    let options = DecodeOptions { sample_rate: Some(16_000), ..DecodeOptions::default() };
    for name in ["tone.mp3", "tone.flac", "tone.ogg"] {
        let (whole, largest) = pieces(name, &options);
        assert!(largest < whole.len(), "{name}: all {largest} at once");
    }
}

#[test]
fn options_that_make_no_sense_are_refused_before_the_file_is_opened() {
    let options =
        DecodeOptions { excerpt: Excerpt::Middle { seconds: -1.0 }, ..DecodeOptions::default() };
    let refused = Decoder::open("there is no such file".as_ref(), &options);
    assert!(matches!(refused, Err(AudioError::InvalidOption { .. })), "{refused:?}");
}

#[test]
fn an_excerpt_larger_than_the_limits_ends_the_decoder() {
    let options = DecodeOptions {
        excerpt: Excerpt::Middle { seconds: 0.4 },
        limits: Limits { max_samples: 100, ..Limits::default() },
        ..DecodeOptions::default()
    };
    let mut decoder = Decoder::open(&fixture("tone.flac"), &options).unwrap();
    let mut samples = Vec::new();
    let refused = decoder.read(&mut samples);
    assert!(matches!(refused, Err(AudioError::LimitExceeded { .. })), "{refused:?}");
    assert!(!decoder.read(&mut samples).unwrap());
    assert!(samples.is_empty());
}
