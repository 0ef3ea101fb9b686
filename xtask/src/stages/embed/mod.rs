//! The stage `embed`: what a network makes of every clip and song of a corpus, the numbers before its
//! last layer.
//!
//! It belongs to a corpus and a model file, which need not come from a run of this corpus.

mod model;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use cantus_cache::{ClipRule, Precision, SpectrogramStore};
use cantus_crnn::Model;
use cantus_eval::{EmbeddedClip, EmbeddedSong, Embeddings};
use cantus_pipeline::{AtomicFile, Fingerprint, Freshness, Plan, Reason, Stage, content_digest};
use cantus_train::ClipSet;
use indicatif::ProgressBar;

use crate::digest::Digest;
use crate::outcome::Outcome;
use crate::session::Session;
use crate::stages::evaluate::predict_unless_asked;
use crate::stages::preprocess::{Store, UsableSong};
use crate::stages::trial::{Outlook, StageName, Trial};

pub(crate) use model::HearingModel;

const FORMAT_VERSION: u32 = 1;

/// The input that sums up all songs.
const SONGS: &str = "songs";

/// Songs whose spectrograms are in memory at a time, if `--memory` has room for as many.
const SONGS_AT_ONCE: usize = 64;

/// The embeddings of a corpus, and where they lie.
pub(crate) struct Embedded {
    /// The file.
    pub(crate) path: PathBuf,
    /// What it holds.
    pub(crate) embeddings: Embeddings,
    /// The songs of it that were heard just now.
    pub(crate) new_songs: usize,
}

/// The clips of songs that were heard, by [`key`].
type Known = HashMap<(String, String), Vec<EmbeddedClip>>;

/// What there is to hear, and the model that hears it.
struct Work<'a> {
    session: &'a Session,
    model: &'a HearingModel,
    store: Store,
    songs: Vec<UsableSong>,
    path: PathBuf,
}

/// The embeddings of a trial's songs, made anew as far as they are stale; nothing where the user asked
/// for a stop.
pub(crate) fn bring_up_to_date(
    session: &Session,
    trial: &Trial,
    model: &HearingModel,
    force: bool,
) -> Result<Option<Embedded>> {
    let preprocessed = trial.bring_up_to_date(session, StageName::Preprocess)?;
    if preprocessed.outcome == Outcome::Interrupted {
        return Ok(None);
    }
    let work = Work::new(session, trial, model)?;
    if work.songs.is_empty() {
        bail!(
            "no song of `{}` is as long as a clip of {} of the model `{}`",
            trial.source.name,
            trial.config.clip,
            model.path.display()
        );
    }
    let (_, freshness) = work.check(force)?;
    let old = work.vouched_for(&freshness);
    if freshness.is_fresh()
        && let Some(embeddings) = work.if_complete(old.as_ref())
    {
        return Ok(Some(work.done(embeddings, 0)));
    }
    let Some((embeddings, new_songs)) = work.embed(old.as_ref())? else { return Ok(None) };
    Ok(Some(work.done(embeddings, new_songs)))
}

/// The embeddings of a trial's songs where nothing is stale; it writes nothing.
pub(crate) fn if_fresh(
    session: &Session,
    trial: &Trial,
    model: &HearingModel,
) -> Result<Option<Embedded>> {
    if !outlook(session, trial, model, false)?.0.plan.is_fresh() {
        return Ok(None);
    }
    let work = Work::new(session, trial, model)?;
    let embeddings = Embeddings::read_parquet(&work.path).ok();
    let complete = work.if_complete(embeddings.as_ref());
    Ok(complete.map(|embeddings| work.done(embeddings, 0)))
}

/// What would run, and why, and the file that it would make.
pub(crate) fn outlook(
    session: &Session,
    trial: &Trial,
    model: &HearingModel,
    force: bool,
) -> Result<(Outlook, PathBuf)> {
    let mut outlook = trial.outlook(session, StageName::Preprocess)?;
    let before = outlook.plan.verdict("preprocess").context("the stage `preprocess` is planned")?;
    let preprocess = Freshness::from_reasons(before.reasons().to_vec());
    let work = Work::new(session, trial, model)?;
    let (stage, freshness) = work.check(force)?;
    // What the songs will be is not known before they are decoded.
    let freshness = if preprocess.is_fresh() { freshness } else { freshness.without_inputs() };
    let mut plan = Plan::explain([(Stage::new("preprocess"), preprocess), (stage, freshness)])?;
    outlook.plan.stages.extend(plan.stages.pop());
    Ok((outlook, work.path))
}

