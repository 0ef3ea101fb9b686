//! Files piece by piece.

use cantus_audio::{
    Audio, AudioError, AudioStream, DecodeOptions, Decoder, Excerpt, Limits, Probe, Resampler,
    decode_path,
};

use crate::{FIXTURES, fixture};

/// The pieces put together, and the largest of them.
fn pieces(name: &str, options: &DecodeOptions) -> (Audio, usize) {
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
    let audio = Audio {
        samples,
        sample_rate: decoder.sample_rate(),
        start_seconds: decoder.start_seconds(),
        source: decoder.source(),
        damage: decoder.damage(),
    };
    (audio, largest)
}

#[test]
fn the_pieces_are_the_whole_to_the_last_bit() {
    for &name in FIXTURES {
        if name.ends_with(".opus") && !cfg!(feature = "opus") {
            continue;
        }
        for sample_rate in [None, Some(16_000)] {
            for excerpt in
                [Excerpt::Whole, Excerpt::First { seconds: 0.2 }, Excerpt::Middle { seconds: 0.2 }]
            {
                let options = DecodeOptions { sample_rate, excerpt, ..DecodeOptions::default() };
                let whole = decode_path(&fixture(name), &options).unwrap();
                assert_eq!(pieces(name, &options).0, whole, "{name}, {options:?}");
            }
        }
    }
}

#[test]
fn a_piece_is_a_packet_or_a_block() {
    let options = DecodeOptions { sample_rate: Some(16_000), ..DecodeOptions::default() };
    for name in ["tone.mp3", "tone.flac", "tone.ogg"] {
        let (whole, largest) = pieces(name, &options);
        assert!(largest < whole.samples.len(), "{name}: all {largest} at once");
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

#[test]
fn every_type_goes_to_other_threads() {
    fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Audio>();
    is_send_and_sync::<AudioError>();
    is_send_and_sync::<AudioStream>();
    is_send_and_sync::<DecodeOptions>();
    is_send_and_sync::<Decoder>();
    is_send_and_sync::<Probe>();
    is_send_and_sync::<Resampler>();
}
