//! What can go wrong with a corpus or a split as a whole.

use std::io;
use std::path::PathBuf;

use crate::split::Part;

/// Why there is no corpus, or no split of it. [`CorpusError::hint`] says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorpusError {
    /// The corpus folder is not there.
    #[error("there is no folder `{}`", path.display())]
    RootMissing {
        /// The folder asked for.
        path: PathBuf,
    },
    /// The corpus folder is something else.
    #[error("`{}` is a file, where a folder of artists was expected", path.display())]
    RootNotAFolder {
        /// The path asked for.
        path: PathBuf,
    },
    /// A file or folder without which nothing can be done could not be read or written.
    #[error("cannot {action} `{}`: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A stream given by the caller failed.
    #[error("cannot {action} the {table}: {source}")]
    Stream {
        /// `read` or `write`.
        action: &'static str,
        /// Which table.
        table: &'static str,
        /// What the stream said.
        source: io::Error,
    },
    /// Not one usable song.
    #[error("no artist found in `{}`: expected {expected}, found {found}", path.display())]
    NoArtist {
        /// The folder or manifest.
        path: PathBuf,
        /// What was expected there.
        expected: String,
        /// What is there.
        found: String,
        /// What to do.
        hint: String,
    },
    /// A cap of no songs at all.
    #[error("a cap of 0 songs an artist leaves nothing; expected at least 1")]
    CapOfZero,
    /// Two songs with one id.
    #[error("the song id `{id}` occurs twice; expected each song once")]
    RepeatedSong {
        /// The id.
        id: String,
    },
    /// A path that a caller's record names and that does not lie below the root.
    #[error("`{}` is not a path below the corpus root", path.display())]
    PathOutside {
        /// The path as given.
        path: PathBuf,
    },
    /// A table with a fault in it.
    #[error("{table}, line {line}: {fault}")]
    Table {
        /// Which table: a path, where it came from a file.
        table: String,
        /// The line where the faulty row starts, from 1.
        line: u64,
        /// The fault.
        fault: TableFault,
    },
    /// Nobody to tell apart.
    #[error("found {} ({}); expected at least 2 artists to tell apart",
        counted(artists.len(), "artist"), listed(artists))]
    TooFewArtists {
        /// The artists found: one or none.
        artists: Vec<String>,
    },
    /// Artists with a single song, which cannot stand in two parts.
    #[error("found {} with one song ({}); a split by song expected at least 2 of each",
        counted(artists.len(), "artist"), listed(artists))]
    ArtistsWithOneSong {
        /// Their names, sorted.
        artists: Vec<String>,
    },
    /// Artists with a single album, which cannot stand in two parts.
    #[error("found {} with one album ({}); a split by album expected at least 2 of each",
        counted(artists.len(), "artist"),
        listed(&artists.iter().map(OneAlbum::to_string).collect::<Vec<_>>()))]
    ArtistsWithOneAlbum {
        /// Who and which, sorted by artist.
        artists: Vec<OneAlbum>,
    },
    /// A split of which one part would hold no song.
    #[error("the {part} part would hold no song; expected at least 1")]
    EmptyPart {
        /// The part.
        part: Part,
    },
    /// A fold that there is none of.
    #[error(
        "there is no fold {number} of {of}; expected 2 to {} folds, counted from 1",
        crate::Fold::MOST
    )]
    NoSuchFold {
        /// Which was asked for.
        number: usize,
        /// Of how many.
        of: usize,
    },
    /// NumPy's generator takes seeds of 32 bits.
    #[error("the original's generator takes seeds up to 4294967295, found {seed}")]
    OriginalSeed {
        /// The seed asked for.
        seed: u64,
    },
    /// scikit-learn refuses the split that the original's generator was asked for.
    #[error(
        "scikit-learn's rule refuses to draw the {part} part: found {} for {} (the smallest has \
         {smallest}); expected as many songs as artists, and 2 of each to draw from",
        counted(*songs, "song"), counted(*artists, "artist")
    )]
    OriginalRefuses {
        /// The part that was to be drawn.
        part: Part,
        /// Songs that the part would hold.
        songs: usize,
        /// Artists among the songs to draw from.
        artists: usize,
        /// Songs of the artist with the fewest, among those to draw from.
        smallest: usize,
    },
    /// Songs that stand in no part.
    #[error("{} of the corpus in no part of the split, the first being `{first}`; \
        expected each song in one part", counted(*songs, "song"))]
    SongsNotInSplit {
        /// How many.
        songs: usize,
        /// The first of them by id.
        first: String,
    },
    /// Songs in the split that are not in the corpus.
    #[error("{} of the split not in the corpus, the first being `{first}`; \
        expected a split of this very corpus", counted(*songs, "song"))]
    SongsNotInCorpus {
        /// How many.
        songs: usize,
        /// The first of them by id.
        first: String,
    },
    /// An album that leaks from one part to another.
    #[error("the album `{album}` of `{artist}` stands in {} parts ({}); a split by album \
        expected it in one", parts.len(), listed(parts))]
    AlbumInTwoParts {
        /// Whose album.
        artist: String,
        /// The album.
        album: String,
        /// The parts that hold songs of it.
        parts: Vec<Part>,
    },
    /// Songs with the same contents in different parts.
    #[error("{} of songs that are the same recording in more than one part, the first being {}; \
        expected each recording in one part", counted(*groups, "group"),
        listed(&songs.iter().map(|(id, part)| format!("`{id}` ({part})")).collect::<Vec<_>>()))]
    SharedContent {
        /// How many such groups.
        groups: usize,
        /// The first group: song ids and their parts.
        songs: Vec<(String, Part)>,
    },
}

