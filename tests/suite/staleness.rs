//! A table of edits: after each, just what depends on it is stale, and `status` says why.

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use crate::checkout::Checkout;

/// The state of each stage by `status --json`, and all reasons as one text.
fn status(checkout: &Checkout, further: &[&str]) -> (BTreeMap<String, String>, String) {
    let further = [further, &["--json"]].concat();
    let ended = checkout.quick("status", &further).expect_code(0);
    let line = &ended.json()[0];
    let stages = line["stages"].as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let states = stages.iter().map(|stage| (text(&stage["stage"]), text(&stage["state"])));
    (states.collect(), line["stages"].to_string())
}

/// The stages that will run for certain, in the order of the alphabet.
fn stale(checkout: &Checkout, further: &[&str]) -> Vec<String> {
    let (states, _) = status(checkout, further);
    states.into_iter().filter(|(_, state)| state == "stale").map(|(stage, _)| stage).collect()
}

fn built() -> Checkout {
    let checkout = Checkout::with_music();
    checkout.quick("report", &[]).expect_code(0);
    assert!(stale(&checkout, &[]).is_empty());
    checkout
}

#[test]
fn before_anything_is_built_everything_is_stale() {
    let checkout = Checkout::with_music();
    let all = [
        "baseline",
        "duplicates",
        "evaluate",
        "map",
        "preprocess",
        "report",
        "scan",
        "split",
        "train",
    ];
    assert_eq!(stale(&checkout, &[]), all);
}

#[test]
fn flags_make_stale_what_they_decide() {
    let checkout = built();
    let trial = ["baseline", "evaluate", "map", "report", "split", "train"];
    let everything =
        ["baseline", "duplicates", "evaluate", "map", "preprocess", "report", "split", "train"];
    let edits: [(&[&str], &[&str]); 9] = [
        (&["--threads", "1"], &[]),
        (&["--memory", "0.5"], &[]),
        (&["--clip", "2s"], &trial),
        (&["--seed", "1"], &trial),
        (&["--split", "album"], &trial),
        (&["--epochs", "3"], &trial),
        (&["--gru-form", "torch"], &trial),
        (&["--max-seconds", "3"], &everything),
        (&["--precision", "f16"], &everything),
    ];
    for (flags, expected) in edits {
        // Flags given twice are refused, so the ones of a quick run are left out where they differ.
        let mut arguments = vec!["status", "--corpus", "music", "--json"];
        if flags[0] != "--clip" {
            arguments.extend(["--clip", "1s"]);
        }
        if flags[0] != "--epochs" {
            arguments.extend(["--epochs", "2"]);
        }
        arguments.extend(flags);
        let line = checkout.run(&arguments).expect_code(0).json().remove(0);
        let mut states: Vec<&str> = line["stages"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|stage| stage["state"] == "stale")
            .map(|stage| stage["stage"].as_str().unwrap())
            .collect();
        states.sort_unstable();
        assert_eq!(states, expected, "{flags:?}");
    }
}

#[test]
fn explain_names_the_setting_that_differs_old_and_new() {
    let checkout = built();
    let ended = checkout
        .run(&["status", "--corpus", "music", "--clip", "2s", "--epochs", "2", "--explain"])
        .expect_code(0);
    assert!(ended.out.contains("setting `clip` changed: 1s -> 2s"), "{}", ended.out);
}

#[test]
fn a_touched_song_makes_nothing_stale() {
    let checkout = built();
    let song = checkout.music("Alto/Album 1/Song 1.wav");
    let file = fs::File::options().write(true).open(&song).unwrap();
    file.set_modified(SystemTime::now() + Duration::from_secs(100)).unwrap();
    assert!(stale(&checkout, &[]).is_empty());
}

#[test]
fn a_rewritten_song_of_the_same_bytes_makes_nothing_stale() {
    let checkout = built();
    let song = checkout.music("Alto/Album 1/Song 1.wav");
    let bytes = fs::read(&song).unwrap();
    fs::remove_file(&song).unwrap();
    fs::write(&song, bytes).unwrap();
    assert!(stale(&checkout, &[]).is_empty());
}

