//! `embed`: what a trained model makes of every clip and song of a corpus.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use cantus::Identifier;
use cantus_crnn::ModelFile;
use cantus_eval::Embeddings;
use serde_json::Value;

use crate::checkout::{Checkout, files_under};
use crate::interrupt::{signal, wait_until};
use crate::predict;

const EMBED: [&str; 5] = ["embed", "--corpus", "music", "--weights", "model.safetensors"];

/// Music, and a model that has learnt it, 1 s a clip of whole songs.
pub(crate) fn with_music_and_model() -> Checkout {
    let checkout = Checkout::with_music();
    fs::write(checkout.path().join("model.safetensors"), predict::model()).unwrap();
    checkout
}

fn embed(checkout: &Checkout, further: &[&str]) -> Value {
    let arguments = [&EMBED, further, &["--json"]].concat();
    checkout.run(&arguments).expect_code(0).json().remove(0)
}

/// The only file of embeddings.
pub(crate) fn file(checkout: &Checkout) -> PathBuf {
    let mut files = files_under(&checkout.path().join("data/cache"), "parquet");
    let is_of_embeddings = |name: &OsStr| name.to_string_lossy().starts_with("embeddings-");
    files.retain(|path| path.file_name().is_some_and(is_of_embeddings));
    assert_eq!(files.len(), 1, "{files:?}");
    files.remove(0)
}

fn read(path: &Path) -> Embeddings {
    Embeddings::read_parquet(path).unwrap()
}

/// A byte in the middle of a file, changed.
pub(crate) fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn clips_and_songs_have_the_numbers_that_the_model_has_of_their_files() {
    let checkout = with_music_and_model();
    let told = embed(&checkout, &[]);
    let embeddings = read(&checkout.path().join(told["file"].as_str().unwrap()));
    let identifier = Identifier::open(checkout.path().join("model.safetensors")).unwrap();
    assert_eq!((embeddings.songs().len(), embeddings.clips()), (18, 18 * 4));
    assert_eq!(embeddings.dimensions(), 32);
    let numbers = [("songs", 18), ("clips", 72), ("artists", 3), ("dimensions", 32)];
    for (name, number) in [&numbers[..], &[("new_songs", 18)]].concat() {
        assert_eq!(told[name], number, "{told}");
    }
    assert_eq!(embeddings.model().model_hash, told["model_blake3"].as_str().unwrap());
    assert_eq!(embeddings.model().frames_per_clip, 32);
    assert_eq!(embeddings.model().front_end["audio.excerpt"], "whole");
    let near = |a: f32, b: f32, song: &str| assert!((a - b).abs() < 1e-5, "{song}: {a}, not {b}");
    for (song, mean) in embeddings.songs().iter().zip(embeddings.song_means()) {
        let heard = identifier.identify(checkout.music(&song.song_id)).unwrap();
        assert_eq!(song.clips.len(), heard.clips.len());
        for (clip, heard) in song.clips.iter().zip(&heard.clips) {
            assert!((clip.start_seconds - heard.start_seconds).abs() < 1e-9);
            for (&a, &b) in clip.features.iter().zip(&heard.embedding) {
                near(a, b, &song.song_id);
            }
        }
        for (&a, b) in mean.iter().zip(heard.mean_embedding()) {
            near(a, b, &song.song_id);
        }
    }
    let first = &embeddings.songs()[0];
    assert_eq!(first.song_id, "Alto/Album 1/Song 1.wav");
    assert_eq!(
        [&first.artist, &first.album, &first.title],
        ["Alto", "Album 1", "Song 1"].map(str::to_owned).each_ref()
    );
}

