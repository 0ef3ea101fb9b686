//! `bench`: ours beside the peers, in one run.

mod preprocess;
mod train;
mod worker_process;

use anyhow::Result;

use crate::cli::{BenchCommand, CommonFlags};
use crate::outcome::Outcome;
use crate::progress::Progress;

/// Runs one of the benches.
pub(crate) fn run(
    common: &CommonFlags,
    command: &BenchCommand,
    progress: &Progress,
) -> Result<Outcome> {
    match command {
        BenchCommand::Train(flags) => train::run(common, flags, progress),
        BenchCommand::Preprocess(flags) => preprocess::run(common, flags, progress),
    }
}

/// What is named twice counts once.
fn each_once<T: Copy + PartialEq>(named: &[T]) -> Vec<T> {
    let mut once = Vec::new();
    for value in named {
        if !once.contains(value) {
            once.push(*value);
        }
    }
    once
}

/// Of one number or more.
fn median(numbers: &[f64]) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted[(sorted.len() - 1) / 2], sorted[sorted.len() / 2]);
    f64::midpoint(low, high)
}