#[test]
fn a_changed_song_is_the_only_one_decoded_again() {
    let checkout = built();
    let files = checkout.spectrogram_files();
    let before: Vec<_> = files.iter().map(|path| fs::read(path).unwrap()).collect();
    checkout.song("Alto/Album 1/Song 1.wav", 500.0, 4.2);
    let (_, reasons) = status(&checkout, &[]);
    assert!(reasons.contains("song Alto/Album 1/Song 1.wav"), "{reasons}");
    assert!(!reasons.contains("Song 2.wav"), "{reasons}");
    checkout.quick("preprocess", &[]).expect_code(0);
    let changed = files.iter().zip(before).filter(|(path, old)| fs::read(path).unwrap() != *old);
    assert_eq!(changed.count(), 1, "only the album's own file is written again");
    let (states, _) = status(&checkout, &[]);
    assert_eq!(states["preprocess"], "fresh");
    // The song may stand in any part; whichever it is, the stages that use it are stale.
    assert!(states["train"] == "stale" || states["evaluate"] != "fresh", "{states:?}");
}

#[test]
fn a_new_song_is_decoded_and_dealt_and_an_old_one_is_not_decoded_again() {
    let checkout = built();
    checkout.song("Alto/Album 4/Song 1.wav", 450.0, 4.2);
    let (states, reasons) = status(&checkout, &[]);
    assert_eq!(states["preprocess"], "stale");
    assert!(reasons.contains("Album 4") && !reasons.contains("Album 3"), "{reasons}");
    checkout.quick("report", &[]).expect_code(0);
    assert!(stale(&checkout, &[]).is_empty());
    assert!(String::from_utf8(checkout.run_file("split.tsv")).unwrap().contains("Album 4"));
}

#[test]
fn a_removed_song_leaves_the_trial() {
    let checkout = built();
    fs::remove_file(checkout.music("Alto/Album 1/Song 1.wav")).unwrap();
    let (states, _) = status(&checkout, &[]);
    assert_eq!(states["preprocess"], "fresh", "nothing has to be decoded");
    assert_eq!(states["split"], "stale");
    checkout.quick("report", &[]).expect_code(0);
    let split = String::from_utf8(checkout.run_file("split.tsv")).unwrap();
    assert!(!split.contains("Alto/Album 1/Song 1.wav"), "{split}");
}

#[test]
fn a_lost_or_damaged_file_of_spectrograms_is_made_again_with_the_same_bytes() {
    let checkout = built();
    let file = checkout.spectrogram_files().remove(0);
    let whole = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    assert_eq!(status(&checkout, &[]).0["preprocess"], "stale");
    checkout.quick("report", &[]).expect_code(0);
    assert!(fs::read(&file).unwrap() == whole);
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(status(&checkout, &[]).0["preprocess"], "stale");
    checkout.quick("report", &[]).expect_code(0);
    assert!(fs::read(&file).unwrap() == whole);
}

#[test]
fn a_lost_index_costs_no_decoding() {
    let checkout = built();
    let folder = checkout.spectrogram_files()[0].ancestors().nth(2).unwrap().to_owned();
    fs::remove_file(folder.join("index.json")).unwrap();
    assert!(stale(&checkout, &[]).is_empty());
}

#[test]
fn a_lost_output_is_made_again_and_what_only_reads_it_stays() {
    let checkout = built();
    let metrics = checkout.run_file("metrics.json");
    fs::remove_file(checkout.run_folder().join("metrics.json")).unwrap();
    assert!(stale(&checkout, &[]).contains(&"evaluate".to_owned()));
    let ended = checkout.quick("report", &[]).expect_code(0);
    assert!(checkout.run_file("metrics.json") == metrics);
    assert!(!ended.out.contains("train "), "nothing was trained: {}", ended.out);
}

#[test]
fn an_edited_model_is_scored_again() {
    let checkout = built();
    let path = checkout.run_folder().join("model.safetensors");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 2;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    assert_eq!(status(&checkout, &[]).0["evaluate"], "stale");
}

#[test]
fn a_damaged_fingerprint_is_a_reason_not_a_failure() {
    let checkout = built();
    fs::write(checkout.run_folder().join("fingerprints/evaluate.json"), "{").unwrap();
    let (states, reasons) = status(&checkout, &[]);
    assert_eq!(states["evaluate"], "stale");
    assert!(reasons.contains("fingerprint_damaged"), "{reasons}");
}

