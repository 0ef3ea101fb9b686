//! From a folder of songs to a report, and again.

use std::fs;

use cantus_eval::Predictions;

use crate::checkout::{Checkout, files_under};

#[test]
fn a_folder_of_songs_becomes_a_scored_classifier_with_all_its_artefacts() {
    let checkout = Checkout::with_music();
    // Keras' running statistics take some hundred steps to leave their start.
    let long = ["--epochs", "30", "--patience", "30", "--batch-size", "4", "--json"];
    let ended = checkout.quick("report", &long).expect_code(0);
    let summary = &ended.json()[0];
    assert_eq!(summary["scores"]["artists"], 3);
    let f1 = summary["scores"]["song_vote"]["weighted_f1"]["value"].as_f64().unwrap();
    assert!(f1 > 0.9, "three tones apart by octaves are told apart, but F1 is {f1}");
    for file in [
        "config.toml",
        "split.tsv",
        "model.safetensors",
        "checkpoint.safetensors",
        "history.jsonl",
        "timing.jsonl",
        "environment.json",
        "predictions.parquet",
        "metrics.json",
        "report.html",
        "confusion-clips.svg",
        "confusion-songs.svg",
        "history.svg",
    ] {
        assert!(!checkout.run_file(file).is_empty(), "{file}");
    }
    assert_eq!(checkout.spectrogram_files().len(), 9, "one file an album");
}

#[test]
fn a_second_run_does_nothing_and_says_so() {
    let checkout = Checkout::with_music();
    checkout.quick("report", &[]).expect_code(0);
    let model = checkout.run_folder().join("model.safetensors");
    let written = fs::metadata(&model).unwrap().modified().unwrap();
    let again = checkout.quick("report", &[]).expect_code(0);
    assert!(again.out.contains("nothing was stale"), "{}", again.out);
    assert_eq!(fs::metadata(&model).unwrap().modified().unwrap(), written);
}

#[test]
fn the_saved_configuration_runs_the_same_trial_again() {
    let checkout = Checkout::with_music();
    checkout.quick("train", &["--seed", "21", "--split", "album"]).expect_code(0);
    let config = checkout.run_folder().join("config.toml");
    let data = checkout.path().join("data");
    let arguments = ["--config", config.to_str().unwrap(), "--data", data.to_str().unwrap()];
    let elsewhere = Checkout::new();
    let again = elsewhere.run(&[["train"].as_slice(), &arguments].concat()).expect_code(0);
    assert!(again.out.contains("nothing was stale"), "{}", again.out);
}

#[test]
fn the_same_seed_gives_the_same_bytes_at_any_thread_count() {
    let files = ["split.tsv", "model.safetensors", "history.jsonl", "metrics.json"];
    let runs = ["1", "2", "3"].map(|threads| {
        let checkout = Checkout::with_music();
        checkout.quick("evaluate", &["--threads", threads]).expect_code(0);
        let spectrograms: Vec<Vec<u8>> =
            checkout.spectrogram_files().iter().map(|path| fs::read(path).unwrap()).collect();
        (files.map(|name| checkout.run_file(name)), spectrograms)
    });
    for other in &runs[1..] {
        for (name, (one, other)) in files.iter().zip(runs[0].0.iter().zip(&other.0)) {
            assert!(one == other, "{name} differs");
        }
        assert!(runs[0].1 == other.1, "a spectrogram differs");
    }
}

#[test]
fn lists_run_every_combination() {
    let checkout = Checkout::with_music();
    let further = ["--seed", "0,1", "--split", "song,album", "--epochs", "1", "--json"];
    let ended = checkout.quick("train", &further).expect_code(0);
    let mut trials: Vec<String> = ended
        .json()
        .iter()
        .map(|line| format!("{}-{}", line["split"].as_str().unwrap(), line["seed"]))
        .collect();
    trials.sort();
    assert_eq!(trials, ["album-0", "album-1", "song-0", "song-1"]);
}

