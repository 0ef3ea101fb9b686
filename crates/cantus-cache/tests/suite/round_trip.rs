use std::collections::BTreeMap;
use std::io::{self, Write};

use cantus_cache::{AlbumFile, AlbumWriter, CacheError, Precision, SongInfo};
use half::f16;
use proptest::prelude::*;

use crate::{album_bytes, bits, configuration, info, mel};

fn songs() -> impl Strategy<Value = Vec<(SongInfo, Vec<f32>)>> {
    let text = "\\PC{0,12}";
    let song = (
        (text, text, text, text, text, text, text, text),
        (0.0..1e4_f64, any::<u32>(), 0..40_u32, 1..9_u32),
        -80.0..60.0_f32,
    );
    proptest::collection::vec(song, 0..5).prop_map(|songs| {
        songs
            .into_iter()
            .enumerate()
            .map(|(place, (texts, numbers, first))| {
                let (id, artist, album, title, source_path, source_hash, sound_hash, damage) =
                    texts;
                let (seconds, sample_rate, n_frames, n_mels) = numbers;
                let info = SongInfo {
                    id: format!("{place} {id}"),
                    artist,
                    album,
                    title,
                    source_path,
                    source_hash,
                    sound_hash,
                    start_seconds: 0.5 * seconds,
                    seconds,
                    sample_rate,
                    n_frames,
                    n_mels,
                    damage,
                };
                let mel = (0..info.n_values()).map(|i| first - i as f32 * 0.37).collect();
                (info, mel)
            })
            .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_written_reads_back(
        songs in songs(),
        configuration in proptest::collection::btree_map("\\PC{0,8}", "\\PC{0,8}", 0..4),
        narrow in any::<bool>(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("album.parquet");
        let precision = if narrow { Precision::F16 } else { Precision::F32 };
        let mut writer = AlbumWriter::new(Vec::new(), &configuration, precision).unwrap();
        for (info, mel) in &songs {
            writer.write_song(info, mel).unwrap();
        }
        std::fs::write(&path, writer.finish().unwrap()).unwrap();

        let album = AlbumFile::open(&path).unwrap();
        prop_assert_eq!(album.configuration(), &configuration);
        prop_assert_eq!(album.precision(), precision);
        prop_assert_eq!(album.songs().len(), songs.len());
        for (index, (info, mel)) in songs.iter().enumerate() {
            prop_assert_eq!(&album.songs()[index], info);
            let expected: Vec<f32> = match precision {
                Precision::F32 => mel.clone(),
                Precision::F16 => mel.iter().map(|&v| f16::from_f32(v).to_f32()).collect(),
            };
            prop_assert_eq!(bits(&album.read_mel(index).unwrap()), bits(&expected));
        }
        let outside = album.read_mel(songs.len());
        let is_refused = matches!(outside, Err(CacheError::NoSuchSong { .. }));
        prop_assert!(is_refused);
    }
}

#[test]
fn sixteen_bits_are_as_near_as_promised() {
    let values: Vec<f32> = (0..128_000).map(|i| -80.0 + i as f32 * 0.001_234).collect();
    let info = info("song", 1000, 128);
    let mut writer = AlbumWriter::new(Vec::new(), &BTreeMap::new(), Precision::F16).unwrap();
    writer.write_song(&info, &values).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("album.parquet");
    std::fs::write(&path, writer.finish().unwrap()).unwrap();
    let read = AlbumFile::open(&path).unwrap().read_mel(0).unwrap();
    for (value, read) in values.iter().zip(read) {
        // Below 2^-14 the steps no longer shrink with the value.
        let allowed = (value.abs() / 2048.0).max(2.0_f32.powi(-25));
        assert!((value - read).abs() <= allowed, "{value} became {read}");
    }
}

#[test]
fn the_same_songs_give_the_same_bytes() {
    let songs = [info("a", 100, 128), info("b", 0, 128), info("c", 33, 128)];
    assert_eq!(album_bytes(&songs, Precision::F32), album_bytes(&songs, Precision::F32));
}

#[test]
fn a_song_that_is_refused_leaves_the_album_as_it_was() {
    let good = info("good", 5, 4);
    let mut writer = AlbumWriter::new(Vec::new(), &configuration(), Precision::F16).unwrap();
    writer.write_song(&good, &mel(&good)).unwrap();

    let error = writer.write_song(&good, &mel(&good)).unwrap_err();
    assert!(matches!(error, CacheError::DuplicateSong { .. }), "{error:?}");

    let short = info("short", 5, 4);
    let error = writer.write_song(&short, &[0.0; 19]).unwrap_err();
    assert!(matches!(error, CacheError::MelLength { found: 19, .. }), "{error:?}");
    let none = info("no bands", 5, 0);
    let error = writer.write_song(&none, &[]).unwrap_err();
    assert!(matches!(error, CacheError::MelLength { n_mels: 0, .. }), "{error:?}");

    for value in [f32::NAN, f32::NEG_INFINITY, 65_520.0] {
        let bad = info("bad", 5, 4);
        let mut values = mel(&bad);
        values[9] = value;
        let error = writer.write_song(&bad, &values).unwrap_err();
        assert!(matches!(error, CacheError::Value { frame: 2, band: 1, .. }), "{value}: {error:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("album.parquet");
    std::fs::write(&path, writer.finish().unwrap()).unwrap();
    let album = AlbumFile::open(&path).unwrap();
    assert_eq!(album.songs(), [good]);
    assert_eq!(album.read_mel(0).unwrap().len(), 20);
}

#[test]
fn the_writers_own_error_comes_back() {
    #[derive(Debug)]
    struct Full(usize);
    impl Write for Full {
        fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
            if self.0 < buffer.len() {
                return Err(io::Error::new(io::ErrorKind::StorageFull, "no room at /data/x"));
            }
            self.0 -= buffer.len();
            Ok(buffer.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let song = info("song", 50, 16);
    let whole = album_bytes(std::slice::from_ref(&song), Precision::F32).len();
    for room in (0..whole).step_by(97) {
        let written = AlbumWriter::new(Full(room), &configuration(), Precision::F32).and_then(
            |mut writer| {
                writer.write_song(&song, &mel(&song))?;
                writer.finish()
            },
        );
        let error = written.unwrap_err();
        let CacheError::Write { source } = &error else { panic!("{room}: {error:?}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert!(source.to_string().contains("no room at /data/x"), "{source}");
    }
}

#[cfg(unix)]
#[test]
fn an_opened_album_is_read_to_its_end_even_if_another_takes_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("album.parquet");
    let (old, new) = (info("old", 40, 16), info("new", 70, 16));
    std::fs::write(&path, album_bytes(std::slice::from_ref(&old), Precision::F32)).unwrap();
    let album = AlbumFile::open(&path).unwrap();
    let beside = folder.path().join("beside");
    std::fs::write(&beside, album_bytes(&[new], Precision::F32)).unwrap();
    std::fs::rename(&beside, &path).unwrap();
    assert_eq!(bits(&album.read_mel(0).unwrap()), bits(&mel(&old)));
    assert_eq!(AlbumFile::open(&path).unwrap().songs()[0].id, "new");
}

#[test]
fn threads_read_from_one_opened_album_without_mixing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("album.parquet");
    let songs: Vec<SongInfo> = (0..8).map(|i| info(&format!("song {i}"), 90 + i, 32)).collect();
    std::fs::write(&path, album_bytes(&songs, Precision::F32)).unwrap();
    let album = AlbumFile::open(&path).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (album, songs) = (&album, &songs);
            scope.spawn(move || {
                for round in 0..40 {
                    let index = (round * (thread + 1)) % songs.len();
                    let read = album.read_mel(index).unwrap();
                    assert_eq!(bits(&read), bits(&mel(&songs[index])));
                }
            });
        }
    });
}
