//! `gc`: what no run needs goes, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use crate::checkout::{Checkout, all_files_under};
use crate::embed::with_music_and_model;

fn files(checkout: &Checkout) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = all_files_under(&checkout.path().join("data"));
    files.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn what_no_run_needs_goes_and_the_rest_stays_as_it_is() {
    let checkout = with_music_and_model();
    checkout.run(&["gc"]).expect_code(1).expect_error(&["there is no data folder `data`"]);
    let narrow = ["preprocess", "--corpus", "music", "--precision", "f16"];
    checkout.run(&narrow).expect_code(0);
    // Without a run nobody knows what is in vain.
    let ended = checkout.run(&["gc"]).expect_code(0);
    assert_eq!(ended.out, "0 pieces of 0.0 MB removed\n");

    checkout.quick("train", &[]).expect_code(0);
    let run = checkout.run_folder().to_str().unwrap().to_owned();
    let of_run = ["embed", "--corpus", "music", "--weights", &run];
    checkout.run(&of_run).expect_code(0);
    let before = files(&checkout);
    // Of a model that is no run's.
    checkout.run(&["embed", "--corpus", "music", "--weights", "model.safetensors"]).expect_code(0);
    let all = files(&checkout);

    let dry = checkout.run(&["gc", "--dry-run", "--json"]).expect_code(0).json().remove(0);
    assert!(files(&checkout) == all);
    let pieces = dry["pieces"].as_array().unwrap();
    assert_eq!((pieces.len(), &dry["removed"]), (3, &false.into()), "{dry}");
    let told = checkout.run(&["gc", "--json"]).expect_code(0).json().remove(0);
    assert_eq!((&told["pieces"], &told["bytes"]), (&dry["pieces"], &dry["bytes"]));

    let after = files(&checkout);
    let freed: usize = all
        .iter()
        .filter(|(path, _)| !after.contains_key(*path))
        .map(|(_, bytes)| bytes.len())
        .sum();
    assert_eq!(told["bytes"], freed);
    let is_narrow = |path: &PathBuf| path.to_str().unwrap().contains("log-mel-f16-");
    assert!(before.keys().any(is_narrow) && !after.keys().any(is_narrow));
    let kept = |files: &BTreeMap<PathBuf, Vec<u8>>| -> Vec<PathBuf> {
        files.keys().filter(|path| !is_narrow(path)).cloned().collect()
    };
    assert_eq!(kept(&after), kept(&before));
    let fresh = checkout.run(&[&of_run[..], &["--dry-run"]].concat()).expect_code(0);
    assert!(fresh.out.contains("embed       fresh"), "{}", fresh.out);
    let fresh = checkout.quick("train", &["--dry-run"]).expect_code(0);
    assert!(!fresh.out.contains("stale"), "{}", fresh.out);
    checkout.run(&["verify"]).expect_code(0);
}

#[test]
fn nothing_goes_while_nobody_knows_what_a_run_needs() {
    let checkout = Checkout::with_music();
    checkout.quick("train", &[]).expect_code(0);
    checkout.run(&["preprocess", "--corpus", "music", "--precision", "f16"]).expect_code(0);
    let saved = checkout.run_folder().join("config.toml");
    let whole = fs::read(&saved).unwrap();
    fs::write(&saved, "seed = \"none\"").unwrap();
    let all = files(&checkout);
    let ended = checkout.run(&["gc"]).expect_code(1);
    ended.expect_error(&["nothing is removed", "nobody knows what", "config.toml"]);
    assert!(files(&checkout) == all);
    fs::remove_file(&saved).unwrap();
    checkout.run(&["gc"]).expect_code(1).expect_error(&["nothing is removed", "config.toml"]);
    assert_eq!(files(&checkout).len(), all.len() - 1);
    fs::write(&saved, whole).unwrap();
    // Nor where its music is not there to say which corpus it is of.
    fs::rename(checkout.music(""), checkout.path().join("away")).unwrap();
    let ended = checkout.run(&["gc"]).expect_code(0);
    assert_eq!(ended.out, "0 pieces of 0.0 MB removed\n");
    fs::rename(checkout.path().join("away"), checkout.music("")).unwrap();
    let ended = checkout.run(&["gc"]).expect_code(0);
    assert!(ended.out.contains("log-mel-f16-"), "{}", ended.out);
    assert!(ended.out.ends_with("removed\n") && ended.out.contains("1 piece of "), "{}", ended.out);
}
