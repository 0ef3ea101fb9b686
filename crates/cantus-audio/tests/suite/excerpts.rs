//! Parts of a recording.

use std::io::Cursor;

use cantus_audio::{Audio, DecodeOptions, Excerpt, WavFormat, decode_reader, write_wav};

const RATE: u32 = 8_000;

/// Ten seconds in which every sample says where it is.
fn ramp() -> Vec<f32> {
    (0..10 * RATE).map(|index| index as f32 / (10 * RATE) as f32).collect()
}

fn wav(samples: &[f32]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    write_wav(&mut bytes, samples, RATE, WavFormat::Float32).unwrap();
    bytes.into_inner()
}

fn decode(bytes: Vec<u8>, excerpt: Excerpt) -> Audio {
    let options = DecodeOptions { excerpt, ..DecodeOptions::default() };
    decode_reader(Cursor::new(bytes), Some("wav"), &options).unwrap()
}

#[test]
fn the_first_seconds_are_the_first_samples() {
    let audio = decode(wav(&ramp()), Excerpt::First { seconds: 1.25 });
    assert_eq!(audio.samples, ramp()[..10_000]);
    assert!((audio.source.seconds - 10.0).abs() < 1e-9, "the length of the whole is kept");
}

#[test]
fn the_middle_is_centred() {
    let audio = decode(wav(&ramp()), Excerpt::Middle { seconds: 2.0 });
    assert_eq!(audio.samples, ramp()[32_000..48_000]);
    assert!((audio.start_seconds - 4.0).abs() < 1e-9, "{}", audio.start_seconds);
    assert!((audio.source.seconds - 10.0).abs() < 1e-9);
}

#[test]
fn an_excerpt_longer_than_the_recording_is_the_recording() {
    for excerpt in [Excerpt::First { seconds: 60.0 }, Excerpt::Middle { seconds: 60.0 }] {
        assert_eq!(decode(wav(&ramp()), excerpt).samples, ramp());
    }
}

#[test]
fn a_file_shorter_than_it_states_gives_the_middle_of_what_is_there() {
    let mut bytes = wav(&ramp());
    // Four of the ten seconds; the header still says ten.
    bytes.truncate(bytes.len() - 4 * 6 * RATE as usize);
    let audio = decode(bytes, Excerpt::Middle { seconds: 2.0 });
    assert_eq!(audio.samples, ramp()[8_000..24_000]);
    assert!((audio.start_seconds - 1.0).abs() < 1e-9, "{}", audio.start_seconds);
    assert!(audio.damage.truncated);
    assert!((audio.source.seconds - 4.0).abs() < 1e-9);
}

#[test]
fn an_excerpt_is_cut_before_it_is_resampled() {
    let options = DecodeOptions {
        sample_rate: Some(4_000),
        excerpt: Excerpt::First { seconds: 1.0 },
        ..DecodeOptions::default()
    };
    let audio = decode_reader(Cursor::new(wav(&ramp())), None, &options).unwrap();
    let cut = cantus_audio::resample(&ramp()[..8_000], RATE, 4_000).unwrap();
    assert_eq!(audio.samples, cut);
}
