//! Albums written, read, damaged, held in memory and cut into clips.

#![expect(clippy::unwrap_used, reason = "what tests share may fail as a test does")]

mod clips;
mod damage;
mod foreign;
mod round_trip;
mod store;
mod threads;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cantus_cache::{AlbumWriter, Precision, SongInfo};

fn info(id: &str, n_frames: u32, n_mels: u32) -> SongInfo {
    SongInfo {
        id: id.to_owned(),
        artist: "An artist".to_owned(),
        album: "An album".to_owned(),
        title: format!("{id}, the title"),
        source_path: format!("{id}.ogg"),
        source_hash: "5e".repeat(32),
        sound_hash: "50".repeat(32),
        start_seconds: 0.0,
        seconds: f64::from(n_frames) * 0.032,
        sample_rate: 16_000,
        n_frames,
        n_mels,
        damage: String::new(),
    }
}

/// Decibel-like values that differ from song to song.
fn mel(info: &SongInfo) -> Vec<f32> {
    let seed = info.id.bytes().fold(7_u32, |sum, byte| sum * 31 % 65_521 + u32::from(byte));
    (0..info.n_values() as u32)
        .map(|i| -80.0 + ((i * 7919 + seed) % 10_007) as f32 * 0.0113)
        .collect()
}

fn configuration() -> BTreeMap<String, String> {
    BTreeMap::from([
        ("mel.n_fft".to_owned(), "2048".to_owned()),
        ("mel.padding".to_owned(), "reflect".to_owned()),
    ])
}

fn album_bytes(songs: &[SongInfo], precision: Precision) -> Vec<u8> {
    let mut writer = AlbumWriter::new(Vec::new(), &configuration(), precision).unwrap();
    for info in songs {
        writer.write_song(info, &mel(info)).unwrap();
    }
    writer.finish().unwrap()
}

fn write_album(folder: &Path, name: &str, songs: &[SongInfo]) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, album_bytes(songs, Precision::F32)).unwrap();
    path
}

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}
