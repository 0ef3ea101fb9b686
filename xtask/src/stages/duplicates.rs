//! The stage `duplicates`: which songs hold the same recording, whatever their files are.
//!
//! It belongs to the corpus, as `preprocess` does: a split only looks up which of the pairs stand in
//! two of its parts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cantus_corpus::{NearDuplicate, NearDuplicateOptions, near_duplicates};
use cantus_pipeline::{Fingerprint, Freshness, Stage};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::outcome::Outcome;
use crate::session::Session;
use crate::stages::preprocess::{Store, UsableSong};

const FORMAT_VERSION: u32 = 1;

/// Bytes of ids that are hashed at a time.
const BYTES_AT_ONCE: usize = 64 * 1024;

/// What two songs must share to be told of.
const SECONDS_ALIKE: f64 = 10.0;

/// Pairs of a corpus, and what they were looked for by.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NearDuplicates {
    /// Seconds that must be alike.
    seconds_alike: f64,
    /// Of the bits of those seconds' audio fingerprints, the most that may differ, as a share.
    most_bit_errors: f64,
    /// Frames of a second, in which the lags are counted.
    frames_per_second: f64,
    /// The pairs, by their songs' ids.
    pairs: Vec<NearDuplicate>,
}

/// Where the pairs among these songs are saved: beside the spectrograms, each selection of songs for
/// itself.
pub(crate) fn path<'a>(store: &Store, ids: impl Iterator<Item = &'a str>) -> PathBuf {
    let mut hasher = blake3::Hasher::new();
    let mut pending = Vec::new();
    for id in ids {
        pending.extend((id.len() as u64).to_le_bytes());
        pending.extend(id.as_bytes());
        // Many at a time: BLAKE3 is slow on single ids.
        if pending.len() >= BYTES_AT_ONCE {
            hasher.update(&pending);
            pending.clear();
        }
    }
    hasher.update(&pending);
    let name = format!("near-duplicates-{}.json", &hasher.finalize().to_hex()[..8]);
    store.folder().join(name)
}

fn fingerprint_path(path: &Path) -> PathBuf {
    path.with_extension("fingerprint.json")
}

/// The stage, what it should be made of, and whether it is: of songs by id, with their sounds.
pub(crate) fn check<'a>(
    store: &Store,
    sounds: impl ExactSizeIterator<Item = (&'a str, Digest)> + Clone,
    force: bool,
) -> Result<(Stage, Fingerprint, Freshness)> {
    let path = path(store, sounds.clone().map(|(id, _)| id));
    let stage = Stage::new("duplicates").after("preprocess").output(&path);
    let options = options(store);
    let wanted = Fingerprint::builder("duplicates", FORMAT_VERSION)
        .setting("words", options.words)
        .setting("bits", options.bits)
        .setting("most_bit_errors", options.most_bit_errors)
        .input_in_order("songs", sounds)
        .build();
    let saved = Fingerprint::load(fingerprint_path(&path))?;
    let freshness = stage.check(&saved, &wanted, force);
    Ok((stage, wanted, freshness))
}

/// Looks for the pairs and saves them beside the spectrograms.
pub(crate) fn run(
    session: &Session,
    store: &Store,
    songs: &[UsableSong],
    wanted: &Fingerprint,
) -> Result<Outcome> {
    let path = path(store, songs.iter().map(|song| song.song.id.as_str()));
    Fingerprint::invalidate(fingerprint_path(&path))?;
    let Some(words) = fingerprints(session, songs)? else { return Ok(Outcome::Interrupted) };
    let options = options(store);
    let pairs = near_duplicates(&words, &options, || !session.interrupt.is_asked());
    let Some(pairs) = pairs else { return Ok(Outcome::Interrupted) };
    let found = NearDuplicates {
        seconds_alike: SECONDS_ALIKE,
        most_bit_errors: options.most_bit_errors,
        frames_per_second: store.frames_per_second(),
        pairs,
    };
    session.write(&path, &serde_json::to_vec_pretty(&found)?)?;
    wanted.sealing(store.folder(), [&path])?.save(fingerprint_path(&path))?;
    Ok(Outcome::Done)
}

/// The audio fingerprint of each song by id, or none where the user asked for a stop.
fn fingerprints(
    session: &Session,
    songs: &[UsableSong],
) -> Result<Option<BTreeMap<String, Vec<u32>>>> {
    let bar = session.progress.bar(songs.len() as u64, "duplicates", "songs");
    let words = songs
        .par_iter()
        .map(|song| {
            if session.interrupt.is_asked() {
                return Ok(None);
            }
            let (info, mel) = song.spectrogram()?;
            let words = cantus_mel::audio_fingerprint(&mel, info.n_mels as usize)?;
            bar.inc(1);
            Ok(Some((info.id, words)))
        })
        .collect::<Result<Vec<_>>>();
    bar.finish_and_clear();
    Ok(words?.into_iter().collect())
}

fn options(store: &Store) -> NearDuplicateOptions {
    let words = (SECONDS_ALIKE * store.frames_per_second()).round() as usize;
    let bits = store.n_mels().saturating_sub(1).clamp(1, cantus_mel::FINGERPRINT_BITS) as u32;
    NearDuplicateOptions { words, bits, ..NearDuplicateOptions::default() }
}

impl NearDuplicates {
    /// The pairs of a corpus; none where the stage has not run.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = match std::fs::read(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            read => read.with_context(|| format!("cannot read `{}`", path.display()))?,
        };
        serde_json::from_slice(&bytes).with_context(|| {
            format!("`{}` is damaged\n\nhint: delete it, and it is made again", path.display())
        })
    }

    /// The pairs.
    pub(crate) fn pairs(&self) -> &[NearDuplicate] {
        &self.pairs
    }

    /// What stands in two parts, in words.
    pub(crate) fn describe(&self, pair: &NearDuplicate, parts: [cantus_corpus::Part; 2]) -> String {
        let seconds = |words: f64| words / self.frames_per_second;
        format!(
            "`{}` ({}) and `{}` ({}) hold the same recording, {:.1} s apart: {:.0} s of {:.0} s are \
             alike, in the best of them with {:.0} % of the bits different",
            pair.first,
            parts[0],
            pair.second,
            parts[1],
            seconds(pair.lag as f64),
            seconds(pair.alike_words as f64),
            seconds(pair.common_words as f64),
            100.0 * pair.bit_errors,
        )
    }
}
