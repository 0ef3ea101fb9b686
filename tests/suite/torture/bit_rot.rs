//! Single bits that flip in what was made, with sizes and times as they were.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::crash_points::{PIPELINE, artefacts, holds_times};
use super::{Draws, report, size};
use crate::checkout::{Checkout, all_files_under};

/// Writes other bytes into a file as a disk does that rots: neither its length nor its time says so.
fn overwrite(path: &Path, bytes: &[u8]) {
    let modified: SystemTime = fs::metadata(path).unwrap().modified().unwrap();
    fs::write(path, bytes).unwrap();
    File::options().append(true).open(path).unwrap().set_modified(modified).unwrap();
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    overwrite(path, &bytes);
}

/// What has sums: all that is made but what holds times, and the sums themselves.
fn summed(checkout: &Checkout) -> Vec<PathBuf> {
    let mut files = all_files_under(&checkout.path().join("data"));
    let own_sum = ["content-hashes.bin", "index.json"];
    files.retain(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        (!holds_times(path) || own_sum.contains(&name)) && name != "environment.json"
    });
    files
}

/// The paths that `verify` names.
fn named(checkout: &Checkout, arguments: &[&str], code: i32) -> BTreeSet<PathBuf> {
    let ended = checkout.run(&[&["verify", "--json"], arguments].concat()).expect_code(code);
    let found = ended.json().remove(0);
    let damaged = found["damaged"].as_array().unwrap();
    damaged.iter().map(|one| checkout.path().join(one["path"].as_str().unwrap())).collect()
}

#[test]
fn a_flipped_bit_anywhere_in_what_was_made_is_found_and_no_other_file_is_named() {
    let checkout = Checkout::with_music();
    checkout.run(&PIPELINE).expect_code(0);
    checkout.run(&["embed", "--corpus", "music", "--quiet"]).expect_code(0);
    assert_eq!(named(&checkout, &[], 0), BTreeSet::new());
    let files = summed(&checkout);
    let (tried, mut held, mut draws) = (size(60, 1_000), 0, Draws(7));
    let mut hit = BTreeSet::new();
    for trial in 0..tried {
        // Each file in turn, so that small ones have their share.
        let path = &files[trial % files.len()];
        let whole = fs::read(path).unwrap();
        flip(path, draws.below(8 * whole.len()));
        let found = named(&checkout, &[], 1);
        held += usize::from(found == BTreeSet::from([path.clone()]));
        hit.extend(path.extension().map(ToOwned::to_owned));
        overwrite(path, &whole);
    }
    report("single flipped bits found", tried, held);
    assert_eq!(held, tried);
    assert!(hit.len() >= 5, "{hit:?}");
    assert_eq!(named(&checkout, &[], 0), BTreeSet::new());
}

