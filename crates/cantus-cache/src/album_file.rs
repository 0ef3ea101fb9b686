//! Reading an album's file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData};

use crate::album_writer::check_values;
use crate::columns;
use crate::error::CacheError;
use crate::footer::{Footer, FooterError, Seal, check_seal};
use crate::guard::guarded;
use crate::section::Section;
use crate::song_info::{Precision, SongInfo};

const MAGIC: [u8; 4] = *b"PAR1";
/// A fuzzer that had to guess digests would never see what comes after them.
const DIGESTS_ARE_CHECKED: bool = !cfg!(fuzzing);
/// Length of the footer, then the magic bytes again.
const TAIL_BYTES: u64 = 8;

/// An album's file, opened: its settings and songs are in memory, its spectrograms are not.
///
/// Spectrograms are read one at a time through the file as it was opened, even if another has
/// taken its path since, and may be asked for from many threads.
#[derive(Debug)]
pub struct AlbumFile {
    path: PathBuf,
    file: Mutex<File>,
    metadata: ArrowReaderMetadata,
    footer: Footer,
    precision: Precision,
    songs: Vec<SongInfo>,
    mel_ranges: Vec<Range<u64>>,
}

impl AlbumFile {
    /// Opens a file and reads its footer and the small columns.
    ///
    /// # Errors
    ///
    /// [`CacheError::Read`] if it cannot be read, and otherwise what is wrong with it:
    /// [`NotParquet`](CacheError::NotParquet), [`CutOff`](CacheError::CutOff),
    /// [`MissingColumn`](CacheError::MissingColumn), [`ColumnType`](CacheError::ColumnType),
    /// [`FormatVersion`](CacheError::FormatVersion) or [`Damaged`](CacheError::Damaged).
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CacheError> {
        let path = path.as_ref();
        let fail = |source| read_error(path, source);
        // Asked before opening: opening a named pipe would wait for a writer.
        if !fs::metadata(path).map_err(fail)?.is_file() {
            return Err(CacheError::NotParquet { path: path.to_path_buf() });
        }
        let mut file = File::open(path).map_err(fail)?;
        let (footer_bytes, footer_start) = read_footer(path, &mut file)?;
        let seal = match check_seal(&footer_bytes) {
            Seal::Broken if !DIGESTS_ARE_CHECKED => Seal::Whole,
            seal => seal,
        };
        let broken = |detail: &str| CacheError::Damaged {
            path: path.to_path_buf(),
            detail: detail.to_owned(),
        };
        if seal == Seal::Broken {
            return Err(broken("the footer does not agree with its digest"));
        }
        let metadata = guarded(path, || -> Result<ArrowReaderMetadata, ParquetError> {
            let metadata = ParquetMetaDataReader::decode_metadata(&footer_bytes)?;
            let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
            ArrowReaderMetadata::try_new(Arc::new(metadata), options)
        })?;
        let precision = columns::check_schema(path, metadata.schema())?;
        let footer = own_key_values(path, metadata.metadata())?;
        if seal == Seal::Absent {
            return Err(broken("the footer has no digest"));
        }
        let mut album = Self {
            path: path.to_path_buf(),
            file: Mutex::new(file),
            metadata,
            footer,
            precision,
            songs: Vec::new(),
            mel_ranges: Vec::new(),
        };
        album.read_infos(footer_start)?;
        Ok(album)
    }

    /// The settings that the spectrograms were computed with.
    pub fn configuration(&self) -> &BTreeMap<String, String> {
        &self.footer.configuration
    }

    /// How the file keeps its values.
    pub fn precision(&self) -> Precision {
        self.precision
    }

    /// The songs, in the order in which they were written.
    pub fn songs(&self) -> &[SongInfo] {
        &self.songs
    }

