//! `similar`: the songs and artists of a corpus that a recording is most like, as a model hears them.

use std::fmt::Write;
use std::path::Path;

use anyhow::{Result, bail};
use cantus::Identification;
use cantus_eval::{Embeddings, SimilarArtist, SimilarSong};
use serde::Serialize;

use crate::cli::{CommonFlags, SimilarFlags};
use crate::commands::screen::{Screen, columns, cut, padded};
use crate::commands::{embed as command, hearing, print, print_json};
use crate::interrupt::Interrupt;
use crate::outcome::Outcome;
use crate::progress::Progress;
use crate::session::{Session, SongProblem, count};
use crate::stages::embed::{self, Embedded, HearingModel};
use crate::stages::trial::Trial;

/// What is compared, and how.
const MEASURE: &str = "cosine similarity of mean embeddings";

/// From here on two embeddings are equal but for rounding.
const EQUAL: f64 = 1.0 - 1e-6;

/// ` 0.9876  `, before what it is of.
const SIMILARITY_COLUMNS: usize = 9;

/// What `--json` prints.
#[derive(Debug, Serialize)]
struct Found<'a> {
    path: String,
    model: String,
    corpus: &'a str,
    embeddings: String,
    measure: &'static str,
    start_seconds: f64,
    seconds: f64,
    clip_seconds: f64,
    clips: usize,
    songs: Vec<FoundSong<'a>>,
    artists: Vec<FoundArtist>,
    damage: Option<&'a str>,
}

/// A song of the corpus, the most similar first.
#[derive(Debug, Serialize)]
struct FoundSong<'a> {
    song_id: &'a str,
    artist: &'a str,
    album: &'a str,
    title: &'a str,
    similarity: f64,
    /// The bytes of its file are those of the recording's.
    same_file: bool,
}

/// An artist of the corpus, the most similar first.
#[derive(Debug, Serialize)]
struct FoundArtist {
    name: String,
    songs: usize,
    similarity: f64,
}

/// Compares a recording with a corpus, whose embeddings are brought up to date first. Where they are, it
/// takes no lock, so a training may go on meanwhile.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &SimilarFlags,
    progress: &Progress,
) -> Result<Outcome> {
    let force = common.force;
    let common = &command::without_force(common);
    if flags.recording.is_dir() {
        bail!(
            "`{}` is a folder\n\nhint: name one recording; `cargo xtask embed` writes the embeddings \
             of a whole corpus",
            flags.recording.display()
        );
    }
    if common.dry_run {
        return command::dry_run(common, &flags.embedding, None, force, progress);
    }
    let mut session = Session::reading(common, progress)?;
    session.interrupt = Interrupt::install()?;
    let (trial, model) = command::find(&session, &flags.embedding)?;
    let recording = flags.recording.as_path();
    // Before hours may go into the corpus: a recording that cannot be used stops it here.
    let Some(heard) = hear(&session, &model, recording)? else { return Ok(session.interrupted()) };
    let fresh = if force { None } else { embed::if_fresh(&session, &trial, &model)? };
    if fresh.is_none() {
        session = Session::writing(common, progress)?;
    }
    session.run(|session| {
        let embedded = match fresh {
            Some(fresh) => fresh,
            None => match embed::bring_up_to_date(session, &trial, &model, force)? {
                Some(embedded) => embedded,
                None => return Ok(session.interrupted()),
            },
        };
        if let Some(damage) = &heard.damage {
            let song = recording.display().to_string();
            session.add_damaged(SongProblem { song, reason: damage.clone(), hint: None });
        }
        let found = found(session, recording, &heard, &trial, &model, &embedded, flags.top.get())?;
        if common.json {
            print_json(&found)?;
        } else {
            print(&text(&found, &embedded.embeddings, Screen::of_stdout()))?;
        }
        Ok(Outcome::Done)
    })
}

/// What the model makes of the recording; nothing where the user asked for a stop.
fn hear(
    session: &Session,
    model: &HearingModel,
    recording: &Path,
) -> Result<Option<Identification>> {
    let bar = session.progress.bar(0, "hear", "clips");
    let heard = hearing::identify(&model.identifier, &session.interrupt, recording, |clips, of| {
        bar.set_length(of as u64);
        bar.set_position(clips as u64);
    });
    bar.finish_and_clear();
    heard.transpose()
}

