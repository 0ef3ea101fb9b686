//! `status`, and `--dry-run` of every other command: what would run, and why.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use cantus_pipeline::{Plan, Reason, Verdict};
use serde::Serialize;

use crate::cli::CommonFlags;
use crate::commands::{print, print_json};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::{Session, SongProblem, count};
use crate::settings::{Config, TrialFlags};
use crate::stages::trial::{Outlook, StageName, Trial};

/// Reasons shown for each stage; a corpus whose songs all changed has thousands.
const MOST_REASONS: usize = 12;

/// What `status --json` prints for each trial.
#[derive(Debug, Serialize)]
struct TrialStatus<'a> {
    corpus: &'a str,
    run: String,
    fresh: bool,
    stages: &'a Plan,
    /// Why the songs cannot be split.
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<String>,
    /// The last whole epoch of an interrupted training that will be gone on with.
    #[serde(skip_serializing_if = "Option::is_none")]
    resumes_after_epoch: Option<usize>,
    unusable: &'a [SongProblem],
    damaged: &'a [SongProblem],
}

/// Says what of each trial is stale up to the stage `last`.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &TrialFlags,
    explain: bool,
    last: StageName,
    progress: &Progress,
) -> Result<Outcome> {
    of_trials(common, flags.trials()?, explain, last, progress)
}

/// Says what of some trials is stale up to the stage `last`. With `--dry-run` it ends at the first that
/// cannot be run, as the command would.
pub(super) fn of_trials(
    common: &CommonFlags,
    configs: Vec<Config>,
    explain: bool,
    last: StageName,
    progress: &Progress,
) -> Result<Outcome> {
    Session::reading(common, progress)?.run(|session| {
        for config in configs {
            let trial = Trial::new(session, config)?;
            match show(common, session, &trial, explain, last)?.refusal {
                Some(refusal) if common.dry_run => return Err(refusal),
                Some(refusal) => session.progress.say_even_if_quiet(format!("{refusal:#}")),
                None => {}
            }
        }
        Ok(Outcome::Done)
    })
}

/// The same of the trials of a grid, which goes on after one that cannot be run.
pub(super) fn of_grid(
    common: &CommonFlags,
    configs: Vec<Config>,
    last: StageName,
    progress: &Progress,
) -> Result<Outcome> {
    let trials = configs.len();
    Session::reading(common, progress)?.run(|session| {
        let mut refused = 0;
        for config in configs {
            let trial = Trial::new(session, config)?;
            if let Some(refusal) = show(common, session, &trial, true, last)?.refusal {
                refused += 1;
                session.progress.say_even_if_quiet(format!("{refusal:#}"));
            }
        }
        if refused > 0 {
            bail!("{refused} of {} would fail", count(trials, "trial"));
        }
        Ok(Outcome::Done)
    })
}

/// Prints what of a trial is stale up to the stage `last`.
pub(super) fn show(
    common: &CommonFlags,
    session: &Session,
    trial: &Trial,
    explain: bool,
    last: StageName,
) -> Result<Outlook> {
    let outlook = trial.outlook(session, last)?;
    if common.json {
        print_json(&TrialStatus {
            corpus: &trial.source.name,
            run: trial.run.display().to_string(),
            fresh: outlook.plan.is_fresh(),
            stages: &outlook.plan,
            refused: outlook.refusal.as_ref().map(|refusal| format!("{refusal:#}")),
            resumes_after_epoch: outlook.resumes_after_epoch,
            unusable: &outlook.unusable,
            damaged: &outlook.damaged,
        })?;
    } else {
        let title = trial.run.display().to_string();
        let differences = || differences(session, trial);
        print(&describe(&title, &outlook, explain, &differences)?)?;
    }
    Ok(outlook)
}

/// The stages in lines below a title; `differences` says what sets a training that was never begun
/// apart from others.
pub(super) fn describe(
    title: &str,
    outlook: &Outlook,
    explain: bool,
    differences: &dyn Fn() -> Result<String>,
) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "{title}")?;
    for planned in &outlook.plan.stages {
        let word = match &planned.verdict {
            Verdict::Fresh => "fresh",
            Verdict::MaybeStale(_) => "stale if its inputs change",
            Verdict::Stale(_) => "stale",
        };
        let resumes = match outlook.resumes_after_epoch {
            Some(0) if planned.stage == "train" => ", goes on within epoch 1".to_owned(),
            Some(epoch) if planned.stage == "train" => format!(", goes on after epoch {epoch}"),
            _ => String::new(),
        };
        writeln!(text, "  {:<11} {word}{resumes}", planned.stage)?;
        if !explain {
            continue;
        }
        let reasons = planned.verdict.reasons();
        if !resumes.is_empty() && reasons.contains(&Reason::NeverBuilt) {
            text.push_str("              interrupted before its end\n");
            continue;
        }
        for reason in reasons.iter().take(MOST_REASONS) {
            writeln!(text, "              {reason}")?;
        }
        if reasons.len() > MOST_REASONS {
            writeln!(text, "              and {} more reasons", reasons.len() - MOST_REASONS)?;
        }
        if planned.stage == "train" && reasons.contains(&Reason::NeverBuilt) {
            text.push_str(&differences()?);
        }
    }
    Ok(text)
}

/// A run that was never built is best explained by what sets it apart from one that was.
fn differences(session: &Session, trial: &Trial) -> Result<String> {
    let Some((run, freshness)) = trial.nearest_run(session, StageName::Train)? else {
        return Ok(String::new());
    };
    let mut text = format!("              differs from the run `{run}` in\n");
    for reason in freshness.reasons().iter().take(MOST_REASONS) {
        writeln!(text, "                {reason}")?;
    }
    Ok(text)
}
