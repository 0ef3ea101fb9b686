//! A recording as a line: of a table for people and spreadsheets, or of JSON.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cantus::{Identification, SongVote, Stranger};
use serde::Serialize;

const COLUMNS: [&str; 9] = [
    "path",
    "artist",
    "probability",
    "second_artist",
    "second_probability",
    "stranger_score",
    "false_alarms",
    "seconds",
    "note",
];

/// The names of the table's columns.
pub(super) fn header() -> String {
    COLUMNS.join("\t") + "\n"
}

/// The two most probable artists; the note says what was lost of the recording.
pub(super) fn found(path: &Path, found: &Identification) -> Result<String> {
    let artist = |rank: usize| match found.ranking.get(rank) {
        Some(ranked) => [ranked.artist.clone(), format!("{:.4}", ranked.probability)],
        None => Default::default(),
    };
    let ([first, first_probability], [second, second_probability]) = (artist(0), artist(1));
    let Stranger { score, odds, .. } = found.stranger;
    let score = format!("{score:.4}");
    let false_alarms = odds.map_or_else(String::new, |odds| format!("{:.4}", odds.false_alarms));
    let seconds = format!("{:.1}", found.seconds);
    let note =
        found.damage.as_deref().map_or_else(String::new, |damage| format!("damaged: {damage}"));
    let fields =
        [first, first_probability, second, second_probability, score, false_alarms, seconds, note];
    line(path, &fields)
}

/// A recording that cannot be used; the note says why.
pub(super) fn failed(path: &Path, reason: &str) -> Result<String> {
    let mut fields: [String; 8] = Default::default();
    reason.clone_into(&mut fields[7]);
    line(path, &fields)
}

/// Fields with tabs, quotes or line ends are quoted.
fn line(path: &Path, fields: &[String; 8]) -> Result<String> {
    let cannot = "cannot write a line of the table";
    let mut writer = csv::WriterBuilder::new().delimiter(b'\t').from_writer(Vec::new());
    let path = path.to_string_lossy().into_owned();
    writer.write_record([path].iter().chain(fields)).context(cannot)?;
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error).context(cannot)?;
    String::from_utf8(bytes).context(cannot)
}

/// What `--dry-run --json` prints.
#[derive(Debug, Serialize)]
pub(super) struct Wanted {
    model: String,
    files: Vec<String>,
}

impl Wanted {
    pub(super) fn new(model: &Path, files: &[PathBuf]) -> Self {
        Self { model: text(model), files: files.iter().map(|file| text(file)).collect() }
    }
}

/// What `--json` prints of a recording.
#[derive(Debug, Serialize)]
pub(super) struct Found<'a> {
    path: String,
    model: String,
    artist: &'a str,
    probability: f64,
    vote: Vote<'a>,
    stranger: StrangerRow,
    /// All artists, the most probable first.
    artists: Vec<Artist<'a>>,
    start_seconds: f64,
    seconds: f64,
    clip_seconds: f64,
    clips: Vec<Clip>,
    damage: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Vote<'a> {
    artist: &'a str,
    votes: usize,
    voters: usize,
    confident_clips: usize,
}

/// How unlike all artists it is; what that means is not known of a model that was not calibrated.
#[derive(Debug, Serialize)]
struct StrangerRow {
    score: f32,
    /// Share of songs by known artists that score as much or more.
    false_alarms: Option<f64>,
    /// Share of songs by unknown artists that do.
    found: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Artist<'a> {
    name: &'a str,
    probability: f64,
    votes: usize,
}

#[derive(Debug, Serialize)]
struct Clip {
    start_seconds: f64,
    /// In the order of `artists`.
    probabilities: Vec<f32>,
}

/// What `--json` prints of a recording that cannot be used.
#[derive(Debug, Serialize)]
pub(super) struct Failed {
    pub(super) path: String,
    pub(super) error: String,
    pub(super) hint: Option<String>,
}

impl Failed {
    pub(super) fn new(path: &Path, error: &anyhow::Error) -> Self {
        let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
        let hint = error.chain().find_map(crate::errors::hint);
        Self { path: text(path), error: causes.join(": "), hint }
    }
}

/// A path in JSON, which has no room for names that are no text.
pub(super) fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

impl<'a> Found<'a> {
    pub(super) fn new(path: &Path, model: &Path, found: &'a Identification) -> Self {
        let SongVote { artist, votes, voters, confident_clips, .. } = &found.vote;
        let best = found.ranking.first();
        Self {
            path: text(path),
            model: text(model),
            artist: best.map_or("", |best| &best.artist),
            probability: best.map_or(0.0, |best| best.probability),
            vote: Vote {
                artist,
                votes: *votes,
                voters: *voters,
                confident_clips: *confident_clips,
            },
            stranger: StrangerRow {
                score: found.stranger.score,
                false_alarms: found.stranger.odds.map(|odds| odds.false_alarms),
                found: found.stranger.odds.map(|odds| odds.found),
            },
            artists: found
                .ranking
                .iter()
                .map(|ranked| Artist {
                    name: &ranked.artist,
                    probability: ranked.probability,
                    votes: ranked.votes,
                })
                .collect(),
            start_seconds: found.start_seconds,
            seconds: found.seconds,
            clip_seconds: found.clip_seconds,
            clips: found
                .clips
                .iter()
                .map(|clip| Clip {
                    start_seconds: clip.start_seconds,
                    probabilities: found
                        .ranking
                        .iter()
                        .map(|ranked| clip.probabilities[ranked.class])
                        .collect(),
                })
                .collect(),
            damage: found.damage.as_deref(),
        }
    }
}