    /// The path that the file was opened at.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the spectrogram of the song at `index`: decibel, time-major
    /// (`mel[frame * n_mels + band]`), checked against its digest.
    ///
    /// # Errors
    ///
    /// [`CacheError::NoSuchSong`], [`CacheError::Read`], or [`CacheError::Damaged`]. Built for a fuzzer, with
    /// `--cfg fuzzing`, no digest is compared.
    pub fn read_mel(&self, index: usize) -> Result<Vec<f32>, CacheError> {
        let (Some(info), Some(range), Some(digests)) =
            (self.songs.get(index), self.mel_ranges.get(index), self.footer.digests.get(index))
        else {
            return Err(CacheError::NoSuchSong { index, songs: self.songs.len() });
        };
        let section = self.read_section(range.clone(), digests.mel, || {
            format!("the spectrogram of `{}` does not agree with its digest", info.id)
        })?;
        let row = self.decode_row(index, section, columns::MEL_INDEX..columns::MEL_INDEX + 1)?;
        let mel = columns::mel_of(&row)
            .ok_or_else(|| self.damaged(format!("`{}` has no spectrogram", info.id)))?;
        if mel.len() != info.n_values() {
            return Err(self.damaged(format!(
                "the spectrogram of `{}` has {} values, not {} frames of {} mel bands",
                info.id,
                mel.len(),
                info.n_frames,
                info.n_mels
            )));
        }
        check_values(info, &mel, self.precision)
            .map_err(|error| self.damaged(error.to_string()))?;
        Ok(mel)
    }

    fn read_infos(&mut self, footer_start: u64) -> Result<(), CacheError> {
        let row_groups = self.metadata.metadata().row_groups().len();
        if row_groups != self.footer.digests.len() {
            return Err(self.damaged(format!(
                "{row_groups} row groups, but {} digests",
                self.footer.digests.len()
            )));
        }
        let mut ids = BTreeSet::new();
        let mut position = MAGIC.len() as u64;
        for index in 0..row_groups {
            let row_group = self.metadata.metadata().row_group(index);
            let (info_range, mel_range) = ranges(row_group, position, footer_start)
                .ok_or_else(|| self.damaged(format!("row group {index} is out of place")))?;
            let section = self.read_section(info_range, self.footer.digests[index].info, || {
                format!("row group {index} does not agree with its digest")
            })?;
            let row = self.decode_row(index, section, 0..columns::MEL_INDEX)?;
            let info = columns::info_of(&row)
                .filter(|info| info.n_mels > 0)
                .ok_or_else(|| self.damaged(format!("row group {index} holds no song")))?;
            if !ids.insert(info.id.clone()) {
                return Err(self.damaged(format!("two songs have the id `{}`", info.id)));
            }
            position = mel_range.end;
            self.songs.push(info);
            self.mel_ranges.push(mel_range);
        }
        // With this every byte of the file is under one of the digests.
        if position != footer_start {
            return Err(self.damaged("bytes between the last song and the footer".to_owned()));
        }
        Ok(())
    }

    fn read_section(
        &self,
        range: Range<u64>,
        digest: blake3::Hash,
        mismatch: impl FnOnce() -> String,
    ) -> Result<Section, CacheError> {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let read =
            file.seek(SeekFrom::Start(range.start)).and_then(|_| file.read_exact(&mut bytes));
        drop(file);
        read.map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => CacheError::CutOff { path: self.path.clone() },
            _ => read_error(&self.path, source),
        })?;
        if DIGESTS_ARE_CHECKED && blake3::hash(&bytes) != digest {
            return Err(self.damaged(mismatch()));
        }
        Ok(Section { start: range.start, bytes: Bytes::from(bytes) })
    }

    /// Decodes some columns of a row group, which must hold one row.
    fn decode_row(
        &self,
        index: usize,
        section: Section,
        columns: Range<usize>,
    ) -> Result<RecordBatch, CacheError> {
        let batch = guarded(&self.path, || -> Result<Option<RecordBatch>, ParquetError> {
            let projection = ProjectionMask::roots(self.metadata.parquet_schema(), columns);
            let mut batches =
                ParquetRecordBatchReaderBuilder::new_with_metadata(section, self.metadata.clone())
                    .with_row_groups(vec![index])
                    .with_projection(projection)
                    .with_batch_size(1)
                    .build()?;
            Ok(batches.next().transpose()?)
        })?;
        batch
            .filter(|batch| batch.num_rows() == 1)
            .ok_or_else(|| self.damaged(format!("row group {index} does not hold one row")))
    }

    fn damaged(&self, detail: String) -> CacheError {
        CacheError::Damaged { path: self.path.clone(), detail }
    }
}

