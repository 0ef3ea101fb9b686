//! What reads files that somebody else made, each given bytes of any kind: an error is an answer, a panic is
//! not. The fuzz targets in `tests/fuzz` call the same functions.

use std::fs;
use std::io::Cursor;
use std::path::{Component, Path, PathBuf};

use cantus::Identifier;
use cantus_audio::{AudioError, DecodeOptions, Decoder, Limits, probe_reader};
use cantus_cache::AlbumFile;
use cantus_corpus::{ScanOptions, Split, from_manifest, write_manifest};
use cantus_crnn::ModelFile;
use cantus_eval::{ClipMap, Embeddings, Predictions, parse_history};
use cantus_train::{check_checkpoint, epochs_in_checkpoint};
use tempfile::{TempDir, tempdir, tempdir_in};

/// A reader of files; true where it took the bytes for a whole one.
pub(super) type Reader = fn(&[u8]) -> bool;

/// The readers, by the names of the fuzz targets.
pub(super) const READERS: [(&str, Reader); 6] = [
    ("decoding", decoding),
    ("manifests", manifests),
    ("model_files", model_files),
    ("checkpoints", checkpoints),
    ("spectrograms", spectrograms),
    ("results", results),
];

/// Music of any form, streaming and resampled, as `preprocess` reads it.
fn decoding(bytes: &[u8]) -> bool {
    let options = DecodeOptions { sample_rate: Some(16_000), ..DecodeOptions::default() };
    drop(probe_reader(Cursor::new(bytes.to_vec()), None, &Limits::default()));
    let decode = || -> Result<(), AudioError> {
        let mut decoder = Decoder::from_reader(Cursor::new(bytes.to_vec()), None, &options)?;
        let mut samples = Vec::new();
        while decoder.read(&mut samples)? {
            assert!(samples.iter().all(|sample| sample.is_finite()), "a sample is not finite");
            samples.clear();
        }
        Ok(())
    };
    decode().is_ok()
}

/// Tables of songs, and of the parts that they were dealt to. What was read can be written and read again.
fn manifests(bytes: &[u8]) -> bool {
    let root = scratch("music");
    fs::create_dir_all(&root).unwrap();
    for song in ["one.wav", "two.wav"] {
        fs::write(root.join(song), []).unwrap();
    }
    let manifest = written("manifest.tsv", bytes);
    let read = |path: &Path| from_manifest(path, &root, &ScanOptions::default());
    let scanned = read(&manifest);
    if let Ok(scan) = &scanned {
        for song in &scan.corpus.songs {
            let path = song.path();
            let is_within = path.components().all(|part| matches!(part, Component::Normal(_)));
            assert!(is_within, "`{}` leads out of the corpus", path.display());
        }
        let mut again = Vec::new();
        write_manifest(&scan.corpus, &mut again).unwrap();
        let again = read(&written("again.tsv", &again)).unwrap();
        assert_eq!(again.corpus, scan.corpus);
    }
    let split = Split::read_tsv(bytes);
    if let Ok(split) = &split {
        let mut again = Vec::new();
        split.write_tsv(&mut again).unwrap();
        assert_eq!(Split::read_tsv(again.as_slice()).unwrap(), *split);
    }
    scanned.is_ok() || split.is_ok()
}

/// Trained networks, up to where one could be asked. What was read can be written and read again.
fn model_files(bytes: &[u8]) -> bool {
    let Ok(file) = ModelFile::from_bytes(bytes) else { return false };
    let again = file.to_bytes().unwrap();
    ModelFile::from_bytes(&again).unwrap();
    file.model().unwrap();
    drop(Identifier::from_model_file(&file));
    true
}

/// Where trainings stand.
fn checkpoints(bytes: &[u8]) -> bool {
    drop(epochs_in_checkpoint(bytes));
    check_checkpoint(bytes).is_ok()
}

/// The spectrograms of an album.
fn spectrograms(bytes: &[u8]) -> bool {
    let Ok(album) = AlbumFile::open(written("album.parquet", bytes)) else { return false };
    (0..album.songs().len()).all(|song| album.read_mel(song).is_ok())
}

/// What trainings and evaluations write for others to read.
fn results(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    // Each of them is to see the bytes, whichever took them first.
    Predictions::read_parquet_from(bytes).is_ok()
        | Embeddings::read_parquet_from(bytes).is_ok()
        | ClipMap::read_parquet_from(bytes).is_ok()
        | parse_history(&text).is_ok()
}

/// A file with these bytes, for readers that seek in one.
fn written(name: &str, bytes: &[u8]) -> PathBuf {
    let path = scratch(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A path in a folder of this thread's own, in memory where the system has such a place.
fn scratch(name: &str) -> PathBuf {
    thread_local! {
        static FOLDER: TempDir = tempdir_in("/dev/shm").or_else(|_| tempdir()).unwrap();
    }
    FOLDER.with(|folder| folder.path().join(name))
}
