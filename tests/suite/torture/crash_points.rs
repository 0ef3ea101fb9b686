//! Kills before and after every change of a file or folder, and at any moment.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{report, size};
use crate::checkout::{Checkout, all_files_under};

/// From music to scores: preprocess, split, baseline, train and evaluate.
pub(super) const PIPELINE: [&str; 10] = [
    "evaluate",
    "--corpus",
    "music",
    "--clip",
    "1s",
    "--epochs",
    "2",
    "--checkpoint-seconds",
    "0",
    "--quiet",
];

/// Signal 9, which no process can catch.
const SIGKILL: i32 = 9;

/// Whether a file holds times, of epochs, of files or of the clock, so that no two runs write the same.
pub(super) fn holds_times(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    ["timing.jsonl", "content-hashes.bin", "index.json", ".cantus-lock"].contains(&name)
        || name.starts_with("events.out.tfevents")
}

/// What is made, by its path under `data`, but for what holds times.
pub(super) fn artefacts(checkout: &Checkout) -> BTreeMap<PathBuf, Vec<u8>> {
    let data = checkout.path().join("data");
    all_files_under(&data)
        .into_iter()
        .filter(|path| !holds_times(path))
        .map(|path| (path.strip_prefix(&data).unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect()
}

fn begin_anew(checkout: &Checkout) {
    match fs::remove_dir_all(checkout.path().join("data")) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{error}"),
        _ => {}
    }
}

/// Runs on after a kill, and says what is not as if it had not been.
fn difference(checkout: &Checkout, undisturbed: &BTreeMap<PathBuf, Vec<u8>>) -> Option<String> {
    let ended = checkout.run(&PIPELINE);
    if ended.code != 0 {
        return Some(format!("the next run ended with {}: {}", ended.code, ended.err));
    }
    let found = artefacts(checkout);
    if found.keys().ne(undisturbed.keys()) {
        let (found, wanted): (Vec<_>, Vec<_>) =
            (found.keys().collect(), undisturbed.keys().collect());
        return Some(format!("other files: {found:?} instead of {wanted:?}"));
    }
    let other = found.iter().find(|(path, bytes)| undisturbed[*path] != **bytes);
    other.map(|(path, _)| format!("other bytes in {}", path.display()))
}

/// So many moments, evenly over the time that an undisturbed run takes.
pub(super) fn moments(count: usize) -> Vec<Duration> {
    let checkout = Checkout::with_music();
    let started = Instant::now();
    checkout.run(&PIPELINE).expect_code(0);
    let undisturbed = started.elapsed();
    (0..count).map(|moment| undisturbed.mul_f64((moment as f64 + 0.5) / count as f64)).collect()
}

/// Tries every one of `trials` in a checkout of its thread, beside what an undisturbed run made there,
/// and panics with those that did not hold.
pub(super) fn campaign<T: Sync>(
    promise: &str,
    trials: &[T],
    attempt: impl Fn(&Checkout, &T) -> Result<(), String> + Sync,
) {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let work = || {
        let checkout = Checkout::with_music();
        checkout.run(&PIPELINE).expect_code(0);
        let undisturbed = artefacts(&checkout);
        while let Some(trial) = trials.get(next.fetch_add(1, Ordering::SeqCst)) {
            begin_anew(&checkout);
            let held = attempt(&checkout, trial)
                .and_then(|()| difference(&checkout, &undisturbed).map_or(Ok(()), Err));
            if let Err(failure) = held {
                failures.lock().unwrap().push(failure);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(trials.len()) {
            scope.spawn(work);
        }
    });
    let failures = failures.into_inner().unwrap();
    report(promise, trials.len(), trials.len() - failures.len());
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn after_a_kill_before_or_after_any_change_of_a_file_the_next_run_ends_as_if_undisturbed() {
    let checkout = Checkout::with_music();
    let log = checkout.path().join("points");
    let status = checkout.command(&PIPELINE).env("CANTUS_FAULT_LOG", &log).status().unwrap();
    assert!(status.success());
    let points: Vec<String> = fs::read_to_string(log).unwrap().lines().map(str::to_owned).collect();
    assert!(points.len() >= 400, "{} points: are they compiled in?", points.len());
    // Evenly over all, so that every stage has its share.
    let tried = size(24, points.len()).min(points.len());
    let numbers: Vec<usize> = (0..tried).map(|trial| 1 + trial * points.len() / tried).collect();
    campaign("kills before and after a change of a file", &numbers, |checkout, &number| {
        let output = checkout
            .command(&PIPELINE)
            .env("CANTUS_FAULT_KILL", number.to_string())
            .output()
            .unwrap();
        if output.status.signal() == Some(SIGKILL) {
            return Ok(());
        }
        Err(format!("point {number}, {}: not killed but {}", points[number - 1], output.status))
    });
}

#[test]
fn after_a_kill_at_any_moment_the_next_run_ends_as_if_undisturbed() {
    let moments = moments(size(6, 100));
    campaign("kills at any moment", &moments, |checkout, &moment| {
        let mut child = checkout.start(&PIPELINE);
        thread::sleep(moment);
        // One that has ended by then is not hurt, and has nothing to go on with.
        let killed = child.kill();
        child.wait().map_err(|error| error.to_string())?;
        killed.map_err(|error| error.to_string())
    });
}
