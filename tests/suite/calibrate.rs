//! `calibrate`: what a trained network makes of artists that it does not know.

use std::fs;

use cantus_crnn::ModelFile;

use crate::checkout::Checkout;

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
    let largest = row["probability"].as_f64().unwrap();
    assert!((score - (1.0 - largest)).abs() < 1e-6);
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
    let few = checkout.quick("calibrate", &["--groups", "2"]).expect_code(1);
    few.expect_error(&["3 artists are too few for 2 groups"]);
    let lists = checkout.quick("calibrate", &["--seed", "1,2"]).expect_code(1);
    lists.expect_error(&["one trial", "hint:"]);
}