#[test]
fn a_manifest_names_artists_in_place_of_the_folders() {
    let checkout = Checkout::with_music();
    let mut manifest = vec!["path\tartist\talbum\ttitle".to_owned()];
    for (artist, new_name) in [("Alto", "First"), ("Basso", "Second"), ("Canto", "Third")] {
        for album in 1..=3 {
            for song in 1..=2 {
                manifest.push(format!(
                    "{artist}/Album {album}/Song {song}.wav\t{new_name}\tA{album}\tS{song}"
                ));
            }
        }
    }
    checkout.bytes("list.tsv", manifest.join("\n").as_bytes());
    let arguments = ["train", "--corpus", "music/list.tsv", "--clip", "1s", "--epochs", "1"];
    checkout.run(&arguments).expect_code(0);
    let model = checkout.run_file("model.safetensors");
    let header = String::from_utf8_lossy(&model[..4000]);
    assert!(header.contains("First") && !header.contains("Alto"), "{header}");
}

#[test]
fn clips_of_an_excerpt_say_where_in_the_song_they_start() {
    let checkout = Checkout::with_music();
    checkout.quick("evaluate", &["--max-seconds", "3"]).expect_code(0);
    let path = checkout.run_folder().join("predictions.parquet");
    let predictions = Predictions::read_parquet(&path).unwrap();
    for clip in predictions.clips() {
        // The middle 3 s of 4.2 s start at 0.6 s; a clip of 1 s has 32 frames of 32 ms.
        let expected = 0.6 + f64::from(clip.clip) * 32.0 * 0.032;
        assert!((clip.start_seconds - expected).abs() < 1e-6, "{clip:?}");
    }
}

#[test]
fn a_song_may_move_to_another_album_of_its_manifest() {
    let checkout = Checkout::with_music();
    let manifest = |moved_to: &str| {
        let mut lines = vec!["path\tartist\talbum\ttitle".to_owned()];
        for artist in ["Alto", "Basso", "Canto"] {
            for (album, song) in [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)] {
                let path = format!("{artist}/Album {album}/Song {song}.wav");
                let is_moved = path == "Alto/Album 1/Song 1.wav";
                let name = if is_moved { moved_to.to_owned() } else { format!("A{album}") };
                lines.push(format!("{path}\t{artist}\t{name}\tS{song}"));
            }
        }
        checkout.bytes("list.tsv", lines.join("\n").as_bytes());
        let train = ["train", "--corpus", "music/list.tsv", "--clip", "1s", "--epochs", "1"];
        checkout.run(&train).expect_code(0);
        let count = checkout.run(&["preprocess", "--corpus", "music/list.tsv", "--json"]);
        assert_eq!(count.json()[0]["songs"], 18, "{moved_to}");
    };
    for album in ["A1", "A2", "A1", "A9"] {
        manifest(album);
    }
}

#[test]
fn nothing_is_written_by_a_dry_run() {
    let checkout = Checkout::with_music();
    let ended = checkout.quick("report", &["--dry-run"]).expect_code(0);
    assert!(ended.out.contains("train") && ended.out.contains("stale"), "{}", ended.out);
    assert!(!checkout.path().join("data").exists());
}

#[test]
fn a_dry_run_ends_as_the_command_would() {
    let checkout = Checkout::with_music();
    // Too short for the clips of a trial, which spectrograms know nothing of.
    let short = ["preprocess", "--corpus", "music", "--max-seconds", "1"];
    for further in [&["--dry-run"][..], &[]] {
        checkout.run(&[&short[..], further].concat()).expect_code(0);
    }
    for further in [&["--dry-run"][..], &[]] {
        let lists = ["visualize", "--corpus", "music", "--clip", "1s,2s"];
        let ended = checkout.run(&[&lists[..], further].concat()).expect_code(2);
        ended.expect_error(&["one trial at a time"]);
    }
    // Of two trials one has songs that are long enough.
    checkout.run(&["preprocess", "--corpus", "music"]).expect_code(0);
    let trials = ["--corpus", "music", "--clip", "10s,1s", "--dry-run"];
    let too_long = "no song is long enough for a clip of 10s";
    let ended = checkout.run(&[&["evaluate"], &trials[..]].concat()).expect_code(1);
    let ended = ended.expect_error(&[too_long, "hint: take shorter clips"]);
    assert!(!ended.out.contains("1s-song"), "{}", ended.out);
    let ended = checkout.run(&[&["experiment"], &trials[..]].concat()).expect_code(1);
    let ended = ended.expect_error(&[too_long, "6 of 12 trials would fail"]);
    assert!(ended.out.contains("1s-song"), "{}", ended.out);
    let ended = checkout.run(&[&["status"], &trials[..4]].concat()).expect_code(3);
    ended.expect_error(&[too_long]);
}

