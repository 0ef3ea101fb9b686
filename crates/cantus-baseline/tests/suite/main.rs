//! What the crate promises, from outside: the numbers of NumPy, SciPy and scikit-learn, laws,
//! refusals.

#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![expect(clippy::float_cmp, reason = "where bits are promised, bits are compared")]

mod clip_statistics;
mod discriminant;
mod gaussian_laws;
mod golden_file;
mod nearest;
mod noise;
mod refusals;
mod songs;
mod threads;
