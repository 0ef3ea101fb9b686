//! What the crate promises, from outside: librosa's numbers, laws, refusals.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::float_cmp, reason = "where bits are promised, bits are compared")]
#![expect(clippy::print_stdout, reason = "how close the numbers come is worth seeing")]

mod delta;
mod golden;
mod golden_files;
mod laws;
mod mfcc;
mod refusals;
mod sweep;
mod threads;