#[test]
fn a_training_step_is_timed_without_a_peer_where_there_is_no_python() {
    let checkout = Checkout::new();
    let short = ["--frames", "16", "--batch", "2", "--steps", "1", "--rounds", "1"];
    let arguments =
        [&["bench", "train", "--json", "--python", "no-such-python"], &short[..]].concat();
    let ended = checkout.run(&arguments).expect_code(0);
    assert!(ended.err.contains("`no-such-python` cannot be started"), "{}", ended.err);
    let rows = ended.json();
    let tasks: Vec<&str> = rows.iter().map(|row| row["task"].as_str().unwrap()).collect();
    assert_eq!(tasks, ["train", "infer"]);
    assert!(
        rows.iter().all(|row| row["ours_ms"].as_f64().unwrap() > 0.0 && row["ratio"].is_null())
    );
}

#[test]
fn a_training_step_is_timed_beside_every_peer_that_is_there() {
    let checkout = Checkout::new();
    let mut arguments = vec!["bench", "train", "--peer", "candle,torch,keras", "--frames", "32"];
    arguments.extend(["--batch", "1", "--python", "no-such-python", "--json"]);
    let dry = checkout.run(&[&arguments[..], &["--dry-run"]].concat()).expect_code(0);
    let wanted = dry.json().remove(0);
    assert_eq!((&wanted["would"], &wanted["frames"]), (&"time".into(), &32.into()));
    assert_eq!(wanted["peers"], serde_json::json!(["candle", "torch", "keras"]));

    arguments.extend(["--steps", "1", "--warm-up", "0", "--rounds", "1"]);
    let ended = checkout.run(&arguments).expect_code(0);
    for peer in ["torch", "keras"] {
        let notice = format!("without {peer}, since `no-such-python` cannot be started");
        assert!(ended.err.contains(&notice), "{}", ended.err);
    }
    let rows = ended.json();
    let tasks: Vec<&str> = rows.iter().map(|row| row["task"].as_str().unwrap()).collect();
    assert_eq!(tasks, ["train", "infer"]);
    for row in rows {
        assert!(row["peer"].as_str().unwrap().starts_with("candle 0."), "{row}");
        for time in ["ours_ms", "peer_ms", "ratio"] {
            assert!(row[time].as_f64().unwrap() > 0.0, "{row}");
        }
    }
}

#[test]
fn spectrograms_are_timed_task_by_task_without_a_peer_where_there_is_no_python() {
    let checkout = Checkout::with_music();
    let mut arguments = vec!["bench", "preprocess", "music", "--peer", "librosa", "--threads", "2"];
    arguments.extend(["--python", "no-such-python", "--rounds", "1", "--json"]);
    let dry = checkout.run(&[&arguments[..], &["--dry-run"]].concat()).expect_code(0);
    let wanted = serde_json::json!({ "would": "time", "files": 18, "threads": 2 });
    assert_eq!(dry.json(), [wanted]);

    let ended = checkout.run(&arguments).expect_code(0);
    let notice = "without librosa, since `no-such-python` cannot be started";
    assert!(ended.err.contains(notice), "{}", ended.err);
    let rows = ended.json();
    let tasks: Vec<&str> = rows.iter().map(|row| row["task"].as_str().unwrap()).collect();
    assert_eq!(tasks, ["log-mel", "transform", "read", "resample", "decode"]);
    for row in rows {
        assert!(row["ours_s"].as_f64().unwrap() > 0.0 && row["ratio"].is_null(), "{row}");
        assert!(row["seconds_of_audio"].as_f64().unwrap() > 1.0, "{row}");
    }
}

