use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cantus_cache::{AlbumWriter, CacheError, Precision, SpectrogramStore};
use half::f16;

use crate::{bits, configuration, info, mel, write_album};

/// The songs with these ids, each in the file at its side.
fn songs(wanted: &[(&Path, &str)]) -> Vec<(PathBuf, String)> {
    wanted.iter().map(|&(file, id)| (file.to_owned(), id.to_owned())).collect()
}

/// Songs of [`albums`] by their ids: `a` and `b` are in the first file, all others in the second.
fn ids(files: &[PathBuf], ids: &[&str]) -> Vec<(PathBuf, String)> {
    let file = |id: &str| files[usize::from(!"ab".contains(id))].clone();
    ids.iter().map(|&id| (file(id), id.to_owned())).collect()
}

/// Two albums with three songs of 16 mel bands and 30, 40, 50 frames, and a fourth.
fn albums(folder: &Path) -> Vec<PathBuf> {
    vec![
        write_album(folder, "first.parquet", &[info("a", 30, 16), info("b", 40, 16)]),
        write_album(folder, "second.parquet", &[info("c", 50, 16), info("d", 3, 16)]),
    ]
}

#[test]
fn only_the_wanted_songs_are_loaded_in_the_order_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let files = albums(folder.path());
    let store = SpectrogramStore::load(&ids(&files, &["c", "a", "b"]), 1 << 20).unwrap();
    let found: Vec<&str> = store.songs().iter().map(|song| song.id.as_str()).collect();
    assert_eq!(found, ["c", "a", "b"]);
    assert_eq!((store.n_mels(), store.precision()), (16, Precision::F32));
    assert_eq!(store.bytes(), 120 * 16 * 4);
    assert_eq!(store.configuration(), &configuration());
    for (song, info) in store.songs().iter().enumerate() {
        assert_eq!(store.n_frames(song), Some(info.n_frames as usize));
        let values = mel(info);
        let mut clip = vec![0.0; 16 * 20];
        store.read_clip(song, 5, 20, &mut clip).unwrap();
        for frame in 0..20 {
            for band in 0..16 {
                let expected = values[(frame + 5) * 16 + band];
                assert_eq!(clip[band * 20 + frame].to_bits(), expected.to_bits());
            }
        }
    }
    assert_eq!(store.n_frames(3), None);
}

#[test]
fn no_songs_are_no_error() {
    let store = SpectrogramStore::load(&[], 0).unwrap();
    assert_eq!((store.songs().len(), store.n_mels(), store.bytes()), (0, 0, 0));
}

#[test]
fn beyond_the_budget_values_are_rounded_to_sixteen_bits_and_beyond_that_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = albums(folder.path());
    let wanted = ids(&files, &["a", "b", "c"]);
    let needed = 120 * 16 * 2;
    let store = SpectrogramStore::load(&wanted, needed).unwrap();
    assert_eq!((store.precision(), store.bytes()), (Precision::F16, needed));
    let mut clip = vec![0.0; 16 * 30];
    store.read_clip(0, 0, 30, &mut clip).unwrap();
    let values = mel(&info("a", 30, 16));
    for frame in 0..30 {
        for band in 0..16 {
            let expected = f16::from_f32(values[frame * 16 + band]).to_f32();
            assert_eq!(clip[band * 30 + frame].to_bits(), expected.to_bits());
        }
    }
    let error = SpectrogramStore::load(&wanted, needed - 1).unwrap_err();
    assert!(
        matches!(error, CacheError::MemoryBudget { songs: 3, needed_bytes, .. }
            if needed_bytes == needed),
        "{error:?}"
    );
}

#[test]
fn a_clip_outside_its_song_and_a_buffer_of_the_wrong_length_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let files = albums(folder.path());
    let store = SpectrogramStore::load(&ids(&files, &["a"]), 1 << 20).unwrap();
    let mut clip = vec![0.0; 16 * 10];
    store.read_clip(0, 20, 10, &mut clip).unwrap();
    for first_frame in [21, 30, usize::MAX] {
        let error = store.read_clip(0, first_frame, 10, &mut clip).unwrap_err();
        assert!(matches!(error, CacheError::ClipRange { available: 30, .. }), "{error:?}");
    }
    let error = store.read_clip(0, 0, 9, &mut clip).unwrap_err();
    assert!(matches!(error, CacheError::ClipBuffer { expected: 144, found: 160 }), "{error:?}");
    let error = store.read_clip(1, 0, 10, &mut clip).unwrap_err();
    assert!(matches!(error, CacheError::NoSuchSong { index: 1, songs: 1 }), "{error:?}");
}

