//! Files that are not what they should be.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use cantus_audio::{
    Audio, AudioError, AudioStream, DecodeOptions, Excerpt, Limits, Origin, WavFormat, decode_path,
    decode_reader, probe_path, write_wav,
};
use hound::{SampleFormat, WavSpec, WavWriter};

use super::{fixture, fixture_bytes};

fn decode(path: &Path) -> Result<Audio, AudioError> {
    decode_path(path, &DecodeOptions::default())
}

fn decode_bytes(bytes: Vec<u8>, limits: Limits) -> Result<Audio, AudioError> {
    let options = DecodeOptions { limits, ..DecodeOptions::default() };
    decode_reader(Cursor::new(bytes), None, &options)
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

fn float_wav(samples: &[f32]) -> Vec<u8> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: 8_000,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    for sample in samples {
        writer.write_sample(*sample).unwrap();
    }
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn limit_exceeded(result: Result<Audio, AudioError>) -> &'static str {
    match result {
        Err(AudioError::LimitExceeded { quantity, .. }) => quantity,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_missing_file_is_named() {
    let error = decode(Path::new("/no/such/song.mp3")).unwrap_err();
    assert_eq!(error.to_string(), "no such file: `/no/such/song.mp3`");
    assert_eq!(error.origin(), Some(Origin::Path("/no/such/song.mp3".into())));
}

#[test]
fn a_directory_is_not_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let error = decode(folder.path()).unwrap_err();
    assert!(matches!(&error, AudioError::IsDirectory { path } if path == folder.path()));
    assert!(error.hint().is_some());
}

#[cfg(unix)]
#[test]
fn a_device_is_not_opened() {
    assert!(matches!(decode(Path::new("/dev/null")), Err(AudioError::NotAFile { .. })));
}

#[test]
fn an_empty_file_is_called_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "empty.mp3", b"");
    assert!(matches!(decode(&path), Err(AudioError::Empty { .. })));
    assert!(matches!(
        probe_path(&path, &Limits::default()),
        Err(AudioError::Empty { origin: Origin::Path(named) }) if named == path
    ));
}

#[test]
fn text_named_mp3_is_not_audio() {
    let folder = tempfile::tempdir().unwrap();
    let text = "It was the best of times, it was the worst of times.\n".repeat(200);
    let path = write(folder.path(), "song.mp3", text.as_bytes());
    let error = decode(&path).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("`{}` is not audio in a known format (extension `mp3`)", path.display())
    );
    assert!(error.hint().unwrap().contains("flac, m4a, m4b, mp3"), "{:?}", error.hint());
}

#[test]
fn a_truncated_mp3_decodes_what_is_there() {
    let whole = decode(&fixture("tone.mp3")).unwrap();
    let mut bytes = fixture_bytes("tone.mp3");
    bytes.truncate(bytes.len() * 6 / 10);
    let part = decode_bytes(bytes, Limits::default()).unwrap();
    assert!(part.samples.len() > whole.samples.len() / 2);
    assert!(part.samples.len() < whole.samples.len());
    assert_eq!(part.samples, whole.samples[..part.samples.len()]);
    assert!(part.damage.truncated, "{:?}", part.damage);
}

#[test]
fn truncated_files_of_every_format_decode_or_fail_by_name() {
    for name in super::FIXTURES {
        let bytes = fixture_bytes(name);
        for tenths in 1..10 {
            let cut = bytes[..bytes.len() * tenths / 10].to_vec();
            match decode_bytes(cut, Limits::default()) {
                Ok(audio) => assert!(!audio.samples.is_empty(), "{name} {tenths}"),
                Err(AudioError::DecoderPanicked { message, .. }) => {
                    panic!("{name} cut to {tenths} tenths: {message}")
                }
                Err(_) => {}
            }
        }
    }
}

#[test]
fn samples_that_are_not_finite_are_refused_with_their_time() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let mut samples = vec![0.5; 8_000];
        samples[4_000] = bad;
        match decode_bytes(float_wav(&samples), Limits::default()) {
            Err(AudioError::NonFiniteSamples { seconds, .. }) => {
                assert!((seconds - 0.5).abs() < 1e-9, "{seconds}");
            }
            other => panic!("{other:?}"),
        }
    }
    let all = decode_bytes(float_wav(&[f32::NAN; 100]), Limits::default());
    assert!(matches!(all, Err(AudioError::NonFiniteSamples { .. })));
}

