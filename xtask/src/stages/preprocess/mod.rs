//! The stage `preprocess`: songs to log-mel spectrograms in Parquet, one file an album.

mod album_file;
mod front_end;
mod index;
mod rows;
mod writing;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use cantus_cache::{AlbumFile, SongInfo};
use cantus_corpus::Song;
use cantus_mel::LogMelPlan;
use cantus_pipeline::{Freshness, Input, Reason, Stage};

use crate::corpus_source::CorpusSource;
use crate::digest::Digest;
use crate::ordered::for_each_in_order;
use crate::outcome::Outcome;
use crate::session::{Session, SongProblem};
use crate::settings::Config;
use crate::stages::scan::{self, Scanned};

use album_file::album_path;
pub(crate) use album_file::readable;
use front_end::FrontEnd;
pub(crate) use index::Index;
use index::{IndexedFile, StoredSong};
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
    albums: Albums,
}

/// The files of a corpus' albums.
#[derive(Default)]
struct Albums {
    /// Their paths below the folder of spectrograms.
    files: Vec<String>,
    /// Of each song of the corpus the place of its album's file in that list.
    of_songs: Vec<usize>,
}

impl Albums {
    fn of(songs: &[Arc<Song>]) -> Self {
        let mut albums = Self::default();
        let mut places: HashMap<(&str, &str), usize> = HashMap::new();
        for song in songs {
            let place = *places.entry((&song.artist, &song.album)).or_insert_with(|| {
                albums.files.push(album_path(&song.artist, &song.album));
                albums.files.len() - 1
            });
            albums.of_songs.push(place);
        }
        albums
    }

    /// The file of the song at a position of the corpus.
    fn file(&self, position: usize) -> &str {
        &self.files[self.of_songs[position]]
    }
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
    pub(crate) song: Arc<Song>,
    /// The same by another artist, that it is taken for where labels are shuffled.
    pub(crate) taken_for: Option<Arc<Song>>,
    /// The album that it is stored in, and where in it.
    album: Arc<StoredAlbum>,
    position: u32,
}

/// The Parquet file of an album, and what it holds.
#[derive(Debug)]
struct StoredAlbum {
    path: PathBuf,
    indexed: Arc<IndexedFile>,
}

impl UsableSong {
    /// The artist that it is taken for.
    pub(crate) fn label(&self) -> &str {
        &self.taken_for.as_ref().unwrap_or(&self.song).artist
    }

    /// What is known of its spectrogram.
    pub(crate) fn stored(&self) -> &StoredSong {
        &self.album.indexed.songs()[self.position as usize]
    }

    /// Frames of its spectrogram.
    pub(crate) fn n_frames(&self) -> usize {
        self.stored().n_frames as usize
    }

    /// Its Parquet file, and its id in there.
    pub(crate) fn place(&self) -> (PathBuf, String) {
        (self.album.path.clone(), self.song.id.clone())
    }

    /// Its spectrogram, time-major in decibel, and what is stored beside it.
    pub(crate) fn spectrogram(&self) -> Result<(SongInfo, Vec<f32>)> {
        let album = AlbumFile::open(&self.album.path)?;
        let id = &self.song.id;
        let position = album
            .songs()
            .iter()
            .position(|song| song.id == *id)
            .with_context(|| format!("`{id}` is not in `{}`", self.album.path.display()))?;
        Ok((album.songs()[position].clone(), album.read_mel(position)?))
    }
}

/// The name of the folder of spectrograms that a configuration makes.
pub(crate) fn folder_name(config: &Config) -> String {
    FrontEnd::new(config, FORMAT_VERSION).folder_name()
}

impl Store {
    /// Looks at the corpus and opens the folder of spectrograms that these settings make, with what it
    /// holds of the corpus' songs.
    pub(crate) fn open(
        session: &Session,
        config: &Config,
        source: &CorpusSource,
    ) -> Result<(Scanned, Self)> {
        let front_end = FrontEnd::new(config, FORMAT_VERSION);
        let folder = session.data.cache(&source.store).join(front_end.folder_name());
        let (scanned, mut index) =
            rayon::join(|| scan::scan(session, config, source), || Index::load(&folder));
        let scanned = scanned?;
        let albums = Albums::of(&scanned.corpus.songs);
        for file in &albums.files {
            index.look_at(&folder, file, front_end.key_values());
        }
        Ok((scanned, Self { folder, front_end, index, albums }))
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
        for (position, (song, hash, place)) in self.songs(scanned).enumerate() {
            let stored = place.map(|(album, position)| &album.songs()[position]);
            if let Some(reason) = self.why_stale(song, hash, stored, force) {
                stale.push(StaleSong { position, reason });
            }
        }
        stale
    }