#[test]
fn only_new_and_changed_songs_are_heard_again_and_the_bytes_are_those_of_all_anew() {
    let checkout = with_music_and_model();
    embed(&checkout, &[]);
    let file = file(&checkout);
    let whole = fs::read(&file).unwrap();
    assert_eq!(embed(&checkout, &[])["new_songs"], 0);

    let songs = ["Alto/Album 1/Song 1.wav", "Canto/Album 3/Song 2.wav"];
    let old = songs.map(|song| (checkout.music(song), fs::read(checkout.music(song)).unwrap()));
    checkout.song("Alto/Album 1/Song 1.wav", 500.0, 4.2);
    checkout.song("Alto/Album 4/Song 1.wav", 450.0, 2.2);
    fs::remove_file(checkout.music("Canto/Album 3/Song 2.wav")).unwrap();
    let told = embed(&checkout, &[]);
    assert_eq!((&told["new_songs"], &told["songs"]), (&2.into(), &18.into()), "{told}");
    let changed = fs::read(&file).unwrap();
    assert_eq!(embed(&checkout, &["--force"])["new_songs"], 18);
    assert!(fs::read(&file).unwrap() == changed, "made anew it is other bytes");
    // The spectrograms are no business of `--force` here.
    assert_eq!(embed(&checkout, &["--threads", "1"])["new_songs"], 0);

    for (song, bytes) in old {
        fs::write(song, bytes).unwrap();
    }
    fs::remove_file(checkout.music("Alto/Album 4/Song 1.wav")).unwrap();
    embed(&checkout, &[]);
    assert!(fs::read(&file).unwrap() == whole, "the same music gives the same bytes");
}

#[test]
fn memory_decides_no_number() {
    let checkout = with_music_and_model();
    embed(&checkout, &[]);
    let roomy = fs::read(file(&checkout)).unwrap();
    embed(&checkout, &["--force", "--memory", "0.0001"]);
    assert!(fs::read(file(&checkout)).unwrap() == roomy);
}

#[test]
fn each_model_has_a_file_of_its_own_and_a_changed_one_is_another() {
    let checkout = with_music_and_model();
    let first = embed(&checkout, &[]);
    let path = checkout.path().join("model.safetensors");
    let whole = fs::read(&path).unwrap();
    let mut rotten = whole.clone();
    let last = rotten.len() - 2;
    rotten[last] ^= 1;
    fs::write(&path, rotten).unwrap();
    checkout.run(&EMBED).expect_code(1).expect_error(&["model.safetensors", "digest", "hint:"]);
    let mut other = ModelFile::from_bytes(&whole).unwrap();
    other.labels.reverse();
    fs::write(&path, other.to_bytes().unwrap()).unwrap();
    let second = embed(&checkout, &[]);
    assert_eq!(second["new_songs"], 18);
    assert_ne!(first["file"], second["file"]);
    assert_ne!(first["model_blake3"], second["model_blake3"]);
}

#[test]
fn a_damaged_or_foreign_file_is_named_and_made_again() {
    let checkout = with_music_and_model();
    embed(&checkout, &[]);
    let file = file(&checkout);
    let whole = fs::read(&file).unwrap();
    let again = |problem: &str| {
        let ended = checkout.run(&EMBED).expect_code(0);
        let name = file.file_name().unwrap().to_str().unwrap();
        let ended = ended.expect_error(&["warning: ", name, problem, "not used and is made again"]);
        assert!(ended.out.contains("18 songs heard now"), "{}", ended.out);
        assert!(fs::read(&file).unwrap() == whole);
    };
    damage(&file);
    again("not a sound embeddings file");
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    again("not a sound embeddings file");
    // Another model's, under this one's name and fingerprint.
    let mut other = read(&file).model().clone();
    other.model_hash = "0".repeat(64);
    let foreign = Embeddings::new(other, read(&file).songs().to_vec()).unwrap();
    fs::write(&file, foreign.write_parquet(Vec::new()).unwrap()).unwrap();
    again("holds the embeddings of another model");
    fs::remove_file(&file).unwrap();
    assert_eq!(embed(&checkout, &[])["new_songs"], 18);
    assert!(fs::read(&file).unwrap() == whole);
}

#[test]
fn a_copy_goes_where_the_user_says_and_nothing_is_heard_twice_for_it() {
    let checkout = with_music_and_model();
    let told = embed(&checkout, &["--out", "out/music.parquet"]);
    assert_eq!(told["file"], "out/music.parquet");
    let copy = fs::read(checkout.path().join("out/music.parquet")).unwrap();
    assert!(fs::read(file(&checkout)).unwrap() == copy);
    assert_eq!(embed(&checkout, &["--out", "again.parquet"])["new_songs"], 0);
    assert!(fs::read(checkout.path().join("again.parquet")).unwrap() == copy);
}

