//! `similar`: the songs and artists of a corpus that a recording is most like.

use std::fs;

use serde_json::Value;

use crate::checkout::Checkout;
use crate::embed::{damage, file, with_music_and_model};
use crate::interrupt::{signal, wait_for};

const CORPUS: [&str; 4] = ["--corpus", "music", "--weights", "model.safetensors"];

fn similar<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["similar"], arguments, &CORPUS].concat()
}

fn json(checkout: &Checkout, arguments: &[&str]) -> Value {
    let arguments = [&similar(arguments)[..], &["--json"]].concat();
    checkout.run(&arguments).expect_code(0).json().remove(0)
}

fn texts<'a>(told: &'a Value, list: &str, field: &str) -> Vec<&'a str> {
    told[list].as_array().unwrap().iter().map(|row| row[field].as_str().unwrap()).collect()
}

#[test]
fn a_song_of_the_corpus_is_most_like_itself_and_then_like_its_artists() {
    let checkout = with_music_and_model();
    let told = json(&checkout, &["music/Basso/Album 2/Song 1.wav", "--top", "6"]);
    let first = &told["songs"][0];
    assert_eq!(first["song_id"], "Basso/Album 2/Song 1.wav");
    assert_eq!(first["same_file"], true);
    assert!((first["similarity"].as_f64().unwrap() - 1.0).abs() < 1e-6, "{first}");
    assert_eq!(texts(&told, "songs", "artist"), ["Basso"; 6]);
    assert_eq!(texts(&told, "artists", "name").len(), 3);
    assert_eq!(told["artists"][0]["name"], "Basso");
    assert_eq!(told["artists"][0]["songs"], 6);
    assert_eq!(told["measure"], "cosine similarity of mean embeddings");
    assert_eq!((&told["clips"], &told["damage"]), (&4.into(), &Value::Null));
    let similarities: Vec<f64> = told["songs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|song| song["similarity"].as_f64().unwrap())
        .collect();
    assert!(similarities.is_sorted_by(|a, b| a >= b), "{similarities:?}");
}

#[test]
fn a_recording_from_elsewhere_is_like_its_artist_and_no_file_of_the_corpus() {
    let checkout = with_music_and_model();
    fs::create_dir(checkout.path().join("elsewhere")).unwrap();
    checkout.song("../elsewhere/who.wav", 490.0, 6.0);
    let told = json(&checkout, &["elsewhere/who.wav", "--top", "1"]);
    assert_eq!(texts(&told, "artists", "name"), ["Alto"]);
    assert_eq!(texts(&told, "songs", "artist"), ["Alto"]);
    assert_eq!(told["songs"][0]["same_file"], false);
}

#[test]
fn for_people_there_are_two_tables_and_the_recording_itself_is_marked() {
    let checkout = with_music_and_model();
    let song = "music/Canto/Album 3/Song 2.wav";
    let ended = checkout.run(&similar(&[song, "--top", "2"])).expect_code(0);
    let lines: Vec<&str> = ended.out.lines().collect();
    assert_eq!(lines[0], song);
    assert!(lines[1].starts_with("4.2 s heard, 4 clips of 1.0 s, beside 18 songs of music-"));
    assert_eq!(lines[2..4], ["", "songs, by cosine similarity of mean embeddings"]);
    assert_eq!(lines[4], " 1.0000  Canto  Album 3  Song 2  the same file");
    assert!(lines[5].contains("  Canto  Album ") && !lines[5].contains("1.0000"), "{}", ended.out);
    assert_eq!(lines[6..8], ["", "artists, each as the mean of its songs"]);
    assert!(lines[8].contains("  Canto") && lines[8].ends_with("6 songs"), "{}", ended.out);
    assert_eq!(lines.len(), 10);
}

#[test]
fn stale_embeddings_are_made_first_and_fresh_ones_are_only_read() {
    let checkout = with_music_and_model();
    let song = "music/Basso/Album 2/Song 1.wav";
    let dry = checkout.run(&similar(&[song, "--dry-run"])).expect_code(0);
    assert!(dry.out.contains("embed       stale"), "{}", dry.out);
    assert!(!checkout.path().join("data").exists());
    json(&checkout, &[song]);
    let file = file(&checkout);
    let whole = fs::read(&file).unwrap();

    // Another command has the data folder: reading goes on, writing is refused.
    let mut child = checkout.start_quick("train", &["--epochs", "500", "--patience", "500"]);
    wait_for(&checkout, "checkpoint.safetensors");
    json(&checkout, &[song]);
    damage(&file);
    let ended = checkout.run(&similar(&[song])).expect_code(1);
    ended.expect_error(&[&child.id().to_string(), "hint:"]);
    signal(&child, "KILL");
    child.wait().unwrap();

    let ended = checkout.run(&similar(&[song])).expect_code(0);
    ended.expect_error(&["not a sound embeddings file", "not used and is made again"]);
    assert!(fs::read(&file).unwrap() == whole);
}

#[test]
fn what_cannot_be_compared_fails_with_a_hint_before_the_corpus_is_heard() {
    let checkout = with_music_and_model();
    checkout.song("../short.wav", 490.0, 0.5);
    let short = checkout.run(&similar(&["short.wav"])).expect_code(1);
    short.expect_error(&["short.wav` is too short: 0.50 s", "hint:"]);
    let gone = checkout.run(&similar(&["gone.wav"])).expect_code(1);
    gone.expect_error(&["no such file", "gone.wav", "hint:"]);
    let folder = checkout.run(&similar(&["music"])).expect_code(1);
    folder.expect_error(&["`music` is a folder", "hint: name one recording"]);
    let clip = checkout.run(&similar(&["short.wav", "--clip", "3s"])).expect_code(1);
    clip.expect_error(&["`--clip 3s` contradicts the model", "hint:"]);
    checkout.run(&similar(&[])).expect_code(2).expect_error(&["<FILE>"]);
    checkout.run(&similar(&["x.wav", "--top", "0"])).expect_code(2).expect_error(&["--top"]);
    assert!(!checkout.path().join("data/cache").exists());
}
