//! `calibrate`: how a trained network tells music by artists that it does not know.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use cantus::{STRANGER_MEASURE, stranger_score};
use cantus_cache::{ClipRule, Precision, SpectrogramStore};
use cantus_corpus::{Part, Split};
use cantus_crnn::OpenSet;
use cantus_eval::area_under_roc;
use cantus_pipeline::Verdict;
use cantus_train::ClipSet;
use serde::Serialize;

use crate::cli::{CalibrateFlags, CommonFlags};
use crate::commands::{print, print_json, status};
use crate::data_folder::DataFolder;
use crate::errors::bad_usage;
use crate::named_output;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::{Session, count};
use crate::settings::{Artists, Config};
use crate::stages::clips::{self, PartSongs};
use crate::stages::evaluate::predict_unless_asked;
use crate::stages::preprocess::UsableSong;
use crate::stages::split;
use crate::stages::train::{self, CALIBRATION};
use crate::stages::trial::{StageName, Trial};

/// Shares of false alarms for which it is said how many strangers are found.
const FALSE_ALARMS: [f64; 3] = [0.05, 0.1, 0.2];

/// Songs whose spectrograms are in memory at a time.
const SONGS_AT_ONCE: usize = 64;

/// What a calibration found.
#[derive(Debug, Serialize)]
struct Calibrated {
    model: PathBuf,
    groups: usize,
    /// Songs of test parts, by artists that the network had learnt.
    known_songs: usize,
    /// Songs by artists that were kept from it.
    unknown_songs: usize,
    area_under_roc: f64,
    thresholds: Vec<Threshold>,
}

/// What calling all from a score up unknown comes to.
#[derive(Debug, Serialize)]
struct Threshold {
    score: f32,
    false_alarms: f64,
    found: f64,
}

/// Scores of songs.
#[derive(Default)]
struct Scores {
    known: Vec<f32>,
    unknown: Vec<f32>,
}

/// Trains the trial again, each time without a group of its artists, and writes its model with what
/// that says of strangers.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &CalibrateFlags,
    progress: &Progress,
) -> Result<Outcome> {
    let mut configs = flags.trial.trials()?;
    let (Some(config), true) = (configs.pop(), configs.is_empty()) else {
        return bad_usage("`calibrate` is about one trial\n\nhint: give each list a single value");
    };
    if config.shuffle_labels {
        return bad_usage("names dealt by lot are nobody's: there is nothing to calibrate");
    }
    let data = DataFolder::new(&common.data);
    let out = flags.out.as_deref().map(|out| named_output::place(out, &data)).transpose()?;
    let stated = flags.trial.corpus.config.as_deref();
    let groups = usize::from(flags.groups);
    if common.dry_run {
        return Session::reading(common, progress)?.run(|session| {
            let trial = Trial::new(session, config)?;
            if let Some(out) = &out {
                named_output::refuse_inputs_of(&trial, stated, out)?;
            }
            let outlook = status::show(common, session, &trial, true, StageName::Train)?;
            // Before all songs are decoded nobody knows how many artists there are.
            if outlook.plan.verdict("preprocess") == Some(&Verdict::Fresh) {
                let songs = trial.usable(session)?;
                refuse_what_cannot_be(&trial, &clips::labels(&songs), groups)?;
            }
            let trainings = count(groups, "training");
            progress.say(format!("then {trainings}, each without the artists of one group"));
            Ok(Outcome::Done)
        });
    }
    // What `--force` makes anew is the calibration, and not trainings of hours.
    let without_force = &CommonFlags { force: false, ..common.clone() };
    Session::writing(without_force, progress)?.run(|session| {
        let trial = Trial::new(session, config)?;
        if let Some(out) = &out {
            named_output::refuse_inputs_of(&trial, stated, out)?;
        }
        let Some(calibrated) = calibrate(session, &trial, groups, out)? else {
            return Ok(session.interrupted());
        };
        if common.json {
            print_json(&calibrated)?;
        } else {
            print(&text(&calibrated))?;
        }
        Ok(Outcome::Done)
    })
}

/// Makes the calibrated model of a run again; its trainings are made again only as far as needed.
pub(super) fn again(session: &Session, trial: &Trial, groups: u16) -> Result<Outcome> {
    let calibrated = calibrate(session, trial, usize::from(groups), None)?;
    Ok(if calibrated.is_some() { Outcome::Done } else { Outcome::Interrupted })
}