fn fingerprint_path(path: &Path) -> PathBuf {
    path.with_extension("fingerprint.json")
}

/// By what a song's clips are known again: where it lies, and what is in its file.
fn key(usable: &UsableSong) -> (String, String) {
    (usable.song.id.clone(), usable.stored().source_hash.to_string())
}

impl<'a> Work<'a> {
    fn new(session: &'a Session, trial: &Trial, model: &'a HearingModel) -> Result<Self> {
        let (store, songs) = trial.spectrograms(session)?;
        // One file a selection: a narrower one must not push out what the wider one heard.
        let selection = match trial.config.selection() {
            Some(selection) => format!("-{}", &content_digest(selection.as_bytes())[..8]),
            None => String::new(),
        };
        // Beside the artists' folders and not in one of its own: an artist could have its name.
        let (corpus, model_hash) = (&trial.source.name, &model.hash[..16]);
        let name = format!("embeddings-{corpus}{selection}-{model_hash}.parquet");
        let path = store.folder().join(name);
        Ok(Self { session, model, store, songs, path })
    }

    fn done(self, embeddings: Embeddings, new_songs: usize) -> Embedded {
        Embedded { path: self.path, embeddings, new_songs }
    }

    /// The stage, and whether its file is of all songs as they are.
    fn check(&self, force: bool) -> Result<(Stage, Freshness)> {
        let stage = Stage::new("embed").after("preprocess").output(&self.path);
        let saved = Fingerprint::load(fingerprint_path(&self.path))?;
        let freshness = stage.check(&saved, &self.fingerprint(&self.songs), force);
        Ok((stage, freshness))
    }

