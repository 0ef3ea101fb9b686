//! One recording, second by second.

use std::fmt::Write;
use std::path::Path;

use anyhow::Result;
use cantus::{Identification, IdentifiedClip, Stranger};
use cantus_eval::{Placement, TimelineClip, clock_time, timeline_svg};

use super::screen::{Screen, columns, cut, padded};
use crate::session::count;

/// A clip is shown as a capital above this.
const SURE: f32 = 0.5;
/// Artists have letters.
const MOST_LETTERS: usize = 26;
/// Clips in a row of the timeline.
const ROW_LENGTHS: [usize; 6] = [60, 50, 40, 30, 20, 10];
const MOST_BAR_COLUMNS: usize = 40;
/// A recording is called a stranger's where no more songs by known artists would be.
const FEW_FALSE_ALARMS: f64 = 0.05;
/// ` 61.2 %` and the space before it.
const PERCENT_COLUMNS: usize = 9;

/// Who it is, and when: a list of the `top` most probable artists and a timeline, in lines no longer
/// than the screen is wide.
pub(super) fn text(found: &Identification, path: &Path, top: usize, screen: Screen) -> String {
    let shown = found.ranking.len().min(top);
    let mut lines = vec![path.display().to_string()];
    lines.push(heard(found));
    lines.push(String::new());
    lines.extend(ranking(found, shown, screen));
    lines.push(vote(found));
    lines.extend(stranger(found));
    let letters = Letters::new(found, shown);
    let timeline = timeline_rows(found, &letters, screen);
    if !timeline.is_empty() {
        lines.push(String::new());
        lines.extend(timeline);
        lines.extend(legend(found, shown, screen));
    }
    lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{}", cut(line, screen.columns).trim_end());
        text
    })
}

fn heard(found: &Identification) -> String {
    let end = found.start_seconds + found.seconds;
    let part = format!("{} to {}", clock_time(found.start_seconds), clock_time(end));
    format!("{part}, {} of {:.1} s", count(found.clips.len(), "clip"), found.clip_seconds)
}

/// A line an artist: its letter, name, share as a bar and as a number.
fn ranking(found: &Identification, shown: usize, screen: Screen) -> Vec<String> {
    let artists = &found.ranking[..shown];
    let longest = artists.iter().map(|ranked| columns(&cut(&ranked.artist, screen.columns))).max();
    let name_columns =
        longest.unwrap_or(0).min((screen.columns / 2).saturating_sub(PERCENT_COLUMNS + 2));
    let used = 2 + name_columns + 1 + PERCENT_COLUMNS;
    let bar_columns = screen.columns.saturating_sub(used).min(MOST_BAR_COLUMNS);
    artists
        .iter()
        .enumerate()
        .map(|(rank, ranked)| {
            let name = padded(&ranked.artist, name_columns);
            let percent = 100.0 * ranked.probability;
            let bar = screen.bar(ranked.probability, bar_columns);
            format!("{} {name} {percent:5.1} % {bar}", letter(rank).unwrap_or(' '))
        })
        .collect()
}

fn vote(found: &Identification) -> String {
    let vote = &found.vote;
    let voters = count(vote.voters, "clip");
    let how = if vote.confident_clips == 0 { ", none of them sure" } else { "" };
    format!("by vote: {}, {} of {voters}{how}", vote.artist, vote.votes)
}

/// How unlike all artists it is; nothing where the model was not calibrated.
fn stranger(found: &Identification) -> Vec<String> {
    let Stranger { score, odds: Some(odds), .. } = found.stranger else { return Vec::new() };
    let (known, unknown) = (100.0 * odds.false_alarms, 100.0 * odds.found);
    let mut lines = vec![format!(
        "stranger score {score:.2}: reached by {known:.0} % of songs by its artists, \
         {unknown:.0} % by others"
    )];
    if odds.false_alarms <= FEW_FALSE_ALARMS {
        lines.push("unlike anything it knows: probably by none of its artists".to_owned());
    }
    lines
}

/// Letters by class.
struct Letters(Vec<Option<char>>);

impl Letters {
    fn new(found: &Identification, shown: usize) -> Self {
        let mut letters = vec![None; found.ranking.len()];
        for (rank, ranked) in found.ranking[..shown].iter().enumerate() {
            letters[ranked.class] = letter(rank);
        }
        Self(letters)
    }

    /// A capital where the clip is sure, a dot for an artist that is not listed.
    fn of(&self, clip: &IdentifiedClip) -> char {
        let class = clip.class();
        match self.0[class] {
            Some(letter) if clip.probabilities[class] > SURE => letter,
            Some(letter) => letter.to_ascii_lowercase(),
            None => '.',
        }
    }
}

fn letter(rank: usize) -> Option<char> {
    (rank < MOST_LETTERS).then(|| char::from(b'A' + rank as u8))
}