fn found<'a>(
    session: &Session,
    recording: &Path,
    heard: &'a Identification,
    trial: &'a Trial,
    model: &HearingModel,
    embedded: &'a Embedded,
    top: usize,
) -> Result<Found<'a>> {
    let (embeddings, embedding) = (&embedded.embeddings, heard.mean_embedding());
    let hash = session.hash(recording.to_owned())?;
    let song = |SimilarSong { song, similarity, .. }| {
        let song = &embeddings.songs()[song];
        FoundSong {
            song_id: &song.song_id,
            artist: &song.artist,
            album: &song.album,
            title: &song.title,
            similarity,
            same_file: song.source_hash == hash,
        }
    };
    let artist = |SimilarArtist { artist, songs, similarity, .. }| FoundArtist {
        name: artist,
        songs,
        similarity,
    };
    let songs = embeddings.similar_songs(&embedding)?;
    let artists = embeddings.similar_artists(&embedding)?;
    Ok(Found {
        path: recording.to_string_lossy().into_owned(),
        model: model.path.to_string_lossy().into_owned(),
        corpus: &trial.source.name,
        embeddings: embedded.path.to_string_lossy().into_owned(),
        measure: MEASURE,
        start_seconds: heard.start_seconds,
        seconds: heard.seconds,
        clip_seconds: heard.clip_seconds,
        clips: heard.clips.len(),
        songs: songs.into_iter().take(top).map(song).collect(),
        artists: artists.into_iter().take(top).map(artist).collect(),
        damage: heard.damage.as_deref(),
    })
}

/// Two tables, in lines no longer than the screen is wide.
fn text(found: &Found<'_>, embeddings: &Embeddings, screen: Screen) -> String {
    let heard = format!(
        "{:.1} s heard, {} of {:.1} s, beside {} of {}",
        found.seconds,
        count(found.clips, "clip"),
        found.clip_seconds,
        count(embeddings.songs().len(), "song"),
        found.corpus
    );
    let title = format!("songs, by {}", found.measure);
    let mut lines = vec![found.path.clone(), heard, String::new(), title];
    let songs = found.songs.iter().map(|song| {
        let note = if song.same_file { "the same file" } else { "" };
        (song.similarity, [song.artist, song.album, song.title, note].map(str::to_owned))
    });
    lines.extend(table(&songs.collect::<Vec<_>>(), screen));
    lines.extend([String::new(), "artists, each as the mean of its songs".to_owned()]);
    let artists = found
        .artists
        .iter()
        .map(|artist| (artist.similarity, [artist.name.clone(), count(artist.songs, "song")]));
    lines.extend(table(&artists.collect::<Vec<_>>(), screen));
    lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{}", cut(line, screen.columns).trim_end());
        text
    })
}

/// Lines of a similarity and what it is of.
fn table<const N: usize>(rows: &[(f64, [String; N])], screen: Screen) -> Vec<String> {
    let longest: Vec<usize> = (0..N)
        .map(|column| {
            let widths = rows.iter().map(|(_, texts)| columns(&cut(&texts[column], usize::MAX)));
            widths.max().unwrap_or(0)
        })
        .collect();
    let room = screen.columns.saturating_sub(SIMILARITY_COLUMNS + 2 * N.saturating_sub(1));
    let widths = shares(&longest, room);
    let line = |(similarity, texts): &(f64, [String; N])| {
        let texts = texts.iter().zip(&widths).map(|(text, &width)| padded(text, width));
        let texts: Vec<String> = texts.collect();
        format!("{}  {}", shown(*similarity), texts.join("  "))
    };
    rows.iter().map(line).collect()
}

/// Columns for texts of some lengths: what they need, or where that is too much, an equal share for the
/// longest ones.
fn shares(longest: &[usize], room: usize) -> Vec<usize> {
    let mut most = room;
    while longest.iter().map(|&length| length.min(most)).sum::<usize>() > room && most > 0 {
        most -= 1;
    }
    longest.iter().map(|&length| length.min(most)).collect()
}

/// Four decimals, of which 1.0000 is kept for embeddings that are equal.
fn shown(similarity: f64) -> String {
    let similarity = if similarity < EQUAL { similarity.min(0.9999) } else { 1.0 };
    format!("{similarity:7.4}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_said_of_equal_embeddings_alone() {
        assert_eq!([1.0, 1.0 - 1e-9].map(shown), [" 1.0000", " 1.0000"]);
        assert_eq!([0.999_98, 0.5, -0.25].map(shown), [" 0.9999", " 0.5000", "-0.2500"]);
    }

    #[test]
    fn no_line_of_a_table_is_longer_than_the_screen_is_wide() {
        let long = "A very long name of an orchestra and its choir".to_owned();
        let rows = [
            (1.0, [long.clone(), "音楽家音楽家音楽家".to_owned(), "C".to_owned()]),
            (-0.5, ["A".to_owned(), "B".to_owned(), "\u{1b}[2J".to_owned()]),
        ];
        for screen_columns in [20, 37, 64, 80] {
            for line in table(&rows, Screen { columns: screen_columns, has_blocks: false }) {
                assert!(columns(&line) <= screen_columns, "{screen_columns}: {line}");
                assert!(!line.contains('\u{1b}'), "{line}");
            }
        }
        let wide = table(&rows, Screen { columns: 200, has_blocks: false });
        let whole = format!(" 1.0000  {long}  音楽家音楽家音楽家  C");
        assert!(wide[0].starts_with(&whole), "{wide:?}");
    }

    #[test]
    fn the_longest_columns_give_way_first() {
        assert_eq!(shares(&[5, 30, 40], 100), [5, 30, 40]);
        assert_eq!(shares(&[5, 30, 40], 45), [5, 20, 20]);
        assert_eq!(shares(&[5, 30], 0), [0, 0]);
    }
}