#[test]
fn silence_is_audio() {
    let audio = decode_bytes(float_wav(&vec![0.0; 8_000]), Limits::default()).unwrap();
    assert_eq!(audio.samples, vec![0.0; 8_000]);
    assert!(audio.damage.is_none());
}

#[test]
fn a_file_without_samples_says_so() {
    let result = decode_bytes(float_wav(&[]), Limits::default());
    assert!(matches!(result, Err(AudioError::NoSamples { .. })), "{result:?}");
}

#[test]
fn names_with_quotes_emoji_and_200_characters_work() {
    let folder = tempfile::tempdir().unwrap();
    let long = format!("{}.flac", "x".repeat(195));
    for name in ["it's \"quoted\" `so`.flac", "🎵 sång — 歌.flac", "%2F a&b;c\n.flac", &long]
    {
        let path = write(folder.path(), name, &fixture_bytes("tone.flac"));
        assert_eq!(decode(&path).unwrap().samples.len(), 8_000, "{name}");
        let text = write(folder.path(), name, b"text");
        let error = decode(&text).unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_not_utf_8_work_and_can_be_shown() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(OsStr::from_bytes(b"caf\xe9.\xffflac"));
    std::fs::write(&path, fixture_bytes("tone.flac")).unwrap();
    assert_eq!(decode(&path).unwrap().samples.len(), 8_000);

    std::fs::write(&path, "text").unwrap();
    let error = decode(&path).unwrap_err();
    assert_eq!(error.origin(), Some(Origin::Path(path)));
    assert!(error.to_string().contains("caf\u{fffd}"), "{error}");
}

#[test]
fn limits_on_channels_rate_length_and_memory_are_kept() {
    let wav = float_wav(&vec![0.25; 8_000]);
    let with = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limit_exceeded(decode_bytes(wav.clone(), limits))
    };
    assert_eq!(with(|limits| limits.max_channels = 0), "a number of channels");
    assert_eq!(with(|limits| limits.max_sample_rate = 7_999), "a sample rate in Hz");
    assert_eq!(with(|limits| limits.min_sample_rate = 8_001), "a sample rate in Hz");
    assert_eq!(with(|limits| limits.max_seconds = 0.5), "a length in seconds");
    assert_eq!(with(|limits| limits.max_samples = 7_000), "a number of samples to hold");
    assert_eq!(with(|limits| limits.max_metadata_bytes = 20), "headers and tags in bytes");
}

#[test]
fn an_excerpt_of_a_recording_beyond_the_limit_can_be_taken() {
    let limits = Limits { max_seconds: 0.75, ..Limits::default() };
    let excerpt = Excerpt::First { seconds: 0.25 };
    let options = DecodeOptions { excerpt, limits, ..DecodeOptions::default() };
    let wav = float_wav(&vec![0.25; 8_000]);
    assert_eq!(decode_reader(Cursor::new(wav), None, &options).unwrap().samples.len(), 2_000);
}

