//! `experiment`: a grid of trials, brought up to date one after the other, and its tables.

mod grid_file;
mod paper;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cantus_eval::{BootstrapOptions, Grid, GridPoint, GridTrial, Metrics, Predictions};
use cantus_pipeline::AtomicFile;

use crate::cli::{CommonFlags, ExperimentFlags};
use crate::commands::{print, print_json, status};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::{Session, count};
use crate::settings::Config;
use crate::stages::evaluate;
use crate::stages::trial::{StageName, Trial};

/// Brings every trial of the grid up to date and prints the tables.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &ExperimentFlags,
    progress: &Progress,
) -> Result<Outcome> {
    let trial_flags = grid_file::laid_under(flags)?;
    if common.dry_run {
        return status::run(common, &trial_flags, true, StageName::Evaluate, progress);
    }
    let configs = trial_flags.trials()?;
    Session::writing(common, progress)?.run(|session| trials(common, session, &configs))
}

fn trials(common: &CommonFlags, session: &Session, configs: &[Config]) -> Result<Outcome> {
    // What is wrong with the corpus itself is wrong with every trial, and said once.
    let Some(first) = configs.first() else { bail!("the grid has no trial") };
    let first = Trial::new(session, first.clone())?;
    let mut outcome = first.bring_up_to_date(session, StageName::Preprocess)?.outcome;
    if outcome == Outcome::Interrupted {
        session.progress.say_even_if_quiet("interrupted; run the same command to go on");
        return Ok(outcome);
    }
    let bar = session.progress.bar(configs.len() as u64, "experiment", "trials");
    let (mut done, mut failed, mut runs) = (Vec::new(), 0, Vec::new());
    for folds in configs.chunk_by(differ_by_fold) {
        let mut whole = Vec::new();
        for config in folds {
            let trial = Trial::new(session, config.clone())?;
            bar.set_message(trial.config.run_name()?);
            match trial.bring_up_to_date(session, StageName::Evaluate) {
                Ok(ended) => {
                    outcome = outcome.and(ended.outcome);
                    if ended.outcome == Outcome::Interrupted {
                        bar.finish_and_clear();
                        session.progress.say_even_if_quiet(format!(
                            "interrupted after {} of {}; run the same command to go on",
                            bar.position(),
                            count(configs.len(), "trial")
                        ));
                        return Ok(outcome);
                    }
                    whole.push(trial);
                }
                // One that this corpus does not allow, such as a split by album of artists with
                // one album, is no reason to leave out the others.
                Err(error) => {
                    failed += 1;
                    session
                        .progress
                        .say_even_if_quiet(format!("{} failed: {error:#}", trial.run.display()));
                }
            }
            bar.inc(1);
        }
        if whole.len() == folds.len() {
            done.push(scored(session, &whole)?);
            runs.extend(whole);
        }
    }
    bar.finish_and_clear();
    let Some(first) = runs.first() else { bail!("no trial of the grid could be run") };
    let published = paper::scores_on(&first.source.name);
    let grid = Grid::new(done).beside(published);
    let folder = write(session, &runs, &grid)?;
    if common.json {
        for trial in grid.trials() {
            print_json(trial)?;
        }
    } else {
        print(&grid.to_markdown());
        session.progress.say(format!("\nthe tables lie in {}", folder.display()));
    }
    if failed > 0 {
        bail!("{failed} of {} failed", count(configs.len(), "trial"));
    }
    Ok(outcome)
}

fn differ_by_fold(a: &Config, b: &Config) -> bool {
    a.fold.is_some() && Config { fold: a.fold, ..b.clone() } == *a
}

/// The scores of one split, or of all folds pooled.
fn scored(session: &Session, folds: &[Trial]) -> Result<GridTrial> {
    let (first, config) = (&folds[0], &folds[0].config);
    let metrics = if folds.len() == 1 {
        evaluate::read_metrics(&first.run)?
    } else {
        let predictions: Result<Vec<Predictions>> =
            folds.iter().map(|fold| evaluate::read_predictions(&fold.run)).collect();
        Metrics::new(&Predictions::pooled(predictions?)?, &BootstrapOptions::default())?
    };
    let point = GridPoint {
        model: config.model.name.as_str().to_owned(),
        split: config.split.to_string(),
        clip: config.clip.to_string(),
        clip_seconds: config.clip.seconds(),
    };
    let pooled = (folds.len() > 1).then_some(folds.len());
    Ok(GridTrial::new(point, config.seed, pooled, first.parts(session)?, &metrics))
}

/// Writes the tables into a folder of this grid's own, beside its runs.
fn write(session: &Session, runs: &[Trial], grid: &Grid) -> Result<PathBuf> {
    let mut hasher = blake3::Hasher::new();
    for trial in runs {
        hasher.update(trial.run.as_os_str().as_encoded_bytes());
        hasher.update(b"\0");
    }
    let parent = runs[0].run.parent().unwrap_or(Path::new("."));
    let folder = parent.join(format!("experiment-{}", &hasher.finalize().to_hex()[..8]));
    session.write(&folder.join("grid.md"), grid.to_markdown().as_bytes())?;
    session.write(&folder.join("grid.csv"), grid.to_csv().as_bytes())?;
    grid.write_parquet(AtomicFile::create(folder.join("grid.parquet"))?)?.commit()?;
    Ok(folder)
}
