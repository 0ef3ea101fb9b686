//! `demo`: the main job, from nothing to a scored classifier, on the built-in corpus.

use anyhow::Result;

use crate::cli::CommonFlags;
use crate::commands::{fetch, trials};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::settings::TrialFlags;
use crate::stages::trial::StageName;

/// Seconds taken of each of the corpus' songs: what two cores learn from within minutes.
const MAX_SECONDS: f64 = 22.0;
/// The most epochs, for the same reason.
const EPOCHS: usize = 14;

/// Makes the built-in corpus and runs one trial on it: 3 s clips, split by song, the paper's
/// network.
pub(crate) fn run(common: &CommonFlags, progress: &Progress) -> Result<Outcome> {
    let mut flags = TrialFlags::default();
    flags.corpus.corpus = Some("demo".to_owned());
    flags.corpus.max_seconds = Some(MAX_SECONDS);
    flags.epochs = Some(EPOCHS);
    if !common.dry_run {
        progress.say(format!(
            "the built-in corpus is synthesised: invented artists, no human performance\n\
             one trial: 3s clips, split by song, the middle {MAX_SECONDS} s of each song, at most \
             {EPOCHS} epochs"
        ));
        fetch::demo(common, progress)?;
    }
    trials::run(common, &flags, StageName::Report, progress)
}