/// A WAV header by hand: hound would not write such lies.
fn forged_wav(channels: u16, sample_rate: u32, data_len: u32, data: &[u8]) -> Vec<u8> {
    let block = channels.wrapping_mul(2);
    let mut bytes = Vec::new();
    bytes.extend(b"RIFF");
    bytes.extend(data_len.wrapping_add(36).to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
    bytes.extend(channels.to_le_bytes());
    bytes.extend(sample_rate.to_le_bytes());
    bytes.extend(sample_rate.wrapping_mul(u32::from(block)).to_le_bytes());
    bytes.extend(block.to_le_bytes());
    bytes.extend(b"\x10\0data");
    bytes.extend(data_len.to_le_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn a_header_that_claims_too_much_is_refused() {
    let data = [1; 400];
    let rate = decode_bytes(forged_wav(1, 4_000_000_000, 400, &data), Limits::default());
    assert_eq!(limit_exceeded(rate), "a sample rate in Hz");
    for (channels, sample_rate) in [(60_000, 44_100), (0, 44_100), (2, 0)] {
        let forged = forged_wav(channels, sample_rate, 400, &data);
        let result = decode_bytes(forged, Limits::default());
        assert!(result.is_err(), "{channels} channels at {sample_rate} Hz: {result:?}");
    }
}

#[test]
fn a_stated_length_is_not_believed() {
    let forged = forged_wav(1, 8_000, u32::MAX - 40, &[1; 16_000]);
    let audio = decode_bytes(forged, Limits::default()).unwrap();
    assert_eq!(audio.samples.len(), 8_000);
    assert!(audio.damage.truncated);
    assert!((audio.source.seconds - 1.0).abs() < 1e-9);
}

#[test]
fn a_tag_that_claims_to_fill_256_mb_ends_with_the_file() {
    let mut bytes = b"ID3\x04\0\0\x7f\x7f\x7f\x7fTIT2\x7f\x7f\x7f\x7f\0\0".to_vec();
    bytes.extend([0; 1_000]);
    assert!(decode_bytes(bytes, Limits::default()).is_err());
}

/// Overwrites the payload of every ADTS packet whose number `is_bad`.
fn garble_adts(is_bad: impl Fn(usize) -> bool) -> Vec<u8> {
    let mut bytes = fixture_bytes("tone.aac");
    let (mut position, mut number) = (0, 0);
    while position + 7 < bytes.len() {
        let header = &bytes[position..position + 7];
        let len = (usize::from(header[3] & 3) << 11)
            | (usize::from(header[4]) << 3)
            | usize::from(header[5] >> 5);
        if is_bad(number) {
            bytes[position + 7..position + len].fill(0x7f);
        }
        position += len;
        number += 1;
    }
    bytes
}

#[test]
fn a_damaged_packet_is_skipped_and_counted() {
    let audio = decode_bytes(garble_adts(|number| number == 10), Limits::default()).unwrap();
    assert_eq!(audio.damage.damaged_packets, 1);
    assert_eq!(audio.damage.packets, 23);
    assert_eq!(audio.samples.len(), 22 * 1_024);
}

#[test]
fn of_a_codec_that_loses_nothing_a_few_missing_samples_are_noticed() {
    let whole = float_wav(&vec![0.25; 16_000]);
    assert!(decode_bytes(whole.clone(), Limits::default()).unwrap().damage.is_none());
    let audio = decode_bytes(whole[..whole.len() - 400].to_vec(), Limits::default()).unwrap();
    assert_eq!(audio.samples.len(), 15_900);
    assert!(audio.damage.truncated);
    assert_eq!(audio.damage.describe(), "some of the music that the file states is missing");
}

#[test]
fn too_many_damaged_packets_are_an_error_with_their_number() {
    match decode_bytes(garble_adts(|number| number % 4 == 2), Limits::default()) {
        Err(error @ AudioError::Damaged { packets: 23, damaged_packets: 6, .. }) => {
            assert_eq!(
                error.to_string(),
                "the given reader is damaged: 6 of 23 packets could not be decoded"
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_excerpt_of_a_damaged_file_is_refused_too() {
    let excerpt = Excerpt::First { seconds: 0.3 };
    let options = DecodeOptions { excerpt, ..DecodeOptions::default() };
    let bytes = garble_adts(|number| number % 3 == 1);
    let result = decode_reader(Cursor::new(bytes), None, &options);
    assert!(matches!(result, Err(AudioError::Damaged { .. })), "{result:?}");
}

#[test]
fn a_stream_ends_after_an_error() {
    let mut samples = vec![0.0; 20_000];
    samples[10_000] = f32::NAN;
    let mut stream =
        AudioStream::from_reader(Cursor::new(float_wav(&samples)), None, &Limits::default())
            .unwrap();
    let mut read = Vec::new();
    let error = loop {
        match stream.read(&mut read) {
            Ok(true) => {}
            Ok(false) => panic!("the NaN went unnoticed"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, AudioError::NonFiniteSamples { .. }));
    assert!(!stream.read(&mut read).unwrap());
}

#[test]
fn a_written_file_can_be_decoded_from_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.wav");
    let file = std::fs::File::create(&path).unwrap();
    write_wav(std::io::BufWriter::new(file), &[0.5, -0.5], 16_000, WavFormat::Int16).unwrap();
    assert_eq!(decode(&path).unwrap().samples, [0.5, -0.5]);
}
