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
use std::path::Path;

use anyhow::Result;

pub(crate) use fetch::{FetchSettings, fetch_freemusic};
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

/// The songs of a profile as a manifest: a tab-separated table with the header
/// `path artist album title`, paths relative to the corpus root and `/`-separated, sorted by path.
///
/// # Errors
///
/// If the table cannot be read or a row of it makes no sense.
pub(crate) fn profile_manifest(table: impl AsRef<Path>, profile: Profile) -> Result<String> {
    let table = Table::read(table.as_ref())?;
    let mut tracks: Vec<_> = table.tracks_of(profile).collect();
    tracks.sort_by(|a, b| a.path.as_bytes().cmp(b.path.as_bytes()));
    let mut text = String::from("path\tartist\talbum\ttitle\n");
    for track in tracks {
        // The table is itself tab-separated and unquoted, so no field holds a tab or a newline.
        for (field, end) in
            [(&track.path, '\t'), (&track.artist, '\t'), (&track.album, '\t'), (&track.title, '\n')]
        {
            text.push_str(field);
            text.push(end);
        }
    }
    Ok(text)
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
    fn corpus_names_lead_back_to_their_profile() {
        for profile in Profile::EVERY {
            assert_eq!(Profile::from_corpus_name(profile.corpus_name()), Some(profile));
        }
        assert_eq!(Profile::from_corpus_name("freemusic"), None);
    }
}