    /// The scanned songs with the hashes of their files, and of those that are stored the album's file
    /// and their place in it.
    fn songs<'a>(
        &'a self,
        scanned: &'a Scanned,
    ) -> impl Iterator<Item = (&'a Arc<Song>, Digest, Option<(&'a IndexedFile, usize)>)> {
        // Songs of an album stand together: its file is looked up once.
        let mut last = None;
        scanned.songs().zip(&self.albums.of_songs).map(move |((song, hash), &album)| {
            let file = match last {
                Some((of, file)) if of == album => file,
                _ => self.index.file(&self.albums.files[album]).map(Arc::as_ref),
            };
            last = Some((album, file));
            (song, hash, file.and_then(|file| Some((file, file.position(&song.id)?))))
        })
    }

    fn why_stale(
        &self,
        song: &Song,
        hash: Digest,
        stored: Option<&StoredSong>,
        force: bool,
    ) -> Option<Reason> {
        let input = |digest: Digest| Input { digest: digest.to_string(), count: None };
        let name = || format!("song {}", song.id);
        if force {
            return Some(Reason::Forced);
        }
        if stored.is_some_and(|stored| stored.source_hash == hash) {
            return None;
        }
        let failed = self.index.failure(&song.id);
        if failed.is_some_and(|failed| failed.source_hash == hash) {
            return None;
        }
        let before = stored.map(|stored| stored.source_hash);
        Some(match before.or(failed.map(|failed| failed.source_hash)) {
            Some(old) => Reason::InputChanged { name: name(), old: input(old), new: input(hash) },
            None => Reason::InputAdded { name: name(), new: input(hash) },
        })
    }

    /// The scanned songs that have an up-to-date spectrogram, by id, with what is known of that: of
    /// [`usable`](Self::usable) songs a part, in less room.
    pub(crate) fn stored<'a>(&'a self, scanned: &'a Scanned) -> Vec<(&'a Song, &'a StoredSong)> {
        let current = self.songs(scanned).filter_map(|(song, hash, place)| {
            let stored = place.map(|(album, position)| &album.songs()[position])?;
            (stored.source_hash == hash).then_some((&**song, stored))
        });
        current.collect()
    }

    /// The scanned songs that have an up-to-date spectrogram, by id.
    pub(crate) fn usable(&self, scanned: &Scanned) -> Vec<UsableSong> {
        let albums: Vec<Option<Arc<StoredAlbum>>> = self
            .albums
            .files
            .iter()
            .map(|file| {
                let indexed = Arc::clone(self.index.file(file)?);
                Some(Arc::new(StoredAlbum { path: self.folder.join(file), indexed }))
            })
            .collect();
        let mut usable = Vec::with_capacity(scanned.hashes.len());
        for ((song, hash, place), &album) in self.songs(scanned).zip(&self.albums.of_songs) {
            let is_current =
                |(album, at): &(&IndexedFile, usize)| album.songs()[*at].source_hash == hash;
            if let Some((_, position)) = place.filter(is_current)
                && let Some(album) = &albums[album]
            {
                usable.push(UsableSong {
                    song: Arc::clone(song),
                    taken_for: None,
                    album: Arc::clone(album),
                    position: position as u32,
                });
            }
        }
        usable
    }

    /// The songs that failed.
    pub(crate) fn failures(&self, scanned: &Scanned) -> Vec<SongProblem> {
        let mut failures = Vec::new();
        for (song, hash) in scanned.songs() {
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
        let mut albums: BTreeMap<&str, BTreeMap<&str, RowSource>> = BTreeMap::new();
        for StaleSong { position, .. } in self.stale(scanned, force) {
            let rows = albums.entry(self.albums.file(position)).or_default();
            rows.insert(&scanned.corpus.songs[position].id, RowSource::Decode { position });
        }
        let songs = scanned.corpus.songs.iter().enumerate();
        let now_in: HashMap<&str, &str> =
            songs.map(|(position, song)| (song.id.as_str(), self.albums.file(position))).collect();
        for (file, rows) in &mut albums {
            for id in self.index.songs_in(file) {
                // A song that moved to another album has its row there.
                if now_in.get(id).is_some_and(|now| now != file) {
                    continue;
                }
                rows.entry(id).or_insert(RowSource::Keep);
            }
        }
        let flat = albums.into_iter().flat_map(|(file, rows)| {
            let file: Arc<str> = file.into();
            rows.into_iter().map(move |(id, source)| Row {
                file: Arc::clone(&file),
                id: id.to_owned(),
                source,
            })
        });
        flat.collect()
    }
}
