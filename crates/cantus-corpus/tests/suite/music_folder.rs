//! Corpora to test with.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use cantus_corpus::{Corpus, Scan, ScanOptions, Song, scan_folders, song_id};
use tempfile::TempDir;

/// A folder of empty files: this crate never looks into one.
pub(crate) struct MusicFolder(TempDir);

impl MusicFolder {
    pub(crate) fn new<Name: AsRef<[u8]>>(files: impl IntoIterator<Item = Name>) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for file in files {
            folder.add(file);
        }
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn join(&self, file: impl AsRef<[u8]>) -> PathBuf {
        self.path().join(OsStr::from_bytes(file.as_ref()))
    }

    pub(crate) fn add(&self, file: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        path
    }

    /// A link named `link` to `target`, both below this folder.
    pub(crate) fn link(&self, link: &str, target: &str) {
        let link = self.join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(self.join(target), link).unwrap();
    }

    pub(crate) fn scan(&self) -> Scan {
        scan_folders(self.path(), &ScanOptions::default()).unwrap()
    }
}

pub(crate) fn song(artist: &str, album: &str, title: &str) -> Song {
    let path = PathBuf::from(artist).join(album).join(title);
    Song {
        id: song_id(&path),
        artist: artist.to_owned(),
        album: album.to_owned(),
        title: title.to_owned(),
    }
}

/// A corpus whose artists have albums with so many songs: `songs[artist][album]`.
///
/// Names sort as their numbers do.
pub(crate) fn corpus(songs: &[Vec<usize>]) -> Corpus {
    let mut all = Vec::new();
    for (artist, albums) in songs.iter().enumerate() {
        for (album, &count) in albums.iter().enumerate() {
            all.extend((0..count).map(|number| {
                song(&format!("a{artist:03}"), &format!("b{album:03}"), &format!("s{number:03}"))
            }));
        }
    }
    Corpus::new("/music", all).unwrap()
}

pub(crate) fn ids(corpus: &Corpus) -> Vec<&str> {
    corpus.songs.iter().map(|song| song.id.as_str()).collect()
}