#[test]
fn a_grid_runs_what_is_not_there_yet_and_prints_its_tables() {
    let checkout = Checkout::with_music();
    let quick = ["--corpus", "music", "--epochs", "1", "--batch-size", "4"];
    let grid = ["experiment", "--clip", "1s", "--split", "song,album", "--seed", "0,1", "--json"];
    let rows = checkout.run(&[&grid[..], &quick].concat()).expect_code(0).json();
    let of_model = |model: &str| -> Vec<serde_json::Value> {
        rows.iter().filter(|row| row["model"] == model).cloned().collect()
    };
    // The older methods stand beside the network on the same parts.
    for older in ["mfcc-lda", "gaussian-nearest", "gaussian-svm"] {
        assert_eq!(of_model(older).len(), 4, "{older}");
        for (row, network) in of_model(older).iter().zip(of_model("crnn2d")) {
            assert_eq!((&row["split"], &row["parts"]), (&network["split"], &network["parts"]));
        }
    }
    let first = of_model("crnn2d");
    let named = |row: &serde_json::Value| {
        (row["split"].as_str().unwrap().to_owned(), row["seed"].as_u64().unwrap())
    };
    let points: Vec<(String, u64)> = first.iter().map(named).collect();
    let expected = [("song", 0), ("song", 1), ("album", 0), ("album", 1)];
    assert_eq!(points, expected.map(|(split, seed)| (split.to_owned(), seed)));
    for row in &first {
        assert_eq!(row["clip_seconds"], 1.0, "{row}");
        assert!(row["clip"]["weighted_f1"]["value"].as_f64().is_some(), "{row}");
        assert_eq!(row["parts"].as_array().unwrap().len(), 3, "{row}");
    }

    // Another seed is all that is trained now, and the old scores stand beside it.
    let wider = ["experiment", "--clip", "1s", "--split", "song", "--seed", "0,1,2"];
    let ended = checkout.run(&[&wider[..], &quick].concat()).expect_code(0);
    assert_eq!(ended.err.matches("done before").count(), 2, "{}", ended.err);
    assert!(ended.err.contains("3 of 3 trials"), "{}", ended.err);
    assert!(ended.out.contains("## Weighted F1, songs, by vote"), "{}", ended.out);
    assert!(ended.out.contains("| crnn2d | song | 1s | 2 |"), "{}", ended.out);
    let tables = files_under(&checkout.path().join("data/runs"), "csv");
    assert_eq!(tables.len(), 2);
    assert!(tables.iter().all(|table| table.with_extension("parquet").exists()));
}

#[test]
fn two_trials_at_once_end_with_the_bytes_of_one_after_the_other() {
    let models = |jobs: &str| {
        let checkout = Checkout::with_music();
        let grid = ["experiment", "--corpus", "music", "--clip", "1s", "--split", "song,album"];
        let quick = ["--seed", "0", "--epochs", "2", "--threads", "3", "--jobs", jobs];
        let ended = checkout.run(&[&grid[..], &quick].concat()).expect_code(0);
        let files = files_under(&checkout.path().join("data/runs"), "safetensors");
        assert_eq!(files.len(), 6, "weights and two checkpoints of each");
        let tables = ended.out;
        (files.iter().map(|file| fs::read(file).unwrap()).collect::<Vec<_>>(), tables)
    };
    let (one_by_one, tables) = models("1");
    assert_eq!(models("2"), (one_by_one, tables));
}

#[test]
fn folds_are_pooled_into_one_row_in_which_every_song_is_tested() {
    let checkout = Checkout::with_music();
    let mut arguments = vec!["experiment", "--corpus", "music", "--clip", "1s", "--folds", "3"];
    arguments.extend(["--split", "album", "--seed", "0", "--epochs", "1", "--json"]);
    let rows = checkout.run(&arguments).expect_code(0).json();
    assert_eq!(rows.len(), 4, "the network and three older methods");
    for row in rows {
        assert_eq!(row["folds"], 3);
        assert_eq!(row["song_vote"]["count"], 18);
    }
}

#[test]
fn some_artists_are_told_apart_where_some_are_asked_for() {
    let checkout = Checkout::with_music();
    let mut arguments = vec!["evaluate", "--corpus", "music", "--clip", "1s", "--epochs", "1"];
    arguments.extend(["--artists", "Alto;Canto", "--shuffle-labels", "--json"]);
    let rows = checkout.run(&arguments).expect_code(0).json();
    assert_eq!(rows[0]["scores"]["artists"], 2);
    let ended = checkout
        .run(&["evaluate", "--corpus", "music", "--clip", "1s", "--artists", "Alto;Dora"])
        .expect_code(1);
    assert!(ended.err.contains("no artist `Dora`") && ended.err.contains("Alto, Basso, Canto"));
}

