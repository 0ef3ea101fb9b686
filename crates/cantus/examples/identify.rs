//! Says who made a recording: `identify MODEL FILE`, where the model is the `model.safetensors` that
//! a training left.

use std::error::Error;
use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use cantus::{CantusError, Identifier};

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let [model, file] = arguments.as_slice() else {
        return fail("usage: identify MODEL FILE");
    };
    let identified =
        Identifier::open(model).and_then(|identifier| Ok((identifier.identify(file)?, identifier)));
    let (found, identifier) = match identified {
        Ok(identified) => identified,
        Err(error) => return fail(&explained(&error)),
    };
    let mut lines = Vec::new();
    for artist in found.ranking.iter().take(5) {
        let (percent, votes) = (100.0 * artist.probability, artist.votes);
        lines.push(format!("{percent:5.1} %  {}  ({votes} clips voted for it)", artist.artist));
    }
    for clip in &found.clips {
        let artist = &identifier.labels()[clip.class()];
        let percent = 100.0 * clip.probabilities[clip.class()];
        lines.push(format!("{:8.2} s  {artist}  {percent:.1} %", clip.start_seconds));
    }
    if let Some(damage) = &found.damage {
        lines.push(format!("damaged: {damage}"));
    }
    // Nobody reading standard output is no reason to panic.
    let _ = writeln!(stdout(), "{}", lines.join("\n"));
    ExitCode::SUCCESS
}

/// The error, its causes and what to do.
fn explained(error: &CantusError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    if let Some(hint) = error.hint() {
        text = format!("{text}\n\nhint: {hint}");
    }
    text
}

fn fail(message: &str) -> ExitCode {
    let _ = writeln!(stderr(), "{message}");
    ExitCode::FAILURE
}
