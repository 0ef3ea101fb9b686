//! One self-contained page about one run.

use minijinja::context;
use minijinja::value::Serde;
use serde::{Deserialize, Serialize};

use crate::bootstrap::Estimate;
use crate::error::EvalError;
use crate::grid::LevelScores;
use crate::history::EpochRecord;
use crate::map::{ClipMap, MapPage};
use crate::metrics::{LevelMetrics, Metrics};
use crate::picture::{Placement, confusion_svg, history_svg};
use crate::song::SongPrediction;
use crate::template::render;

/// Confused pairs listed at each level.
const MOST_PAIRS: usize = 12;
/// Wrong songs listed; the predictions' file has the others.
const MOST_WRONG_SONGS: usize = 500;

/// What stands in one part of a split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartCounts {
    /// The part's name: `train`, `validation` or `test`.
    pub part: String,
    /// Number of artists in it.
    pub artists: u64,
    /// Number of albums in it.
    pub albums: u64,
    /// Number of songs in it.
    pub songs: u64,
    /// Number of clips in it.
    pub clips: u64,
}

/// How long a stage took.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageTiming {
    /// The stage's name.
    pub stage: String,
    /// Wall time in seconds.
    pub seconds: f64,
}

/// A song that there is something to say of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SongRemark {
    /// The song's id, or its path where it has none.
    pub song_id: String,
    /// What, such as why it was left out.
    pub remark: String,
}

/// How another method scored on the same split, to be compared with.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BaselineScores {
    /// A short name.
    pub name: String,
    /// What it does.
    pub explanation: String,
    /// Its scores by clip, if it has any.
    pub clip: Option<LevelScores>,
    /// Its scores by song.
    pub song: Option<LevelScores>,
    /// Why it has no scores, where it has none.
    pub failure: Option<String>,
}

/// All that a report shows. Parts that are empty are left out of the page.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReportInput {
    /// The page's title, such as the run's name.
    pub title: String,
    /// The corpus' name.
    pub corpus: String,
    /// The scores.
    pub metrics: Metrics,
    /// The songs scored, from [`song_votes`](crate::song_votes).
    pub songs: Vec<SongPrediction>,
    /// The run's settings as name and value, in the order to show.
    pub settings: Vec<(String, String)>,
    /// What the parts of the split hold.
    pub parts: Vec<PartCounts>,
    /// The course of the training.
    pub history: Vec<EpochRecord>,
    /// How long the stages took.
    pub timings: Vec<StageTiming>,
    /// What a reader should know before believing the numbers.
    pub warnings: Vec<String>,
    /// Other remarks.
    pub notes: Vec<String>,
    /// Songs that could not be used.
    pub skipped: Vec<SongRemark>,
    /// Songs that were used as far as they could be decoded.
    pub damaged: Vec<SongRemark>,
    /// Where clips and songs lie to the network.
    pub map: Option<ClipMap>,
    /// Other methods on the same split.
    pub baselines: Vec<BaselineScores>,
}

impl ReportInput {
    /// A report of scores alone; the other fields are empty, to be filled.
    pub fn new(
        title: impl Into<String>,
        corpus: impl Into<String>,
        metrics: Metrics,
        songs: Vec<SongPrediction>,
    ) -> Self {
        Self {
            title: title.into(),
            corpus: corpus.into(),
            metrics,
            songs,
            settings: Vec::new(),
            parts: Vec::new(),
            history: Vec::new(),
            timings: Vec::new(),
            warnings: Vec::new(),
            notes: Vec::new(),
            skipped: Vec::new(),
            damaged: Vec::new(),
            map: None,
            baselines: Vec::new(),
        }
    }
}

