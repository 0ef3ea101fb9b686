//! The clips of a run: which songs of which part, cut into how many clips of which artist.

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Result, bail};
use cantus_corpus::{Part, Split};
use cantus_pipeline::FingerprintBuilder;

use crate::session::SongProblem;
use crate::settings::Config;
use crate::stages::preprocess::{Store, UsableSong};

/// The artists of a corpus in the order of the classes.
pub(crate) fn labels(usable: &[UsableSong]) -> Vec<String> {
    let artists: BTreeSet<&String> = usable.iter().map(|usable| &usable.song.artist).collect();
    artists.into_iter().cloned().collect()
}

/// The songs of some parts of a split, with what their spectrograms were made of.
pub(crate) struct PartSongs<'a> {
    /// The songs, by id.
    pub(crate) songs: Vec<&'a UsableSong>,
}

impl<'a> PartSongs<'a> {
    /// The songs of `part`. Both the usable songs and those of the split are in order of their ids.
    pub(crate) fn of(part: Part, split: &Split, usable: &'a [UsableSong]) -> Self {
        let mut parts = split.parts.iter().peekable();
        let is_of_part = |usable: &&UsableSong| {
            let id = &usable.song.id;
            while parts.next_if(|(before, _)| *before < id).is_some() {}
            parts.peek().is_some_and(|(found, is)| *found == id && **is == part)
        };
        Self { songs: usable.iter().filter(is_of_part).collect() }
    }

    /// The Parquet file and the id of each, in the order of [`PartSongs::songs`].
    pub(crate) fn places(&self) -> Vec<(PathBuf, String)> {
        self.songs.iter().map(|usable| usable.place()).collect()
    }

    /// Each song's class.
    ///
    /// # Errors
    /// Where an artist has no class.
    pub(crate) fn classes(&self, labels: &[String]) -> Result<Vec<usize>> {
        self.songs
            .iter()
            .map(|usable| {
                match labels.binary_search_by(|label| label.as_str().cmp(usable.label())) {
                    Ok(class) => Ok(class),
                    Err(_) => bail!("the artist `{}` has no class", usable.label()),
                }
            })
            .collect()
    }

    /// Clips in each song.
    pub(crate) fn clips(&self, config: &Config) -> Vec<usize> {
        self.songs.iter().map(|usable| clips(usable, config)).collect()
    }
}

fn clips(usable: &UsableSong, config: &Config) -> usize {
    cantus_cache::clips(usable.n_frames(), config.frames_per_clip(), config.clip_rule)
}

/// Whether a song has room for one clip.
pub(crate) fn is_long_enough(usable: &UsableSong, config: &Config) -> bool {
    clips(usable, config) > 0
}

/// The songs that are too short for one clip.
pub(crate) fn too_short(usable: &[UsableSong], config: &Config) -> Vec<SongProblem> {
    let short = usable.iter().filter(|usable| !is_long_enough(usable, config));
    let rate = f64::from(config.mel.sample_rate) / config.mel.hop_length as f64;
    let named = short.map(|usable| SongProblem {
        song: usable.song.id.clone(),
        reason: format!(
            "too short for a clip of {}: {} frames ({:.1} s), {} are needed",
            config.clip,
            usable.n_frames(),
            usable.n_frames() as f64 / rate,
            config.frames_for_one_clip()
        ),
        hint: Some("take shorter clips with `--clip`".to_owned()),
    });
    named.collect()
}

/// Adds spectrograms and clip settings to what a stage is made of.
pub(crate) fn add_to_fingerprint(
    builder: FingerprintBuilder,
    config: &Config,
    store: &Store,
    parts: &[(&str, PartSongs<'_>)],
    labels: &[String],
) -> FingerprintBuilder {
    let rule = match config.clip_rule {
        cantus_cache::ClipRule::Original => "original",
        _ => "all-whole",
    };
    let mut builder = builder
        .setting("clip", config.clip)
        .setting("clip_frames", config.frames_per_clip())
        .setting("clip_rule", rule)
        .setting("artists", labels.join(", "));
    for (key, value) in store.front_end() {
        builder = builder.setting(format!("front_end.{key}"), value);
    }
    for (name, part) in parts {
        let songs = part.songs.iter().map(|usable| {
            (&usable.song.id, format!("{}\t{}", usable.label(), usable.stored().source_hash))
        });
        builder = builder.input_in_order(format!("{name} songs"), songs);
    }
    builder
}
