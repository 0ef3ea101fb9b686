//! Models and recordings that cannot be used, each by the error that says why.

use cantus::{AudioError, CantusError, Identifier, Origin};
use cantus_crnn::CrnnError;
use cantus_mel::MelConfig;

use crate::music::{FRAMES, front_end, identifier, model_file, music, wav};

fn refusal(bytes: &[u8]) -> CantusError {
    Identifier::from_bytes(bytes).unwrap_err()
}

#[test]
fn a_model_cut_short_anywhere_is_refused() {
    let bytes = model_file(front_end("whole")).to_bytes().unwrap();
    for length in [0, 4, 8, 100, 1_000, bytes.len() / 2, bytes.len() - 1] {
        let error = refusal(&bytes[..length]);
        assert!(matches!(error, CantusError::Model(CrnnError::SafeTensors(_))), "{length}");
        assert!(error.hint().unwrap().contains("cut short"));
    }
}

#[test]
fn a_missing_model_is_named() {
    let error = Identifier::open("no/such/model.safetensors").unwrap_err();
    assert_eq!(error.to_string(), "cannot read model `no/such/model.safetensors`");
    assert!(error.hint().unwrap().contains("model.safetensors"));
}

#[test]
fn a_front_end_that_cannot_be_made_is_refused_before_any_music_is_heard() {
    let mut other = front_end("whole");
    other.insert("chroma.bins".to_owned(), "12".to_owned());
    let error = refusal(&model_file(other).to_bytes().unwrap());
    assert_eq!(
        error.to_string(),
        "the model's front end cannot be made here: `chroma.bins` is `12`, expected no such key"
    );
    let mut none = front_end("whole");
    none.retain(|key, _| !key.starts_with("mel."));
    let error = refusal(&model_file(none).to_bytes().unwrap());
    assert!(matches!(error, CantusError::Mel { .. }), "{error}");
}

#[test]
fn a_front_end_with_other_bands_than_the_network_is_refused() {
    let other = MelConfig { n_mels: 96, ..MelConfig::paper() }.to_key_values();
    let error = refusal(&model_file(other).to_bytes().unwrap());
    assert!(matches!(error, CantusError::Bands { front_end: 96, network: 128 }), "{error}");
}

#[test]
fn a_sample_less_than_a_clip_is_too_short_and_the_seconds_needed_suffice() {
    let identifier = identifier("whole");
    let needed = (FRAMES - 1) * 512;
    let samples = music(1.0, 16_000);
    let error = identifier.identify_samples(&samples[..needed - 1], 16_000).unwrap_err();
    let CantusError::TooShort { origin: Origin::Samples, seconds, needed_seconds } = error else {
        panic!("{error}")
    };
    assert!(seconds < needed_seconds);
    assert!((needed_seconds - needed as f64 / 16_000.0).abs() < 1e-12);
    assert!((identifier.needed_seconds() - needed_seconds).abs() < 1e-12);
    let found = identifier.identify_samples(&samples[..needed], 16_000).unwrap();
    assert_eq!(found.clips.len(), 1);
}

#[test]
fn a_file_that_is_too_short_is_named_with_what_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let path = wav(folder.path(), &music(0.25, 16_000), 16_000);
    let error = identifier("whole").identify(&path).unwrap_err();
    let expected = format!(
        "`{}` is too short: 0.25 s were heard, and a clip of the model takes 0.48 s",
        path.display()
    );
    assert_eq!(error.to_string(), expected);
    assert!(error.hint().unwrap().contains("shorter clips"));
}

#[test]
fn no_samples_are_too_few_and_bad_ones_are_refused() {
    let identifier = identifier("whole");
    let none = identifier.identify_samples(&[], 16_000).unwrap_err();
    assert!(matches!(none, CantusError::TooShort { .. }), "{none}");
    for rate in [16_000, 44_100] {
        let mut samples = music(2.0, rate);
        samples[20_000] = f32::NAN;
        let error = identifier.identify_samples(&samples, rate).unwrap_err();
        let is_named = matches!(
            error,
            CantusError::Samples { .. } | CantusError::Audio(AudioError::NonFiniteInput { .. })
        );
        assert!(is_named, "{rate}: {error}");
    }
    let slow = identifier.identify_samples(&music(2.0, 16_000), 10).unwrap_err();
    assert!(matches!(slow, CantusError::Audio(AudioError::UnsupportedRate { .. })), "{slow}");
}

#[test]
fn what_is_no_music_is_refused_by_the_decoder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("song.mp3");
    std::fs::write(&path, b"no music").unwrap();
    let error = identifier("whole").identify(&path).unwrap_err();
    assert!(matches!(error, CantusError::Audio(AudioError::NotAudio { .. })), "{error}");
    assert!(error.hint().unwrap().contains("mp3"));
}
