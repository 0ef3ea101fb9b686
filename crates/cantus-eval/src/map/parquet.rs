//! Maps in Parquet, as numbers that pyarrow, DuckDB and Polars read.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Array, Float32Builder, Float64Array, ListBuilder, StringArray,
};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::{ClipMap, MapClip, MapSong};
use crate::error::EvalError;
use crate::parquet_file::{column, words};

const FORMAT: &str = "1";
const FORMAT_KEY: &str = "cantus.map.format";
const LABELS_KEY: &str = "cantus.map.labels";
/// The Parquet writer puts no checksum on its pages, so a flipped bit would pass for a number.
const HASH_KEY: &str = "cantus.map.blake3";

impl ClipMap {
    /// Writes the map as Parquet, one row a clip, and returns the writer.
    ///
    /// Columns: `song_id`, `artist`, `start_seconds`, `x` and `y` of the clip, `song_x` and `song_y`
    /// of its song, and `features`, a list of floats, if the clips have any. The footer's key-values
    /// hold the labels in order, as a JSON list under `cantus.map.labels`. Equal maps give equal
    /// bytes.
    ///
    /// # Errors
    ///
    /// The writer's, as [`EvalError::WriteMap`].
    pub fn write_parquet<W: Write + Send>(&self, writer: W) -> Result<W, EvalError> {
        self.write(writer).map_err(|source| EvalError::WriteMap { source })
    }

    fn write<W: Write + Send>(
        &self,
        writer: W,
    ) -> Result<W, Box<dyn std::error::Error + Send + Sync>> {
        let key_values = [
            (FORMAT_KEY, FORMAT.to_owned()),
            (LABELS_KEY, serde_json::to_string(self.labels())?),
            (HASH_KEY, content_hash(self)),
        ];
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_key_value_metadata(Some(
                key_values.map(|(key, value)| KeyValue::new(key.to_owned(), value)).to_vec(),
            ))
            .build();
        let options =
            ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let batch = to_batch(self)?;
        let mut parquet = ArrowWriter::try_new_with_options(writer, batch.schema(), options)?;
        parquet.write(&batch)?;
        Ok(parquet.into_inner()?)
    }

    /// Reads a file that [`write_parquet`](Self::write_parquet) wrote.
    ///
    /// The file is held in memory while it is read.
    ///
    /// # Errors
    ///
    /// [`EvalError::Read`] if the file cannot be read, [`EvalError::DamagedMap`] if it is not such a
    /// file or differs from what was written, [`EvalError::ImpossibleMap`] if what was written
    /// cannot be.
    pub fn read_parquet(path: &Path) -> Result<Self, EvalError> {
        let bytes = std::fs::read(path)
            .map_err(|source| EvalError::Read { path: path.to_path_buf(), source })?;
        from_bytes(bytes, path)
    }

    /// Reads a map from anything that holds what [`write_parquet`](Self::write_parquet) wrote; all
    /// of it is read into memory.
    ///
    /// # Errors
    ///
    /// As [`read_parquet`](Self::read_parquet), with `<memory>` as the path.
    pub fn read_parquet_from(mut reader: impl Read) -> Result<Self, EvalError> {
        let path = Path::new("<memory>");
        let mut bytes = Vec::new();
        reader
            .read_to_end(&mut bytes)
            .map_err(|source| EvalError::Read { path: path.to_path_buf(), source })?;
        from_bytes(bytes, path)
    }
}

fn to_batch(map: &ClipMap) -> Result<RecordBatch, arrow::error::ArrowError> {
    let song = |clip: &MapClip| &map.songs()[clip.song];
    let clips = || map.clips().iter();
    let coordinate = |of: &dyn Fn(&MapClip) -> f32| -> ArrayRef {
        Arc::new(Float32Array::from_iter_values(clips().map(of)))
    };
    let mut columns: Vec<(&str, ArrayRef)> = vec![
        (
            "song_id",
            Arc::new(StringArray::from_iter_values(clips().map(|clip| &song(clip).song_id))),
        ),
        (
            "artist",
            Arc::new(StringArray::from_iter_values(
                clips().map(|clip| &map.labels()[song(clip).class]),
            )),
        ),
        (
            "start_seconds",
            Arc::new(Float64Array::from_iter_values(clips().map(|clip| clip.start_seconds))),
        ),
        ("x", coordinate(&|clip| clip.position[0])),
        ("y", coordinate(&|clip| clip.position[1])),
        ("song_x", coordinate(&|clip| song(clip).position[0])),
        ("song_y", coordinate(&|clip| song(clip).position[1])),
    ];
    if clips().any(|clip| !clip.features.is_empty()) {
        let mut features = ListBuilder::new(Float32Builder::new()).with_field(Field::new(
            "element",
            DataType::Float32,
            false,
        ));
        for clip in clips() {
            features.values().append_slice(&clip.features);
            features.append(true);
        }
        columns.push(("features", Arc::new(features.finish())));
    }
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), false))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<ClipMap, EvalError> {
    let damaged = |problem: String| EvalError::DamagedMap { path: path.to_path_buf(), problem };
    // Some damaged files make the Parquet reader panic instead of returning an error.
    let parsed = catch_unwind(AssertUnwindSafe(|| parse(Bytes::from(bytes))))
        .map_err(|panic| damaged(format!("the Parquet reader gave up: {}", words(&*panic))))?;
    let Parsed { labels, songs, clips, hash } = parsed.map_err(damaged)?;
    let map = ClipMap::new(labels, songs, clips).map_err(|source| EvalError::ImpossibleMap {
        path: path.to_path_buf(),
        source: Box::new(source),
    })?;
    if content_hash(&map) == hash {
        Ok(map)
    } else {
        Err(damaged("its numbers differ from the checksum in its footer".to_owned()))
    }
}

