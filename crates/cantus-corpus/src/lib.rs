#![doc = include_str!("../README.md")]

mod album_split;
mod corpus;
mod duplicates;
mod error;
mod escape;
mod file_list;
mod folders;
mod folds;
mod manifest;
mod mersenne_twister;
pub mod original;
mod problem;
mod rng;
mod scan;
mod song_split;
mod split;
mod split_check;
mod split_table;
mod summary;
mod tags;
mod tsv;

pub use album_split::split_by_album;
pub use corpus::{Albums, Corpus, Song};
pub use duplicates::duplicates;
pub use error::{CorpusError, OneAlbum, TableFault};
pub use escape::{path_of_song_id, song_id};
pub use file_list::{FileList, list_audio_files};
pub use folders::{NO_ALBUM, scan_folders};
pub use folds::{Fold, split_into_fold};
pub use manifest::{from_manifest, from_manifest_text, write_manifest};
pub use problem::{Notice, NoticeKind, Problem, ProblemKind};
pub use scan::{ArtistTag, Scan, ScanOptions};
pub use song_split::split_by_song;
pub use split::{Part, Split, SplitKind, SplitRng, SplitWarning, split};
pub use summary::{ArtistSummary, CorpusSummary};
pub use tags::{TagRecord, from_tags};