#[test]
fn flags_that_contradict_the_model_are_refused_with_what_it_has() {
    let checkout = with_music_and_model();
    let refused = |further: &[&str], parts: &[&str]| {
        let ended = checkout.run(&[&EMBED, further].concat()).expect_code(1);
        let hint = "hint: leave it out, since the model's file decides";
        ended.expect_error(parts).expect_error(&["model.safetensors", hint]);
    };
    refused(&["--clip", "3s"], &["`--clip 3s` contradicts", "takes clips of 1s"]);
    refused(&["--max-seconds", "2"], &["`--max-seconds 2`", "hears the whole of each song"]);
    let configured = |text: &str, part: &str| {
        fs::write(checkout.path().join("some.toml"), text).unwrap();
        refused(&["--config", "some.toml"], &[part, "of the configuration contradicts"]);
    };
    configured("clip = '3s'", "`clip = 3s`");
    configured("max_seconds_per_song = 2.0", "`max_seconds_per_song = 2`");
    configured("[mel]\nn_fft = 1024", "`[mel]`");
    assert!(checkout.spectrogram_files().is_empty());

    // What agrees, and what a file leaves open.
    fs::write(checkout.path().join("some.toml"), "max_songs_per_artist = 2").unwrap();
    let told = embed(&checkout, &["--clip", "1s", "--config", "some.toml"]);
    assert_eq!(told["songs"], 6);
}

#[test]
fn a_model_of_the_middle_hears_the_middle() {
    let checkout = Checkout::with_music();
    checkout.quick("train", &["--max-seconds", "2.5", "--epochs", "1"]).expect_code(0);
    let ended = checkout.run(&["embed", "--corpus", "music", "--json"]).expect_code(0);
    assert!(ended.err.contains("asking data/runs/music-"), "{}", ended.err);
    let embeddings = read(&checkout.path().join(ended.json()[0]["file"].as_str().unwrap()));
    assert_eq!(embeddings.model().front_end["audio.excerpt"], "middle 2.5 s");
    let clips = &embeddings.songs()[0].clips;
    assert_eq!(clips.len(), 2);
    assert!((clips[0].start_seconds - 0.85).abs() < 1e-3, "{}", clips[0].start_seconds);
    // One store of spectrograms: the training's.
    assert_eq!(checkout.spectrogram_files().len(), 9 + 1);
    checkout.run(&["embed", "--corpus", "music", "--max-seconds", "2.5"]).expect_code(0);
    let ended = checkout.run(&["embed", "--corpus", "music", "--max-seconds", "3"]).expect_code(1);
    ended.expect_error(&["`--max-seconds 3`", "hears the middle 2.5 s of each song"]);
}

#[test]
fn songs_that_cannot_be_used_are_listed_and_the_others_go_on() {
    let checkout = with_music_and_model();
    checkout.song("Alto/Album 1/Short.wav", 440.0, 0.5);
    checkout.bytes("Alto/Album 1/Noise.mp3", b"no music at all");
    let ended = checkout.run(&EMBED).expect_code(3);
    assert!(ended.out.contains("18 songs and 72 clips of 1.0 s, 32 numbers each"), "{}", ended.out);
    ended.expect_error(&[
        "2 songs could not be used:",
        "Short.wav: too short for a clip of 1s",
        "Noise.mp3",
    ]);
    let none = Checkout::new();
    none.song("Alto/Album 1/Short.wav", 440.0, 0.5);
    fs::write(none.path().join("model.safetensors"), predict::model()).unwrap();
    let ended = none.run(&EMBED).expect_code(1);
    ended.expect_error(&["no song of `music-", "is as long as a clip of 1s"]);
}