/// An artist of whom there is one album only.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{artist}: `{album}`")]
#[non_exhaustive]
pub struct OneAlbum {
    /// The artist.
    pub artist: String,
    /// The album.
    pub album: String,
}

/// A fault in a table of tab-separated values.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableFault {
    /// Bytes that are not UTF-8.
    #[error("found bytes that are not UTF-8; expected UTF-8 text")]
    NotUtf8,
    /// No row at all.
    #[error("found no header row; expected the columns {}", listed(expected))]
    NoHeader {
        /// The columns that the header must name.
        expected: Vec<String>,
    },
    /// A header and nothing below it.
    #[error("found no row below the header; expected at least one")]
    NoRows,
    /// A header without a column that is needed.
    #[error("the header names the columns {}; expected also {}", listed(found), listed(missing))]
    MissingColumns {
        /// What is missing.
        missing: Vec<String>,
        /// What is there.
        found: Vec<String>,
    },
    /// A header that names a column twice.
    #[error("the header names the column `{name}` twice; expected once")]
    RepeatedColumn {
        /// The column.
        name: String,
    },
    /// A row longer or shorter than the header.
    #[error("found {found} columns; expected {expected} as in the header")]
    Width {
        /// The header's.
        expected: usize,
        /// The row's.
        found: usize,
    },
    /// A quoted cell that is never closed.
    #[error("a cell opens with a double quote and never closes; expected a closing one")]
    OpenQuote,
    /// Text after the closing quote of a cell.
    #[error("found text after a cell's closing double quote; expected a tab or the line's end")]
    TextAfterQuote,
    /// Nothing where there must be something.
    #[error("the column `{column}` is empty; expected a value")]
    EmptyCell {
        /// The column.
        column: &'static str,
    },
    /// A path that does not lie below the corpus root.
    #[error("found the path `{path}`; expected one below the corpus root, without `..`")]
    PathOutside {
        /// The path.
        path: String,
    },
    /// The same song in two rows.
    #[error("the song `{id}` stands in line {first_line} already; expected each song once")]
    RepeatedSong {
        /// The song.
        id: String,
        /// Where it stood first.
        first_line: u64,
    },
    /// A value out of a short list that is not in the list.
    #[error("found `{found}` in the column `{column}`; expected {expected}")]
    UnknownValue {
        /// The column.
        column: &'static str,
        /// What stands there.
        found: String,
        /// What may stand there.
        expected: &'static str,
    },
    /// A value that must be the same in all rows and is not.
    #[error("found `{found}` in the column `{column}`; expected `{first}` as in the first row")]
    Disagrees {
        /// The column.
        column: &'static str,
        /// The first row's value.
        first: String,
        /// This row's value.
        found: String,
    },
}

