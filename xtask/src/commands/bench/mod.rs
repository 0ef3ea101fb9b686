//! `bench`: ours beside the peers, in one run.

mod candle_step;
mod peer;
mod rows;
mod steps;
mod train;
mod worker;

use anyhow::Result;

use crate::cli::{BenchCommand, CommonFlags, Worker};
use crate::outcome::Outcome;
use crate::progress::Progress;

/// Runs one of the benches.
pub(crate) fn run(
    common: &CommonFlags,
    command: &BenchCommand,
    progress: &Progress,
) -> Result<Outcome> {
    match command {
        BenchCommand::Train(flags) => match flags.worker {
            Some(Worker::Ours(path)) => worker::run(flags, path),
            Some(Worker::Candle) => candle_step::run(flags),
            None => train::run(common, flags, progress),
        },
    }
}
