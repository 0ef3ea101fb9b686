//! What is stored where, so that a look at what is stale opens no Parquet file.
//!
//! The index only repeats what the files of the albums say: where it is missing, damaged or older
//! than a file, that file is read again. It is a line of JSON for each file and each song that failed, and a
//! line with the BLAKE3 of those.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use cantus_cache::{AlbumFile, SongInfo};
use cantus_pipeline::{AtomicFile, PipelineError};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;

/// Lines that are parsed at once, by all threads: few enough to take little room.
const LINES_AT_ONCE: usize = 4_096;

/// A song that has a spectrogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredSong {
    /// The song.
    pub(crate) id: Box<str>,
    /// BLAKE3 of the file it was made from.
    pub(crate) source_hash: Digest,
    /// BLAKE3 of the samples that it was made from.
    pub(crate) sound_hash: Digest,
    /// Frames of the spectrogram.
    pub(crate) n_frames: u32,
    /// Seconds of the recording that were used.
    pub(crate) seconds: f64,
    /// What of the recording could not be decoded, in words; empty where nothing is missing.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub(crate) damage: Box<str>,
}

impl TryFrom<&SongInfo> for StoredSong {
    type Error = anyhow::Error;

    fn try_from(info: &SongInfo) -> Result<Self> {
        let digest = |text| {
            Digest::from_hex(text)
                .with_context(|| format!("of `{}`, `{text}` is no digest", info.id))
        };
        Ok(Self {
            id: info.id.as_str().into(),
            source_hash: digest(&info.source_hash)?,
            sound_hash: digest(&info.sound_hash)?,
            n_frames: info.n_frames,
            seconds: info.seconds,
            damage: info.damage.as_str().into(),
        })
    }
}

/// A song that could not be turned into a spectrogram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailedSong {
    /// BLAKE3 of the file: tried again only when it changes.
    pub(crate) source_hash: Digest,
    /// What happened.
    pub(crate) reason: String,
    /// What could be done about it.
    pub(crate) hint: Option<String>,
}

/// A file's size and time of change, by which a rewritten one is recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct FileStamp {
    bytes: u64,
    modified_ns: u128,
}

impl FileStamp {
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(Self { bytes: metadata.len(), modified_ns: modified.as_nanos() })
    }
}

/// The file of an album as it was last seen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IndexedFile {
    stamp: FileStamp,
    /// In order of their ids.
    songs: Vec<StoredSong>,
}

impl IndexedFile {
    fn new(stamp: FileStamp, mut songs: Vec<StoredSong>) -> Arc<Self> {
        songs.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        songs.shrink_to_fit();
        Arc::new(Self { stamp, songs })
    }

    /// Where the spectrogram of a song stands among those of the file.
    pub(crate) fn position(&self, id: &str) -> Option<usize> {
        self.songs.binary_search_by(|song| (*song.id).cmp(id)).ok()
    }

    /// The spectrograms.
    pub(crate) fn songs(&self) -> &[StoredSong] {
        &self.songs
    }
}

/// The songs of one folder of spectrograms.
#[derive(Debug, Default)]
pub(crate) struct Index {
    /// By their paths below the folder; shared with the songs that are taken from them.
    files: BTreeMap<String, Arc<IndexedFile>>,
    failures: HashMap<String, FailedSong>,
    /// A look found what the file of the index does not say.
    is_news: bool,
}

/// What stands in a line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line<F, S> {
    File(String, F),
    Failure(String, S),
}

impl Index {
    /// Reads the index of `folder`; a missing or damaged one is empty, and is filled from the
    /// files.
    pub(crate) fn load(folder: &Path) -> Self {
        Self::read(folder).unwrap_or_else(|error| {
            tracing::warn!("{error:#}; it is made again");
            Self::default()
        })
    }

