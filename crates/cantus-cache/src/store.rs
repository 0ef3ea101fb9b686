//! Chosen songs in memory, and clips out of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use crate::album_file::AlbumFile;
use crate::album_writer::check_values;
use crate::error::CacheError;
use crate::song_info::{Precision, SongInfo};
use crate::transpose::transpose;

/// The spectrograms of chosen songs, in memory, ready to be cut into clips from any thread.
#[derive(Debug)]
pub struct SpectrogramStore {
    songs: Vec<SongInfo>,
    spectrograms: Spectrograms,
    n_mels: usize,
    configuration: BTreeMap<String, String>,
}

/// One time-major spectrogram a song.
#[derive(Debug)]
enum Spectrograms {
    F32(Vec<Vec<f32>>),
    F16(Vec<Vec<f16>>),
}

/// Where a wanted song was found.
struct Place {
    file: usize,
    index: usize,
    info: SongInfo,
}

impl SpectrogramStore {
    /// Loads the songs `wanted`, each an album's file and an id in it, in that order, on all threads
    /// of the current rayon pool. Other songs in the files are not read, nor does it matter whether
    /// they have the id of a wanted one: a song that moved to another album may stand in its old
    /// file still.
    ///
    /// Values are held as f32 if those of all songs together fit `memory_budget_bytes`, else as
    /// f16 ([`precision`](Self::precision) says which). While loading, each thread needs room for
    /// about three times the song it is at besides.
    ///
    /// # Errors
    ///
    /// [`CacheError::MissingSong`] for an id that its file does not have,
    /// [`CacheError::DuplicateSong`] for one that is wanted twice,
    /// [`CacheError::MixedConfiguration`] if the files' settings or mel bands differ,
    /// [`CacheError::MemoryBudget`] if the songs do not fit as f16 either, [`CacheError::Value`] for
    /// a value beyond f16's range, and all errors of [`AlbumFile`].
    pub fn load(
        wanted: &[(PathBuf, String)],
        memory_budget_bytes: u64,
    ) -> Result<Self, CacheError> {
        Self::load_with(wanted, memory_budget_bytes, None)
    }

    /// As [`load`](Self::load), holding values as `precision` whether or not others would fit: what
    /// goes on with the numbers that something was begun with.
    ///
    /// # Errors
    ///
    /// As [`load`](Self::load); [`CacheError::MemoryBudget`] if the songs do not fit as `precision`.
    pub fn load_as(
        wanted: &[(PathBuf, String)],
        memory_budget_bytes: u64,
        precision: Precision,
    ) -> Result<Self, CacheError> {
        Self::load_with(wanted, memory_budget_bytes, Some(precision))
    }

    fn load_with(
        wanted: &[(PathBuf, String)],
        memory_budget_bytes: u64,
        precision: Option<Precision>,
    ) -> Result<Self, CacheError> {
        check_unique(wanted)?;
        let files: BTreeSet<&PathBuf> = wanted.iter().map(|(file, _)| file).collect();
        let files: Vec<PathBuf> = files.into_iter().cloned().collect();
        let (places, configuration) = find(&files, wanted)?;
        let n_mels = common_n_mels(&files, &places)?;
        let values: u64 = places.iter().map(|place| place.info.n_values() as u64).sum();
        let precision = choose_precision(places.len(), values, memory_budget_bytes, precision)?;
        let spectrograms = match precision {
            Precision::F32 => Spectrograms::F32(read_all(&files, &places, |_, mel| Ok(mel))?),
            Precision::F16 => Spectrograms::F16(read_all(&files, &places, |info, mel| {
                check_values(info, &mel, Precision::F16)?;
                let mut narrow = vec![f16::ZERO; mel.len()];
                narrow.convert_from_f32_slice(&mel);
                Ok(narrow)
            })?),
        };
        tracing::debug!(songs = places.len(), values, %precision, "spectrograms loaded");
        let songs = places.into_iter().map(|place| place.info).collect();
        Ok(Self { songs, spectrograms, n_mels, configuration })
    }

    /// How the values are held in memory.
    pub fn precision(&self) -> Precision {
        match self.spectrograms {
            Spectrograms::F32(_) => Precision::F32,
            Spectrograms::F16(_) => Precision::F16,
        }
    }

    /// The songs, in the order in which they were asked for.
    pub fn songs(&self) -> &[SongInfo] {
        &self.songs
    }

    /// Mel bands of every spectrogram; 0 if there are no songs.
    pub fn n_mels(&self) -> usize {
        self.n_mels
    }

    /// Frames of a song, or `None` where there is no such song.
    pub fn n_frames(&self, song: usize) -> Option<usize> {
        self.songs.get(song).map(|info| info.n_frames as usize)
    }

