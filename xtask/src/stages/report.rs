//! The stage `report`: one page about the run, and its pictures as files.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::Result;
use cantus_corpus::{Part, Split};
use cantus_eval::{
    BaselineScores, ClipMap, EpochRecord, Metrics, PartCounts, Placement, ReportInput, SongRemark,
    StageTiming, confusion_svg, history_svg, read_history, render_report, scatter_svg, song_votes,
};
use cantus_pipeline::{Fingerprint, Stage};

use crate::session::{Session, SongProblem};
use crate::settings::Config;
use crate::stages::clips::{self, PartSongs};
use crate::stages::trial::{Songs, Trial};
use crate::stages::{baseline, evaluate, map, split, timing, train};

const FORMAT_VERSION: u32 = 5;

/// The page.
pub(crate) fn page_path(run: &Path) -> PathBuf {
    run.join("report.html")
}

/// The stage with its outputs.
pub(crate) fn stage(run: &Path) -> Stage {
    Stage::new("report")
        .after("evaluate")
        .after("duplicates")
        .after("baseline")
        .after("map")
        .output(page_path(run))
}

/// What the page is made of.
pub(crate) fn wanted(session: &Session, songs: &Songs<'_>, run: &Path) -> Result<Fingerprint> {
    let mut builder = Fingerprint::builder("report", FORMAT_VERSION);
    let inputs = [
        ("config", split::config_path(run)),
        ("history", train::history_path(run)),
        ("metrics", evaluate::metrics_path(run)),
        ("predictions", evaluate::predictions_path(run)),
        ("split", split::path(run)),
        ("near duplicates", songs.near_duplicates.clone()),
        ("baselines", baseline::path(run)),
        ("map", map::path(run)),
    ];
    for (name, path) in inputs {
        if path.exists() {
            builder = builder.input(name, session.hash(path)?);
        }
    }
    let skipped = songs.unusable.iter().map(|song| (song.song.as_str(), song.reason.as_str()));
    let damaged = songs.damaged.iter().map(|song| (song.song.as_str(), song.reason.as_str()));
    Ok(builder.input_set("skipped songs", skipped).input_set("damaged songs", damaged).build())
}

/// Writes the page and its pictures.
pub(crate) fn run(session: &Session, trial: &Trial, songs: &Songs<'_>) -> Result<()> {
    let run = trial.run.as_path();
    let metrics = evaluate::read_metrics(run)?;
    let predictions = evaluate::read_predictions(run)?;
    let history = read_history(&train::history_path(run))?;
    let map = map::read(run)?;
    write_pictures(session, run, &metrics, &history, &map)?;

    let split = split::read(songs, run)?;
    let name = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut input =
        ReportInput::new(name, trial.source.name.clone(), metrics, song_votes(&predictions));
    input.settings = settings(&trial.config)?;
    input.parts = part_counts(&trial.config, songs, &split);
    input.history = history;
    input.timings = timings(run);
    input.warnings = split::warnings(&split, songs)?;
    let labels = clips::labels(&songs.usable);
    input.warnings.extend(train::first_weights_warning(&trial.config, &labels)?);
    input.skipped = songs.unusable.iter().map(on_page).collect();
    input.damaged = songs.damaged.iter().map(on_page).collect();
    input.map = Some(map);
    input.baselines = baselines(run)?;
    session.write(&page_path(run), render_report(&input)?.as_bytes())
}

fn baselines(run: &Path) -> Result<Vec<BaselineScores>> {
    let scores = baseline::read_scores(run)?.into_iter().map(|scores| BaselineScores {
        name: scores.method.as_str().to_owned(),
        explanation: scores.method.title().to_owned(),
        clip: scores.metrics.as_ref().map(|metrics| (&metrics.clip).into()),
        song: scores.metrics.as_ref().map(|metrics| (&metrics.song_vote).into()),
        failure: scores.failure,
    });
    Ok(scores.collect())
}

fn on_page(song: &SongProblem) -> SongRemark {
    SongRemark { song_id: song.song.clone(), remark: song.reason.clone() }
}

fn write_pictures(
    session: &Session,
    run: &Path,
    metrics: &Metrics,
    history: &[EpochRecord],
    map: &ClipMap,
) -> Result<()> {
    let levels = [
        ("confusion-clips.svg", &metrics.clip, "Clips", "clips"),
        ("confusion-songs.svg", &metrics.song_vote, "Songs, by vote", "songs"),
    ];
    for (file, level, title, unit) in levels {
        let svg = confusion_svg(&level.confusion, title, unit, Placement::Standalone)?;
        session.write(&run.join(file), svg.as_bytes())?;
    }
    let points = [
        ("map-clips.svg", map.clip_points(), "Clips, as the network hears them", "clips"),
        ("map-songs.svg", map.song_points(), "Songs, each at the mean of its clips", "songs"),
    ];
    for (file, points, title, unit) in points {
        let svg = scatter_svg(&points, map.labels(), title, unit, Placement::Standalone)?;
        session.write(&run.join(file), svg.as_bytes())?;
    }
    let svg = history_svg(history, "Loss and accuracy by epoch", Placement::Standalone)?;
    session.write(&run.join("history.svg"), svg.as_bytes())
}

/// The configuration as lines of a table, in the order of `config.toml`.
fn settings(config: &Config) -> Result<Vec<(String, String)>> {
    let mut section = String::new();
    let mut lines = Vec::new();
    for line in config.to_toml()?.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        } else if let Some((key, value)) = line.split_once(" = ") {
            lines.push((format!("{section}{key}"), value.trim_matches('"').to_owned()));
        }
    }
    Ok(lines)
}

/// What the parts of a split hold.
pub(crate) fn part_counts(config: &Config, songs: &Songs<'_>, split: &Split) -> Vec<PartCounts> {
    let parts = [("train", Part::Train), ("validation", Part::Validation), ("test", Part::Test)];
    let counts = parts.into_iter().map(|(name, part)| {
        let part = PartSongs::of(part, split, &songs.usable);
        let artists: BTreeSet<&str> =
            part.songs.iter().map(|usable| usable.song.artist.as_str()).collect();
        let albums: BTreeSet<(&str, &str)> = part
            .songs
            .iter()
            .map(|usable| (usable.song.artist.as_str(), usable.song.album.as_str()))
            .collect();
        PartCounts {
            part: name.to_owned(),
            artists: artists.len() as u64,
            albums: albums.len() as u64,
            songs: part.songs.len() as u64,
            clips: part.clips(config).iter().sum::<usize>() as u64,
        }
    });
    counts.collect()
}

/// The time that each stage took when it last ran.
fn timings(run: &Path) -> Vec<StageTiming> {
    const ORDER: [&str; 9] = [
        "scan",
        "preprocess",
        "duplicates",
        "split",
        "train",
        "evaluate",
        "baseline",
        "map",
        "report",
    ];
    let mut totals = timing::totals(&timing::read(run));
    totals.sort_by_key(|(stage, _)| ORDER.iter().position(|name| name == stage));
    totals.into_iter().map(|(stage, seconds)| StageTiming { stage, seconds }).collect()
}
