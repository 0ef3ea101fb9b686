//! What is stored where, so that a look at what is stale opens no Parquet file.
//!
//! The index only repeats what the files of the albums say: where it is missing, damaged or older
//! than a file, that file is read again. It is a line of JSON and a line with the BLAKE3 of that.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result, bail};
use cantus_cache::{AlbumFile, SongInfo};
use cantus_pipeline::write_atomic_bytes;
use serde::{Deserialize, Serialize};

/// 64 hexadecimal digits and the end of the line.
const SUM_BYTES: usize = 65;

/// A song that has a spectrogram.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredSong {
    /// BLAKE3 of the file it was made from, in hexadecimal.
    pub(crate) source_hash: String,
    /// BLAKE3 of the samples that it was made from, in hexadecimal.
    pub(crate) sound_hash: String,
    /// Frames of the spectrogram.
    pub(crate) n_frames: u32,
    /// Seconds of the recording that were used.
    pub(crate) seconds: f64,
    /// What of the recording could not be decoded, in words; empty where nothing is missing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) damage: String,
}

impl From<&SongInfo> for StoredSong {
    fn from(info: &SongInfo) -> Self {
        Self {
            source_hash: info.source_hash.clone(),
            sound_hash: info.sound_hash.clone(),
            n_frames: info.n_frames,
            seconds: info.seconds,
            damage: info.damage.clone(),
        }
    }
}

/// A song that could not be turned into a spectrogram.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FailedSong {
    /// BLAKE3 of the file, in hexadecimal: tried again only when it changes.
    pub(crate) source_hash: String,
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
#[derive(Debug, Serialize, Deserialize)]
struct IndexedFile {
    stamp: FileStamp,
    songs: BTreeMap<String, StoredSong>,
}

/// The songs of one folder of spectrograms.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Index {
    files: BTreeMap<PathBuf, IndexedFile>,
    failures: BTreeMap<String, FailedSong>,
    /// A look found what the file of the index does not say.
    #[serde(skip)]
    is_news: bool,
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
        let Ok(bytes) = std::fs::read(&path) else { return Ok(Self::default()) };
        Self::parse(&bytes).with_context(|| format!("the index `{}` is damaged", path.display()))
    }

    fn parse(bytes: &[u8]) -> Result<Self> {
        let sum_at = bytes.len().checked_sub(SUM_BYTES).context("it is too short")?;
        let (json, sum) = bytes.split_at(sum_at);
        if *sum != sum_of(json) {
            bail!("its sum does not agree with its content");
        }
        Ok(serde_json::from_slice(json)?)
    }

    /// Writes the index of `folder`, whole or not at all.
    pub(crate) fn save(&self, folder: &Path) -> Result<()> {
        let mut bytes = serde_json::to_vec(self).context("cannot write the index as JSON")?;
        bytes.push(b'\n');
        let sum = sum_of(&bytes);
        bytes.extend(sum);
        Ok(write_atomic_bytes(Self::path(folder), &bytes)?)
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

    /// The spectrogram of a song in the file of its album.
    pub(crate) fn stored(&self, file: &Path, id: &str) -> Option<&StoredSong> {
        self.files.get(file)?.songs.get(id)
    }

    /// Why a song has no spectrogram.
    pub(crate) fn failure(&self, id: &str) -> Option<&FailedSong> {
        self.failures.get(id)
    }

    /// The files of the albums, relative to the folder.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.keys()
    }

    /// The songs that the file of an album holds, by id.
    pub(crate) fn songs_in(&self, file: &Path) -> impl Iterator<Item = &String> {
        self.files.get(file).into_iter().flat_map(|indexed| indexed.songs.keys())
    }

    /// Takes note of what `file` holds, where it changed since the last look. A file that is gone,
    /// damaged, or made with another configuration holds nothing.
    pub(crate) fn look_at(
        &mut self,
        folder: &Path,
        file: &Path,
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
                tracing::warn!("{error}; its songs are made again");
                return;
            }
        };
        let songs = album.songs().iter().map(|song| (song.id.clone(), song.into())).collect();
        self.files.insert(file.to_owned(), IndexedFile { stamp, songs });
    }

    /// Takes note of a file just written with `songs`.
    pub(crate) fn wrote(
        &mut self,
        folder: &Path,
        file: &Path,
        songs: BTreeMap<String, StoredSong>,
    ) {
        for id in songs.keys() {
            self.failures.remove(id);
        }
        match FileStamp::of(&folder.join(file)) {
            Some(stamp) => self.files.insert(file.to_owned(), IndexedFile { stamp, songs }),
            None => self.files.remove(file),
        };
    }

    /// Forgets a song of `file`, so that it is decoded again.
    pub(crate) fn forget(&mut self, file: &Path, id: &str) {
        if let Some(indexed) = self.files.get_mut(file) {
            indexed.songs.remove(id);
        }
    }

    /// Takes note that a song could not be used.
    pub(crate) fn failed(&mut self, id: &str, failure: FailedSong) {
        self.failures.insert(id.to_owned(), failure);
    }
}

fn sum_of(json: &[u8]) -> [u8; SUM_BYTES] {
    let mut line = [b'\n'; SUM_BYTES];
    line[..SUM_BYTES - 1].copy_from_slice(blake3::hash(json).to_hex().as_bytes());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flipped_bit_anywhere_is_found_and_no_index_is_an_empty_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Index::read(folder.path()).unwrap().files.is_empty());
        let mut index = Index::default();
        let failure =
            FailedSong { source_hash: "ab".to_owned(), reason: "cut".to_owned(), hint: None };
        index.failed("Alto/a.mp3", failure.clone());
        index.save(folder.path()).unwrap();
        let read = Index::read(folder.path()).unwrap();
        assert_eq!(read.failure("Alto/a.mp3"), Some(&failure));
        let path = Index::path(folder.path());
        let whole = std::fs::read(&path).unwrap();
        for bit in 0..8 * whole.len() {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &bytes).unwrap();
            assert!(Index::read(folder.path()).is_err(), "bit {bit}");
        }
    }
}