/// Rows of a letter a clip, each with the time of its first; none where the screen is too narrow.
fn timeline_rows(found: &Identification, letters: &Letters, screen: Screen) -> Vec<String> {
    let last = found.clips.last().map_or(0.0, |clip| clip.start_seconds);
    let time_columns = clock_time(last).len();
    let room = screen.columns.saturating_sub(time_columns + 1);
    let Some(length) = ROW_LENGTHS.into_iter().find(|length| *length <= room) else {
        return Vec::new();
    };
    found
        .clips
        .chunks(length)
        .map(|clips| {
            let time = clock_time(clips[0].start_seconds);
            let row: String = clips.iter().map(|clip| letters.of(clip)).collect();
            format!("{time:>time_columns$} {row}")
        })
        .collect()
}

/// What the letters say, on one line where it has room.
fn legend(found: &Identification, shown: usize, screen: Screen) -> Vec<String> {
    let mut parts = vec![
        format!("a letter is a clip of {:.1} s", found.clip_seconds),
        "small: at most 50 %".to_owned(),
    ];
    if shown.min(MOST_LETTERS) < found.ranking.len() {
        parts.push(".: another artist".to_owned());
    }
    let line = parts.join("; ");
    if columns(&line) <= screen.columns { vec![line] } else { parts }
}

/// The timeline as a picture.
pub(super) fn timeline(found: &Identification, labels: &[String], path: &Path) -> Result<String> {
    let clips: Vec<TimelineClip<'_>> = found
        .clips
        .iter()
        .map(|clip| TimelineClip {
            start_seconds: clip.start_seconds,
            probabilities: &clip.probabilities,
        })
        .collect();
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Ok(timeline_svg(&clips, found.clip_seconds, labels, &name, Placement::Standalone)?)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use cantus::Identifier;
    use cantus_crnn::{Crnn2dConfig, Model, ModelFile};
    use cantus_mel::MelConfig;

    use super::*;

    /// What a network that has learnt nothing says of some seconds of a tone that rises.
    fn told(labels: &[&str], seconds: usize) -> Identification {
        let config =
            Crnn2dConfig { classes: labels.len(), filters: vec![2; 4], ..Crnn2dConfig::default() };
        let network = Model::new(config, 0, &Device::Cpu, DType::F32).unwrap();
        let labels = labels.iter().map(|&label| label.to_owned()).collect();
        let front_end = MelConfig::paper().to_key_values();
        let file = ModelFile::new(&network, labels, front_end, 32).unwrap();
        let samples: Vec<f32> =
            (0..seconds * 16_000).map(|index| (index as f32 * index as f32 * 1e-7).sin()).collect();
        let identifier = Identifier::from_bytes(&file.to_bytes().unwrap()).unwrap();
        identifier.identify_samples(&samples, 16_000).unwrap()
    }

    #[test]
    fn no_line_is_longer_than_the_screen_is_wide() {
        let long = "A very long name of an orchestra and its choir ".repeat(3);
        let found = told(&[&long, "音楽家音楽家音楽家", "C"], 130);
        for screen_columns in [1, 5, 12, 20, 37, 64, 80, 200] {
            for has_blocks in [false, true] {
                let screen = Screen { columns: screen_columns, has_blocks };
                let text = text(&found, Path::new(&long), 5, screen);
                for line in text.lines() {
                    assert!(columns(line) <= screen_columns, "{screen_columns}: {line}");
                }
            }
        }
    }

    #[test]
    fn every_clip_has_its_letter_in_rows_that_fit_and_none_where_none_fits() {
        let found = told(&["Alto", "Basso"], 130);
        let letters = Letters::new(&found, 2);
        let rows = |columns| timeline_rows(&found, &letters, Screen { columns, has_blocks: false });
        for (columns, length) in [(80, 60), (64, 50), (20, 10), (15, 10)] {
            let lengths: Vec<usize> = rows(columns).iter().map(|row| row.len() - 5).collect();
            assert_eq!(lengths.iter().sum::<usize>(), found.clips.len(), "{columns}");
            assert!(lengths[..lengths.len() - 1].iter().all(|&found| found == length), "{columns}");
        }
        assert!(rows(14).is_empty());
    }

    #[test]
    fn a_clip_of_an_artist_that_is_not_listed_is_a_dot_and_an_unsure_one_small() {
        let found = told(&["Alto", "Basso", "Canto"], 5);
        let class = found.clips[0].class();
        let mut letters = Letters(vec![None; 3]);
        assert_eq!(letters.of(&found.clips[0]), '.');
        letters.0[class] = Some('A');
        let is_sure = found.clips[0].probabilities[class] > SURE;
        assert_eq!(letters.of(&found.clips[0]), if is_sure { 'A' } else { 'a' });
    }

    #[test]
    fn names_cannot_steer_the_terminal() {
        let found = told(&["\u{1b}[31mred", "B"], 5);
        let screen = Screen { columns: 80, has_blocks: true };
        let text = text(&found, Path::new("\u{1b}]0;title\u{7}.mp3"), 5, screen);
        assert!(text.contains("[31mred") && !text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    }
}
