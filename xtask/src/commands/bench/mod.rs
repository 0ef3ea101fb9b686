//! `bench`: ours beside the peers, in one run.

mod train;
mod worker;

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
        BenchCommand::Train(flags) => match flags.worker {
            Some(path) => worker::run(flags, path),
            None => train::run(common, flags, progress),
        },
    }
}
