//! A disk that fills up while a pipeline runs.

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
        let said = String::from_utf8_lossy(&output.stderr);
        if output.status.code() != Some(1) {
            return Err(format!("after {budget} bytes: {} and not 1: {said}", output.status));
        }
        for part in ["no space left to write ", "data/", " bytes were written"] {
            if !said.contains(part) {
                return Err(format!("after {budget} bytes: no `{part}` in: {said}"));
            }
        }
        Ok(())
    });
}