    /// The settings that all the spectrograms were computed with.
    pub fn configuration(&self) -> &BTreeMap<String, String> {
        &self.configuration
    }

    /// Bytes that the values take.
    pub fn bytes(&self) -> u64 {
        let values: u64 = self.songs.iter().map(|info| info.n_values() as u64).sum();
        values * self.precision().bytes() as u64
    }

    /// Copies `n_frames` frames of a song from `first_frame` on into `out`, mel-major as networks
    /// read them: `out[band * n_frames + frame]`, decibel. Allocates nothing.
    ///
    /// # Errors
    ///
    /// [`CacheError::NoSuchSong`], [`CacheError::ClipRange`] if the clip does not lie inside the
    /// song, [`CacheError::ClipBuffer`] if `out` is not `n_mels * n_frames` long.
    pub fn read_clip(
        &self,
        song: usize,
        first_frame: usize,
        n_frames: usize,
        out: &mut [f32],
    ) -> Result<(), CacheError> {
        let Some(available) = self.n_frames(song) else {
            return Err(CacheError::NoSuchSong { index: song, songs: self.songs.len() });
        };
        let end = first_frame.checked_add(n_frames).filter(|&end| end <= available);
        let Some(end) = end else {
            return Err(CacheError::ClipRange { song, first_frame, n_frames, available });
        };
        let expected = self.n_mels * n_frames;
        if out.len() != expected {
            return Err(CacheError::ClipBuffer { expected, found: out.len() });
        }
        let values = first_frame * self.n_mels..end * self.n_mels;
        match &self.spectrograms {
            Spectrograms::F32(all) => transpose(&all[song][values], self.n_mels, out),
            Spectrograms::F16(all) => transpose(&all[song][values], self.n_mels, out),
        }
        Ok(())
    }
}

/// Settings as key-values.
type Configuration = BTreeMap<String, String>;

/// Opens all files, which are sorted, and notes where the wanted songs are, in their order; also
/// returns the settings that the files have in common.
fn find(
    files: &[PathBuf],
    wanted: &[(PathBuf, String)],
) -> Result<(Vec<Place>, Configuration), CacheError> {
    type Opened = (Configuration, BTreeMap<String, (usize, SongInfo)>);
    let opened: Vec<Result<Opened, CacheError>> = files
        .par_iter()
        .map(|path| {
            let album = AlbumFile::open(path)?;
            let songs = album.songs().iter().enumerate();
            let songs = songs.map(|(index, info)| (info.id.clone(), (index, info.clone())));
            Ok((album.configuration().clone(), songs.collect()))
        })
        .collect();
    // In the order of the files, so that the same error is reported each time.
    let mut opened: Vec<Opened> = opened.into_iter().collect::<Result<_, _>>()?;
    for (path, (configuration, _)) in files.iter().zip(&opened).skip(1) {
        check_same((&files[0], &opened[0].0), (path, configuration))?;
    }
    let places = wanted
        .iter()
        .map(|(path, id)| {
            let missing = || CacheError::MissingSong { song: id.clone(), path: path.clone() };
            let file = files.binary_search(path).map_err(|_| missing())?;
            let (index, info) = opened[file].1.remove(id).ok_or_else(missing)?;
            Ok(Place { file, index, info })
        })
        .collect::<Result<_, CacheError>>()?;
    let configuration = opened.into_iter().next().map(|(configuration, _)| configuration);
    Ok((places, configuration.unwrap_or_default()))
}

fn check_same(
    first: (&Path, &Configuration),
    second: (&Path, &Configuration),
) -> Result<(), CacheError> {
    let keys: BTreeSet<&String> = first.1.keys().chain(second.1.keys()).collect();
    let Some(key) = keys.into_iter().find(|key| first.1.get(*key) != second.1.get(*key)) else {
        return Ok(());
    };
    let value = |of: &Configuration| of.get(key).map_or("absent", |v| v).to_owned();
    Err(CacheError::MixedConfiguration {
        key: format!("`{key}`"),
        first: first.0.to_path_buf(),
        first_value: value(first.1),
        second: second.0.to_path_buf(),
        second_value: value(second.1),
    })
}

fn common_n_mels(files: &[PathBuf], places: &[Place]) -> Result<usize, CacheError> {
    let Some(first) = places.first() else { return Ok(0) };
    match places.iter().find(|place| place.info.n_mels != first.info.n_mels) {
        None => Ok(first.info.n_mels as usize),
        Some(other) => Err(CacheError::MixedConfiguration {
            key: "the number of mel bands".to_owned(),
            first: files[first.file].clone(),
            first_value: first.info.n_mels.to_string(),
            second: files[other.file].clone(),
            second_value: other.info.n_mels.to_string(),
        }),
    }
}

