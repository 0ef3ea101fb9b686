//! What is damaged, made anew: taken away, and the runs that it belongs to brought up to date.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cantus_cache::{AlbumFile, SongInfo};
use cantus_pipeline::{Reason, Verdict};

use crate::commands::calibrate;
use crate::listing::{folders, named, runs_in};
use crate::outcome::Outcome;
use crate::session::Session;
use crate::settings::Config;
use crate::stages::preprocess::Index;
use crate::stages::split;
use crate::stages::train::{CALIBRATION, calibrated_path};
use crate::stages::trial::{StageName, Trial};

use super::look::{Cure, Finding, Look};

/// Takes away what is damaged, then runs the stages that made it.
pub(super) fn repair(session: &Session, look: &Look) -> Result<Outcome> {
    let data = &session.data;
    let runs = ended(&data.runs())?;
    let mut stores = BTreeSet::new();
    let mut damaged_runs = BTreeSet::new();
    for finding in &look.findings {
        if let Ok(within) = finding.path.strip_prefix(data.cache("")) {
            // `<corpus>/log-mel-...`: the content hashes and the scan belong to no such folder.
            let store: PathBuf = within.iter().take(2).collect();
            stores.insert(data.cache("").join(store));
        }
        if let Ok(within) = finding.path.strip_prefix(data.runs()) {
            // `<corpus>/<run>`, or a training by which that was calibrated, which lies two deeper.
            let depth =
                if within.iter().nth(2).is_some_and(|part| part == CALIBRATION) { 4 } else { 2 };
            damaged_runs.insert(data.runs().join(within.iter().take(depth).collect::<PathBuf>()));
        }
    }
    // The indices first: of what is sound in the files they are made again before songs are forgotten.
    let (indices, others): (Vec<&Finding>, Vec<&Finding>) =
        look.findings.iter().partition(|finding| named(&finding.path) == "index.json");
    for finding in indices.into_iter().chain(others) {
        cure(finding.song.as_deref(), &finding.path, &finding.cure)?;
    }
    let mut outcome = Outcome::Done;
    for (run, last) in runs {
        let trial = match trial(session, &run) {
            Ok(trial) => Trial { run: run.clone(), ..trial },
            Err(error) if damaged_runs.contains(&run) => {
                session.progress.warn(format!(
                    "`{}` cannot be made again by itself: {error:#}; the command that made it does",
                    run.display()
                ));
                continue;
            }
            Err(_) => continue,
        };
        let is_meant = damaged_runs.contains(&run)
            || (!stores.is_empty() && stores.contains(trial.spectrograms(session)?.0.folder()));
        if !is_meant {
            continue;
        }
        session.progress.say(format!("making {} anew as far as needed", run.display()));
        if trial.bring_up_to_date(session, StageName::Preprocess)?.outcome == Outcome::Interrupted {
            return Ok(Outcome::Interrupted);
        }
        if is_of_other_music(session, &trial, last)? {
            session.progress.say_even_if_quiet(format!(
                "{}: its music is no longer what it was made of, so it is not made again; the command \
                 that made it does, of what is there now",
                run.display()
            ));
            continue;
        }
        outcome = outcome.and(trial.bring_up_to_date(session, last)?.outcome);
        if outcome == Outcome::Interrupted {
            break;
        }
        let calibrated = calibrated_path(&run);
        if look.findings.iter().any(|finding| finding.path == calibrated)
            && let Some(groups) = groups(&run)?
        {
            outcome = outcome.and(calibrate::again(session, &trial, groups)?);
            if outcome == Outcome::Interrupted {
                break;
            }
        }
    }
    if outcome != Outcome::Interrupted {
        outcome = outcome.and(take_away_what_is_left(session, look)?);
    }
    Ok(outcome)
}

/// Takes away the albums of which a song is still damaged after the runs of their spectrograms were brought
/// up to date: its file is gone, or no run has it, so no stage writes the album anew. The others are decoded
/// again.
fn take_away_what_is_left(session: &Session, look: &Look) -> Result<Outcome> {
    let is_left = |finding: &Finding| {
        let album = AlbumFile::open(&finding.path).ok()?;
        let is_it = |stored: &SongInfo| Some(&stored.id) == finding.song.as_ref();
        let position = album.songs().iter().position(is_it)?;
        album.read_mel(position).err()
    };
    let mut left: BTreeMap<&Path, BTreeSet<&Path>> = BTreeMap::new();
    for finding in &look.findings {
        if let Cure::Forget { store, .. } = &finding.cure
            && is_left(finding).is_some()
        {
            left.entry(store).or_default().insert(&finding.path);
        }
    }
    let mut outcome = Outcome::Done;
    if left.is_empty() {
        return Ok(outcome);
    }
    for run in ended(&session.data.runs())?.into_keys() {
        let Ok(trial) = trial(session, &run) else { continue };
        let store = trial.spectrograms(session)?.0;
        for album in left.remove(store.folder()).unwrap_or_default() {
            remove(album)?;
            // One run of these spectrograms is enough.
            outcome = outcome.and(trial.bring_up_to_date(session, StageName::Preprocess)?.outcome);
        }
    }
    Ok(outcome)
}

/// Whether a run was made of other songs than those that are there now: a repair must not put results of
/// these in the place of results of those.
fn is_of_other_music(session: &Session, trial: &Trial, last: StageName) -> Result<bool> {
    let plan = trial.outlook(session, last)?.plan;
    let is_other = |stage: &str| {
        let reasons = plan.verdict(stage).map(Verdict::reasons).unwrap_or_default();
        reasons.iter().any(
            |reason| matches!(reason, Reason::InputChanged { name, .. } if name.ends_with("songs")),
        )
    };
    Ok(["split", "train"].into_iter().any(is_other))
}

/// In how many groups a run's artists were left out to calibrate it; nothing where that is not clear.
fn groups(run: &Path) -> Result<Option<u16>> {
    let mut groups = BTreeSet::new();
    for folder in folders(&run.join(CALIBRATION))? {
        groups.extend(named(&folder).rsplit('-').next().and_then(|of| of.parse::<u16>().ok()));
    }
    Ok(groups.pop_first().filter(|_| groups.is_empty()))
}

/// The runs, and of each the last stage that it had come to.
fn ended(runs: &Path) -> Result<BTreeMap<PathBuf, StageName>> {
    let mut ended = BTreeMap::new();
    for corpus in folders(runs)? {
        for run in runs_in(&corpus)? {
            let of_run = StageName::Report.of_a_run();
            let last = of_run.filter(|stage| stage.fingerprint_path(&run).exists()).last();
            ended.extend(last.map(|last| (run, last)));
        }
    }
    Ok(ended)
}

fn trial(session: &Session, run: &Path) -> Result<Trial> {
    Trial::new(session, Config::read(&split::config_path(run))?)
}

fn cure(song: Option<&str>, path: &Path, cure: &Cure) -> Result<()> {
    match cure {
        Cure::Remove => {
            // The last scan only saves time: nothing need miss it.
            if path.parent().is_some_and(|folder| named(folder) == "scan") {
                remove(&path.with_extension("fingerprint.json"))?;
            }
            remove(path)
        }
        Cure::Forget { store, file } => {
            let mut index = Index::load(store);
            index.look_at_any(store, file);
            index.forget(file, song.unwrap_or_default());
            index.save(store)
        }
    }
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", path.display()))
        }
        _ => Ok(()),
    }
}
