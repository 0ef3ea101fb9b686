//! Labels from the folders that songs stand in.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::corpus::Song;
use crate::error::CorpusError;
use crate::escape::{escape_name, song_id};
use crate::file_list::{FileList, is_hidden, list_audio_files};
use crate::problem::{Notice, NoticeKind, Problem, ProblemKind};
use crate::scan::{Scan, ScanOptions};

/// The album of songs that name none: those loose under an artist's folder, or without the tag.
pub const NO_ALBUM: &str = "(no album)";

/// The one folder that artist20 puts above its artists.
const ARTISTS_FOLDER: &str = "artists";

/// Reads artists and albums off the folders: `<root>/<artist>/<album>/<song>.<extension>`.
///
/// - If the root holds one folder only and its name is `artists`, as artist20 has it, that folder
///   is taken for the root, so that both spellings of the root give the same ids.
/// - Folders inside an album (`CD1`, `Disc 2`) belong to the album. Discs side by side under the
///   artist are albums of their own.
/// - Songs loose under an artist form the album [`NO_ALBUM`] and a notice says so; songs loose
///   under the root belong to nobody, and each is a problem.
/// - Links and hidden files: as [`list_audio_files`] has it.
///
/// # Errors
///
/// Those of [`list_audio_files`]; [`CorpusError::NoArtist`] if there is no song under an artist;
/// [`CorpusError::CapOfZero`].
pub fn scan_folders(root: &Path, options: &ScanOptions) -> Result<Scan, CorpusError> {
    let artists_folder = only_artists_folder(root);
    let mut list = list_audio_files(artists_folder.as_deref().unwrap_or(root), options)?;
    if artists_folder.is_some() {
        report_beside_artists_folder(root, options, &mut list);
    }

    let mut songs = Vec::new();
    let mut loose_under_artist: BTreeMap<PathBuf, usize> = BTreeMap::new();
    let mut loose_under_root = 0;
    for path in std::mem::take(&mut list.files) {
        let names: Vec<_> = path.iter().collect();
        let album = match names.len() {
            0 | 1 => {
                loose_under_root += 1;
                list.problems.push(Problem { path, kind: ProblemKind::LooseUnderRoot });
                continue;
            }
            2 => {
                *loose_under_artist.entry(PathBuf::from(names[0])).or_default() += 1;
                NO_ALBUM.to_owned()
            }
            _ => escape_name(names[1]),
        };
        songs.push(Song {
            id: song_id(&path),
            artist: escape_name(names[0]),
            album,
            title: path.file_stem().map(escape_name).unwrap_or_default(),
        });
    }
    for (path, songs) in loose_under_artist {
        list.notices.push(Notice { path, kind: NoticeKind::LooseUnderArtist { songs } });
    }
    if songs.is_empty() {
        list.problems.sort_unstable();
        return Err(Scan::nothing_found(root.to_owned(), &list, loose_under_root, options));
    }
    Scan::new(list, songs, options)
}

/// `root/artists`, if it is the only folder there.
fn only_artists_folder(root: &Path) -> Option<PathBuf> {
    let mut only = None;
    // Whatever fails here fails again, and is reported, when the root is searched.
    for entry in fs::read_dir(root).ok()?.flatten() {
        if is_hidden(&entry.file_name()) || !entry.path().is_dir() {
            continue;
        }
        if only.is_some() || entry.file_name() != ARTISTS_FOLDER {
            return None;
        }
        only = Some(entry.path());
    }
    only
}

/// Songs beside `artists` would go unnoticed once that folder has become the root.
fn report_beside_artists_folder(root: &Path, options: &ScanOptions, list: &mut FileList) {
    let extensions = options.normal_extensions();
    for entry in fs::read_dir(root).into_iter().flatten().flatten() {
        let path = entry.path();
        let is_song = path
            .extension()
            .is_some_and(|e| extensions.contains(&e.to_string_lossy().to_ascii_lowercase()));
        if is_song && !is_hidden(&entry.file_name()) && path.is_file() {
            let path = Path::new("..").join(entry.file_name());
            list.problems.push(Problem { path, kind: ProblemKind::LooseUnderRoot });
        }
    }
}
