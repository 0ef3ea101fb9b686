#![doc = include_str!("../README.md")]

mod album_file;
mod album_writer;
mod clips;
mod columns;
mod error;
mod footer;
mod guard;
mod section;
mod song_info;
mod store;
mod transpose;

pub use album_file::AlbumFile;
pub use album_writer::AlbumWriter;
pub use clips::{ClipRule, clips};
pub use error::CacheError;
pub use song_info::{Precision, SongInfo};
pub use store::SpectrogramStore;

/// Version of the files' form. A file of another version is refused with
/// [`CacheError::FormatVersion`]; raising it makes every stored spectrogram be computed again.
pub const FORMAT_VERSION: u32 = 4;
