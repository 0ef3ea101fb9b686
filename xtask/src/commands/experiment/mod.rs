//! `experiment`: a grid of trials, brought up to date one after the other or several at once, and its tables.

mod grid_file;
mod jobs;
mod paper;

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use cantus_eval::{
    BootstrapOptions, Grid, GridPoint, GridTrial, Level, Metrics, PartCounts, Placement,
    Predictions, clip_length_svg, confusion_svg,
};
use cantus_pipeline::AtomicFile;

use crate::cli::{CommonFlags, ExperimentFlags};
use crate::commands::{print, print_json, status};
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::{Session, count};
use crate::settings::Config;
use crate::stages::baseline::{self, Method, MethodScores};
use crate::stages::evaluate;
use crate::stages::trial::{StageName, Trial};

/// Brings every trial of the grid up to date and prints the tables.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &ExperimentFlags,
    progress: &Progress,
) -> Result<Outcome> {
    let trial_flags = grid_file::laid_under(flags)?;
    let configs = trial_flags.trials()?;
    if common.dry_run {
        return status::of_grid(common, configs, StageName::Evaluate, progress);
    }
    let jobs = usize::from(flags.jobs);
    Session::writing(common, progress)?.run(|session| grid(common, session, &configs, jobs))
}

fn grid(
    common: &CommonFlags,
    session: &Session,
    configs: &[Config],
    jobs: usize,
) -> Result<Outcome> {
    // What is wrong with the corpus itself is wrong with every trial, and said once.
    let Some(first) = configs.first() else { bail!("the grid has no trial") };
    let first = Trial::new(session, first.clone())?;
    // So is what all of them share done once: the spectrograms, and which of them are alike.
    let mut outcome = first.bring_up_to_date(session, StageName::Duplicates)?.outcome;
    if outcome == Outcome::Interrupted {
        return Ok(session.interrupted());
    }
    let trials: Result<Vec<Trial>> =
        configs.iter().map(|config| Trial::new(session, config.clone())).collect();
    let trials = trials?;
    let ended = jobs::run(session, &trials, jobs)?;
    let failed = ended.iter().filter(|ended| matches!(ended, Some(Err(_)))).count();
    for ended in ended.iter().flatten().flatten() {
        outcome = outcome.and(*ended);
    }
    if outcome == Outcome::Interrupted || ended.iter().any(Option::is_none) {
        let done = ended.iter().flatten().flatten().filter(|&&one| one != Outcome::Interrupted);
        session.progress.say_even_if_quiet(format!(
            "interrupted after {} of {}; run the same command to go on",
            done.count(),
            count(trials.len(), "trial")
        ));
        return Ok(Outcome::Interrupted);
    }
    let (mut done, mut runs, mut pooled) = (Vec::new(), Vec::new(), Vec::new());
    let mut position = 0;
    for folds in trials.chunk_by(|a, b| differ_by_fold(&a.config, &b.config)) {
        let is_whole = ended[position..position + folds.len()]
            .iter()
            .all(|ended| matches!(ended, Some(Ok(_))));
        position += folds.len();
        if is_whole {
            let parts = folds[0].parts(session)?;
            let metrics = scores_of(folds)?;
            done.push(grid_trial(&parts, folds, folds[0].config.model.name.as_str(), &metrics));
            if folds.len() > 1 {
                let whole = Config { fold: None, ..folds[0].config.clone() };
                pooled.push((whole.run_name()?, metrics));
            }
            for method in Method::ALL {
                let older = scored_by(&parts, folds, method)?;
                // Once for all networks on the same clips.
                let is_new = |older: &GridTrial| {
                    let is_same =
                        |known: &GridTrial| known.point == older.point && known.seed == older.seed;
                    !done.iter().any(is_same)
                };
                let older = older.filter(is_new);
                done.extend(older);
            }
            runs.extend(folds);
        }
    }
    let Some(first) = runs.first() else { bail!("no trial of the grid could be run") };
    let published = paper::scores_on(&first.source.name);
    let grid = Grid::new(done).beside(published);
    let folder = write(session, &runs, &grid, &pooled)?;
    if common.json {
        for trial in grid.trials() {
            print_json(trial)?;
        }
    } else {
        print(&grid.to_markdown())?;
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

/// The scores of an older method on the same parts; none where it has none.
fn scored_by(parts: &[PartCounts], folds: &[Trial], method: Method) -> Result<Option<GridTrial>> {
    let mut predictions = Vec::new();
    for fold in folds {
        let scores = baseline::read_scores(&fold.run)?;
        let is_scored = |scores: &MethodScores| scores.method == method && scores.metrics.is_some();
        if !scores.iter().any(is_scored) {
            return Ok(None);
        }
        predictions.push(baseline::read_predictions(&fold.run, method)?);
    }
    let metrics = Metrics::new(&Predictions::pooled(predictions)?, &BootstrapOptions::default())?;
    Ok(Some(grid_trial(parts, folds, method.as_str(), &metrics)))
}

/// The scores of one split, or of all folds pooled.
fn scores_of(folds: &[Trial]) -> Result<Metrics> {
    if let [only] = folds {
        return evaluate::read_metrics(&only.run);
    }
    let predictions: Result<Vec<Predictions>> =
        folds.iter().map(|fold| evaluate::read_predictions(&fold.run)).collect();
    Ok(Metrics::new(&Predictions::pooled(predictions?)?, &BootstrapOptions::default())?)
}

fn grid_trial(parts: &[PartCounts], folds: &[Trial], model: &str, metrics: &Metrics) -> GridTrial {
    let config = &folds[0].config;
    let point = GridPoint {
        model: model.to_owned(),
        split: config.split.to_string(),
        clip: config.clip.to_string(),
        clip_seconds: config.clip.seconds(),
    };
    let pooled = (folds.len() > 1).then_some(folds.len());
    GridTrial::new(point, config.seed, pooled, parts.to_vec(), metrics)
}

/// Writes the tables into a folder of this grid's own, beside its runs, and the scores of folds that
/// were pooled.
fn write(
    session: &Session,
    runs: &[&Trial],
    grid: &Grid,
    pooled: &[(String, Metrics)],
) -> Result<PathBuf> {
    let mut hasher = blake3::Hasher::new();
    for trial in runs {
        hasher.update(trial.run.as_os_str().as_encoded_bytes());
        hasher.update(b"\0");
    }
    let parent = runs[0].run.parent().unwrap_or(Path::new("."));
    let folder = parent.join(format!("experiment-{}", &hasher.finalize().to_hex()[..8]));
    session.write(&folder.join("grid.md"), grid.to_markdown().as_bytes())?;
    session.write(&folder.join("grid.csv"), grid.to_csv().as_bytes())?;
    let levels = [Level::Clip, Level::SongVote];
    let picture = clip_length_svg(grid, &levels, None, "F1 by clip length", Placement::Standalone)?;
    session.write(&folder.join("clip-length.svg"), picture.as_bytes())?;
    grid.write_parquet(AtomicFile::create(folder.join("grid.parquet"))?)?.commit()?;
    for (name, metrics) in pooled {
        let json = metrics.to_json()?;
        session.write(&folder.join(format!("{name}.json")), json.as_bytes())?;
        let confusion = &metrics.song_mean.confusion;
        let title = "songs of all folds, by mean probability";
        let picture = confusion_svg(confusion, title, "songs", Placement::Standalone)?;
        session.write(&folder.join(format!("{name}-songs.svg")), picture.as_bytes())?;
    }
    Ok(folder)
}
