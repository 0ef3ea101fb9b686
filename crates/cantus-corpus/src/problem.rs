//! What a scan came across and could not use, or used and wants known.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// One file or folder that a scan has something to say about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Problem {
    /// The file or folder, below the corpus root.
    #[serde(with = "crate::escape::as_text")]
    pub path: PathBuf,
    /// What is the matter with it.
    pub kind: ProblemKind,
}

/// What is the matter with a [`Problem`]'s file or folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ProblemKind {
    /// A song beside the artist folders: nobody knows whose it is. Skipped.
    LooseUnderRoot,
    /// An artist's songs that stand in no album folder. Used, as an album named
    /// [`NO_ALBUM`](crate::NO_ALBUM).
    LooseUnderArtist {
        /// How many songs.
        songs: usize,
    },
    /// Sound in a format that was not asked for. Skipped.
    OtherFormat,
    /// A file or folder that could not be looked at. Skipped.
    Unreadable {
        /// What the operating system said.
        reason: String,
    },
    /// A pipe, socket or device with a song's name. Skipped.
    NotAFile,
    /// A link to nothing. Skipped.
    BrokenLink,
    /// A link to a folder that is part of the corpus already, or that holds it. Not followed.
    LinkIntoCorpus,
    /// No artist in the tags. Skipped.
    NoArtistTag,
    /// No album in the tags. Used, as part of the artist's album [`NO_ALBUM`](crate::NO_ALBUM).
    NoAlbumTag,
    /// The manifest names it, but it is not there. Skipped.
    Missing {
        /// The manifest's line, from 1.
        line: u64,
    },
}

impl Problem {
    /// Whether something was left out because of it; the rest is for information.
    pub fn is_loss(&self) -> bool {
        !matches!(
            self.kind,
            ProblemKind::LooseUnderArtist { .. }
                | ProblemKind::LinkIntoCorpus
                | ProblemKind::NoAlbumTag
        )
    }

    /// What one can do about it.
    pub fn hint(&self) -> &'static str {
        match self.kind {
            ProblemKind::LooseUnderRoot => "move it to `<artist>/<album>/`",
            ProblemKind::LooseUnderArtist { .. } => {
                "give each album a folder of its own, or the album split cannot tell them apart"
            }
            ProblemKind::OtherFormat => "convert it to a supported format, such as FLAC",
            ProblemKind::Unreadable { .. } => "check its permissions and the disk",
            ProblemKind::NotAFile => "replace it by a regular file",
            ProblemKind::BrokenLink => "mend or delete the link",
            ProblemKind::LinkIntoCorpus => "nothing need be done: its songs are there once",
            ProblemKind::NoArtistTag | ProblemKind::NoAlbumTag => {
                "tag the file, or use the folder layout or a manifest"
            }
            ProblemKind::Missing { .. } => {
                "check the path, which starts at the corpus root; `%` followed by two hexadecimal \
                 digits stands for one byte, so write such a `%` as `%25`"
            }
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.kind {
            ProblemKind::LooseUnderRoot => {
                write!(f, "`{path}` stands under no artist's folder: skipped")
            }
            ProblemKind::LooseUnderArtist { songs } => write!(
                f,
                "`{path}` has songs in no album folder ({songs}): taken as the album `{}`",
                crate::NO_ALBUM
            ),
            ProblemKind::OtherFormat => {
                write!(f, "`{path}` is in a format that cannot be used: skipped")
            }
            ProblemKind::Unreadable { reason } => {
                write!(f, "`{path}` cannot be read: {reason}: skipped")
            }
            ProblemKind::NotAFile => write!(f, "`{path}` is not a regular file: skipped"),
            ProblemKind::BrokenLink => write!(f, "`{path}` links to nothing: skipped"),
            ProblemKind::LinkIntoCorpus => write!(
                f,
                "`{path}` links to a folder that is in this corpus already or holds it: \
                 not followed"
            ),
            ProblemKind::NoArtistTag => write!(f, "`{path}` names no artist in its tags: skipped"),
            ProblemKind::NoAlbumTag => write!(
                f,
                "`{path}` names no album in its tags: taken as part of the album `{}`",
                crate::NO_ALBUM
            ),
            ProblemKind::Missing { line } => {
                write!(f, "`{path}` (line {line} of the manifest) is not there: skipped")
            }
        }
    }
}
