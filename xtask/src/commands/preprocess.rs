//! `preprocess`: songs to spectrograms.

use std::time::Instant;

use anyhow::{Result, bail};
use serde::Serialize;

use crate::cli::CommonFlags;
use crate::commands::{print, print_json, status};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::{Session, SongProblem, count};
use crate::settings::CorpusFlags;
use crate::stages::trial::{StageName, Trial};

/// What `preprocess --json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    corpus: String,
    spectrograms: String,
    artists: usize,
    albums: usize,
    songs: usize,
    hours: f64,
    unusable: Vec<SongProblem>,
    damaged: Vec<SongProblem>,
    seconds: f64,
    interrupted: bool,
}

/// Brings the spectrograms of a corpus up to date.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &CorpusFlags,
    progress: &Progress,
) -> Result<Outcome> {
    let config = flags.config()?;
    if common.dry_run {
        return status::of_trials(common, vec![config], true, StageName::Preprocess, progress);
    }
    let started = Instant::now();
    Session::writing(common, progress)?.run(|session| {
        let trial = Trial::new(session, config)?;
        let outcome = trial.bring_up_to_date(session, StageName::Preprocess)?.outcome;
        let stored = match trial.stored(session) {
            Ok(stored) => stored,
            // Stopped before there was a song to tell of.
            Err(_) if outcome == Outcome::Interrupted => return Ok(outcome),
            Err(error) => return Err(error),
        };
        say(
            common,
            &Summary {
                corpus: trial.source.name.clone(),
                spectrograms: stored.folder.display().to_string(),
                artists: stored.artists,
                albums: stored.albums,
                songs: stored.songs,
                // The sum of none is minus zero.
                hours: stored.seconds / 3600.0 + 0.0,
                unusable: session.unusable(),
                damaged: session.damaged(),
                seconds: started.elapsed().as_secs_f64(),
                interrupted: outcome == Outcome::Interrupted,
            },
        )?;
        if outcome == Outcome::Interrupted {
            return Ok(session.interrupted());
        }
        if stored.songs == 0 {
            bail!("no song of `{}` can be used", trial.source.root.display());
        }
        Ok(outcome)
    })
}

fn say(common: &CommonFlags, summary: &Summary) -> Result<()> {
    if common.json {
        return print_json(summary);
    }
    print(&format!(
        "{}: {}, {}, {}, {:.2} hours of audio in {} ({:.1} s)\n",
        summary.corpus,
        count(summary.artists, "artist"),
        count(summary.albums, "album"),
        count(summary.songs, "song"),
        summary.hours,
        summary.spectrograms,
        summary.seconds,
    ))?;
    Ok(())
}
