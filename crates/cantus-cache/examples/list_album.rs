//! Lists the songs of album files and what their spectrograms hold:
//!
//! `cargo run --release -p cantus-cache --example list_album -- ALBUM.parquet...`

use std::error::Error;
use std::io::{Write, stdout};

use cantus_cache::AlbumFile;

fn main() -> Result<(), Box<dyn Error>> {
    run().map_err(|error| error.to_string().into())
}

fn run() -> Result<(), Box<dyn Error>> {
    let paths: Vec<_> = std::env::args_os().skip(1).collect();
    if paths.is_empty() {
        return Err("usage: list_album ALBUM.parquet...".into());
    }
    let mut out = stdout().lock();
    for path in paths {
        let album = AlbumFile::open(&path)?;
        writeln!(out, "{}: {} values", album.path().display(), album.precision())?;
        for (key, value) in album.configuration() {
            writeln!(out, "  {key} = {value}")?;
        }
        for (index, song) in album.songs().iter().enumerate() {
            let mel = album.read_mel(index)?; // checked against its digest
            let (mut low, mut high) = (f32::INFINITY, f32::NEG_INFINITY);
            let mut sum = 0.0;
            for &decibel in &mel {
                low = low.min(decibel);
                high = high.max(decibel);
                sum += f64::from(decibel);
            }
            writeln!(out, "{}\n  {} by {}, on {}", song.id, song.title, song.artist, song.album)?;
            writeln!(
                out,
                "  {:.1} s, {} frames of {} bands, {low:.1} to {high:.1} dB, {:.1} on average",
                song.seconds,
                song.n_frames,
                song.n_mels,
                sum / mel.len().max(1) as f64
            )?;
            if !song.damage.is_empty() {
                writeln!(out, "  damaged: {}", song.damage)?;
            }
        }
    }
    Ok(())
}