#[test]
fn a_training_goes_on_with_the_precision_it_was_begun_with_or_not_at_all() {
    // 18 songs of 132 frames of 128 bands are 1.2 MB as f32, of which training takes a part.
    let (little, too_little) = (["--memory", "0.0007"], ["--memory", "0.0002"]);
    let in_memory = |checkout: &Checkout| {
        let text = checkout.run_file("environment.json");
        let environment: Value = serde_json::from_slice(&text).unwrap();
        environment["train"]["spectrograms_in_memory"].as_str().unwrap().to_owned()
    };
    let lose_model = |checkout: &Checkout| {
        fs::remove_file(checkout.run_folder().join("model.safetensors")).unwrap();
    };
    let narrow = Checkout::with_music();
    narrow.quick("train", &little).expect_code(0);
    assert_eq!(in_memory(&narrow), "f16");
    lose_model(&narrow);
    let ended = narrow.quick("train", &[]).expect_code(0);
    assert!(ended.err.contains("going on after step"), "{}", ended.err);
    assert_eq!(in_memory(&narrow), "f16", "though there is room for more");

    let wide = Checkout::with_music();
    wide.quick("train", &[]).expect_code(0);
    assert_eq!(in_memory(&wide), "f32");
    let checkpoint = wide.run_file("checkpoint.safetensors");
    lose_model(&wide);
    for memory in [little, too_little] {
        let ended = wide.quick("train", &memory).expect_code(1);
        ended.expect_error(&["begun with spectrograms as f32", "--force", "hint: raise"]);
        assert!(wide.run_file("checkpoint.safetensors") == checkpoint, "it is kept");
    }
    wide.quick("train", &["--memory", "0.0007", "--force"]).expect_code(0);
    assert_eq!(in_memory(&wide), "f16");
}

#[test]
fn explain_names_the_songs_that_were_changed_added_and_removed() {
    let checkout = built();
    checkout.song("Alto/Album 1/Song 1.wav", 500.0, 4.2);
    checkout.song("Alto/Album 1/Song 9.wav", 510.0, 4.2);
    fs::remove_file(checkout.music("Alto/Album 2/Song 1.wav")).unwrap();
    let ended = checkout.quick("status", &["--explain"]).expect_code(0);
    let scan: Vec<&str> =
        ended.out.lines().take_while(|line| !line.contains("preprocess")).collect();
    for (word, song) in [
        ("changed", "song Alto/Album 1/Song 1.wav"),
        ("added", "song Alto/Album 1/Song 9.wav"),
        ("removed", "song Alto/Album 2/Song 1.wav"),
    ] {
        let is_said = |line: &&str| line.contains(song) && line.contains(word);
        assert!(scan.iter().any(is_said), "{song}: {}", ended.out);
    }
}

#[test]
fn force_trains_every_epoch_again_to_the_same_bytes() {
    let checkout = Checkout::with_music();
    checkout.quick("train", &[]).expect_code(0);
    let model = checkout.run_file("model.safetensors");
    let epochs = |checkout: &Checkout| {
        let text = String::from_utf8(checkout.run_file("timing.jsonl")).unwrap();
        text.lines().filter(|line| line.contains("epoch")).count()
    };
    assert_eq!(epochs(&checkout), 2);
    let ended = checkout.quick("train", &["--force"]).expect_code(0);
    assert!(!ended.err.contains("going on after step"), "{}", ended.err);
    assert_eq!(epochs(&checkout), 4);
    assert!(checkout.run_file("model.safetensors") == model);
}

#[test]
fn force_runs_the_commands_own_stage_alone() {
    let checkout = built();
    let model = checkout.run_folder().join("model.safetensors");
    let trained = fs::metadata(&model).unwrap().modified().unwrap();
    sleep(Duration::from_millis(20));
    let ended = checkout.quick("evaluate", &["--force"]).expect_code(0);
    assert!(ended.out.contains("evaluate"), "{}", ended.out);
    assert_eq!(fs::metadata(&model).unwrap().modified().unwrap(), trained);
}