/// Refuses artists of which no group can be left out, or that are known to the first weights.
fn refuse_what_cannot_be(trial: &Trial, labels: &[String], groups: usize) -> Result<()> {
    let artists = labels.len();
    if artists < groups || artists - artists.div_ceil(groups) < 2 {
        let hint = match artists {
            ..3 => "three artists are the least".to_owned(),
            _ => format!("`--groups {artists}` leaves out one artist at a time"),
        };
        bail!(
            "{groups} groups take more than {}: two must be left to tell apart without the largest\n\n\
             hint: {hint}",
            count(artists, "artist")
        );
    }
    if let Some(known) = train::known_to_first_weights(&trial.config, labels)?.first() {
        bail!(
            "the weights of `--from` have learnt `{known}`: left out, it would be no stranger\n\n\
             hint: calibrate a model that was trained from nothing"
        );
    }
    Ok(())
}

/// Calibrates a trial's model in `out`, or beside it; nothing where the user asked for a stop.
fn calibrate(
    session: &Session,
    trial: &Trial,
    groups: usize,
    out: Option<PathBuf>,
) -> Result<Option<Calibrated>> {
    // What can be refused is refused before hours go into a training.
    if trial.bring_up_to_date(session, StageName::Preprocess)?.outcome == Outcome::Interrupted {
        return Ok(None);
    }
    let songs = trial.usable(session)?;
    refuse_what_cannot_be(trial, &clips::labels(&songs), groups)?;
    if trial.bring_up_to_date(session, StageName::Train)?.outcome == Outcome::Interrupted {
        return Ok(None);
    }
    let mut model = train::read_model(&trial.run)?;
    let mut scores = Scores::default();
    for group in 0..groups {
        let (left_out, kept) = dealt(&model.labels, group, groups);
        session.progress.say(format!(
            "group {} of {groups}: without {}",
            group + 1,
            left_out.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
        ));
        let artists = Some(Artists::Named(kept));
        let mut without = Trial::new(session, Config { artists, ..trial.config.clone() })?;
        // Within the run that it says something about: it is no model to be asked by itself.
        without.run = trial.run.join(CALIBRATION).join(format!("group-{}-of-{groups}", group + 1));
        if without.bring_up_to_date(session, StageName::Train)?.outcome == Outcome::Interrupted {
            return Ok(None);
        }
        let split = Split::read_tsv_file(&split::path(&without.run))?;
        let known = PartSongs::of(Part::Test, &split, &songs).songs;
        let unknown =
            songs.iter().filter(|usable| left_out.contains(&usable.song.artist)).collect();
        for (songs, scores) in [(known, &mut scores.known), (unknown, &mut scores.unknown)] {
            let Some(found) = stranger_scores(session, &without, songs)? else {
                return Ok(None);
            };
            scores.extend(found);
        }
    }
    let out = out.unwrap_or_else(|| train::calibrated_path(&trial.run));
    let calibrated = sum_up(&scores, &out, groups)?;
    model.open_set = Some(OpenSet::new(STRANGER_MEASURE, scores.known, scores.unknown)?);
    cantus_pipeline::write_atomic_bytes(&out, &model.to_bytes()?)?;
    Ok(Some(calibrated))
}

/// The artists of a group, dealt in the order of their names, and those of all others.
fn dealt(labels: &[String], group: usize, groups: usize) -> (BTreeSet<String>, BTreeSet<String>) {
    let mut left_out = BTreeSet::new();
    let mut kept = BTreeSet::new();
    for (place, label) in labels.iter().enumerate() {
        let to = if place % groups == group { &mut left_out } else { &mut kept };
        to.insert(label.clone());
    }
    (left_out, kept)
}

