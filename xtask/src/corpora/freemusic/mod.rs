//! freemusic20: openly licensed music by twenty composers, out of Debian packages.
//!
//! The table `data/corpora/freemusic20.tsv` names every track, the package that holds it and both
//! SHA-256 sums. Whatever is asked for lands under one root, `<artist>/<album>/<song>.<ext>`, and
//! a [`Profile`] is a choice of songs there, so profiles share files and what is made of them.

mod apt;
mod attribution;
mod deb;
mod download;
mod fetch;
mod names;
mod observer;
mod sha256;
mod table;
#[cfg(test)]
mod test_packages;
mod unpack;

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Result;
use cantus_corpus::{Corpus, Song, song_id, write_manifest};

pub(crate) use fetch::{FetchSettings, fetch_freemusic, preview};
pub(crate) use observer::{FetchEvent, FetchObserver};

use table::Table;

/// The table of this checkout.
pub(crate) const TABLE: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../data/corpora/freemusic20.tsv");

/// A choice of songs out of the corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Profile {
    /// Ten artists in the packages that are quickest to get.
    Small,
    /// The six artists with two or more real albums, for the album split.
    Albums,
    /// Every track of the table.
    All,
}

impl Profile {
    /// All profiles, smallest first.
    pub(crate) const EVERY: [Self; 3] = [Self::Small, Self::Albums, Self::All];

    /// The profile that a corpus name such as `freemusic-small` means.
    pub(crate) fn from_corpus_name(name: &str) -> Option<Self> {
        Self::EVERY.into_iter().find(|profile| profile.corpus_name() == name)
    }

    /// The name that commands know it by.
    pub(crate) fn corpus_name(self) -> &'static str {
        match self {
            Self::Small => "freemusic-small",
            Self::Albums => "freemusic-albums",
            Self::All => "freemusic-all",
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.corpus_name())
    }
}

/// The songs of a profile as a manifest of `cantus-corpus`: a tab-separated table with the header
/// `path artist album title`, paths relative to the corpus root and `/`-separated, sorted by path.
///
/// # Errors
///
/// If the table cannot be read or a row of it makes no sense.
pub(crate) fn profile_manifest(table: impl AsRef<Path>, profile: Profile) -> Result<String> {
    manifest_of(&Table::read(table.as_ref())?, profile)
}

fn manifest_of(table: &Table, profile: Profile) -> Result<String> {
    let songs = table.tracks_of(profile).map(|track| {
        let path = PathBuf::from(&track.path);
        Song {
            id: song_id(&path),
            artist: track.artist.clone(),
            album: track.album.clone(),
            title: track.title.clone(),
        }
    });
    let corpus = Corpus::new("", songs.collect())?;
    let mut text = Vec::new();
    write_manifest(&corpus, &mut text)?;
    Ok(String::from_utf8(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn column(manifest: &str, index: usize) -> Vec<&str> {
        manifest.lines().skip(1).map(|line| line.split('\t').nth(index).unwrap()).collect()
    }

    #[test]
    fn profiles_have_the_track_and_artist_counts_of_the_table() {
        for (profile, tracks, artists) in
            [(Profile::Small, 141, 10), (Profile::Albums, 123, 6), (Profile::All, 264, 20)]
        {
            let manifest = profile_manifest(TABLE, profile).unwrap();
            assert_eq!(manifest.lines().next().unwrap(), "path\tartist\talbum\ttitle");
            assert_eq!(column(&manifest, 0).len(), tracks, "{profile}");
            let distinct: BTreeSet<&str> = column(&manifest, 1).into_iter().collect();
            assert_eq!(distinct.len(), artists, "{profile}");
        }
    }

    #[test]
    fn a_song_has_one_path_whatever_the_profile() {
        let paths = |profile| -> BTreeSet<String> {
            let manifest = profile_manifest(TABLE, profile).unwrap();
            column(&manifest, 0).into_iter().map(str::to_owned).collect()
        };
        let all = paths(Profile::All);
        assert_eq!(all.len(), 264);
        assert!(paths(Profile::Small).is_subset(&all));
        assert!(paths(Profile::Albums).is_subset(&all));
    }

    #[test]
    fn a_manifest_leads_to_the_songs_however_they_are_called() {
        let sum = "ab".repeat(32);
        let header = "artist\talbum\ttrack\tpackage\tpackage_version\tdeb_sha256\t\
            path_in_package\ttrack_sha256\tcodec\tlicense\tsmall\talbums_strict";
        let row = |artist: &str, title: &str| {
            format!("{artist}\tB\t{title}\tp\t1\t{sum}\ta\t{sum}\tvorbis\tCC0\t1\t1")
        };
        let names = [("#1", "\"Weird\" song"), ("100%41", "x/y"), ("É", "%FF"), ("É", "ok")];
        let rows = names.map(|(artist, title)| row(artist, title)).join("\n");
        let table = Table::parse(format!("{header}\n{rows}\n").as_bytes()).unwrap();
        let root = tempfile::tempdir().unwrap();
        for track in &table.tracks {
            let path = root.path().join(&track.path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "music").unwrap();
        }
        let manifest = manifest_of(&table, Profile::All).unwrap();
        let scan = cantus_corpus::from_manifest_text(
            &manifest,
            root.path(),
            &cantus_corpus::ScanOptions::default(),
        );
        let songs = scan.unwrap().corpus.songs;
        let read: BTreeSet<(&str, &str)> =
            songs.iter().map(|song| (song.artist.as_str(), song.title.as_str())).collect();
        assert_eq!(read, BTreeSet::from(names));
    }

    #[test]
    fn corpus_names_lead_back_to_their_profile() {
        for profile in Profile::EVERY {
            assert_eq!(Profile::from_corpus_name(profile.corpus_name()), Some(profile));
        }
        assert_eq!(Profile::from_corpus_name("freemusic"), None);
    }
}