#[test]
fn a_missing_and_a_twice_wanted_song_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = albums(folder.path());
    let error = SpectrogramStore::load(&ids(&files, &["a", "x/y"]), 1 << 20).unwrap_err();
    let text = format!("no spectrogram of `x/y` in {}", files[1].display());
    assert_eq!(error.to_string(), text);
    let error = SpectrogramStore::load(&songs(&[(&files[1], "a")]), 1 << 20).unwrap_err();
    assert!(matches!(&error, CacheError::MissingSong { song, .. } if song == "a"), "{error:?}");
    let error = SpectrogramStore::load(&ids(&files, &["a", "b", "a"]), 1 << 20).unwrap_err();
    assert!(matches!(&error, CacheError::DuplicateSong { song } if song == "a"), "{error:?}");
}

#[test]
fn a_song_that_two_files_have_is_taken_from_the_one_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let files = albums(folder.path());
    let third = write_album(folder.path(), "third.parquet", &[info("b", 9, 16)]);
    for (file, n_frames) in [(&files[0], 40), (&third, 9)] {
        // The other file is opened as well.
        let other = if *file == third { (files[0].as_path(), "a") } else { (&*files[1], "c") };
        let store = SpectrogramStore::load(&songs(&[(file, "b"), other]), 1 << 20).unwrap();
        assert_eq!(store.n_frames(0), Some(n_frames));
    }
}

#[test]
fn spectrograms_made_in_different_ways_are_not_mixed() {
    let folder = tempfile::tempdir().unwrap();
    let files = albums(folder.path());
    let other = BTreeMap::from([("mel.n_fft".to_owned(), "1024".to_owned())]);
    let song = info("e", 20, 16);
    let mut writer = AlbumWriter::new(Vec::new(), &other, Precision::F32).unwrap();
    writer.write_song(&song, &mel(&song)).unwrap();
    let path = folder.path().join("other.parquet");
    std::fs::write(&path, writer.finish().unwrap()).unwrap();
    let wanted = songs(&[(&files[0], "a"), (&path, "e")]);
    let error = SpectrogramStore::load(&wanted, 1 << 20).unwrap_err();
    assert!(error.to_string().contains("`mel.n_fft` is 2048 in"), "{error}");

    let narrow = write_album(folder.path(), "narrow.parquet", &[info("f", 20, 8)]);
    let wanted = songs(&[(&files[0], "a"), (&narrow, "f")]);
    let error = SpectrogramStore::load(&wanted, 1 << 20).unwrap_err();
    assert!(error.to_string().contains("the number of mel bands is 16 in"), "{error}");
}

#[test]
fn a_damaged_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let files = albums(folder.path());
    let mut bytes = std::fs::read(&files[1]).unwrap();
    let middle = bytes.len() / 4;
    bytes[middle] ^= 1;
    std::fs::write(&files[1], bytes).unwrap();
    let error = SpectrogramStore::load(&ids(&files, &["c"]), 1 << 20).unwrap_err();
    assert!(error.to_string().contains("second.parquet"), "{error}");
    SpectrogramStore::load(&ids(&files, &["a"]), 1 << 20).unwrap();
}

#[test]
fn bit_equality_holds_between_one_thread_and_many() {
    let folder = tempfile::tempdir().unwrap();
    let files = albums(folder.path());
    let load = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let wanted = ids(&files, &["d", "c", "a"]);
        let store = pool.install(|| SpectrogramStore::load(&wanted, 1 << 20));
        let store = store.unwrap();
        let mut clips = Vec::new();
        for song in 0..3 {
            let n_frames = store.n_frames(song).unwrap();
            let mut clip = vec![0.0; 16 * n_frames];
            store.read_clip(song, 0, n_frames, &mut clip).unwrap();
            clips.extend(bits(&clip));
        }
        clips
    };
    assert_eq!(load(1), load(3));
}
