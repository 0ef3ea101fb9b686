//! `demo`: the main job, from nothing to a scored classifier, on the built-in corpus.

use anyhow::Result;

use crate::cli::{CommonFlags, DemoFlags};
use crate::commands::fetch::{self, Intent};
use crate::commands::{status, trials};
use crate::corpora::demo::DemoSettings;
use crate::data_folder::DataFolder;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::Session;
use crate::settings::TrialFlags;
use crate::stages::trial::{StageName, Trial};

/// Makes the built-in corpus and runs one trial on it: 3 s clips, split by song, the paper's
/// network.
pub(crate) fn run(common: &CommonFlags, flags: &DemoFlags, progress: &Progress) -> Result<Outcome> {
    let trial = trial_flags(flags);
    let settings = DemoSettings { song_seconds: flags.song_seconds, ..DemoSettings::default() };
    if common.dry_run {
        return dry_run(common, &trial, &settings, progress);
    }
    progress.say(format!(
        "the built-in corpus is synthesised: invented artists, no human performance\n\
         one trial: 3s clips, split by song, the middle {} s of each song, at most {} epochs",
        flags.max_seconds, flags.epochs
    ));
    let configs = trial.trials()?;
    Session::writing(common, progress)?.run(|session| {
        let outcome = fetch::synthesise(common, session, &settings)?;
        if outcome == Outcome::Interrupted {
            return Ok(outcome);
        }
        trials::bring_up_to_date(common, session, configs, StageName::Report)
    })
}

/// Says what would be made and run. What is stale is known only where no song is missing.
fn dry_run(
    common: &CommonFlags,
    trial: &TrialFlags,
    settings: &DemoSettings,
    progress: &Progress,
) -> Result<Outcome> {
    let intent = fetch::intend_to_synthesise(&DataFolder::new(&common.data), settings);
    intent.say(common)?;
    if intent.songs == Some(0) {
        return status::run(common, trial, true, StageName::Report, progress);
    }
    Session::reading(common, progress)?.run(|session| {
        for config in trial.trials()? {
            let run = Trial::new(session, config)?.run;
            Intent::new("train, evaluate and report on", "demo", &run).say(common)?;
        }
        Ok(Outcome::Done)
    })
}

fn trial_flags(flags: &DemoFlags) -> TrialFlags {
    let mut trial = TrialFlags::default();
    trial.corpus.corpus = Some("demo".to_owned());
    trial.corpus.max_seconds = Some(flags.max_seconds);
    trial.epochs = Some(flags.epochs);
    trial
}
