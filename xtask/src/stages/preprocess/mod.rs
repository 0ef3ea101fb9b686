//! The stage `preprocess`: songs to log-mel spectrograms in Parquet, one file an album.

mod album_file;
mod front_end;
mod index;
mod rows;
mod writing;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cantus_cache::{AlbumFile, SongInfo};
use cantus_corpus::Song;
use cantus_mel::LogMelPlan;
use cantus_pipeline::{Freshness, Input, Reason, Stage};

use crate::corpus_source::CorpusSource;
use crate::ordered::for_each_in_order;
use crate::outcome::Outcome;
use crate::session::{Session, SongProblem};
use crate::settings::Config;
use crate::stages::scan::Scanned;

use album_file::album_path;
pub(crate) use album_file::readable;
use front_end::FrontEnd;
pub(crate) use index::Index;
use rows::{Row, RowMaker, RowSource};
use writing::AlbumWriting;

/// Changes with the numbers in the files or their columns; then every song is decoded anew.
/// `cantus` names the newest whose numbers it makes.
const FORMAT_VERSION: u32 = 4;

/// The spectrograms of a corpus: where they lie, what is there and what is missing.
pub(crate) struct Store {
    folder: PathBuf,
    front_end: FrontEnd,
    index: Index,
}

/// A song that must be decoded, and why.
struct StaleSong {
    /// Position in the scanned corpus.
    position: usize,
    reason: Reason,
}

/// One song that has a spectrogram.
#[derive(Debug, Clone)]
pub(crate) struct UsableSong {
    /// The song.
    pub(crate) song: Song,
    /// The artist that it is taken for: its own, or another's where labels are shuffled.
    pub(crate) label: String,
    /// BLAKE3 of the file it was made from.
    pub(crate) source_hash: String,
    /// BLAKE3 of the samples that its spectrogram was made from.
    pub(crate) sound_hash: String,
    /// Frames of its spectrogram.
    pub(crate) n_frames: usize,
    /// Seconds of audio in it.
    pub(crate) seconds: f64,
    /// What of the recording could not be decoded, in words; empty where nothing is missing.
    pub(crate) damage: String,
    /// The Parquet file that holds it.
    pub(crate) file: PathBuf,
}

impl UsableSong {
    /// Its spectrogram, time-major in decibel, and what is stored beside it.
    pub(crate) fn spectrogram(&self) -> Result<(SongInfo, Vec<f32>)> {
        let album = AlbumFile::open(&self.file)?;
        let id = &self.song.id;
        let position = album
            .songs()
            .iter()
            .position(|song| song.id == *id)
            .with_context(|| format!("`{id}` is not in `{}`", self.file.display()))?;
        Ok((album.songs()[position].clone(), album.read_mel(position)?))
    }
}

impl Store {
    /// Opens the folder of spectrograms that these settings make, and looks at what it holds of
    /// the scanned songs.
    pub(crate) fn open(
        session: &Session,
        config: &Config,
        source: &CorpusSource,
        scanned: &Scanned,
    ) -> Self {
        let front_end = FrontEnd::new(config, FORMAT_VERSION);
        let folder = session.data.cache(&source.store).join(front_end.folder_name());
        let mut index = Index::load(&folder);
        let files: BTreeSet<PathBuf> = scanned.corpus.songs.iter().map(file_of).collect();
        for file in &files {
            index.look_at(&folder, file, front_end.key_values());
        }
        Self { folder, front_end, index }
    }

    /// Saves what a look at the folder found.
    pub(crate) fn save_index(&mut self) -> Result<()> {
        self.index.save_news(&self.folder)
    }

    /// The folder of spectrograms.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The settings of the spectrograms, as they travel through cache and model.
    pub(crate) fn front_end(&self) -> &BTreeMap<String, String> {
        self.front_end.key_values()
    }

    /// Mel bands of a spectrogram.
    pub(crate) fn n_mels(&self) -> usize {
        self.front_end.mel().n_mels
    }

    /// Frames of a second of a spectrogram.
    pub(crate) fn frames_per_second(&self) -> f64 {
        let mel = self.front_end.mel();
        f64::from(mel.sample_rate) / mel.hop_length as f64
    }

    /// Which songs must be decoded, and why.
    pub(crate) fn freshness(&self, scanned: &Scanned, force: bool) -> (Stage, Freshness) {
        let reasons = self.stale(scanned, force).into_iter().map(|stale| stale.reason).collect();
        (Stage::new("preprocess"), Freshness::from_reasons(reasons))
    }

    fn stale(&self, scanned: &Scanned, force: bool) -> Vec<StaleSong> {
        let mut stale = Vec::new();
        for (position, song) in scanned.corpus.songs.iter().enumerate() {
            if let Some(reason) = self.why_stale(song, scanned.hash(song), force) {
                stale.push(StaleSong { position, reason });
            }
        }
        stale
    }

