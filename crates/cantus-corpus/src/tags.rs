//! Labels from the tags inside the files, which the caller has read.

use std::path::{Component, Path, PathBuf};

use crate::corpus::Song;
use crate::error::CorpusError;
use crate::escape::{escape_name, song_id};
use crate::file_list::FileList;
use crate::folders::NO_ALBUM;
use crate::problem::{Notice, NoticeKind, Problem, ProblemKind};
use crate::scan::{ArtistTag, Scan, ScanOptions};

/// What a file's tags say. Empty and blank texts count as absent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TagRecord {
    /// The file, below the corpus root, as [`list_audio_files`](crate::list_audio_files) gives it.
    pub path: PathBuf,
    /// The artist of the song.
    pub artist: Option<String>,
    /// The artist of the album.
    pub album_artist: Option<String>,
    /// The album.
    pub album: Option<String>,
    /// The song's title.
    pub title: Option<String>,
}

/// Builds a corpus from tags. Folders play no part but in the ids.
///
/// Which tag names the artist is [`ScanOptions::artist_tag`]. A file without an artist is skipped
/// and listed; one without an album joins the artist's album [`NO_ALBUM`] with a notice; one
/// without a title gets its file name. Several discs with one album tag are one album.
///
/// # Errors
///
/// [`CorpusError::PathOutside`] if a path is absolute or holds `..`,
/// [`CorpusError::RepeatedSong`] if two records have the same path, [`CorpusError::NoArtist`] if
/// no record names an artist, [`CorpusError::CapOfZero`].
pub fn from_tags(
    root: &Path,
    records: Vec<TagRecord>,
    options: &ScanOptions,
) -> Result<Scan, CorpusError> {
    let mut songs = Vec::with_capacity(records.len());
    let mut list = FileList::empty(root);
    for record in records {
        let Some(path) = below_root(&record.path) else {
            return Err(CorpusError::PathOutside { path: record.path });
        };
        let Some(artist) = artist(&record, options.artist_tag) else {
            list.problems.push(Problem { path, kind: ProblemKind::NoArtistTag });
            continue;
        };
        let album = said(record.album.as_ref());
        if album.is_none() {
            list.notices.push(Notice { path: path.clone(), kind: NoticeKind::NoAlbumTag });
        }
        songs.push(Song {
            id: song_id(&path),
            artist: artist.to_owned(),
            album: album.unwrap_or(NO_ALBUM).to_owned(),
            title: said(record.title.as_ref())
                .map(str::to_owned)
                .or_else(|| path.file_stem().map(escape_name))
                .unwrap_or_default(),
        });
    }
    if songs.is_empty() {
        return Err(CorpusError::NoArtist {
            path: root.to_owned(),
            expected: "songs with an artist in their tags".into(),
            found: format!("{} without", crate::error::counted(list.problems.len(), "song")),
            hint: "tag the files, or use the folder layout or a manifest".into(),
        });
    }
    Scan::new(list, songs, options)
}

/// The path without `.`, if it is one below the root.
pub(crate) fn below_root(path: &Path) -> Option<PathBuf> {
    let mut below = PathBuf::with_capacity(path.as_os_str().len());
    for component in path.components() {
        match component {
            Component::Normal(name) => below.push(name),
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir | Component::ParentDir => return None,
        }
    }
    (!below.as_os_str().is_empty()).then_some(below)
}

fn artist(record: &TagRecord, tag: ArtistTag) -> Option<&str> {
    let of_song = said(record.artist.as_ref());
    let of_album = said(record.album_artist.as_ref()).filter(|name| !means_various(name));
    match tag {
        ArtistTag::AlbumArtistFirst => of_album.or(of_song),
        ArtistTag::SongArtistFirst => of_song.or(of_album),
    }
}

fn said(tag: Option<&String>) -> Option<&str> {
    // ID3 texts may end in NUL.
    let text = tag?.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    (!text.is_empty()).then_some(text)
}

fn means_various(name: &str) -> bool {
    let name = name.to_lowercase();
    ["various artists", "various", "va", "v.a.", "v/a"].contains(&name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(path: &str, artist: &str, album_artist: &str, album: &str) -> TagRecord {
        let tag = |text: &str| Some(text.to_owned());
        TagRecord {
            path: path.into(),
            artist: tag(artist),
            album_artist: tag(album_artist),
            album: tag(album),
            title: None,
        }
    }

    fn artists(records: Vec<TagRecord>, artist_tag: ArtistTag) -> Vec<String> {
        let options = ScanOptions { artist_tag, ..ScanOptions::default() };
        let scan = from_tags(Path::new("/music"), records, &options).unwrap();
        scan.corpus.songs.iter().map(|song| song.artist.clone()).collect()
    }

    #[test]
    fn the_albums_artist_goes_first_unless_it_says_various() {
        let records = vec![
            record("1.mp3", "X feat. Y", "X", "A"),
            record("2.mp3", "X", "Various Artists", "A"),
            record("3.mp3", " X\0", "  ", "A"),
        ];
        assert_eq!(artists(records.clone(), ArtistTag::AlbumArtistFirst), ["X", "X", "X"]);
        assert_eq!(artists(records, ArtistTag::SongArtistFirst), ["X feat. Y", "X", "X"]);
    }

    #[test]
    fn a_song_without_an_artist_is_skipped_and_one_without_an_album_is_kept() {
        let records = vec![record("1.mp3", "", "va", "A"), record("d/2.mp3", "X", "", "")];
        let scan = from_tags(Path::new("/music"), records, &ScanOptions::default()).unwrap();
        assert_eq!(scan.corpus.songs.len(), 1);
        assert_eq!(scan.corpus.songs[0].album, NO_ALBUM);
        assert_eq!(scan.corpus.songs[0].title, "2");
        let path = |text: &str| PathBuf::from(text);
        assert_eq!(
            scan.problems,
            [Problem { path: path("1.mp3"), kind: ProblemKind::NoArtistTag }]
        );
        assert_eq!(scan.notices, [Notice { path: path("d/2.mp3"), kind: NoticeKind::NoAlbumTag }]);
    }

    #[test]
    fn two_records_of_one_path_are_refused_however_it_is_spelt() {
        let records = vec![record("d/1.mp3", "X", "", "A"), record("./d//1.mp3", "Y", "", "A")];
        let error = from_tags(Path::new("/m"), records, &ScanOptions::default()).unwrap_err();
        assert!(matches!(error, CorpusError::RepeatedSong { id } if id == "d/1.mp3"));
    }

    #[test]
    fn a_path_that_leaves_the_root_is_refused() {
        for path in ["/etc/1.mp3", "../1.mp3", "d/../../1.mp3", ""] {
            let records = vec![record(path, "X", "", "A")];
            let error = from_tags(Path::new("/m"), records, &ScanOptions::default()).unwrap_err();
            assert!(matches!(error, CorpusError::PathOutside { .. }), "{path}: {error}");
        }
    }

    #[test]
    fn no_artist_at_all_is_an_error_with_the_count() {
        let records = vec![record("1.mp3", "", "", "A")];
        let error = from_tags(Path::new("/m"), records, &ScanOptions::default()).unwrap_err();
        assert!(error.to_string().contains("found 1 song without"), "{error}");
    }
}