#[test]
fn dry_run_says_what_is_stale_and_writes_nothing() {
    let checkout = with_music_and_model();
    let dry = [&EMBED[..], &["--dry-run"]].concat();
    let ended = checkout.run(&dry).expect_code(0);
    assert!(ended.out.contains("  embed       stale\n              never built"), "{}", ended.out);
    assert!(!checkout.path().join("data").exists());
    embed(&checkout, &[]);
    let told = checkout.run(&[&dry[..], &["--json"]].concat()).expect_code(0).json().remove(0);
    assert_eq!(told["fresh"], true, "{told}");
    assert!(checkout.path().join(told["file"].as_str().unwrap()).exists());
    checkout.song("Alto/Album 1/Song 1.wav", 500.0, 4.2);
    let told = checkout.run(&[&dry[..], &["--json"]].concat()).expect_code(0).json().remove(0);
    let stages: Vec<(&str, &str)> = told["stages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|stage| (stage["stage"].as_str().unwrap(), stage["state"].as_str().unwrap()))
        .collect();
    assert_eq!(stages[1..], [("preprocess", "stale"), ("embed", "maybe_stale")]);
}

#[test]
fn the_bundled_model_hears_where_none_was_trained_and_what_is_missing_is_said() {
    let checkout = Checkout::with_music();
    let ended = checkout.run(&["embed", "--corpus", "music", "--json"]).expect_code(0);
    assert_eq!(ended.json()[0]["songs"], 18);
    ended.expect_error(&["asking the bundled model"]);
    let ended = checkout.run(&EMBED).expect_code(1);
    ended.expect_error(&["there is no model `model.safetensors`", "hint:"]);
    fs::write(checkout.path().join("model.safetensors"), predict::model()).unwrap();
    let ended = checkout.run(&["embed", "--weights", "model.safetensors"]).expect_code(1);
    ended.expect_error(&["the corpus `demo` is not there yet", "cargo xtask fetch demo"]);
}

#[test]
fn a_narrower_selection_costs_the_wider_one_nothing() {
    let checkout = with_music_and_model();
    assert_eq!(embed(&checkout, &[])["new_songs"], 18);
    let narrow = embed(&checkout, &["--max-songs", "2"]);
    assert_eq!((&narrow["songs"], &narrow["new_songs"]), (&6.into(), &6.into()));
    assert_eq!(embed(&checkout, &[])["new_songs"], 0);
    assert_eq!(embed(&checkout, &["--max-songs", "2"])["new_songs"], 0);
}

#[test]
fn ctrl_c_leaves_no_half_file_and_the_same_command_goes_on() {
    let checkout = with_music_and_model();
    embed(&checkout, &[]);
    let file = file(&checkout);
    let whole = fs::read(&file).unwrap();
    checkout.song("Alto/Album 5/0.wav", 490.0, 20.0);
    let first = checkout.music("Alto/Album 5/0.wav");
    for number in 1..150 {
        fs::hard_link(&first, checkout.music(&format!("Alto/Album 5/{number}.wav"))).unwrap();
    }
    checkout.quick("preprocess", &[]).expect_code(0);
    let songs = || Embeddings::read_parquet(&file).unwrap().songs().len();
    let before = songs();
    for stop in ["KILL", "INT"] {
        let heard = songs();
        let child = checkout.start(&[&EMBED[..], &["--checkpoint-seconds", "0"]].concat());
        wait_until("a song", || songs() > heard);
        signal(&child, stop);
        let output = child.wait_with_output().unwrap();
        if stop == "INT" {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(130), "{said}");
            assert!(said.contains("run the same command to go on"), "{said}");
        }
        // Between a file and its fingerprint a kill costs what was heard, and never lies.
        assert!(fs::read(&file).unwrap() != whole);
    }
    let heard = songs() - before;
    assert!((2..150).contains(&heard), "{heard}");
    assert_eq!(embed(&checkout, &[])["new_songs"], 150 - heard);
    let gone_on = fs::read(&file).unwrap();
    assert_eq!(embed(&checkout, &["--force"])["new_songs"], 150 + before);
    assert!(fs::read(&file).unwrap() == gone_on, "as if undisturbed");
}