    fn why_stale(&self, song: &Song, hash: &str, force: bool) -> Option<Reason> {
        let input = |digest: &str| Input { digest: digest.to_owned(), count: None };
        let name = || format!("song {}", song.id);
        if force {
            return Some(Reason::Forced);
        }
        let stored = self.index.stored(&file_of(song), &song.id).map(|stored| &stored.source_hash);
        let failed = self.index.failure(&song.id).map(|failed| &failed.source_hash);
        match stored.or(failed) {
            Some(_) if stored.is_some_and(|old| old == hash) => None,
            Some(_) if failed.is_some_and(|old| old == hash) => None,
            Some(old) => {
                Some(Reason::InputChanged { name: name(), old: input(old), new: input(hash) })
            }
            None => Some(Reason::InputAdded { name: name(), new: input(hash) }),
        }
    }

    /// The scanned songs that have an up-to-date spectrogram, by id.
    pub(crate) fn usable(&self, scanned: &Scanned) -> Vec<UsableSong> {
        let usable = scanned.corpus.songs.iter().filter_map(|song| {
            let file = file_of(song);
            let stored = self.index.stored(&file, &song.id)?;
            (stored.source_hash == scanned.hash(song)).then(|| UsableSong {
                song: song.clone(),
                label: song.artist.clone(),
                source_hash: stored.source_hash.clone(),
                sound_hash: stored.sound_hash.clone(),
                n_frames: stored.n_frames as usize,
                seconds: stored.seconds,
                damage: stored.damage.clone(),
                file: self.folder.join(file),
            })
        });
        usable.collect()
    }

    /// The songs that failed.
    pub(crate) fn failures(&self, scanned: &Scanned) -> Vec<SongProblem> {
        let mut failures = Vec::new();
        for song in &scanned.corpus.songs {
            let hash = scanned.hash(song);
            if let Some(failure) = self.index.failure(&song.id)
                && failure.source_hash == hash
            {
                failures.push(SongProblem {
                    song: song.id.clone(),
                    reason: failure.reason.clone(),
                    hint: failure.hint.clone(),
                });
            }
        }
        failures
    }

    /// Decodes what is stale and writes the albums that hold it. What is done when the user
    /// interrupts is kept.
    pub(crate) fn run(
        &mut self,
        session: &Session,
        scanned: &Scanned,
        force: bool,
    ) -> Result<Outcome> {
        let rows = self.rows(scanned, force);
        let to_decode = rows.iter().filter(|row| row.is_decoded()).count();
        if to_decode == 0 {
            return Ok(Outcome::Done);
        }
        let bar = session.progress.bar(to_decode as u64, "preprocess", "songs");
        let plan = LogMelPlan::new(self.front_end.mel())?;
        let maker = RowMaker { folder: &self.folder, front_end: &self.front_end, plan, scanned };
        let mut writing = AlbumWriting::new(&self.folder, &self.front_end, &mut self.index, &bar);
        let result = for_each_in_order(
            rows.len(),
            rayon::current_num_threads(),
            || session.interrupt.is_asked(),
            |position| maker.make(&rows[position]),
            |position, made| {
                let row = &rows[position];
                writing.add(row, made)?;
                let is_last = rows.get(position + 1).is_none_or(|next| next.file != row.file);
                if is_last { writing.finish_album() } else { Ok(()) }
            },
        );
        let interrupted = session.interrupt.is_asked();
        let result = match result {
            Ok(()) if interrupted => writing.finish_new_album(),
            other => other,
        };
        drop(writing);
        bar.finish_and_clear();
        // Even where a write failed, the albums written before it are known from now on.
        let saved = self.index.save(&self.folder);
        result?;
        saved?;
        Ok(if interrupted { Outcome::Interrupted } else { Outcome::Done })
    }

    /// The rows of all albums to be written, album by album, by id within an album.
    fn rows(&self, scanned: &Scanned, force: bool) -> Vec<Row> {
        let mut albums: BTreeMap<PathBuf, BTreeMap<String, RowSource>> = BTreeMap::new();
        for stale in self.stale(scanned, force) {
            let song = &scanned.corpus.songs[stale.position];
            let source = RowSource::Decode { position: stale.position };
            albums.entry(file_of(song)).or_default().insert(song.id.clone(), source);
        }
        let now_in: BTreeMap<&str, PathBuf> =
            scanned.corpus.songs.iter().map(|song| (song.id.as_str(), file_of(song))).collect();
        for (file, rows) in &mut albums {
            for id in self.index.songs_in(file) {
                // A song that moved to another album has its row there.
                if now_in.get(id.as_str()).is_some_and(|now| now != file) {
                    continue;
                }
                rows.entry(id.clone()).or_insert(RowSource::Keep);
            }
        }
        let flat = albums.into_iter().flat_map(|(file, rows)| {
            rows.into_iter().map(move |(id, source)| Row { file: file.clone(), id, source })
        });
        flat.collect()
    }
}

fn file_of(song: &Song) -> PathBuf {
    album_path(&song.artist, &song.album)
}
