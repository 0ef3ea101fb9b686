//! The crate against scikit-learn's and the original's numbers, and against what files and names
//! can do to it.

#![expect(clippy::unwrap_used, reason = "what fails to unwrap has failed the test")]

mod clip_length;
mod embedding_files;
mod golden;
mod grids;
mod hostile_names;
mod laws;
mod map_files;
mod maps;
mod parquet_files;
mod samples;
mod scores_file;
mod spectrograms;
mod threads;
mod timelines;
