//! artist20: a check of the user's own copy.
//!
//! Ellis, "Classifying Music Audio with Timbral and Chroma Features", ISMIR 2007: 1413 tracks by
//! twenty artists, six albums each, as mp3. It is handed out on request only, so there is nothing
//! to fetch.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Serialize;

/// The artists, as their folders are called.
pub(crate) const ARTISTS: [&str; 20] = [
    "aerosmith",
    "beatles",
    "creedence_clearwater_revival",
    "cure",
    "dave_matthews_band",
    "depeche_mode",
    "fleetwood_mac",
    "garth_brooks",
    "green_day",
    "led_zeppelin",
    "madonna",
    "metallica",
    "prince",
    "queen",
    "radiohead",
    "roxette",
    "steely_dan",
    "suzanne_vega",
    "tori_amos",
    "u2",
];
/// Albums of each artist.
pub(crate) const ALBUMS_PER_ARTIST: usize = 6;
/// Tracks of the whole corpus.
pub(crate) const TRACKS: usize = 1413;

const HOW_TO_GET_IT: &str = "\
artist20 is handed out on request only: write to LabROSA, the laboratory at Columbia University \
that made it (its page on artist20 says how), unpack what you get, and give its folder with \
`--from DIR`; DIR holds `artists/<artist>/<album>/<song>.mp3`";

/// What a copy of artist20 holds, and in what it differs from the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Artist20Check {
    /// The folder of the artists' folders, which other commands take as `--corpus`.
    pub(crate) root: PathBuf,
    /// Tracks by album by artist; tracks loose under an artist count as album `""`.
    pub(crate) artists: BTreeMap<String, BTreeMap<String, usize>>,
    /// Files that are empty or cannot be read, with the reason; not counted as tracks.
    pub(crate) unusable: Vec<(PathBuf, String)>,
}

/// Looks at a copy of artist20 at `from`, the folder that holds `artists/` or the artists' folders.
///
/// Every track is opened, none is decoded.
///
/// # Errors
///
/// If there is no such folder, it holds no artist of artist20, or it cannot be listed.
pub(crate) fn check_artist20(from: &Path) -> Result<Artist20Check> {
    match fs::metadata(from) {
        Ok(metadata) if metadata.is_dir() => {}
        Ok(_) => bail!("`{}` is not a folder\n\nhint: {HOW_TO_GET_IT}", from.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            bail!("there is no folder `{}`\n\nhint: {HOW_TO_GET_IT}", from.display())
        }
        Err(error) => {
            return Err(error).with_context(|| format!("cannot look at `{}`", from.display()));
        }
    }
    let inner = from.join("artists");
    let root = if inner.is_dir() { inner } else { from.to_owned() };
    let mut check =
        Artist20Check { root: root.clone(), artists: BTreeMap::new(), unusable: Vec::new() };
    for artist in folders_and_files(&root)?.folders {
        let mut albums = BTreeMap::new();
        let artist_folder = root.join(&artist);
        let listed = folders_and_files(&artist_folder)?;
        check.count_tracks("", &artist_folder, &listed.files, &mut albums);
        for album in listed.folders {
            let album_folder = artist_folder.join(&album);
            let files = tracks_below(&album_folder)?;
            check.count_tracks(&album, &album_folder, &files, &mut albums);
        }
        check.artists.insert(artist, albums);
    }
    if !check.artists.keys().any(|artist| ARTISTS.contains(&artist.as_str())) {
        let found: Vec<&str> = check.artists.keys().take(5).map(String::as_str).collect();
        let found = if found.is_empty() { "no folder".to_owned() } else { found.join(", ") };
        bail!(
            "`{}` holds none of the twenty artists of artist20 ({}, {}, ... {}), but {found}\
             \n\nhint: {HOW_TO_GET_IT}",
            root.display(),
            ARTISTS[0],
            ARTISTS[1],
            ARTISTS[19]
        );
    }
    Ok(check)
}

impl Artist20Check {
    /// Tracks that can be opened.
    pub(crate) fn tracks(&self) -> usize {
        self.artists.values().flat_map(BTreeMap::values).sum()
    }

