//! Models at work on music made here, against the crates that they stand on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in its helpers too")]

mod errors;
mod identifying;
mod music;
mod threads;
