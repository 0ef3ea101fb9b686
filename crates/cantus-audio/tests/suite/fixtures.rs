//! Every format, against what was encoded.

use std::f64::consts::TAU;
use std::io::Cursor;

use cantus_audio::{
    Audio, AudioError, AudioStream, DecodeOptions, Limits, Tags, decode_path, decode_reader,
    probe_path,
};

use super::{fixture, fixture_bytes, rms};

struct Expected {
    name: &'static str,
    codec: &'static str,
    sample_rate: u32,
    channels: u16,
    samples: usize,
    /// Of the mono mix: LAME turns constant bit rates down to 0.95.
    amplitude: f64,
    /// How far amplitude and phase may be off.
    tolerance: f64,
    /// Encoder delay that nothing in the file tells of.
    untold_delay: bool,
}

const fn expected(
    name: &'static str,
    codec: &'static str,
    sample_rate: u32,
    samples: usize,
    tolerance: f64,
) -> Expected {
    let amplitude = 0.375;
    let channels = 2;
    let untold_delay = false;
    Expected { name, codec, sample_rate, channels, samples, amplitude, tolerance, untold_delay }
}

const LOSSLESS: f64 = 1e-4;
const LOSSY: f64 = 0.01;
const LAME: f64 = 0.95 * 0.375;

const EXPECTED: &[Expected] = &[
    expected("tone.flac", "flac", 16_000, 8_000, LOSSLESS),
    expected("tone-alac.m4a", "alac", 16_000, 8_000, LOSSLESS),
    Expected { amplitude: LAME, ..expected("tone.mp3", "mp3", 24_000, 12_000, LOSSY) },
    expected("tone.ogg", "vorbis", 44_100, 22_050, LOSSY),
    expected("tone.m4a", "aac", 44_100, 22_050, LOSSY),
    Expected { untold_delay: true, ..expected("tone.aac", "aac", 44_100, 23_552, LOSSY) },
    Expected {
        untold_delay: true,
        amplitude: LAME,
        ..expected("tone-untagged.mp3", "mp3", 24_000, 13_248, LOSSY)
    },
    Expected {
        untold_delay: true,
        ..expected("tone-untagged-vbr.mp3", "mp3", 44_100, 24_192, LOSSY)
    },
    #[cfg(feature = "opus")]
    expected("tone.opus", "opus", 48_000, 24_000, LOSSY),
];

/// Amplitudes of the sine and cosine of `hertz` in the middle half, and the RMS of what is left.
fn fit(audio: &Audio, hertz: f64) -> (f64, f64, f64) {
    let step = TAU * hertz / f64::from(audio.sample_rate);
    let len = audio.samples.len();
    // Whole periods, so that sine and cosine are orthogonal.
    let periods = (len as f64 / 2.0 / (TAU / step)).floor();
    let window = len / 4..len / 4 + (periods * TAU / step).round() as usize;
    let (mut sine, mut cosine) = (0.0, 0.0);
    for index in window.clone() {
        let sample = f64::from(audio.samples[index]);
        sine += sample * (step * index as f64).sin();
        cosine += sample * (step * index as f64).cos();
    }
    let scale = 2.0 / window.len() as f64;
    let (sine, cosine) = (sine * scale, cosine * scale);
    let rest: Vec<f32> = window
        .map(|index| {
            let (s, c) = (step * index as f64).sin_cos();
            (f64::from(audio.samples[index]) - sine * s - cosine * c) as f32
        })
        .collect();
    (sine, cosine, rms(&rest))
}

#[test]
fn every_format_decodes_to_the_tone_that_was_encoded() {
    for expected in EXPECTED {
        let name = expected.name;
        let audio = decode_path(&fixture(name), &DecodeOptions::default()).unwrap();
        assert_eq!(audio.source.codec, expected.codec, "{name}");
        assert_eq!(audio.sample_rate, expected.sample_rate, "{name}");
        assert_eq!(audio.source.sample_rate, expected.sample_rate, "{name}");
        assert_eq!(audio.source.channels, expected.channels, "{name}");
        assert_eq!(audio.samples.len(), expected.samples, "{name}");
        assert!(audio.damage.is_none(), "{name}: {:?}", audio.damage);
        let seconds = expected.samples as f64 / f64::from(expected.sample_rate);
        assert!((audio.source.seconds - seconds).abs() < 1e-9, "{name}");

        let (sine, cosine, rest) = fit(&audio, 440.0);
        let tolerance = expected.tolerance;
        assert!(
            (sine.hypot(cosine) - expected.amplitude).abs() < tolerance,
            "{name}: {sine} {cosine}"
        );
        // What a lossy codec adds lies 25 dB or more under the tone; nothing may be added else.
        let noise = if tolerance < LOSSY { tolerance } else { 0.015 };
        assert!(rest < noise, "{name}: {rest}");
        if !expected.untold_delay {
            // One sample late at 44.1 kHz would make the cosine 0.023.
            assert!(cosine.abs() < tolerance, "{name}: shifted, {sine} {cosine}");
            assert!(sine > 0.0, "{name}");
        }
    }
}