    /// Albums that hold a track.
    pub(crate) fn albums(&self) -> usize {
        self.artists.values().map(BTreeMap::len).sum()
    }

    /// Artists of artist20 without a folder, or with no track in it.
    pub(crate) fn missing_artists(&self) -> Vec<&'static str> {
        let has_tracks = |artist: &str| self.artists.get(artist).is_some_and(|a| !a.is_empty());
        ARTISTS.into_iter().filter(|artist| !has_tracks(artist)).collect()
    }

    /// Folders that are no artists of artist20.
    pub(crate) fn extra_artists(&self) -> Vec<&str> {
        self.artists.keys().map(String::as_str).filter(|name| !ARTISTS.contains(name)).collect()
    }

    /// Artists of artist20 that are there with another number of albums than six, and how many.
    pub(crate) fn odd_album_counts(&self) -> Vec<(&str, usize)> {
        let counts = self.artists.iter().map(|(artist, albums)| (artist.as_str(), albums.len()));
        counts
            .filter(|(artist, count)| {
                ARTISTS.contains(artist) && *count != 0 && *count != ALBUMS_PER_ARTIST
            })
            .collect()
    }

    /// Whether this is all of artist20 and nothing else.
    pub(crate) fn is_complete(&self) -> bool {
        self.tracks() == TRACKS
            && self.unusable.is_empty()
            && self.missing_artists().is_empty()
            && self.extra_artists().is_empty()
            && self.odd_album_counts().is_empty()
    }

    fn count_tracks(
        &mut self,
        album: &str,
        folder: &Path,
        files: &[PathBuf],
        albums: &mut BTreeMap<String, usize>,
    ) {
        let mut tracks = 0;
        for file in files {
            let path = folder.join(file);
            match can_be_read(&path) {
                Ok(true) => tracks += 1,
                Ok(false) => self.unusable.push((path, "it is empty".to_owned())),
                Err(error) => self.unusable.push((path, error.to_string())),
            }
        }
        if tracks > 0 {
            albums.insert(album.to_owned(), tracks);
        }
    }
}

impl fmt::Display for Artist20Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.root.display();
        writeln!(
            f,
            "{root}: {} of 20 artists, {} of 120 albums, {} of {TRACKS} tracks",
            20 - self.missing_artists().len(),
            self.albums(),
            self.tracks()
        )?;
        if !self.missing_artists().is_empty() {
            writeln!(f, "missing artists: {}", self.missing_artists().join(", "))?;
        }
        if !self.extra_artists().is_empty() {
            writeln!(f, "folders that are not of artist20: {}", self.extra_artists().join(", "))?;
        }
        for (artist, _) in self.odd_album_counts() {
            let albums: Vec<String> = self.artists[artist]
                .iter()
                .map(|(album, tracks)| match album.as_str() {
                    "" => format!("{tracks} tracks in no album"),
                    album => format!("{album} ({tracks} tracks)"),
                })
                .collect();
            writeln!(f, "{artist}: {} albums, not 6: {}", albums.len(), albums.join(", "))?;
        }
        for (path, reason) in &self.unusable {
            writeln!(f, "{}: {reason}", path.display())?;
        }
        if self.is_complete() {
            write!(f, "this is all of artist20: `cargo xtask preprocess --corpus {root}`")
        } else {
            write!(f, "this is not all of artist20; `--corpus {root}` works with what is there")
        }
    }
}

struct Listing {
    folders: Vec<String>,
    /// Names of tracks.
    files: Vec<PathBuf>,
}

/// The folders and tracks in a folder, without hidden ones, sorted.
fn folders_and_files(folder: &Path) -> Result<Listing> {
    let context = || format!("cannot list `{}`", folder.display());
    let mut listing = Listing { folders: Vec::new(), files: Vec::new() };
    for entry in fs::read_dir(folder).with_context(context)? {
        let entry = entry.with_context(context)?;
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if entry.path().is_dir() {
            listing.folders.push(name.to_string_lossy().into_owned());
        } else if is_track(&name) {
            listing.files.push(name.into());
        }
    }
    listing.folders.sort_unstable();
    listing.files.sort_unstable();
    Ok(listing)
}

