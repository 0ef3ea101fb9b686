//! What to look for, and what was found.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::corpus::{Corpus, Song};
use crate::error::{CorpusError, counted, listed};
use crate::file_list::FileList;
use crate::problem::{Notice, Problem};

/// What counts as a song and how many are taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScanOptions {
    /// File name extensions of songs, without the dot; upper and lower case are alike. The
    /// default names the usual formats; give what your decoder can read.
    pub extensions: Vec<String>,
    /// At most so many songs of each artist, see [`Corpus::cap_songs_per_artist`].
    pub max_songs_per_artist: Option<usize>,
    /// Whether [`from_manifest`](crate::from_manifest) looks for the file of each song, leaves out those that
    /// are not there, and lists them. A caller that opens every file anyway can spare a look at each, which
    /// counts with a million of them, and say by [`manifest_lines`](crate::manifest_lines) where the
    /// missing ones are named. The cap on songs does not know of missing ones then.
    pub looks_for_files: bool,
    /// Which tag names the artist; of use in [`from_tags`](crate::from_tags) alone.
    pub artist_tag: ArtistTag,
}

/// Which of its tags says whose recording a song is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ArtistTag {
    /// The album's artist, unless there is none or it says "various artists"; then the song's.
    /// A guest on one song (`X feat. Y`) does not become a class that way.
    #[default]
    AlbumArtistFirst,
    /// The song's artist; the album's only if there is none.
    SongArtistFirst,
}

impl Default for ScanOptions {
    fn default() -> Self {
        let extensions =
            ["mp3", "flac", "ogg", "oga", "opus", "wav", "m4a", "mp4", "aac", "aif", "aiff"];
        Self {
            extensions: extensions.map(String::from).to_vec(),
            max_songs_per_artist: None,
            looks_for_files: true,
            artist_tag: ArtistTag::default(),
        }
    }
}

impl ScanOptions {
    /// The extensions in lower case and without dots.
    pub(crate) fn normal_extensions(&self) -> Vec<String> {
        let normal = |text: &String| text.trim_start_matches('.').to_ascii_lowercase();
        self.extensions.iter().map(normal).collect()
    }
}

/// A corpus and what was found on the way to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scan {
    /// The songs that can be used.
    pub corpus: Corpus,
    /// What could not be used, sorted by path.
    pub problems: Vec<Problem>,
    /// What else is worth knowing, sorted by path.
    pub notices: Vec<Notice>,
    /// Files that are no songs (covers, lists, texts), counted by lower-case extension.
    pub other_files: BTreeMap<String, usize>,
    /// Songs left out by [`ScanOptions::max_songs_per_artist`].
    pub songs_over_cap: usize,
}

impl Scan {
    pub(crate) fn new<S: Into<Arc<Song>>>(
        list: FileList,
        songs: Vec<S>,
        options: &ScanOptions,
    ) -> Result<Self, CorpusError> {
        let FileList { root, mut problems, mut notices, other_files, .. } = list;
        let mut corpus = Corpus::new(root, songs)?;
        let songs_over_cap = match options.max_songs_per_artist {
            Some(cap) => corpus.cap_songs_per_artist(cap)?,
            None => 0,
        };
        problems.sort_unstable();
        notices.sort_unstable();
        tracing::debug!(
            root = %corpus.root.display(),
            songs = corpus.songs.len(),
            songs_over_cap,
            problems = problems.len(),
            "corpus scanned"
        );
        Ok(Self { corpus, problems, notices, other_files, songs_over_cap })
    }

    /// The error for a folder tree without a single usable song.
    pub(crate) fn nothing_found(
        root: PathBuf,
        list: &FileList,
        loose: usize,
        options: &ScanOptions,
    ) -> CorpusError {
        let extensions = options.normal_extensions();
        let others: usize = list.other_files.values().sum();
        let kinds: Vec<String> = list
            .other_files
            .iter()
            .map(|(extension, count)| match extension.as_str() {
                "" => format!("{count} without an extension"),
                _ => format!("{count} .{extension}"),
            })
            .collect();
        let found = format!(
            "{}, {} loose beside them, {}{}",
            counted(list.folders, "folder"),
            counted(loose, "song"),
            counted(others, "other file"),
            if others == 0 { String::new() } else { format!(" ({})", listed(&kinds)) },
        );
        let hint = match list.problems.first() {
            _ if loose > 0 => {
                "give each artist a folder, in it one for each album, and move the songs there"
                    .to_owned()
            }
            Some(problem) => format!("{problem}; {}", problem.hint()),
            None if list.folders == 0 && others == 0 => {
                "the folder is empty: fetch a corpus, or copy music into it".to_owned()
            }
            None => {
                "check that this is the folder above the artists, and that their songs are in one \
                 of these formats"
                    .to_owned()
            }
        };
        CorpusError::NoArtist {
            path: root,
            expected: format!(
                "`<artist>/<album>/<song>` with songs ending in .{}",
                extensions.join(", .")
            ),
            found,
            hint,
        }
    }
}