/// A file's content before its numbers are checked.
struct Parsed {
    labels: Vec<String>,
    songs: Vec<MapSong>,
    clips: Vec<MapClip>,
    hash: String,
}

fn parse(bytes: Bytes) -> Result<Parsed, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    // The Arrow schema that other writers embed says nothing that Parquet's own does not.
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options)
        .map_err(|error| text(&error))?;
    let key_values = builder.metadata().file_metadata().key_value_metadata();
    let value = |key: &str| {
        key_values
            .and_then(|pairs| pairs.iter().find(|pair| pair.key == key))
            .and_then(|pair| pair.value.clone())
            .ok_or_else(|| format!("its footer has no {key}"))
    };
    let format = value(FORMAT_KEY)?;
    if format != FORMAT {
        return Err(format!("format {format:?} where {FORMAT:?} is known"));
    }
    let labels: Vec<String> = serde_json::from_str(&value(LABELS_KEY)?)
        .map_err(|error| format!("its labels are no JSON list of strings: {error}"))?;
    let mut parsed =
        Parsed { labels, songs: Vec::new(), clips: Vec::new(), hash: value(HASH_KEY)? };
    for batch in builder.build().map_err(|error| text(&error))? {
        read_rows(&batch.map_err(|error| text(&error))?, &mut parsed)?;
    }
    Ok(parsed)
}

/// The rows of a song stand together.
fn read_rows(batch: &RecordBatch, parsed: &mut Parsed) -> Result<(), String> {
    let texts = |name: &str| {
        column(batch, name)?
            .as_string_opt::<i32>()
            .ok_or_else(|| format!("its column {name} holds no text"))
    };
    let numbers = |name: &str| {
        column(batch, name)?
            .as_primitive_opt::<Float32Type>()
            .ok_or_else(|| format!("its column {name} holds no 32-bit floats"))
    };
    let (song_id, artist) = (texts("song_id")?, texts("artist")?);
    let (x, y, song_x, song_y) =
        (numbers("x")?, numbers("y")?, numbers("song_x")?, numbers("song_y")?);
    let start_seconds = column(batch, "start_seconds")?
        .as_primitive_opt::<Float64Type>()
        .ok_or("its column start_seconds holds no 64-bit floats")?;
    let features = batch
        .column_by_name("features")
        .map(|_| {
            column(batch, "features")?
                .as_list_opt::<i32>()
                .ok_or_else(|| "its column features holds no lists".to_owned())
        })
        .transpose()?;
    for row in 0..batch.num_rows() {
        let label = artist.value(row);
        let class = parsed
            .labels
            .iter()
            .position(|known| known == label)
            .ok_or_else(|| format!("the artist {label:?} is not among its labels"))?;
        let song = MapSong {
            song_id: song_id.value(row).to_owned(),
            class,
            position: [song_x.value(row), song_y.value(row)],
        };
        if parsed.songs.last() != Some(&song) {
            parsed.songs.push(song);
        }
        let features = match features {
            None => Vec::new(),
            Some(lists) => lists
                .value(row)
                .as_primitive_opt::<Float32Type>()
                .filter(|values| values.null_count() == 0)
                .ok_or("its column features holds no lists of 32-bit floats")?
                .values()
                .to_vec(),
        };
        parsed.clips.push(MapClip {
            song: parsed.songs.len() - 1,
            start_seconds: start_seconds.value(row),
            position: [x.value(row), y.value(row)],
            features,
        });
    }
    Ok(())
}

/// BLAKE3 of labels, songs and clips, each text with its length before it, numbers little-endian.
fn content_hash(map: &ClipMap) -> String {
    let mut hasher = blake3::Hasher::new();
    let text = |hasher: &mut blake3::Hasher, text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    let floats = |hasher: &mut blake3::Hasher, floats: &[f32]| {
        for float in floats {
            hasher.update(&float.to_le_bytes());
        }
    };
    hasher.update(&(map.labels().len() as u64).to_le_bytes());
    for label in map.labels() {
        text(&mut hasher, label);
    }
    for song in map.songs() {
        text(&mut hasher, &song.song_id);
        hasher.update(&(song.class as u64).to_le_bytes());
        floats(&mut hasher, &song.position);
    }
    for clip in map.clips() {
        hasher.update(&(clip.song as u64).to_le_bytes());
        hasher.update(&clip.start_seconds.to_le_bytes());
        floats(&mut hasher, &clip.position);
        floats(&mut hasher, &clip.features);
    }
    hasher.finalize().to_hex().to_string()
}
