//! From a folder of songs to a report, and again.

use std::fs;

use cantus_eval::Predictions;

use crate::checkout::Checkout;

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
    assert!(dry.out.starts_with("would time 32 frames on "), "{}", dry.out);
    assert!(dry.out.ends_with(", beside candle, torch, keras\n"), "{}", dry.out);

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
