//! `baseline`, `train`, `evaluate` and `report`: trials brought up to date as far as the command says.

use anyhow::Result;

use crate::cli::CommonFlags;
use crate::commands::summary::TrialSummary;
use crate::commands::{print, print_json, status};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::Session;
use crate::settings::{Config, TrialFlags};
use crate::stages::trial::{StageName, Trial};

/// Brings every trial up to date, one after the other.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &TrialFlags,
    last: StageName,
    progress: &Progress,
) -> Result<Outcome> {
    if common.dry_run {
        return status::run(common, flags, true, last, progress);
    }
    let configs = flags.trials()?;
    Session::writing(common, progress)?
        .run(|session| bring_up_to_date(common, session, configs, last))
}

/// The same in a session that is there already.
pub(crate) fn bring_up_to_date(
    common: &CommonFlags,
    session: &Session,
    configs: Vec<Config>,
    last: StageName,
) -> Result<Outcome> {
    let mut outcome = Outcome::Done;
    for config in configs {
        let trial = Trial::new(session, config)?;
        let done = trial.bring_up_to_date(session, last)?;
        outcome = outcome.and(done.outcome);
        if done.outcome == Outcome::Interrupted {
            // With the flag it would begin anew.
            let less = if common.force { " without `--force`" } else { "" };
            // Before it is split there is nothing of the run.
            let is_begun = trial.run.join("split.tsv").exists();
            let run =
                if is_begun { format!(" with {}", trial.run.display()) } else { String::new() };
            session.progress.say_even_if_quiet(format!(
                "interrupted; run the same command{less} to go on{run}"
            ));
            break;
        }
        let summary = TrialSummary::read(&trial, last, done)?;
        if common.json {
            print_json(&summary)?;
        } else {
            print(&summary.to_string())?;
        }
    }
    Ok(outcome)
}
