//! A disk that fills up while a pipeline runs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use super::crash_points::{PIPELINE, campaign};
use super::size;
use crate::checkout::{Checkout, all_files_under};

/// About what the pipeline writes, to spread the moments at which the disk is full over all of it.
fn bytes_written(checkout: &Checkout) -> u64 {
    let files = all_files_under(&checkout.path().join("data"));
    files.iter().map(|path| path.metadata().unwrap().len()).sum()
}

#[test]
fn a_full_disk_is_an_error_with_path_and_bytes_and_old_files_stand() {
    let checkout = Checkout::with_music();
    checkout.run(&PIPELINE).expect_code(0);
    let total = bytes_written(&checkout);
    let tried = size(6, 60);
    let budgets: Vec<u64> = (0..tried as u64).map(|trial| trial * total / tried as u64).collect();
    campaign("full disks", &budgets, |checkout, budget| {
        let output = checkout
            .command(&PIPELINE)
            .env("CANTUS_FAULT_DISK", budget.to_string())
            .output()
            .unwrap();
        names_path_and_bytes(&output).map_err(|why| format!("after {budget} bytes: {why}"))
    });
}

/// Whether a command failed, and said where and after how much.
fn names_path_and_bytes(ended: &Output) -> Result<(), String> {
    let said = String::from_utf8_lossy(&ended.stderr);
    if ended.status.code() != Some(1) {
        return Err(format!("{} and not 1: {said}", ended.status));
    }
    for part in ["no space left to write ", "data/", " bytes were written"] {
        if !said.contains(part) {
            return Err(format!("no `{part}` in: {said}"));
        }
    }
    Ok(())
}

#[test]
#[ignore = "mounts a small file system, which takes root"]
fn a_file_system_that_is_full_is_an_error_with_path_and_bytes_and_old_files_stand() {
    let checkout = Checkout::with_music();
    checkout.run(&PIPELINE).expect_code(0);
    // It counts by pages, for folders and small files, too: its own count is what must be left short.
    let total = bytes_written(&checkout);
    let tried = size(6, 60);
    let budgets: Vec<u64> = (1..=tried as u64).map(|trial| trial * total / tried as u64).collect();
    campaign("full file systems", &budgets, |checkout, budget| {
        let (data, kept) = (checkout.path().join("data"), checkout.path().join("kept"));
        fs::create_dir(&data).unwrap();
        tool("mount", &["-t", "tmpfs", "-o", &format!("size={budget}"), "tmpfs"], &[&data])?;
        let ended = names_path_and_bytes(&checkout.command(&PIPELINE).output().unwrap());
        // What is left goes on where there is room.
        let copied = tool("cp", &["--archive", "--no-target-directory"], &[&data, &kept]);
        tool("umount", &[], &[&data])?;
        copied?;
        fs::remove_dir(&data).unwrap();
        fs::rename(&kept, &data).unwrap();
        ended.map_err(|why| format!("with {budget} bytes: {why}"))
    });
}

fn tool(name: &str, flags: &[&str], paths: &[&Path]) -> Result<(), String> {
    let ended = Command::new(name).args(flags).args(paths).output().unwrap();
    if ended.status.success() {
        return Ok(());
    }
    Err(format!("{name}: {}", String::from_utf8_lossy(&ended.stderr)))
}
