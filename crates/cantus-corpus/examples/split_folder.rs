//! Splits a folder of music by album and writes the table to standard output.
//!
//! usage: cargo run --example split_folder -- FOLDER [SEED]

use std::error::Error;
use std::io;
use std::path::PathBuf;

use cantus_corpus::{ScanOptions, SplitRng, scan_folders, split_by_album};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().map(PathBuf::from).ok_or("usage: split_folder FOLDER [SEED]")?;
    let seed = match arguments.next() {
        Some(seed) => seed.to_str().ok_or("the seed is a whole number")?.parse()?,
        None => 0,
    };
    let with_hint = |error: cantus_corpus::CorpusError| {
        format!("{error}\nhint: {}", error.hint().unwrap_or("none"))
    };

    let scan = scan_folders(&folder, &ScanOptions::default()).map_err(with_hint)?;
    let split = split_by_album(&scan.corpus, seed, SplitRng::Cantus).map_err(with_hint)?;
    split.check_no_leak(&scan.corpus).map_err(with_hint)?;
    split.write_tsv(io::stdout().lock()).map_err(with_hint)?;
    Ok(())
}
