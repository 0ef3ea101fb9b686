//! What the crate promises, from outside: librosa's numbers, laws, refusals.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::print_stdout, reason = "how close the numbers come is worth seeing")]

mod golden;
mod golden_files;
mod laws;
mod refusals;
mod sweep;