#[test]
fn aiff_decodes_to_its_big_endian_samples() {
    let bytes = fixture_bytes("tone.aiff");
    let data = &bytes[bytes.len() - 2 * 8_000..];
    let stored: Vec<f32> = data
        .chunks_exact(2)
        .map(|pair| f32::from(i16::from_be_bytes([pair[0], pair[1]])) / 32_768.0)
        .collect();
    let audio = decode_path(&fixture("tone.aiff"), &DecodeOptions::default()).unwrap();
    assert_eq!(audio.samples, stored);
}

#[test]
fn lossless_formats_agree_to_the_bit() {
    let decode = |name| decode_path(&fixture(name), &DecodeOptions::default()).unwrap().samples;
    assert_eq!(decode("tone.flac"), decode("tone-alac.m4a"));
}

#[test]
fn a_path_and_a_reader_give_the_same_samples() {
    for expected in EXPECTED {
        let options = DecodeOptions::default();
        let from_path = decode_path(&fixture(expected.name), &options).unwrap();
        let reader = Cursor::new(fixture_bytes(expected.name));
        let from_reader = decode_reader(reader, None, &options).unwrap();
        assert_eq!(from_path, from_reader, "{}", expected.name);
    }
}

#[test]
fn a_stream_gives_the_same_samples_in_pieces() {
    for expected in EXPECTED {
        let path = fixture(expected.name);
        let mut stream = AudioStream::open(&path, &Limits::default()).unwrap();
        assert_eq!(stream.sample_rate(), expected.sample_rate, "{}", expected.name);
        let (mut samples, mut chunk) = (Vec::new(), Vec::new());
        while stream.read(&mut chunk).unwrap() {
            assert!(!chunk.is_empty());
            samples.append(&mut chunk);
        }
        let whole = decode_path(&path, &DecodeOptions::default()).unwrap();
        assert_eq!(samples, whole.samples, "{}", expected.name);
        assert_eq!((stream.source(), stream.damage()), (whole.source, whole.damage));
    }
}

#[test]
fn decoding_at_another_rate_keeps_length_and_level() {
    for expected in EXPECTED.iter().filter(|expected| !expected.untold_delay) {
        let options = DecodeOptions { sample_rate: Some(8_000), ..DecodeOptions::default() };
        let audio = decode_path(&fixture(expected.name), &options).unwrap();
        assert_eq!((audio.sample_rate, audio.samples.len()), (8_000, 4_000), "{}", expected.name);
        let (sine, cosine, _) = fit(&audio, 440.0);
        assert!((sine - expected.amplitude).abs() < LOSSY, "{}: {sine}", expected.name);
        assert!(cosine.abs() < LOSSY, "{}: {cosine}", expected.name);
    }
}

#[test]
fn tags_are_read_from_every_kind_of_container() {
    let tags = Tags {
        artist: Some("Sine".to_owned()),
        album_artist: Some("Various Sines".to_owned()),
        album: Some("Waves".to_owned()),
        title: Some("Tone".to_owned()),
        track: Some(3),
        disc: Some(1),
    };
    for name in ["tone.mp3", "tone.ogg", "tone.flac", "tone.m4a", "tone.opus"] {
        let probe = probe_path(&fixture(name), &Limits::default()).unwrap();
        assert_eq!(probe.tags, tags, "{name}");
        let seconds = probe.seconds.unwrap();
        assert!((seconds - 0.5).abs() < 1e-6, "{name}: {seconds}");
        assert_eq!(probe.channels, Some(2), "{name}");
    }
    let untagged = probe_path(&fixture("tone.aiff"), &Limits::default()).unwrap();
    assert_eq!(untagged.tags, Tags::default());
    assert_eq!(untagged.codec, "pcm_s16be");
}

#[test]
fn opus_is_named_even_where_it_cannot_be_decoded() {
    let path = fixture("tone.opus");
    assert_eq!(probe_path(&path, &Limits::default()).unwrap().codec, "opus");
    let result = decode_path(&path, &DecodeOptions::default());
    assert_eq!(result.is_ok(), cfg!(feature = "opus"), "{result:?}");
    if let Err(error) = result {
        assert!(matches!(&error, AudioError::UnsupportedCodec { codec, .. } if codec == "opus"));
        assert!(error.hint().unwrap().contains("feature `opus`"));
    }
}

#[test]
fn chained_ogg_streams_are_decoded_one_after_the_other() {
    let once = decode_path(&fixture("tone.ogg"), &DecodeOptions::default()).unwrap().samples;
    let chain = [fixture_bytes("tone.ogg"), fixture_bytes("tone.ogg")].concat();
    let audio = decode_reader(Cursor::new(chain), Some("ogg"), &DecodeOptions::default()).unwrap();
    assert_eq!(audio.samples, [once.clone(), once].concat());
    assert!((audio.source.seconds - 1.0).abs() < 1e-9);
    assert!(audio.damage.is_none());
}

#[test]
fn a_chain_that_changes_its_rate_is_refused_by_name() {
    let chain = [fixture_bytes("tone.ogg"), fixture_bytes("tone-22050.ogg")].concat();
    let result = decode_reader(Cursor::new(chain), Some("ogg"), &DecodeOptions::default());
    assert!(
        matches!(result, Err(AudioError::SampleRateChanged { from: 44_100, to: 22_050, .. })),
        "{result:?}"
    );
}