    /// What a file with the embeddings of some songs is made of.
    fn fingerprint<'b>(&self, songs: impl IntoIterator<Item = &'b UsableSong>) -> Fingerprint {
        let mut builder = Fingerprint::builder("embed", FORMAT_VERSION)
            .setting("clip_frames", self.model.file.frames_per_clip);
        for (key, value) in self.store.front_end() {
            builder = builder.setting(format!("front_end.{key}"), value);
        }
        let songs: BTreeMap<&str, String> = songs
            .into_iter()
            .map(|usable| {
                let song = &usable.song;
                let hash = usable.stored().source_hash.to_string();
                let named = [&song.artist, &song.album, &song.title, &hash];
                (song.id.as_str(), named.map(String::as_str).join("\t"))
            })
            .collect();
        builder.input("model", &self.model.hash).input_set(SONGS, songs).build()
    }

    /// What was made before, if at most other songs are wanted now and the file is sound. A file that
    /// is not is named, and made again.
    fn vouched_for(&self, freshness: &Freshness) -> Option<Embeddings> {
        let is_of_songs =
            |reason: &Reason| matches!(reason, Reason::InputChanged { name, .. } if name == SONGS);
        if !freshness.reasons().iter().all(is_of_songs) {
            return None;
        }
        let problem = match Embeddings::read_parquet(&self.path) {
            Ok(embeddings) if *embeddings.model() == self.model.tag() => return Some(embeddings),
            Ok(_) => format!("{}: holds the embeddings of another model", self.path.display()),
            Err(error) => error.to_string(),
        };
        self.session.progress.warn(format!("{problem}; it is not used and is made again"));
        None
    }

    /// The embeddings, if they are by this model of these songs and no others.
    fn if_complete(&self, embeddings: Option<&Embeddings>) -> Option<Embeddings> {
        let embeddings = embeddings.filter(|found| *found.model() == self.model.tag())?;
        let is_same = |(usable, song): (&UsableSong, &EmbeddedSong)| {
            usable.song.id == song.song_id
                && Digest::from_hex(&song.source_hash) == Some(usable.stored().source_hash)
        };
        let is_complete = embeddings.songs().len() == self.songs.len()
            && self.songs.iter().zip(embeddings.songs()).all(is_same);
        is_complete.then(|| embeddings.clone())
    }

    /// Puts every clip through the network but those of songs that were heard before, and says how many
    /// songs were heard now; nothing where the user asked for a stop. What was heard until then, and
    /// from time to time on the way, is saved for the next time.
    fn embed(&self, old: Option<&Embeddings>) -> Result<Option<(Embeddings, usize)>> {
        let mut known = Known::new();
        for song in old.into_iter().flat_map(Embeddings::songs) {
            known.insert((song.song_id.clone(), song.source_hash.clone()), song.clips.clone());
        }
        let new: Vec<&UsableSong> =
            self.songs.iter().filter(|usable| !known.contains_key(&key(usable))).collect();
        let mut saved = Instant::now();
        let network = self.model.file.model()?;
        let clips: usize = new.iter().map(|usable| self.clips(usable)).sum();
        let bar = self.session.progress.bar(clips as u64, "embed", "clips");
        for songs in self.in_memory_at_once(&new) {
            let places: Vec<(PathBuf, String)> =
                songs.iter().map(|usable| usable.place()).collect();
            // Half of the bits would be other numbers, by a flag that must not decide any.
            let store = SpectrogramStore::load_as(&places, u64::MAX, Precision::F32)?;
            for (position, usable) in songs.iter().enumerate() {
                let Some(clips) = self.hear(&network, &store, position, &bar)? else {
                    bar.finish_and_clear();
                    if !known.is_empty() {
                        self.save(&known)?;
                    }
                    return Ok(None);
                };
                known.insert(key(usable), clips);
                if saved.elapsed() >= self.session.checkpoint_every {
                    self.save(&known)?;
                    saved = Instant::now();
                }
            }
        }
        bar.finish_and_clear();
        Ok(Some((self.save(&known)?, new.len())))
    }

    /// Writes the embeddings of the songs that were heard, whose fingerprint names them and no others.
    fn save(&self, known: &Known) -> Result<Embeddings> {
        let heard = || self.songs.iter().filter(|usable| known.contains_key(&key(usable)));
        let songs = heard().map(|usable| EmbeddedSong {
            song_id: usable.song.id.clone(),
            artist: usable.song.artist.clone(),
            album: usable.song.album.clone(),
            title: usable.song.title.clone(),
            source_hash: usable.stored().source_hash.to_string(),
            clips: known[&key(usable)].clone(),
        });
        let embeddings = Embeddings::new(self.model.tag(), songs.collect())?;
        let fingerprint = fingerprint_path(&self.path);
        // The old file is whole until the new one takes its place; from here on its fingerprint vouches
        // for nothing.
        Fingerprint::invalidate(&fingerprint)?;
        embeddings.write_parquet(AtomicFile::create(&self.path)?)?.commit()?;
        let folder = self.path.parent().unwrap_or(&self.path);
        self.fingerprint(heard()).sealing(folder, [&self.path])?.save(&fingerprint)?;
        Ok(embeddings)
    }

    /// The clips of one song. No batch holds clips of two songs: so the song's bits do not depend on the
    /// others, and are the same whether or not these were heard before.
    fn hear(
        &self,
        network: &Model,
        store: &SpectrogramStore,
        position: usize,
        bar: &ProgressBar,
    ) -> Result<Option<Vec<EmbeddedClip>>> {
        let frames = self.model.file.frames_per_clip;
        let set = ClipSet::cut(store, &[(position, 0)], frames, ClipRule::AllWhole)?;
        let before = bar.position();
        let predicted = predict_unless_asked(network, store, &set, |done| {
            bar.set_position(before + done as u64);
            self.session.interrupt.is_asked()
        })?;
        let Some(predicted) = predicted else { return Ok(None) };
        let start_seconds = store.songs()[position].start_seconds;
        let clips = set.clips().iter().enumerate().map(|(number, clip)| EmbeddedClip {
            start_seconds: start_seconds + clip.first_frame as f64 / self.store.frames_per_second(),
            features: predicted.embedding_of(number).to_vec(),
        });
        Ok(Some(clips.collect()))
    }

    fn clips(&self, usable: &UsableSong) -> usize {
        let frames = self.model.file.frames_per_clip;
        cantus_cache::clips(usable.n_frames(), frames, ClipRule::AllWhole)
    }

    /// The songs in groups whose spectrograms fit into memory; one that does not stands alone.
    fn in_memory_at_once<'b>(&self, songs: &[&'b UsableSong]) -> Vec<Vec<&'b UsableSong>> {
        let mut groups: Vec<Vec<&UsableSong>> = Vec::new();
        let mut bytes = 0;
        for &song in songs {
            let song_bytes = (song.n_frames() * self.store.n_mels() * size_of::<f32>()) as u64;
            bytes += song_bytes;
            match groups.last_mut() {
                Some(group)
                    if group.len() < SONGS_AT_ONCE && bytes <= self.session.memory_bytes =>
                {
                    group.push(song);
                }
                _ => {
                    groups.push(vec![song]);
                    bytes = song_bytes;
                }
            }
        }
        groups
    }
}
