//! What the crate promises, from outside.

// Some names here are not Unicode, and some files are links and pipes: so Unix alone.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod folds;
mod golden;
mod lots;
mod manifests;
mod messages;
mod music_folder;
mod scanning;
mod split_laws;
mod split_tables;
mod threads;
