use std::path::Path;

use cantus_cache::{AlbumFile, CacheError, Precision, SongInfo};

use crate::{album_bytes, bits, info, mel};

fn songs() -> [SongInfo; 3] {
    [info("a/b/one", 20, 8), info("a/b/two \u{1f3b5}", 0, 8), info("a/b/three", 31, 8)]
}

/// Opens an album and reads all of it.
fn read(path: &Path) -> Result<Vec<Vec<f32>>, CacheError> {
    let album = AlbumFile::open(path)?;
    (0..album.songs().len()).map(|index| album.read_mel(index)).collect()
}

fn is_typed(error: &CacheError) -> bool {
    matches!(
        error,
        CacheError::NotParquet { .. }
            | CacheError::CutOff { .. }
            | CacheError::Damaged { .. }
            | CacheError::MissingColumn { .. }
            | CacheError::ColumnType { .. }
            | CacheError::FormatVersion { .. }
    )
}

#[test]
fn an_album_cut_off_anywhere_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("album.parquet");
    let whole = album_bytes(&songs(), Precision::F32);
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let error = read(&path).unwrap_err();
        assert!(is_typed(&error), "cut at {length}: {error:?}");
        assert!(error.to_string().contains("album.parquet"), "{error}");
        assert!(error.hint().is_some());
    }
}

#[test]
fn a_flipped_bit_anywhere_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("album.parquet");
    let whole = album_bytes(&songs(), Precision::F32);
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        std::fs::write(&path, &flipped).unwrap();
        let error = read(&path).unwrap_err();
        assert!(is_typed(&error), "flipped at {at}: {error:?}");
    }
}

#[test]
fn every_flipped_bit_of_a_spectrogram_is_noticed_and_the_other_songs_stay_readable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("album.parquet");
    let songs = [info("one", 40, 16), info("two", 40, 16)];
    let whole = album_bytes(&songs, Precision::F32);
    // The first song's spectrogram takes most of the first half of the file.
    let mut damaged = 0;
    for at in (whole.len() / 8..whole.len() / 4).step_by(5) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x04;
        std::fs::write(&path, &flipped).unwrap();
        let album = AlbumFile::open(&path).unwrap();
        let error = album.read_mel(0).unwrap_err();
        assert!(error.to_string().contains("`one` does not agree with its digest"), "{error}");
        assert_eq!(bits(&album.read_mel(1).unwrap()), bits(&mel(&songs[1])));
        damaged += 1;
    }
    assert!(damaged > 50, "only {damaged} flips were tried");
}

#[test]
fn stretches_of_zeros_and_swapped_halves_never_pass() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("album.parquet");
    let whole = album_bytes(&songs(), Precision::F16);
    for start in (4..whole.len() - 8).step_by(23) {
        let mut zeroed = whole.clone();
        let end = (start + 64).min(whole.len() - 8);
        if zeroed[start..end].iter().all(|&byte| byte == 0) {
            continue;
        }
        zeroed[start..end].fill(0);
        std::fs::write(&path, &zeroed).unwrap();
        let error = read(&path).unwrap_err();
        assert!(is_typed(&error), "zeros from {start}: {error:?}");
    }
    let (first, second) = whole.split_at(whole.len() / 2);
    std::fs::write(&path, [&whole[..4], second, first, &whole[whole.len() - 8..]].concat())
        .unwrap();
    assert!(is_typed(&read(&path).unwrap_err()));
}