#[test]
fn repair_makes_what_is_damaged_as_it_was_and_touches_no_other_album() {
    let checkout = Checkout::with_music();
    checkout.run(&PIPELINE).expect_code(0);
    let undisturbed = artefacts(&checkout);
    let albums = checkout.spectrogram_files();
    let run = checkout.run_folder();
    let fingerprints = run.join("fingerprints");
    let middle = |path: &Path| 4 * fs::metadata(path).unwrap().len() as usize;
    let last = |path: &Path| 8 * fs::metadata(path).unwrap().len() as usize - 100;
    let index = albums[0].parent().unwrap().parent().unwrap().join("index.json");
    let mut trials: Vec<(PathBuf, usize)> = vec![
        (albums[0].clone(), middle(&albums[0])),
        (albums[1].clone(), last(&albums[1])),
        (index.clone(), middle(&index)),
    ];
    for path in [
        run.join("split.tsv"),
        run.join("model.safetensors"),
        run.join("history.jsonl"),
        run.join("predictions.parquet"),
        run.join("metrics.json"),
        run.join("baselines.json"),
        fingerprints.join("train.json"),
        fingerprints.join("evaluate.json"),
    ] {
        let bit = middle(&path);
        trials.push((path, bit));
    }
    let mut held = 0;
    for (path, bit) in &trials {
        let times: Vec<SystemTime> =
            albums.iter().map(|path| fs::metadata(path).unwrap().modified().unwrap()).collect();
        flip(path, *bit);
        for (flags, code) in [(["--repair", "--dry-run"].as_slice(), 1), (&["--repair"], 0)] {
            assert_eq!(named(&checkout, flags, code), BTreeSet::from([path.clone()]));
        }
        assert_eq!(named(&checkout, &[], 0), BTreeSet::new());
        let found = artefacts(&checkout);
        let other = undisturbed.iter().find(|(path, bytes)| found.get(*path) != Some(*bytes));
        assert!(other.is_none(), "after {}: {:?}", path.display(), other.map(|(path, _)| path));
        for (album, time) in albums.iter().zip(times) {
            let is_as_it_was = fs::metadata(album).unwrap().modified().unwrap() == time;
            assert_eq!(is_as_it_was, album != path, "{}", album.display());
        }
        held += 1;
    }
    report("damaged files made anew", trials.len(), held);
    // Of a training that is over nobody needs to know where it stood.
    let checkpoint = run.join("checkpoint.safetensors");
    flip(&checkpoint, middle(&checkpoint));
    assert_eq!(named(&checkout, &["--repair"], 0), BTreeSet::from([checkpoint.clone()]));
    let left = undisturbed.len() - 1;
    assert!(!checkpoint.exists() && artefacts(&checkout).len() == left);
}

#[test]
fn a_training_refuses_a_split_and_spectrograms_that_rotted() {
    let checkout = Checkout::with_music();
    checkout.quick("train", &[]).expect_code(0);
    let split = checkout.run_folder().join("split.tsv");
    let whole = fs::read(&split).unwrap();
    flip(&split, 4 * whole.len());
    let ended = checkout.quick("train", &["--force"]).expect_code(1);
    ended.expect_error(&[
        "split.tsv` is damaged, it is not as it was made",
        "hint: `cargo xtask verify --repair`",
    ]);
    overwrite(&split, &whole);
    let album = &checkout.spectrogram_files()[0];
    flip(album, 4 * fs::metadata(album).unwrap().len() as usize);
    let ended = checkout.quick("train", &["--force"]).expect_code(1);
    ended.expect_error(&[album.file_name().unwrap().to_str().unwrap(), "digest"]);
}

#[test]
fn an_index_and_an_album_that_rot_together_are_both_made_anew() {
    let checkout = Checkout::with_music();
    checkout.run(&PIPELINE).expect_code(0);
    let undisturbed = artefacts(&checkout);
    let album = &checkout.spectrogram_files()[0];
    let index = album.parent().unwrap().parent().unwrap().join("index.json");
    for path in [album, &index] {
        flip(path, 4 * fs::metadata(path).unwrap().len() as usize);
    }
    checkout.run(&["verify", "--repair"]).expect_code(0);
    assert_eq!(named(&checkout, &[], 0), BTreeSet::new());
    assert!(artefacts(&checkout) == undisturbed);
}

#[test]
fn results_of_music_that_changed_are_not_replaced_by_a_repair() {
    let checkout = Checkout::with_music();
    checkout.run(&PIPELINE).expect_code(0);
    checkout.song("Alto/Album 9/Song 1.wav", 480.0, 4.2);
    let run = checkout.run_folder();
    let model = fs::read(run.join("model.safetensors")).unwrap();
    let metrics = run.join("metrics.json");
    flip(&metrics, 4 * fs::metadata(&metrics).unwrap().len() as usize);
    let ended = checkout.run(&["verify", "--repair"]).expect_code(1);
    ended.expect_error(&["its music is no longer what it was made of", "metrics.json"]);
    assert!(fs::read(run.join("model.safetensors")).unwrap() == model);
    // Nothing says that all is well before it is.
    assert_eq!(named(&checkout, &[], 1), BTreeSet::from([metrics]));
    fs::remove_file(checkout.music("Alto/Album 9/Song 1.wav")).unwrap();
    checkout.run(&["verify", "--repair"]).expect_code(0);
    assert_eq!(named(&checkout, &[], 0), BTreeSet::new());
}

