#![doc = include_str!("../README.md")]

mod error;
mod front_end;
mod identification;
mod identifier;

pub use error::CantusError;
pub use identification::{
    Identification, IdentifiedClip, RankedArtist, STRANGER_MEASURE, SongVote, Stranger,
    StrangerOdds, stranger_score,
};
pub use identifier::{Identifier, Progress};

/// What [`Identifier::with_excerpt`] takes, and errors name files by.
pub use cantus_audio::{AudioError, Excerpt, Origin};