/// The report as one HTML page: no network, no other files, readable without scripts.
///
/// Every text of the input is escaped. The page is well-formed XML too.
///
/// # Errors
///
/// The template engine's, as [`EvalError::Draw`]; songs whose classes the metrics do not know.
pub fn render_report(input: &ReportInput) -> Result<String, EvalError> {
    let metrics = &input.metrics;
    check_songs(&input.songs, metrics.labels.len())?;
    let history = if input.history.is_empty() {
        None
    } else {
        Some(history_svg(&input.history, "Loss and accuracy by epoch", Placement::Inline)?)
    };
    let matrix = |level: &LevelMetrics, title: &str, unit: &str| {
        confusion_svg(&level.confusion, title, unit, Placement::Inline)
    };
    let wrong = wrong_songs(&input.songs, &metrics.labels);
    let map = input.map.as_ref().map(MapPage::new).transpose()?;
    let (map_style, map_script) =
        map.as_ref().map_or(("", ""), |map| (map.style.as_str(), map.script));
    let context = context! {
        page_style => include_str!("../templates/report.css").to_owned() + map_style,
        page_script => include_str!("../templates/report.js").to_owned() + map_script,
        title => &input.title,
        corpus => &input.corpus,
        version => env!("CARGO_PKG_VERSION"),
        cards => Serde(cards(metrics)),
        confidence => metrics.bootstrap.confidence,
        replicates => metrics.bootstrap.replicates,
        artists => Serde(artists(metrics)),
        clips => metrics.clips,
        songs => metrics.songs,
        levels => Serde([
            level(&metrics.song_vote, "Songs, by vote", "song-vote", "songs"),
            level(&metrics.song_mean, "Songs, by mean probability", "song-mean", "songs"),
            level(&metrics.clip, "Clips", "clip", "clips"),
        ]),
        history,
        song_confusion => matrix(&metrics.song_vote, "Songs, by vote", "songs")?,
        clip_confusion => matrix(&metrics.clip, "Clips", "clips")?,
        song_pairs => Serde(pairs(&metrics.song_vote)),
        clip_pairs => Serde(pairs(&metrics.clip)),
        wrong_count => wrong.len(),
        wrong => Serde(&wrong[..wrong.len().min(MOST_WRONG_SONGS)]),
        settings => Serde(&input.settings),
        parts => Serde(&input.parts),
        timings => Serde(timings(&input.timings)),
        warnings => Serde(&input.warnings),
        notes => Serde(&input.notes),
        skipped => Serde(&input.skipped),
        damaged => Serde(&input.damaged),
        map => map.map(|map| map.html),
        network => Serde([LevelScores::from(&metrics.clip), LevelScores::from(&metrics.song_vote)]),
        baselines => Serde(&input.baselines),
    };
    render("a report", include_str!("../templates/report.html"), context)
}

fn check_songs(songs: &[SongPrediction], classes: usize) -> Result<(), EvalError> {
    for (position, song) in songs.iter().enumerate() {
        let class = song.truth.max(song.vote).max(song.mean);
        if class >= classes {
            return Err(EvalError::UnknownClass { position, class, classes });
        }
        if song.mean_probabilities.len() != classes {
            return Err(EvalError::ProbabilityCount {
                song_id: song.song_id.clone(),
                clip: 0,
                found: song.mean_probabilities.len(),
                classes,
            });
        }
    }
    Ok(())
}

/// One headline number.
#[derive(Serialize)]
struct Card {
    name: &'static str,
    explanation: &'static str,
    estimate: Estimate,
    accuracy: f64,
    uniform: f64,
    majority: f64,
    count: u64,
    unit: &'static str,
}

fn cards(metrics: &Metrics) -> [Card; 3] {
    let card = |level: &LevelMetrics, name, explanation, unit| Card {
        name,
        explanation,
        estimate: level.weighted_f1,
        accuracy: level.accuracy.value,
        uniform: level.chance.uniform_weighted_f1,
        majority: level.chance.majority_weighted_f1,
        count: level.count,
        unit,
    };
    [
        card(&metrics.song_vote, "Song F1, by vote", "the sure clips vote", "songs"),
        card(&metrics.song_mean, "Song F1, by mean", "clip probabilities averaged", "songs"),
        card(&metrics.clip, "Clip F1", "every clip by itself", "clips"),
    ]
}

/// One level's tables.
#[derive(Serialize)]
struct Level<'a> {
    name: &'static str,
    id: &'static str,
    unit: &'static str,
    /// Whether its table is unfolded at first.
    open: bool,
    metrics: &'a LevelMetrics,
    /// Whether some artist has nothing in the test part.
    absent: bool,
    scores: [(&'static str, Estimate); 4],
}

fn level<'a>(
    metrics: &'a LevelMetrics,
    name: &'static str,
    id: &'static str,
    unit: &'static str,
) -> Level<'a> {
    let scores = [
        ("weighted F1", metrics.weighted_f1),
        ("macro F1", metrics.macro_f1),
        ("accuracy", metrics.accuracy),
        ("balanced accuracy", metrics.balanced_accuracy),
    ];
    let absent = metrics.report.classes.iter().any(|class| class.support == 0);
    Level { name, id, unit, open: id != "song-mean", metrics, absent, scores }
}

