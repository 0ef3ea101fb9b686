//! Where music comes from: made here, fetched openly, or checked as the user's own copy.

pub(crate) mod artist20;
pub(crate) mod demo;
pub(crate) mod freemusic;
