//! The commands of a Cantus checkout.
//!
//! [`run`] is all of `cargo xtask`. The stages stand one a file in `stages`, the commands that
//! bring them up to date in `commands`, the corpora that can be fetched in `corpora`.

mod cli;
mod commands;
mod corpora;
mod corpus_source;
mod data_folder;
mod digest;
mod errors;
mod interrupt;
mod listing;
mod named_output;
mod ordered;
mod outcome;
mod panics;
mod progress;
mod session;
mod settings;
mod stages;
mod threads;
mod weights;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;
use progress::Progress;

/// Runs one command, as from the shell, and says how it ended: 0 done, 1 failed, 2 bad usage,
/// 3 done but some songs could not be used, 130 interrupted.
///
/// With `--threads` the process may be replaced by one of the same program with another environment,
/// so this belongs at the begin of `main`.
pub fn run<I>(arguments: I) -> ExitCode
where
    I: IntoIterator<Item = OsString>,
{
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version go to standard output, misuse to standard error; a closed pipe is
            // nobody's failure.
            drop(error.print());
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    if let Some(threads) = cli.common.threads {
        match threads::restart_with(threads, &arguments) {
            Ok(None) => {}
            Ok(Some(code)) => return code,
            Err(error) => {
                errors::print(&error);
                return ExitCode::FAILURE;
            }
        }
    }
    let progress = Progress::new(cli.common.quiet);
    progress.install_logging(cli.common.verbose, cli.common.quiet);
    match commands::run(cli, &progress) {
        Ok(outcome) => outcome.exit_code(),
        Err(error) => {
            errors::print(&error);
            errors::exit_code(&error)
        }
    }
}
