//! `demo`: the main job, from nothing to a scored classifier, on the built-in corpus.

use anyhow::Result;

use crate::cli::{CommonFlags, DemoFlags};
use crate::commands::{fetch, trials};
use crate::corpora::demo::DemoSettings;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::Session;
use crate::settings::TrialFlags;
use crate::stages::trial::StageName;

/// Makes the built-in corpus and runs one trial on it: 3 s clips, split by song, the paper's
/// network.
pub(crate) fn run(common: &CommonFlags, flags: &DemoFlags, progress: &Progress) -> Result<Outcome> {
    let trial = trial_flags(flags);
    if common.dry_run {
        return trials::run(common, &trial, StageName::Report, progress);
    }
    progress.say(format!(
        "the built-in corpus is synthesised: invented artists, no human performance\n\
         one trial: 3s clips, split by song, the middle {} s of each song, at most {} epochs",
        flags.max_seconds, flags.epochs
    ));
    let settings = DemoSettings { song_seconds: flags.song_seconds, ..DemoSettings::default() };
    let configs = trial.trials()?;
    Session::writing(common, progress)?.run(|session| {
        fetch::synthesise(common, session, &settings)?;
        trials::bring_up_to_date(common, session, configs, StageName::Report)
    })
}

fn trial_flags(flags: &DemoFlags) -> TrialFlags {
    let mut trial = TrialFlags::default();
    trial.corpus.corpus = Some("demo".to_owned());
    trial.corpus.max_seconds = Some(flags.max_seconds);
    trial.epochs = Some(flags.epochs);
    trial
}
