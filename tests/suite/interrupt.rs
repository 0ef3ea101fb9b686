//! Stopped runs go on, and two at once never mix.

use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::checkout::{Checkout, files_under};

const MANY_EPOCHS: [&str; 4] = ["--epochs", "6", "--patience", "6"];

pub(crate) fn signal(child: &Child, name: &str) {
    let status =
        Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(status.success());
}

/// Waits until something is there.
pub(crate) fn wait_until(what: &str, is_there: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_there() {
        assert!(started.elapsed() < Duration::from_secs(120), "{what} never came");
        sleep(Duration::from_millis(5));
    }
}

/// Waits until the run has a file of this name.
pub(crate) fn wait_for(checkout: &Checkout, name: &str) {
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
    wait_for(&checkout, "events.out.tfevents.0000000000.cantus");
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
    assert_eq!(child.wait().unwrap().code(), None, "it ended before it was killed");
    let ended = checkout.quick("train", &MANY_EPOCHS).expect_code(0);
    assert!(ended.err.contains("going on after step"), "{}", ended.err);
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

/// How often the file was replaced since `last`, seen by its inode; waits for the next time, or for
/// the process to end.
fn wait_for_another(child: &mut Child, path: &std::path::Path, last: &mut Option<u64>) -> bool {
    use std::os::unix::fs::MetadataExt;
    loop {
        let now = std::fs::metadata(path).ok().map(|metadata| metadata.ino());
        if now.is_some() && now != *last {
            *last = now;
            return true;
        }
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn killed_at_every_few_steps_it_ends_with_the_bytes_of_an_undisturbed_run() {
    let every_step = [&MANY_EPOCHS[..], &["--checkpoint-seconds", "0"]].concat();
    let undisturbed = Checkout::with_music();
    undisturbed.quick("train", &MANY_EPOCHS).expect_code(0);

    let checkout = Checkout::with_music();
    let mut kills = 0;
    let mut last = None;
    loop {
        let mut child = checkout.start_quick("train", &every_step);
        if kills == 0 {
            wait_for(&checkout, "checkpoint.safetensors");
        }
        let path = checkout.run_folder().join("checkpoint.safetensors");
        // One, two or three checkpoints after the start.
        let goes_on = (0..=kills % 3).all(|_| wait_for_another(&mut child, &path, &mut last));
        if !goes_on {
            assert!(child.wait().unwrap().success());
            break;
        }
        signal(&child, "KILL");
        child.wait().unwrap();
        kills += 1;
        assert!(kills < 200, "it never comes to its end");
    }
    assert!(kills >= 5, "{kills}");
    for file in ["model.safetensors", "history.jsonl"] {
        assert!(checkout.run_file(file) == undisturbed.run_file(file), "{file} differs");
    }
}

#[test]
fn from_a_damaged_checkpoint_it_goes_back_to_the_one_before() {
    let undisturbed = Checkout::with_music();
    undisturbed.quick("train", &MANY_EPOCHS).expect_code(0);

    let checkout = Checkout::with_music();
    let every_step = [&MANY_EPOCHS[..], &["--checkpoint-seconds", "0"]].concat();
    let mut child = checkout.start_quick("train", &every_step);
    wait_for(&checkout, "checkpoint-previous.safetensors");
    signal(&child, "KILL");
    child.wait().unwrap();
    let path = checkout.run_folder().join("checkpoint.safetensors");
    std::fs::write(&path, b"torn").unwrap();
    let ended = checkout.quick("train", &MANY_EPOCHS).expect_code(0);
    assert!(ended.err.contains("cannot be taken up, training goes back"), "{}", ended.err);
    assert!(ended.err.contains("going on after step"), "{}", ended.err);
    assert!(checkout.run_file("model.safetensors") == undisturbed.run_file("model.safetensors"));
}