fn read_error(path: &Path, source: io::Error) -> CacheError {
    CacheError::Read { path: path.to_path_buf(), source }
}

/// Reads the footer's bytes and tells where they begin.
fn read_footer(path: &Path, file: &mut File) -> Result<(Vec<u8>, u64), CacheError> {
    let fail = |source| read_error(path, source);
    let metadata = file.metadata().map_err(fail)?;
    let magic_bytes = MAGIC.len() as u64;
    if metadata.len() < magic_bytes {
        return Err(CacheError::NotParquet { path: path.to_path_buf() });
    }
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic).map_err(fail)?;
    if magic != MAGIC {
        return Err(CacheError::NotParquet { path: path.to_path_buf() });
    }
    let cut_off = || CacheError::CutOff { path: path.to_path_buf() };
    let tail_start = metadata.len().checked_sub(TAIL_BYTES).filter(|&start| start >= magic_bytes);
    let tail_start = tail_start.ok_or_else(cut_off)?;
    let mut tail = [0; TAIL_BYTES as usize];
    file.seek(SeekFrom::Start(tail_start)).map_err(fail)?;
    file.read_exact(&mut tail).map_err(fail)?;
    let [a, b, c, d, end @ ..] = tail;
    if end != MAGIC {
        return Err(cut_off());
    }
    let footer_bytes = u32::from_le_bytes([a, b, c, d]);
    let footer_start =
        tail_start.checked_sub(u64::from(footer_bytes)).filter(|&start| start >= magic_bytes);
    let footer_start = footer_start.ok_or_else(|| CacheError::Damaged {
        path: path.to_path_buf(),
        detail: format!("a footer of {footer_bytes} bytes does not fit the file"),
    })?;
    let mut footer = vec![0; footer_bytes as usize];
    file.seek(SeekFrom::Start(footer_start)).map_err(fail)?;
    file.read_exact(&mut footer).map_err(fail)?;
    Ok((footer, footer_start))
}

fn own_key_values(path: &Path, metadata: &ParquetMetaData) -> Result<Footer, CacheError> {
    let pairs = metadata.file_metadata().key_value_metadata().cloned().unwrap_or_default();
    Footer::from_key_values(pairs.into_iter().map(|pair| (pair.key, pair.value))).map_err(|error| {
        let path = path.to_path_buf();
        match error {
            FooterError::Version(found) => CacheError::FormatVersion { path, found },
            FooterError::Damaged(detail) => CacheError::Damaged { path, detail: detail.to_owned() },
        }
    })
}

/// Where in the file a row group's small columns and its spectrogram are, if it has one row and
/// its columns lie one behind the other from `start` on and before `end`.
fn ranges(row_group: &RowGroupMetaData, start: u64, end: u64) -> Option<(Range<u64>, Range<u64>)> {
    if row_group.num_rows() != 1 || row_group.num_columns() != columns::MEL_INDEX + 1 {
        return None;
    }
    let mut mel = start..start;
    for column in row_group.columns() {
        let first_page =
            column.dictionary_page_offset().unwrap_or_else(|| column.data_page_offset());
        if u64::try_from(first_page).ok()? != mel.end {
            return None;
        }
        let bytes = u64::try_from(column.compressed_size()).ok()?;
        mel = mel.end..mel.end.checked_add(bytes)?;
    }
    (mel.end <= end).then_some((start..mel.start, mel))
}
