//! Writing an album's file, song by song.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use arrow::datatypes::SchemaRef;
use half::f16;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use crate::columns;
use crate::error::CacheError;
use crate::footer::{self, Digests, Footer};
use crate::song_info::{Precision, SongInfo};

/// Writes one album: a Parquet file with one row and one row group a song.
///
/// Holds one song at a time, about three times over. The file is readable only once
/// [`finish`](Self::finish) has written its end; hand in a writer that puts the file in its place
/// only then.
#[derive(Debug)]
pub struct AlbumWriter<W: Write + Send> {
    writer: ArrowWriter<Recorder<W>>,
    schema: SchemaRef,
    precision: Precision,
    footer: Footer,
    ids: BTreeSet<String>,
}

/// Passes bytes on and keeps those of the row group at hand, for their digests; at the end holds
/// the footer back until it is sealed.
#[derive(Debug)]
struct Recorder<W> {
    inner: W,
    recorded: Vec<u8>,
    recorded_from: u64,
    holds_back: bool,
}

impl<W: Write> Write for Recorder<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let written = if self.holds_back { buffer.len() } else { self.inner.write(buffer)? };
        self.recorded.extend_from_slice(&buffer[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<W> Recorder<W> {
    fn digest(&self, from: u64, to: u64) -> Option<blake3::Hash> {
        let from = from.checked_sub(self.recorded_from)? as usize;
        let to = to.checked_sub(self.recorded_from)? as usize;
        Some(blake3::hash(self.recorded.get(from..to)?))
    }

    fn forget(&mut self) {
        self.recorded_from += self.recorded.len() as u64;
        self.recorded.clear();
    }
}

impl<W: Write + Send> AlbumWriter<W> {
    /// Starts a file. `configuration` (the settings that the spectrograms were computed with) goes
    /// into the footer as it is.
    ///
    /// # Errors
    ///
    /// [`CacheError::Encode`] or [`CacheError::Write`] if the file cannot be begun.
    pub fn new(
        writer: W,
        configuration: &BTreeMap<String, String>,
        precision: Precision,
    ) -> Result<Self, CacheError> {
        let schema = columns::schema(precision);
        let recorder =
            Recorder { inner: writer, recorded: Vec::new(), recorded_from: 0, holds_back: false };
        let options = ArrowWriterOptions::new()
            .with_properties(properties(precision)?)
            .with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(recorder, schema.clone(), options)
            .map_err(write_error)?;
        let footer = Footer { configuration: configuration.clone(), digests: Vec::new() };
        Ok(Self { writer, schema, precision, footer, ids: BTreeSet::new() })
    }

    /// Adds a song. `mel` is its log-mel spectrogram in decibel, time-major:
    /// `mel[frame * n_mels + band]`.
    ///
    /// # Errors
    ///
    /// [`CacheError::MelLength`] if `mel` is not as long as `info` says, [`CacheError::Value`] if a
    /// value is not finite (or not as 16 bits), [`CacheError::DuplicateSong`] for an id that was
    /// written before, all of which leave the file as it was; [`CacheError::Write`] or
    /// [`CacheError::Encode`] after which nothing more can be written.
    pub fn write_song(&mut self, info: &SongInfo, mel: &[f32]) -> Result<(), CacheError> {
        check_mel(info, mel, self.precision)?;
        if self.ids.contains(&info.id) {
            return Err(CacheError::DuplicateSong { song: info.id.clone() });
        }
        let row = columns::row(&self.schema, info, mel, self.precision)
            .map_err(|error| CacheError::Encode { detail: error.to_string() })?;
        self.writer.write(&row).map_err(write_error)?;
        self.writer.flush().map_err(write_error)?;
        // The library buffers what it writes; the digests need all of it.
        self.writer.sync().map_err(|source| CacheError::Write { source })?;
        let digests = self.digests_of_last_row_group().ok_or_else(|| CacheError::Encode {
            detail: "a row group is not where its metadata says".to_owned(),
        })?;
        self.footer.digests.push(digests);
        self.writer.inner_mut().forget();
        self.ids.insert(info.id.clone());
        Ok(())
    }

    /// Writes the file's end and gives the writer back.
    ///
    /// # Errors
    ///
    /// [`CacheError::Write`] or [`CacheError::Encode`].
    pub fn finish(mut self) -> Result<W, CacheError> {
        for (key, value) in self.footer.to_key_values() {
            self.writer.append_key_value_metadata(KeyValue::new(key, value));
        }
        self.writer.sync().map_err(|source| CacheError::Write { source })?;
        let recorder = self.writer.inner_mut();
        recorder.forget();
        recorder.holds_back = true;
        let Recorder { mut inner, recorded: mut end, .. } =
            self.writer.into_inner().map_err(write_error)?;
        if !seal_end(&mut end) {
            let detail = "the footer has no place for its digest".to_owned();
            return Err(CacheError::Encode { detail });
        }
        inner
            .write_all(&end)
            .and_then(|()| inner.flush())
            .map_err(|source| CacheError::Write { source })?;
        Ok(inner)
    }

    fn digests_of_last_row_group(&self) -> Option<Digests> {
        let row_group = self.writer.flushed_row_groups().last()?;
        let (start, _) = row_group.column(0).byte_range();
        let (mel_start, mel_bytes) = row_group.column(columns::MEL_INDEX).byte_range();
        let recorder = self.writer.inner();
        Some(Digests {
            info: recorder.digest(start, mel_start)?,
            mel: recorder.digest(mel_start, mel_start + mel_bytes)?,
        })
    }
}

/// Seals the footer in a file's end, which is the footer, its length and the magic bytes.
fn seal_end(end: &mut [u8]) -> bool {
    let Some((footer, [a, b, c, d, _, _, _, _])) = end.split_last_chunk_mut::<8>() else {
        return false;
    };
    footer.len() == u32::from_le_bytes([*a, *b, *c, *d]) as usize && footer::seal(footer)
}

fn check_mel(info: &SongInfo, mel: &[f32], precision: Precision) -> Result<(), CacheError> {
    if info.n_values() != mel.len() || info.n_mels == 0 {
        return Err(CacheError::MelLength {
            song: info.id.clone(),
            n_frames: info.n_frames,
            n_mels: info.n_mels,
            found: mel.len(),
        });
    }
    if i32::try_from(mel.len()).is_err() {
        return Err(CacheError::TooLong { song: info.id.clone(), values: mel.len() });
    }
    check_values(info, mel, precision)
}

/// Refuses values that are not finite, or not any more as 16 bits.
pub(crate) fn check_values(
    info: &SongInfo,
    mel: &[f32],
    precision: Precision,
) -> Result<(), CacheError> {
    let fits = |value: f32| match precision {
        Precision::F32 => value.is_finite(),
        Precision::F16 => f16::from_f32(value).is_finite(),
    };
    match mel.iter().position(|&value| !fits(value)) {
        None => Ok(()),
        Some(at) => Err(CacheError::Value {
            song: info.id.clone(),
            frame: at / info.n_mels.max(1) as usize,
            band: at % info.n_mels.max(1) as usize,
            value: mel[at],
            precision,
        }),
    }
}

fn properties(precision: Precision) -> Result<WriterProperties, CacheError> {
    let encoding = match precision {
        // Signs and exponents vary little and pack well once they lie side by side.
        Precision::F32 => Encoding::BYTE_STREAM_SPLIT,
        // DuckDB (2.0) reads 16-bit floats, but not split.
        Precision::F16 => Encoding::PLAIN,
    };
    let mel = ColumnPath::new(vec![columns::MEL.into(), "list".into(), "element".into()]);
    let level = ZstdLevel::try_new(1).map_err(write_error)?;
    Ok(WriterProperties::builder()
        .set_created_by(concat!("cantus-cache ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_dictionary_enabled(false)
        .set_offset_index_disabled(true)
        // A row group is closed after each song, never because it is full.
        .set_max_row_group_row_count(None)
        // Lets a reader that looks for one artist pass over the other songs.
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_column_statistics_enabled(mel.clone(), EnabledStatistics::None)
        .set_column_encoding(mel.clone(), encoding)
        .set_column_compression(mel, Compression::ZSTD(level))
        .build())
}

fn write_error(error: ParquetError) -> CacheError {
    let error = match error {
        ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(source) => return CacheError::Write { source: *source },
            Err(inner) => ParquetError::External(inner),
        },
        other => other,
    };
    CacheError::Encode { detail: error.to_string() }
}