#[test]
fn older_methods_are_scored_without_training_and_stand_in_the_report() {
    let checkout = Checkout::with_music();
    let rows = checkout.quick("baseline", &["--split", "album", "--json"]).expect_code(0).json();
    let methods = rows[0]["baselines"].as_array().unwrap();
    let names: Vec<&str> = methods.iter().map(|row| row["method"].as_str().unwrap()).collect();
    assert_eq!(names, ["mfcc-lda", "gaussian-nearest", "gaussian-svm"]);
    assert!(rows[0]["scores"].is_null(), "no network was trained");
    assert!(!checkout.run_folder().join("model.safetensors").exists());
    for method in methods {
        let f1 = method["song_vote"]["weighted_f1"]["value"].as_f64();
        assert!(f1.is_some_and(|f1| f1 > 0.9), "tones octaves apart are told apart: {method}");
    }
    checkout.quick("report", &["--split", "album"]).expect_code(0);
    let page = String::from_utf8(checkout.run_file("report.html")).unwrap();
    assert!(page.contains("Beside older methods") && page.contains("id=\"map\""));
    for picture in ["map-clips.svg", "map-songs.svg"] {
        assert!(checkout.run_file(picture).starts_with(b"<svg"), "{picture}");
    }
}

#[test]
fn spectrograms_are_drawn_of_each_artist_and_of_songs_by_name() {
    let checkout = Checkout::with_music();
    let arguments = ["visualize", "--corpus", "music", "--clip", "1s", "--json"];
    let grid = checkout.run(&arguments).expect_code(0).json().remove(0);
    assert_eq!(grid["songs"].as_array().unwrap().len(), 3);
    let drawn = |picture: &serde_json::Value| {
        fs::read_to_string(checkout.path().join(picture["file"].as_str().unwrap())).unwrap()
    };
    assert!(drawn(&grid).contains("Canto"));
    let song = checkout.run(&[&arguments[..], &["--song", "Basso/Album 2/Song 1"]].concat());
    let song = song.expect_code(0).json().remove(0);
    assert_eq!(song["songs"][0], "Basso/Album 2/Song 1.wav");
    assert!(drawn(&song).contains("data:image/png;base64,"));
    let several = checkout.run(&[&arguments[..], &["--song", "Song 1"]].concat()).expect_code(1);
    several.expect_error(&["9 songs", "write more of the path"]);
    let none = checkout.run(&[&arguments[..], &["--song", "Dora"]].concat()).expect_code(1);
    none.expect_error(&["no song", "Dora"]);
}

#[test]
fn a_history_for_tensorboard_has_an_event_an_epoch_and_each_once_when_trained_anew() {
    let checkout = Checkout::with_music();
    checkout.quick("train", &["--epochs", "3", "--patience", "9"]).expect_code(0);
    let events = || {
        let name = "events.out.tfevents.0000000000.cantus";
        let bytes = checkout.run_file(name);
        // Length, its sum, the message, its sum.
        let (mut at, mut count) = (0, 0);
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
            at += 8 + 4 + length as usize + 4;
            count += 1;
        }
        assert_eq!(at, bytes.len());
        count
    };
    assert_eq!(events(), 1 + 3);
    checkout.quick("train", &["--epochs", "3", "--patience", "9", "--force"]).expect_code(0);
    assert_eq!(events(), 1 + 3);
}

#[test]
fn a_cap_of_seconds_leaves_whole_songs_of_each_artist_out() {
    let checkout = Checkout::with_music();
    // Songs of 4.2 s: four of each artist's six fit.
    let capped = ["--max-artist-seconds", "17", "--json"];
    checkout.quick("train", &capped).expect_code(0);
    let split = String::from_utf8(checkout.run_file("split.tsv")).unwrap();
    for artist in ["Alto", "Basso", "Canto"] {
        assert_eq!(split.matches(&format!("{artist}/")).count(), 4, "{split}");
    }
}
