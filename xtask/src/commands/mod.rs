//! The commands, one a file.

mod bench;
mod calibrate;
mod demo;
mod embed;
mod experiment;
mod export;
mod fetch;
mod gc;
mod hearing;
mod predict;
mod preprocess;
mod screen;
mod similar;
mod status;
mod summary;
mod trials;
mod verify;
mod visualize;

use std::io::{ErrorKind, Write};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::cli::{Cli, Command};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::stages::trial::StageName;

/// Runs a command.
pub(crate) fn run(cli: Cli, progress: &Progress) -> Result<Outcome> {
    let common = &cli.common;
    match cli.command {
        Command::Demo(flags) => demo::run(common, &flags, progress),
        Command::Fetch(flags) => fetch::run(common, &flags, progress),
        Command::Preprocess(flags) => preprocess::run(common, &flags, progress),
        Command::Train(flags) => trials::run(common, &flags, StageName::Train, progress),
        Command::Evaluate(flags) => trials::run(common, &flags, StageName::Evaluate, progress),
        Command::Baseline(flags) => trials::run(common, &flags, StageName::Baseline, progress),
        Command::Report(flags) => trials::run(common, &flags, StageName::Report, progress),
        Command::Experiment(flags) => experiment::run(common, &flags, progress),
        Command::Export(flags) => export::run(common, &flags, progress),
        Command::Calibrate(flags) => calibrate::run(common, &flags, progress),
        Command::Visualize(flags) => visualize::run(common, &flags, progress),
        Command::Predict(flags) => predict::run(common, &flags, progress),
        Command::Embed(flags) => embed::run(common, &flags, progress),
        Command::Similar(flags) => similar::run(common, &flags, progress),
        Command::Gc => gc::run(common, progress),
        Command::Verify(flags) => verify::run(common, &flags, progress),
        Command::Bench(command) => bench::run(common, &command, progress),
        Command::Status(flags) => {
            status::run(common, &flags.trial, flags.explain, StageName::Report, progress)
        }
    }
}

/// Prints a result on standard output. A reader that went away is no failure; a full disk is one.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot write the result to standard output")
        }
        _ => Ok(()),
    }
}

/// Prints a result as one line of JSON.
pub(crate) fn print_json(value: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_string(value).context("cannot write the result as JSON")?;
    line.push('\n');
    print(&line)
}