/// The first of the precisions, or of all, in which the songs fit.
fn choose_precision(
    songs: usize,
    values: u64,
    budget_bytes: u64,
    only: Option<Precision>,
) -> Result<Precision, CacheError> {
    let bytes = |precision: Precision| values.saturating_mul(precision.bytes() as u64);
    let smallest = only.unwrap_or(Precision::F16);
    let candidates = [only.unwrap_or(Precision::F32), smallest];
    let fitting = candidates.into_iter().find(|&precision| bytes(precision) <= budget_bytes);
    fitting.ok_or_else(|| CacheError::MemoryBudget {
        songs,
        precision: smallest,
        needed_bytes: bytes(smallest),
        budget_bytes,
    })
}

/// Reads the spectrograms of all places, in their order, file by file and song by song in parallel.
fn read_all<T: Send>(
    files: &[PathBuf],
    places: &[Place],
    convert: impl Fn(&SongInfo, Vec<f32>) -> Result<T, CacheError> + Sync,
) -> Result<Vec<T>, CacheError> {
    let mut by_file: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (position, place) in places.iter().enumerate() {
        by_file.entry(place.file).or_default().push(position);
    }
    let by_file: Vec<(usize, Vec<usize>)> = by_file.into_iter().collect();
    let read: Vec<Vec<(usize, T)>> = by_file
        .par_iter()
        .map(|(file, positions)| {
            let album = AlbumFile::open(&files[*file])?;
            positions
                .par_iter()
                .map(|&position| {
                    let place = &places[position];
                    if album.songs().get(place.index) != Some(&place.info) {
                        return Err(CacheError::Damaged {
                            path: files[*file].clone(),
                            detail: "the file was replaced while it was read".to_owned(),
                        });
                    }
                    Ok((position, convert(&place.info, album.read_mel(place.index)?)?))
                })
                .collect()
        })
        .collect::<Result<_, CacheError>>()?;
    let mut all: Vec<(usize, T)> = read.into_iter().flatten().collect();
    all.sort_unstable_by_key(|(position, _)| *position);
    Ok(all.into_iter().map(|(_, spectrogram)| spectrogram).collect())
}

fn check_unique(wanted: &[(PathBuf, String)]) -> Result<(), CacheError> {
    let mut seen = BTreeSet::new();
    match wanted.iter().find(|(_, id)| !seen.insert(id)) {
        None => Ok(()),
        Some((_, id)) => Err(CacheError::DuplicateSong { song: id.clone() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_f32_while_they_fit_then_f16_then_an_error_with_the_size_needed() {
        let choose = |budget, only| choose_precision(3, 1_000, budget, only);
        assert_eq!(choose(4_000, None).unwrap(), Precision::F32);
        assert_eq!(choose(3_999, None).unwrap(), Precision::F16);
        assert_eq!(choose(2_000, None).unwrap(), Precision::F16);
        let error = choose(1_999, None).unwrap_err();
        assert!(
            matches!(
                error,
                CacheError::MemoryBudget { songs: 3, needed_bytes: 2_000, budget_bytes: 1_999, .. }
            ),
            "{error:?}"
        );
        assert!(choose_precision(1, u64::MAX, u64::MAX - 1, None).is_err());
    }

    #[test]
    fn a_precision_that_was_asked_for_is_held_or_refused_with_the_size_it_needs() {
        let choose = |budget, only| choose_precision(3, 1_000, budget, Some(only));
        assert_eq!(choose(9_000, Precision::F16).unwrap(), Precision::F16);
        assert_eq!(choose(4_000, Precision::F32).unwrap(), Precision::F32);
        let error = choose(3_999, Precision::F32).unwrap_err();
        assert!(matches!(error, CacheError::MemoryBudget { needed_bytes: 4_000, .. }), "{error:?}");
        assert!(error.to_string().contains("at 32 bits a value"), "{error}");
    }

    #[test]
    fn settings_that_differ_or_are_absent_are_named() {
        let one = BTreeMap::from([("n_fft".to_owned(), "2048".to_owned())]);
        let two = BTreeMap::from([("n_fft".to_owned(), "1024".to_owned())]);
        let (a, b) = (Path::new("/a"), Path::new("/b"));
        check_same((a, &one), (b, &one)).unwrap();
        let error = check_same((a, &one), (b, &two)).unwrap_err().to_string();
        assert_eq!(error, "spectrograms do not fit together: `n_fft` is 2048 in /a but 1024 in /b");
        let error = check_same((a, &one), (b, &BTreeMap::new())).unwrap_err().to_string();
        assert!(error.ends_with("2048 in /a but absent in /b"), "{error}");
    }
}
