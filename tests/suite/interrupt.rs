//! Stopped runs go on, and two at once never mix.

use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::checkout::{Checkout, files_under};

const MANY_EPOCHS: [&str; 4] = ["--epochs", "6", "--patience", "6"];

fn signal(child: &Child, name: &str) {
    let status =
        Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits until something is there.
fn wait_until(what: &str, is_there: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_there() {
        assert!(started.elapsed() < Duration::from_secs(120), "{what} never came");
        sleep(Duration::from_millis(5));
    }
}

/// Waits until the run has a file of this name.
fn wait_for(checkout: &Checkout, name: &str) {
    let runs = checkout.path().join("data/runs");
    wait_until(name, || {
        std::fs::read_dir(&runs)
            .into_iter()
            .flatten()
            .flatten()
            .flat_map(|corpus| std::fs::read_dir(corpus.path()).into_iter().flatten().flatten())
            .any(|run| run.path().join(name).exists())
    });
}

#[test]
fn ctrl_c_keeps_a_checkpoint_and_the_next_run_ends_with_the_bytes_of_an_undisturbed_one() {
    let undisturbed = Checkout::with_music();
    undisturbed.quick("train", &MANY_EPOCHS).expect_code(0);

    let checkout = Checkout::with_music();
    let child = checkout.start_quick("train", &MANY_EPOCHS);
    wait_for(&checkout, "timing.jsonl");
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("run the same command to go on"), "{said}");
    assert!(!checkout.run_file("checkpoint.safetensors").is_empty());
    let outlook = checkout.quick("status", &[&MANY_EPOCHS[..], &["--explain"]].concat());
    let train = outlook.out.lines().find(|line| line.trim_start().starts_with("train")).unwrap();
    assert!(train.contains(", goes on "), "{train}");
    assert!(outlook.out.contains("interrupted before its end"), "{}", outlook.out);

    let ended = checkout.quick("train", &MANY_EPOCHS).expect_code(0);
    assert!(ended.err.contains("going on after step"), "{}", ended.err);
    for file in ["model.safetensors", "history.jsonl", "checkpoint.safetensors"] {
        assert!(checkout.run_file(file) == undisturbed.run_file(file), "{file} differs");
    }
}

#[test]
fn ctrl_c_while_the_demo_is_synthesised_keeps_its_songs_and_trains_nothing() {
    let checkout = Checkout::new();
    // Songs this long leave much to do when the first is there.
    let child = checkout.start(&["demo", "--song-seconds", "120"]);
    let artists = checkout.path().join("data/raw/demo");
    wait_until("a song", || !files_under(&artists, "wav").is_empty());
    signal(&child, "INT");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("run the same command to go on"), "{said}");
    assert!(!files_under(&artists, "wav").is_empty());
    assert!(!checkout.path().join("data/runs").exists());
}

#[test]
fn a_killed_training_goes_on_from_its_last_checkpoint_to_the_same_bytes() {
    let undisturbed = Checkout::with_music();
    undisturbed.quick("train", &MANY_EPOCHS).expect_code(0);

    let checkout = Checkout::with_music();
    let mut child = checkout.start_quick("train", &MANY_EPOCHS);
    wait_for(&checkout, "checkpoint.safetensors");
    signal(&child, "KILL");
    child.wait().unwrap();
    checkout.quick("train", &MANY_EPOCHS).expect_code(0);
    for file in ["model.safetensors", "history.jsonl"] {
        assert!(checkout.run_file(file) == undisturbed.run_file(file), "{file} differs");
    }
}

#[test]
fn a_second_command_on_the_same_data_ends_with_the_process_id_of_the_first() {
    let checkout = Checkout::with_music();
    let mut child = checkout.start_quick("train", &["--epochs", "200", "--patience", "200"]);
    wait_for(&checkout, "config.toml");
    let second = checkout.quick("preprocess", &[]).expect_code(1);
    second.expect_error(&[&child.id().to_string(), "hint:"]);
    // One that only looks may look.
    checkout.quick("status", &[]).expect_code(0);
    checkout.run(&["fetch", "demo", "--dry-run"]).expect_code(0);
    signal(&child, "KILL");
    child.wait().unwrap();
    checkout.quick("preprocess", &[]).expect_code(0);
}
