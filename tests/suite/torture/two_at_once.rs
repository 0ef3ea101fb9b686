//! Commands that want the same data folder at the same time.

use std::fs;
use std::process::{Child, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::crash_points::{PIPELINE, campaign, moments};
use super::size;

/// How one of several commands ended: done, or turned away with the process id of another. Anything else
/// is said.
fn was_done(ended: &Output, id: u32, all: &[u32]) -> Result<bool, String> {
    let said = String::from_utf8_lossy(&ended.stderr);
    if ended.status.success() {
        return Ok(true);
    }
    let is_holder = |holder: &&u32| {
        **holder != id && said.contains(&format!("process {holder} is working in data\n"))
    };
    match all.iter().find(is_holder) {
        Some(_) if ended.status.code() == Some(1) && said.contains("hint: wait until") => Ok(false),
        _ => Err(format!("process {id} of {all:?} ended with {}: {said}", ended.status)),
    }
}

#[test]
fn of_commands_at_once_one_works_and_the_others_name_it_and_disturb_nothing() {
    let turned_away = AtomicUsize::new(0);
    let mut moments = moments(size(6, 100));
    // The race for the lock.
    moments[0] = Duration::ZERO;
    campaign("three commands at once", &moments, |checkout, &moment| {
        // Or there would be nothing to verify yet for the one that is first.
        fs::create_dir_all(checkout.path().join("data")).map_err(|error| error.to_string())?;
        let mut commands: Vec<Child> = vec![checkout.start(&PIPELINE)];
        thread::sleep(moment);
        commands.extend([checkout.start(&PIPELINE), checkout.start(&["verify", "--quiet"])]);
        let ids: Vec<u32> = commands.iter().map(Child::id).collect();
        let mut done = 0;
        for (command, &id) in commands.into_iter().zip(&ids) {
            let ended = command.wait_with_output().map_err(|error| error.to_string())?;
            done += usize::from(was_done(&ended, id, &ids)?);
        }
        turned_away.fetch_add(ids.len() - done, Ordering::Relaxed);
        if done == 0 { Err("none was done".to_owned()) } else { Ok(()) }
    });
    // Were all of them let in, the bytes might still be right by luck.
    assert!(turned_away.into_inner() > 0, "none met another");
}