/// One artist's scores at both levels.
#[derive(Serialize)]
struct Artist<'a> {
    label: &'a str,
    song_f1: f64,
    clip_f1: f64,
    songs: u64,
    clips: u64,
    /// The artist that most of the wrong clips were taken for, and their share of all clips.
    taken_for: Option<(&'a str, f64)>,
}

/// Artists by falling song F1, then clip F1, then name; those without test songs last.
fn artists(metrics: &Metrics) -> Vec<Artist<'_>> {
    let pairs = metrics.clip.confusion.most_confused(usize::MAX);
    let mut artists: Vec<Artist<'_>> = metrics
        .song_vote
        .report
        .classes
        .iter()
        .zip(&metrics.clip.report.classes)
        .enumerate()
        .map(|(class, (song, clip))| Artist {
            label: &song.label,
            song_f1: song.f1,
            clip_f1: clip.f1,
            songs: song.support,
            clips: clip.support,
            taken_for: pairs
                .iter()
                .find(|pair| pair.truth == class)
                .map(|pair| (metrics.labels[pair.predicted].as_str(), pair.share)),
        })
        .collect();
    artists.sort_by(|a, b| {
        (a.songs == 0)
            .cmp(&(b.songs == 0))
            .then(b.song_f1.total_cmp(&a.song_f1))
            .then(b.clip_f1.total_cmp(&a.clip_f1))
            .then(a.label.cmp(b.label))
    });
    artists
}

/// A true class taken for another, by name.
#[derive(Serialize)]
struct Pair<'a> {
    truth: &'a str,
    predicted: &'a str,
    count: u64,
    share: f64,
}

fn pairs(level: &LevelMetrics) -> Vec<Pair<'_>> {
    let labels = level.confusion.labels();
    let named = |pair: &crate::ConfusedPair| Pair {
        truth: &labels[pair.truth],
        predicted: &labels[pair.predicted],
        count: pair.count,
        share: pair.share,
    };
    level.confusion.most_confused(MOST_PAIRS).iter().map(named).collect()
}

/// A song that the vote, the mean or both took for another artist's.
#[derive(Serialize)]
struct WrongSong<'a> {
    song_id: &'a str,
    truth: &'a str,
    vote: &'a str,
    vote_right: bool,
    vote_share: f64,
    mean: &'a str,
    mean_right: bool,
    mean_probability: f64,
    true_probability: f64,
    clips: usize,
}

fn wrong_songs<'a>(songs: &'a [SongPrediction], labels: &'a [String]) -> Vec<WrongSong<'a>> {
    songs
        .iter()
        .filter(|song| song.vote != song.truth || song.mean != song.truth)
        .map(|song| WrongSong {
            song_id: &song.song_id,
            truth: &labels[song.truth],
            vote: &labels[song.vote],
            vote_right: song.vote == song.truth,
            vote_share: song.vote_share,
            mean: &labels[song.mean],
            mean_right: song.mean == song.truth,
            mean_probability: song.mean_probabilities[song.mean],
            true_probability: song.mean_probabilities[song.truth],
            clips: song.clips,
        })
        .collect()
}

/// A stage's time in words and as a share of all.
#[derive(Serialize)]
struct Timing<'a> {
    stage: &'a str,
    seconds: f64,
    duration: String,
    share: f64,
}

fn timings(timings: &[StageTiming]) -> Vec<Timing<'_>> {
    let total: f64 = timings.iter().map(|timing| timing.seconds).sum();
    timings
        .iter()
        .map(|timing| Timing {
            stage: &timing.stage,
            seconds: timing.seconds,
            duration: duration(timing.seconds),
            share: if total > 0.0 { timing.seconds / total } else { 0.0 },
        })
        .collect()
}

/// A time span as people say it: `0.4 s`, `12 s`, `3 min 05 s`, `2 h 07 min`.
fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..10 => format!("{seconds:.1} s"),
        10..60 => format!("{whole} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::duration;

    #[test]
    fn time_spans_read_as_people_say_them() {
        let spans = [0.42, 12.4, 185.0, 7620.0].map(duration);
        assert_eq!(spans, ["0.4 s", "12 s", "3 min 05 s", "2 h 07 min"]);
    }
}
