//! What a scan came across and could not use, or used and wants known.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::folders::NO_ALBUM;

/// One file or folder that a scan left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The file or folder, below the corpus root.
    #[serde(with = "crate::escape::as_text")]
    pub path: PathBuf,
    /// Why it was left out; prints as a phrase without the path.
    pub kind: ProblemKind,
}

/// Why a [`Problem`]'s file or folder was left out.
#[derive(
    Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, thiserror::Error,
)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// A song beside the artists' folders: nobody knows whose it is.
    #[error("stands in no artist's folder")]
    LooseUnderRoot,
    /// Sound in a format that was not asked for.
    #[error("is in a format that cannot be used")]
    OtherFormat,
    /// A file or folder that could not be looked at.
    #[error("cannot be read: {reason}")]
    Unreadable {
        /// What the operating system said.
        reason: String,
    },
    /// A pipe, socket or device with a song's name, or a folder that a manifest names.
    #[error("is not a regular file")]
    NotAFile,
    /// A link to nothing.
    #[error("links to nothing")]
    BrokenLink,
    /// No artist in the tags.
    #[error("names no artist in its tags")]
    NoArtistTag,
    /// The manifest names it, but it is not there.
    #[error("is not there, though line {line} of the manifest names it")]
    Missing {
        /// The manifest's line, from 1.
        line: u64,
    },
}

/// One file or folder that a scan used, or rightly passed over, in a way worth knowing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notice {
    /// The file or folder, below the corpus root.
    #[serde(with = "crate::escape::as_text")]
    pub path: PathBuf,
    /// What is worth knowing; prints as a phrase without the path.
    pub kind: NoticeKind,
}

/// What is worth knowing about a [`Notice`]'s file or folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NoticeKind {
    /// An artist's songs that stand in no album's folder: taken as the album
    /// [`NO_ALBUM`].
    LooseUnderArtist {
        /// How many songs.
        songs: usize,
    },
    /// A link to a folder that is part of the corpus already, or that holds it: not followed.
    LinkIntoCorpus,
    /// No album in the tags: taken as part of the artist's album [`NO_ALBUM`].
    NoAlbumTag,
}

impl ProblemKind {
    /// Why a file that this line of a manifest names cannot be a song; none if it can, as far as a look from
    /// outside tells.
    pub fn of_listed(path: &Path, line: u64) -> Option<Self> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => None,
            Ok(_) => Some(Self::NotAFile),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(Self::Missing { line }),
            Err(error) => Some(Self::Unreadable { reason: error.to_string() }),
        }
    }
}

impl Problem {
    /// What one can do about it.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            ProblemKind::LooseUnderRoot => "move it to `<artist>/<album>/`",
            ProblemKind::OtherFormat => "convert it to a supported format, such as FLAC",
            ProblemKind::Unreadable { .. } => "check its permissions and the disk",
            ProblemKind::NotAFile => "replace it by a regular file",
            ProblemKind::BrokenLink => "mend or delete the link",
            ProblemKind::NoArtistTag => "tag the file, or use the folder layout or a manifest",
            ProblemKind::Missing { .. } => {
                "check the path, which starts at the corpus root; `%` followed by two hexadecimal \
                 digits stands for one byte, so write such a `%` as `%25`"
            }
        }
    }
}

impl Notice {
    /// What one can do about it.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            NoticeKind::LooseUnderArtist { .. } => {
                "give each album a folder of its own, or the split by album cannot tell them apart"
            }
            NoticeKind::LinkIntoCorpus => "nothing need be done: its songs are there once",
            NoticeKind::NoAlbumTag => {
                "tag the file, or the split by album cannot tell its album from others"
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path.display(), self.kind)
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path.display(), self.kind)
    }
}

impl fmt::Display for NoticeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LooseUnderArtist { songs } => {
                write!(f, "has songs in no album's folder ({songs}): taken as `{NO_ALBUM}`")
            }
            Self::LinkIntoCorpus => f.write_str(
                "links to a folder that is in the corpus already, or holds it: not followed",
            ),
            Self::NoAlbumTag => write!(f, "names no album in its tags: taken as `{NO_ALBUM}`"),
        }
    }
}