/// The tracks of an album, those on its discs too, relative to its folder.
fn tracks_below(album: &Path) -> Result<Vec<PathBuf>> {
    let listing = folders_and_files(album)?;
    let mut files = listing.files;
    for disc in listing.folders {
        let on_disc = folders_and_files(&album.join(&disc))?.files;
        files.extend(on_disc.into_iter().map(|file| Path::new(&disc).join(file)));
    }
    Ok(files)
}

fn is_track(name: &OsStr) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("mp3"))
}

/// Whether a file holds anything.
fn can_be_read(path: &Path) -> io::Result<bool> {
    Ok(File::open(path)?.read(&mut [0])? > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    /// 1413 tracks: 93 albums of twelve, 27 of eleven.
    fn whole_copy() -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let mut albums = 0;
        for artist in ARTISTS {
            for album in 0..ALBUMS_PER_ARTIST {
                let path = folder.path().join(format!("artists/{artist}/album_{album}"));
                fs::create_dir_all(&path).unwrap();
                for track in 0..if albums < 93 { 12 } else { 11 } {
                    fs::write(path.join(format!("{track:02}-song.mp3")), b"\xff\xfb").unwrap();
                }
                albums += 1;
            }
        }
        folder
    }

    #[test]
    fn a_whole_copy_is_complete_from_either_folder() {
        let copy = whole_copy();
        for from in [copy.path().to_owned(), copy.path().join("artists")] {
            let check = check_artist20(&from).unwrap();
            assert!(check.is_complete(), "{check}");
            assert_eq!((check.artists.len(), check.albums(), check.tracks()), (20, 120, 1413));
            assert_eq!(check.root, copy.path().join("artists"));
        }
    }

    #[test]
    fn what_is_missing_extra_empty_or_unreadable_is_named() {
        let copy = whole_copy();
        let root = copy.path().join("artists");
        fs::remove_dir_all(root.join("u2")).unwrap();
        fs::remove_dir_all(root.join("queen/album_3")).unwrap();
        fs::create_dir(root.join("abba")).unwrap();
        fs::write(root.join("cure/album_0/00-song.mp3"), b"").unwrap();
        fs::remove_file(root.join("cure/album_0/01-song.mp3")).unwrap();
        fs::create_dir(root.join("cure/album_0/01-song.mp3")).unwrap();
        fs::write(root.join("prince/loose.MP3"), b"x").unwrap();
        fs::write(root.join("README.txt"), b"x").unwrap();
        let check = check_artist20(copy.path()).unwrap();
        assert!(!check.is_complete());
        assert_eq!(check.missing_artists(), ["u2"]);
        assert_eq!(check.extra_artists(), ["abba"]);
        assert_eq!(check.odd_album_counts(), [("prince", 7), ("queen", 5)]);
        assert_eq!(check.unusable.len(), 1);
        let text = check.to_string();
        for part in ["19 of 20 artists", "u2", "abba", "queen: 5 albums", "in no album", "empty"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn a_short_album_shows_in_the_number_of_tracks() {
        let copy = whole_copy();
        fs::remove_file(copy.path().join("artists/u2/album_0/00-song.mp3")).unwrap();
        let check = check_artist20(copy.path()).unwrap();
        assert!(!check.is_complete());
        assert!(check.to_string().contains("1412 of 1413 tracks"), "{check}");
    }

    #[test]
    fn a_folder_of_something_else_is_refused_with_how_to_get_artist20() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("holiday pictures")).unwrap();
        fs::write(folder.path().join("file"), b"").unwrap();
        for from in [folder.path().into(), folder.path().join("no"), folder.path().join("file")] {
            let error = check_artist20(&from).unwrap_err().to_string();
            assert!(error.contains("hint:") && error.contains("LabROSA"), "{error}");
        }
        let error = check_artist20(folder.path()).unwrap_err().to_string();
        assert!(error.contains("holiday pictures"), "{error}");
    }
}