/// The stranger score of each song by the trial's network; nothing where the user asked for a stop.
fn stranger_scores(
    session: &Session,
    trial: &Trial,
    songs: Vec<&UsableSong>,
) -> Result<Option<Vec<f32>>> {
    let network = train::read_model(&trial.run)?.model()?;
    let all = PartSongs { songs };
    let bar = session.progress.bar(all.songs.len() as u64, "listen", "songs");
    let mut scores = Vec::new();
    for places in all.places().chunks(SONGS_AT_ONCE) {
        // As `predict` hears a recording, whatever flags say: all whole clips, in full precision.
        let store = SpectrogramStore::load_as(places, u64::MAX, Precision::F32)?;
        // Strangers have no class of this network's: which is named here changes no embedding.
        let numbered: Vec<(usize, usize)> = (0..places.len()).map(|song| (song, 0)).collect();
        let frames = trial.config.frames_per_clip();
        let set = ClipSet::cut(&store, &numbered, frames, ClipRule::AllWhole)?;
        let predicted =
            predict_unless_asked(&network, &store, &set, |_| session.interrupt.is_asked())?;
        let Some(predicted) = predicted else {
            bar.finish_and_clear();
            return Ok(None);
        };
        let clips: Vec<(usize, usize)> =
            set.clips().iter().enumerate().map(|(place, clip)| (clip.song, place)).collect();
        for clips in clips.chunk_by(|a, b| a.0 == b.0) {
            let embeddings = clips.iter().map(|&(_, place)| predicted.embedding_of(place));
            scores.push(stranger_score(embeddings));
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(Some(scores))
}

fn sum_up(scores: &Scores, model: &std::path::Path, groups: usize) -> Result<Calibrated> {
    let Scores { known, unknown } = scores;
    let area = area_under_roc(known, unknown);
    let mut descending = known.clone();
    descending.sort_by(|a, b| b.total_cmp(a));
    let thresholds = FALSE_ALARMS.iter().map(|share| {
        let most = (share * known.len() as f64) as usize;
        // The lowest score of three places, as it is printed, that calls no more of the known unknown.
        let score = descending.get(most).map_or(0.0, |first_kept| thousandths_above(*first_kept));
        let from = |scores: &[f32]| {
            scores.iter().filter(|&&other| other >= score).count() as f64 / scores.len() as f64
        };
        Threshold { score, false_alarms: from(known), found: from(unknown) }
    });
    Ok(Calibrated {
        model: model.to_owned(),
        groups,
        known_songs: known.len(),
        unknown_songs: unknown.len(),
        area_under_roc: area.context("no song was scored")?,
        thresholds: thresholds.collect(),
    })
}

/// The least number of three places that is larger.
fn thousandths_above(score: f32) -> f32 {
    let thousandths = (score * 1_000.0).floor();
    // The nearest f32 of a number of three places may be no larger than the score.
    let above = (0_u8..3).map(|more| (thousandths + f32::from(more)) / 1_000.0);
    above.into_iter().find(|&above| above > score).unwrap_or(1.0)
}

fn text(calibrated: &Calibrated) -> String {
    let Calibrated { model, known_songs, unknown_songs, area_under_roc, thresholds, .. } =
        calibrated;
    let mut text = format!(
        "{known_songs} songs by artists that were known and {unknown_songs} by others: area under \
         the ROC curve {area_under_roc:.3}\n\n{:>12} {:>14} {:>16}\n",
        "from a score", "false alarms", "strangers found"
    );
    for Threshold { score, false_alarms, found } in thresholds {
        let (alarms, found) = (100.0 * false_alarms, 100.0 * found);
        let _ = writeln!(text, "{score:>12.3} {alarms:>12.1} % {found:>14.1} %");
    }
    let _ = writeln!(text, "\n{}", model.display());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_artist_is_left_out_once() {
        let labels: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
        let mut all = Vec::new();
        for group in 0..2 {
            let (left_out, kept) = dealt(&labels, group, 2);
            assert!(left_out.is_disjoint(&kept));
            assert_eq!(left_out.len() + kept.len(), 5);
            all.extend(left_out);
        }
        all.sort();
        assert_eq!(all, labels);
    }

    #[test]
    fn a_threshold_gives_no_more_false_alarms_than_it_says() {
        let known: Vec<f32> = (0..40).map(|at| at as f32 / 100.0).collect();
        let unknown = vec![0.1, 0.36, 0.38, 0.9];
        let found = sum_up(&Scores { known, unknown }, "m".as_ref(), 2).unwrap();
        let [five, ten, _] = found.thresholds.as_slice() else { panic!("three thresholds") };
        assert!((five.false_alarms - 0.05).abs() < 1e-12 && (five.found - 0.5).abs() < 1e-12);
        assert!((ten.false_alarms - 0.1).abs() < 1e-12 && (ten.found - 0.75).abs() < 1e-12);
        assert_eq!(five.score.to_string(), "0.371");
        // Printed and read back it says the same.
        let tight = Scores { known: vec![0.408_7, 0.408_65, 0.408_4], unknown: vec![0.408_6, 0.5] };
        let found = sum_up(&tight, "m".as_ref(), 2).unwrap();
        assert!(found.thresholds.iter().all(|one| one.false_alarms <= 0.0), "{found:?}");
        assert_eq!(found.thresholds[0].score.to_string(), "0.409");
    }

    #[test]
    fn of_scores_that_are_all_alike_none_is_called_unknown() {
        let same = Scores { known: vec![0.5; 10], unknown: vec![0.5; 3] };
        let found = sum_up(&same, "m".as_ref(), 2).unwrap();
        assert!(found.thresholds.iter().all(|one| one.false_alarms <= 0.0 && one.found <= 0.0));
    }
}
