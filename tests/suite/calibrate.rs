//! `calibrate`: what a trained network makes of artists that it does not know.

use std::fs;

use cantus_crnn::ModelFile;

use crate::checkout::{Checkout, files_under};

#[test]
fn a_calibrated_model_says_what_its_stranger_score_means() {
    let checkout = Checkout::with_music();
    let calibrate = ["--groups", "3", "--out", "calibrated.safetensors", "--json"];
    let ended = checkout.quick("calibrate", &calibrate).expect_code(0);
    for artist in ["Alto", "Basso", "Canto"] {
        assert!(ended.err.contains(&format!("of 3: without {artist}")), "{}", ended.err);
    }
    let said = &ended.json()[0];
    // Every song is a stranger's once; each of the three tests some songs of its own.
    assert_eq!(said["unknown_songs"], 18);
    assert!(said["known_songs"].as_u64().unwrap() >= 3);
    let file = ModelFile::read(&checkout.path().join("calibrated.safetensors")).unwrap();
    let open_set = file.open_set.clone().unwrap();
    assert_eq!(open_set.unknown().len(), 18);

    // Calibration says more about the same weights.
    let run = fs::read_dir(checkout.path().join("data/runs")).unwrap().next().unwrap().unwrap();
    let plain = fs::read_dir(run.path()).unwrap().map(|run| run.unwrap().path()).find(|run| {
        let config = fs::read_to_string(run.join("config.toml")).unwrap();
        !config.contains("artists")
    });
    let plain = fs::read(plain.unwrap().join("model.safetensors")).unwrap();
    let mut without = file;
    without.open_set = None;
    assert!(without.to_bytes().unwrap() == plain);

    let weights = ["--weights", "calibrated.safetensors"];
    let arguments = [&["predict", "music/Alto/Album 1/Song 1.wav"], &weights[..]].concat();
    let shown = checkout.run(&arguments).expect_code(0);
    assert!(shown.out.contains("\nstranger score 0."), "{}", shown.out);
    let row = &checkout.run(&[&arguments[..], &["--json"]].concat()).expect_code(0).json()[0];
    let score = row["stranger"]["score"].as_f64().unwrap();
    let share = open_set.unknown_from(score as f32);
    assert!((row["stranger"]["found"].as_f64().unwrap() - share).abs() < 1e-12);

    // All trainings are fresh: the same again, without a word about epochs.
    let again = checkout.quick("calibrate", &calibrate).expect_code(0);
    assert_eq!(again.out, ended.out);
    assert!(!again.err.contains("training on"), "{}", again.err);
}

#[test]
fn what_cannot_be_calibrated_is_refused() {
    let checkout = Checkout::with_music();
    for further in [&[][..], &["--dry-run"]] {
        let few = [&["--groups", "2"], further].concat();
        let few = checkout.quick("calibrate", &few).expect_code(1);
        few.expect_error(&["2 groups take more than 3 artists", "hint: `--groups 3` leaves"]);
    }
    let lists = checkout.quick("calibrate", &["--seed", "1,2"]).expect_code(2);
    lists.expect_error(&["one trial", "hint:"]);
}

#[test]
fn what_was_trained_to_calibrate_is_not_asked_and_the_calibrated_model_is() {
    let checkout = Checkout::with_music();
    checkout.quick("calibrate", &["--groups", "3"]).expect_code(0);
    let song = "music/Alto/Album 1/Song 1.wav";
    let run = fs::read_dir(checkout.path().join("data/runs")).unwrap().next().unwrap().unwrap();
    let run = fs::read_dir(run.path()).unwrap().next().unwrap().unwrap().path();
    for further in [vec![], vec!["--weights", run.to_str().unwrap()]] {
        let asked = checkout.run(&[&["predict", song, "--json"], &further[..]].concat());
        let row = asked.expect_code(0).json().remove(0);
        assert_eq!(row["artists"].as_array().unwrap().len(), 3);
        assert!(row["stranger"]["false_alarms"].is_number(), "{row}");
    }
    let damaged = run.join("calibrated.safetensors");
    let whole = fs::read(&damaged).unwrap();
    let mut bytes = whole.clone();
    let last = bytes.len() - 3;
    bytes[last] ^= 4;
    fs::write(&damaged, bytes).unwrap();
    checkout.run(&["verify"]).expect_code(1).expect_error(&["1 damaged piece found"]);
    checkout.run(&["verify", "--repair"]).expect_code(0);
    assert!(fs::read(&damaged).unwrap() == whole);
    checkout.run(&["verify"]).expect_code(0);
}

#[test]
fn a_model_that_begins_with_one_that_knows_the_artists_is_not_calibrated() {
    let checkout = Checkout::with_music();
    checkout.quick("train", &[]).expect_code(0);
    fs::copy(
        checkout.run_folder().join("model.safetensors"),
        checkout.path().join("first.safetensors"),
    )
    .unwrap();
    let from = ["--from", "first.safetensors", "--groups", "3"];
    let refused = checkout.quick("calibrate", &from).expect_code(1);
    refused.expect_error(&["have learnt `Alto`", "hint:"]);
    let tuned = checkout.quick("train", &["--from", "first.safetensors", "--seed", "1"]);
    tuned.expect_code(0).expect_error(&["have learnt 3 artists of the trial already"]);
    let told = checkout.quick("report", &["--from", "first.safetensors", "--seed", "1"]);
    told.expect_code(0);
    let pages = files_under(&checkout.path().join("data/runs"), "html");
    let page = fs::read_to_string(&pages[0]).unwrap();
    assert!(page.contains("have learnt 3 artists of the trial already"));
}
