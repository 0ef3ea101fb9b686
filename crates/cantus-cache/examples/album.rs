//! Writes a small album whose values follow a formula, so that any Parquet reader can be checked
//! against it: `cargo run --example album -- target/album.parquet [f16]`.
//!
//! Value `i` (from 0) of song `s` is `-0.0137 * (i * (s + 1) mod 5839)`, computed as f32. In
//! Python:
//!
//! ```python
//! import numpy, pyarrow.parquet
//! table = pyarrow.parquet.read_table("target/album.parquet")
//! for s, song in enumerate(table.to_pylist()):
//!     i = numpy.arange(song["n_frames"] * song["n_mels"])
//!     expected = numpy.float32(-0.0137) * (i * (s + 1) % 5839).astype(numpy.float32)
//!     assert (numpy.array(song["mel"], dtype=numpy.float32) == expected).all()
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::Write;

use cantus_cache::{AlbumFile, AlbumWriter, Precision, SongInfo};

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("give the path of the file to write")?;
    let precision = match arguments.next().as_deref() {
        None | Some("f32") => Precision::F32,
        Some("f16") => Precision::F16,
        Some(other) => return Err(format!("no such precision: {other}").into()),
    };
    let configuration = BTreeMap::from([("n_fft".to_owned(), "2048".to_owned())]);
    let mut writer = AlbumWriter::new(File::create(&path)?, &configuration, precision)?;
    for (song, n_frames) in [(0_u32, 300_u32), (1, 0), (2, 6000)] {
        let info = SongInfo {
            id: format!("An artist/An album/{song} \u{1f3b5} \"quoted\".ogg"),
            artist: "An artist".to_owned(),
            album: "An album".to_owned(),
            title: format!("Song {song}"),
            source_path: format!("An artist/An album/{song}.ogg"),
            source_hash: "00".repeat(32),
            sound_hash: "00".repeat(32),
            start_seconds: 0.0,
            seconds: f64::from(n_frames) * 512.0 / 16_000.0,
            sample_rate: 16_000,
            n_frames,
            n_mels: 128,
            damage: String::new(),
        };
        let mel: Vec<f32> = (0..info.n_values() as u64)
            .map(|i| -0.0137 * (i * u64::from(song + 1) % 5839) as f32)
            .collect();
        writer.write_song(&info, &mel)?;
    }
    writer.finish()?.sync_all()?;

    let album = AlbumFile::open(&path)?;
    let mut stdout = std::io::stdout();
    for (index, info) in album.songs().iter().enumerate() {
        let values = album.read_mel(index)?.len();
        writeln!(stdout, "{}: {} frames, {values} values", info.id, info.n_frames)?;
    }
    Ok(())
}
