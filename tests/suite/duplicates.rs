//! One recording under two names must not both train and test.

use std::fs;

use serde_json::Value;

use crate::checkout::{Checkout, files_under};

/// Appends a chunk of tags to a copy of a WAV file: other bytes, the same sound.
fn copy_with_tags(checkout: &Checkout, from: &str, to: &str) {
    let mut bytes = fs::read(checkout.music(from)).unwrap();
    let tags = [b"LIST".as_slice(), &18_u32.to_le_bytes(), b"INFOINAM", &6_u32.to_le_bytes()];
    bytes.extend(tags.concat());
    bytes.extend(b"Copied");
    let riff_bytes = (bytes.len() - 8) as u32;
    bytes[4..8].copy_from_slice(&riff_bytes.to_le_bytes());
    checkout.bytes(to, &bytes);
}

/// Noise whose loudness changes by the tenth of a second, from `first` on.
fn noise(seed: u32, seconds: f32, first: f32, gain: f32) -> impl Iterator<Item = f32> {
    let mut state = seed;
    let mut random = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut loudness = 0.0;
    let all = (0..(seconds * 16_000.0) as usize).map(move |position| {
        if position.is_multiple_of(1_600) {
            loudness = random().abs();
        }
        gain * loudness * random()
    });
    all.skip((first * 16_000.0) as usize)
}

#[test]
fn a_split_with_the_same_sound_in_two_parts_is_refused_whatever_the_tags() {
    let checkout = Checkout::with_music();
    // So many that no split of this size keeps them together.
    for copy in 1..=6 {
        let to = format!("Alto/Album {}/Copy {copy}.wav", 1 + copy % 3);
        copy_with_tags(&checkout, "Alto/Album 1/Song 1.wav", &to);
    }
    checkout.quick("train", &[]).expect_code(1).expect_error(&[
        "the same recording in more than one part",
        "Alto/Album 1/Song 1.wav",
        "--drop-duplicates",
    ]);
    let dropped = checkout.quick("train", &["--drop-duplicates"]).expect_code(0);
    let listed = dropped.err.matches("has the same sound as `Alto/Album 1/Copy 3.wav`").count();
    assert_eq!(listed, 5, "{}", dropped.err);
    assert!(dropped.err.contains("left out: 1 more"), "{}", dropped.err);
    // The refused run left no split.
    let splits = files_under(&checkout.path().join("data/runs"), "tsv");
    assert_eq!(splits.len(), 1);
    let split = fs::read_to_string(&splits[0]).unwrap();
    assert_eq!(split.matches("Copy").count(), 1, "{split}");
}

#[test]
fn a_near_duplicate_in_another_part_is_warned_of_and_listed_with_its_lag() {
    let checkout = Checkout::with_music();
    checkout.wav("Alto/Album 1/Noise.wav", noise(1, 14.0, 0.0, 0.5));
    checkout.wav("Basso/Album 1/Noise.wav", noise(2, 14.0, 0.0, 0.5));
    // Quieter, with its first second cut off, in both other albums.
    for (album, gain) in [(2, 0.1), (3, 0.25)] {
        checkout.wav(&format!("Alto/Album {album}/Noise.wav"), noise(1, 14.0, 1.0, gain));
    }
    checkout.quick("train", &["--split", "album"]).expect_code(0).expect_error(&[
        "warning: `Alto/Album 1/Noise.wav` (",
        "hold the same recording",
        "-1.0 s apart",
    ]);
    let is_list = |path: &&std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("near-duplicates-") && !name.contains("fingerprint")
    };
    let lists = files_under(&checkout.path().join("data/cache"), "json");
    let list = lists.iter().find(is_list).unwrap();
    let list: Value = serde_json::from_slice(&fs::read(list).unwrap()).unwrap();
    let pairs = list["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 3, "{list:#}");
    assert!(pairs.iter().all(|pair| pair["first"].as_str().unwrap().starts_with("Alto")));
    assert!(pairs.iter().all(|pair| pair["bit_errors"].as_f64().unwrap() < 0.1), "{list:#}");
    // The report says it too.
    checkout.quick("report", &["--split", "album"]).expect_code(0);
    let page = String::from_utf8(checkout.run_file("report.html")).unwrap();
    assert!(page.contains("hold the same recording"));
}