impl CorpusError {
    /// What one can do about it. Every variant of today has something to say.
    pub fn hint(&self) -> Option<&str> {
        Some(match self {
            Self::RootMissing { .. } => "check the path, or fetch the corpus first",
            Self::RootNotAFolder { .. } => "give the folder that holds `<artist>/<album>/<song>`",
            Self::Io { .. } => "check permissions and the disk",
            Self::Stream { .. } => "check the disk that it goes to or comes from",
            Self::NoArtist { hint, .. } => hint,
            Self::CapOfZero => "leave the cap out to keep all songs",
            Self::RepeatedSong { .. } => "remove the second record of it",
            Self::PathOutside { .. } => "give paths as `list_audio_files` returns them",
            Self::Table { fault, .. } => fault.hint(),
            Self::TooFewArtists { .. } => {
                "add artists; if the folder given is itself an artist's, give the one above"
            }
            Self::ArtistsWithOneSong { .. } => "add songs of them, or leave them out",
            Self::ArtistsWithOneAlbum { .. } => {
                "add an album of them, leave them out, or split by song"
            }
            Self::EmptyPart { .. } => "add songs or albums, take fewer folds, or split by song",
            Self::NoSuchFold { .. } => "four folds or ten are usual",
            Self::OriginalSeed { .. } => {
                "choose a smaller seed, or the project's own generator (`cantus`)"
            }
            Self::OriginalRefuses { .. } => {
                "use the project's own generator (`cantus`), which splits small corpora too, or \
                 add songs"
            }
            Self::SongsNotInSplit { .. } | Self::SongsNotInCorpus { .. } => {
                "the corpus has changed since the split was drawn: draw it again"
            }
            Self::AlbumInTwoParts { .. } => "draw the split again",
            Self::SharedContent { .. } => "keep one song of each group",
        })
    }
}

impl TableFault {
    /// What one can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NotUtf8 => "save the table as UTF-8",
            Self::NoHeader { .. } | Self::MissingColumns { .. } | Self::RepeatedColumn { .. } => {
                "the first row names the columns, parted by tabs"
            }
            Self::NoRows => "fill the table",
            Self::Width { .. } => "part the columns by one tab each, not by spaces",
            Self::OpenQuote | Self::TextAfterQuote => {
                "put a cell that starts with a double quote in double quotes, and double those \
                 inside it: `\"Weird Al\" X` is written `\"\"\"Weird Al\"\" X\"`"
            }
            Self::EmptyCell { .. } => "fill it in, or remove the row",
            Self::PathOutside { .. } => "give the path relative to the corpus root",
            Self::RepeatedSong { .. } => "remove one of the two rows",
            Self::UnknownValue { .. } => "correct the value",
            Self::Disagrees { .. } => "a table holds one split: keep several in several files",
        }
    }
}

/// `1 song`, `2 songs`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

/// The first few of many names: a message should fit a screen.
pub(crate) fn listed<T: std::fmt::Display>(items: &[T]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = items.iter().take(SHOWN).map(ToString::to_string).collect();
    match items.len() {
        0 => "none".to_owned(),
        count if count <= SHOWN => shown.join(", "),
        count => format!("{} and {} more", shown.join(", "), count - SHOWN),
    }
}