#[test]
fn a_stage_that_is_gone_is_missed_where_later_ones_are_there() {
    let checkout = Checkout::with_music();
    checkout.run(&PIPELINE).expect_code(0);
    let run = checkout.run_folder();
    let fingerprint = run.join("fingerprints").join("train.json");
    let whole = fs::read(&fingerprint).unwrap();
    fs::remove_file(run.join("model.safetensors")).unwrap();
    fs::remove_file(&fingerprint).unwrap();
    assert_eq!(named(&checkout, &[], 1), BTreeSet::from([fingerprint.clone()]));
    checkout.run(&["verify", "--repair"]).expect_code(0);
    assert!(fs::read(fingerprint).unwrap() == whole);
}

#[test]
fn what_repair_can_only_take_away_is_missed_until_it_is_made_again() {
    let checkout = Checkout::with_music();
    checkout.quick("train", &[]).expect_code(0);
    checkout.run(&["embed", "--corpus", "music", "--quiet"]).expect_code(0);
    let config = checkout.run_folder().join("config.toml");
    let embeddings = crate::embed::file(&checkout);
    let embed = ["embed", "--corpus", "music", "--quiet"];
    let train = ["train", "--corpus", "music", "--clip", "1s", "--epochs", "2", "--quiet"];
    for (path, command) in [(embeddings, &embed[..]), (config, &train)] {
        flip(&path, 4 * fs::metadata(&path).unwrap().len() as usize);
        let ended = checkout.run(&["verify", "--repair"]).expect_code(1);
        let name = path.file_name().unwrap().to_str().unwrap();
        ended.expect_error(&[
            "still damaged",
            name,
            "makes it again",
            "hint: the commands named above",
        ]);
        assert!(!path.exists());
        assert_eq!(named(&checkout, &[], 1), BTreeSet::from([path]));
        checkout.run(command).expect_code(0);
        assert_eq!(named(&checkout, &[], 0), BTreeSet::new());
    }
}

#[test]
fn an_artist_may_be_called_as_what_lies_beside_the_artists() {
    let checkout = Checkout::with_music();
    checkout.song("embeddings/log-mel-1/Song 1.wav", 500.0, 2.2);
    checkout.quick("preprocess", &[]).expect_code(0);
    let embed = ["embed", "--corpus", "music", "--weights", "bundled", "--quiet"];
    checkout.run(&embed).expect_code(3);
    let albums = checkout.spectrogram_files();
    let album = albums.iter().find(|path| path.to_str().unwrap().contains("/embeddings/")).unwrap();
    flip(album, 4 * fs::metadata(album).unwrap().len() as usize);
    assert_eq!(named(&checkout, &[], 1), BTreeSet::from([album.clone()]));
}

#[test]
fn spectrograms_that_no_run_uses_are_made_anew_by_the_command_that_made_them() {
    let checkout = Checkout::with_music();
    checkout.quick("preprocess", &[]).expect_code(0);
    let album = &checkout.spectrogram_files()[0];
    let whole = fs::read(album).unwrap();
    // A song, and all of the file.
    for bit in [4 * whole.len(), 8 * whole.len() - 100] {
        flip(album, bit);
        let ended = checkout.run(&["verify", "--repair"]).expect_code(1);
        ended.expect_error(&[
            "1 damaged piece could not be repaired",
            "hint:",
            "`cargo xtask preprocess`",
        ]);
        checkout.quick("preprocess", &[]).expect_code(0);
        assert!(fs::read(album).unwrap() == whole);
        checkout.run(&["verify"]).expect_code(0);
    }
}