    /// Reads the index of `folder`, empty where there is none.
    ///
    /// # Errors
    /// If it is damaged.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = Self::path(folder);
        let Ok(file) = File::open(&path) else { return Ok(Self::default()) };
        Self::parse(BufReader::new(file))
            .with_context(|| format!("the index `{}` is damaged", path.display()))
    }

    fn parse(mut from: impl BufRead) -> Result<Self> {
        let (mut index, mut hasher) = (Self::default(), blake3::Hasher::new());
        let (mut lines, mut line) = (Vec::new(), Vec::new());
        loop {
            let mut next = Vec::new();
            from.read_until(b'\n', &mut next)?;
            if next.is_empty() {
                break;
            }
            if !line.is_empty() {
                hasher.update(&line);
                lines.push(line);
            }
            line = next;
            if lines.len() == LINES_AT_ONCE {
                index.take_in(&std::mem::take(&mut lines))?;
            }
        }
        if line != format!("{}\n", hasher.finalize().to_hex()).into_bytes() {
            bail!("its sum does not agree with its content");
        }
        index.take_in(&lines)?;
        Ok(index)
    }

    fn take_in(&mut self, lines: &[Vec<u8>]) -> Result<()> {
        let parsed: Vec<Line<IndexedFile, FailedSong>> = lines
            .par_iter()
            .map(|line| serde_json::from_slice(line))
            .collect::<Result<_, serde_json::Error>>()?;
        for line in parsed {
            match line {
                Line::File(file, IndexedFile { stamp, songs }) => {
                    self.files.insert(file, IndexedFile::new(stamp, songs));
                }
                Line::Failure(id, failure) => _ = self.failures.insert(id, failure),
            }
        }
        Ok(())
    }

    /// Writes the index of `folder`, whole or not at all.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        let path = Self::path(folder);
        let mut file = AtomicFile::create(&path)?;
        let mut hasher = blake3::Hasher::new();
        let mut put = |line: &Line<&IndexedFile, &FailedSong>| -> Result<()> {
            let mut bytes = serde_json::to_vec(line).context("cannot write the index as JSON")?;
            bytes.push(b'\n');
            hasher.update(&bytes);
            file.write_all(&bytes).map_err(|source| PipelineError::io("write", &path, source))?;
            Ok(())
        };
        for (name, indexed) in &self.files {
            put(&Line::File(name.clone(), &**indexed))?;
        }
        let failures: BTreeMap<&String, &FailedSong> = self.failures.iter().collect();
        for (id, failure) in failures {
            put(&Line::Failure(id.clone(), failure))?;
        }
        file.write_all(format!("{}\n", hasher.finalize().to_hex()).as_bytes())
            .map_err(|source| PipelineError::io("write", &path, source))?;
        Ok(file.commit()?)
    }

    /// Writes the index of `folder` if a look found news, so that nothing has to be looked at twice.
    pub(crate) fn save_news(&mut self, folder: &Path) -> Result<()> {
        if self.is_news {
            self.save(folder)?;
            self.is_news = false;
        }
        Ok(())
    }

    /// Where the index of `folder` lies.
    pub(crate) fn path(folder: &Path) -> PathBuf {
        folder.join("index.json")
    }

    /// The file of an album.
    pub(crate) fn file(&self, file: &str) -> Option<&Arc<IndexedFile>> {
        self.files.get(file)
    }

    /// Why a song has no spectrogram.
    pub(crate) fn failure(&self, id: &str) -> Option<&FailedSong> {
        self.failures.get(id)
    }

    /// The files of the albums, relative to the folder.
    pub(crate) fn files(&self) -> impl Iterator<Item = &String> {
        self.files.keys()
    }

    /// The songs that the file of an album holds, by id.
    pub(crate) fn songs_in(&self, file: &str) -> impl Iterator<Item = &str> {
        self.files
            .get(file)
            .into_iter()
            .flat_map(|indexed| indexed.songs.iter().map(|song| &*song.id))
    }

    /// Takes note of what `file` holds by whatever configuration, unless it is known.
    pub(crate) fn look_at_any(&mut self, folder: &Path, file: &str) {
        if let Ok(album) = AlbumFile::open(folder.join(file)) {
            self.look_at(folder, file, album.configuration());
        }
    }

    /// Takes note of what `file` holds, where it changed since the last look. A file that is gone,
    /// damaged, or made with another configuration holds nothing.
    pub(crate) fn look_at(
        &mut self,
        folder: &Path,
        file: &str,
        configuration: &BTreeMap<String, String>,
    ) {
        let path = folder.join(file);
        let stamp = FileStamp::of(&path);
        if stamp == self.files.get(file).map(|indexed| indexed.stamp) {
            return;
        }
        self.is_news = true;
        self.files.remove(file);
        let Some(stamp) = stamp else { return };
        let album = match AlbumFile::open(&path) {
            Ok(album) if album.configuration() == configuration => album,
            Ok(_) => return,
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::warn!("{error:#}; its songs are made again");
                return;
            }
        };
        let songs: Result<Vec<StoredSong>> =
            album.songs().iter().map(StoredSong::try_from).collect();
        match songs {
            Ok(songs) => _ = self.files.insert(file.to_owned(), IndexedFile::new(stamp, songs)),
            Err(error) => {
                tracing::warn!("{}: {error:#}; its songs are made again", path.display());
            }
        }
    }

    /// Takes note of a file just written with `songs`.
    pub(crate) fn wrote(&mut self, folder: &Path, file: &str, songs: Vec<StoredSong>) {
        for song in &songs {
            self.failures.remove(&*song.id);
        }
        match FileStamp::of(&folder.join(file)) {
            Some(stamp) => self.files.insert(file.to_owned(), IndexedFile::new(stamp, songs)),
            None => self.files.remove(file),
        };
    }

    /// Forgets a song of `file`, so that it is decoded again.
    pub(crate) fn forget(&mut self, file: &str, id: &str) {
        if let Some(indexed) = self.files.get_mut(file) {
            Arc::make_mut(indexed).songs.retain(|song| *song.id != *id);
        }
    }

    /// Takes note that a song could not be used.
    pub(crate) fn failed(&mut self, id: &str, failure: FailedSong) {
        self.failures.insert(id.to_owned(), failure);
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn more_lines_than_are_parsed_at_once_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let count = 2 * LINES_AT_ONCE + 1;
        let mut index = Index::default();
        for number in 0..count {
            let source_hash = blake3::hash(&number.to_le_bytes()).into();
            let failure = FailedSong { source_hash, reason: "cut".to_owned(), hint: None };
            index.failed(&number.to_string(), failure);
        }
        index.save(folder.path()).unwrap();
        let read = Index::read(folder.path()).unwrap();
        assert_eq!(read.failures.len(), count);
        assert_eq!(read.failures, index.failures);
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found_and_no_index_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Index::read(folder.path()).unwrap().files.is_empty());
        let mut index = Index::default();
        let failure = FailedSong {
            source_hash: blake3::hash(b"a").into(),
            reason: "cut".to_owned(),
            hint: None,
        };
        index.failed("Alto/a.mp3", failure.clone());
        fs::write(folder.path().join("b.parquet"), b"an album").unwrap();
        let song = |id: &str| StoredSong {
            id: id.into(),
            source_hash: blake3::hash(b"b").into(),
            sound_hash: blake3::hash(b"c").into(),
            n_frames: 7,
            seconds: 0.25,
            damage: Box::default(),
        };
        index.wrote(folder.path(), "b.parquet", vec![song("d"), song("c")]);
        index.save(folder.path()).unwrap();
        let read = Index::read(folder.path()).unwrap();
        assert_eq!(read.failure("Alto/a.mp3"), Some(&failure));
        let file = read.file("b.parquet").unwrap();
        assert_eq!(["c", "d", "e"].map(|id| file.position(id)), [Some(0), Some(1), None]);
        assert_eq!(file.songs(), [song("c"), song("d")]);
        let path = Index::path(folder.path());
        let whole = fs::read(&path).unwrap();
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            fs::write(&path, &bytes).unwrap();
            assert!(Index::read(folder.path()).is_err(), "bit {bit}");
        }
    }
}
