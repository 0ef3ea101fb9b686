//! Embeddings in Parquet, as numbers that pyarrow, pandas, DuckDB and Polars read.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, FixedSizeListArray, Float32Array, Float64Array, StringArray,
    UInt32Array,
};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef, UInt32Type};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::{EmbeddedClip, EmbeddedSong, EmbeddingModel, Embeddings};
use crate::error::EvalError;
use crate::parquet_file::{column, words};

const FORMAT: &str = "1";
const FORMAT_KEY: &str = "cantus.embeddings.format";
const MODEL_KEY: &str = "cantus.embeddings.model_blake3";
const FRONT_END_KEY: &str = "cantus.embeddings.front_end";
const FRAMES_KEY: &str = "cantus.embeddings.frames_per_clip";
const SECONDS_KEY: &str = "cantus.embeddings.clip_seconds";
/// The Parquet writer puts no checksum on its pages, so a flipped bit would pass for a number.
const HASH_KEY: &str = "cantus.embeddings.blake3";

/// What the column `level` holds.
const SONG: &str = "song";
const CLIP: &str = "clip";

impl Embeddings {
    /// Writes the embeddings as Parquet, one row a song and one row a clip, and returns the writer.
    ///
    /// Columns: `level` (`song` or `clip`), `song_id`, `artist`, `album`, `title`, `source_hash`, `clip`
    /// (its number in the song from 0; null in the row of a song), `start_seconds` (of the song's row
    /// that of its first clip), `features` (a list of floats of fixed size; of a song the mean over its
    /// clips). The rows of the songs stand first, in a row group of their own. The footer's key-values
    /// say by which model the embeddings are: `cantus.embeddings.model_blake3`, `.front_end` (JSON),
    /// `.frames_per_clip`, `.clip_seconds`, and in `.format` the version of this form. Equal embeddings
    /// give equal bytes.
    ///
    /// # Errors
    ///
    /// The writer's, as [`EvalError::WriteEmbeddings`].
    pub fn write_parquet<W: Write + Send>(&self, writer: W) -> Result<W, EvalError> {
        self.write(writer).map_err(|source| EvalError::WriteEmbeddings { source })
    }

    fn write<W: Write + Send>(
        &self,
        writer: W,
    ) -> Result<W, Box<dyn std::error::Error + Send + Sync>> {
        let model = self.model();
        let key_values = [
            (FORMAT_KEY, FORMAT.to_owned()),
            (MODEL_KEY, model.model_hash.clone()),
            (FRONT_END_KEY, serde_json::to_string(&model.front_end)?),
            (FRAMES_KEY, model.frames_per_clip.to_string()),
            (SECONDS_KEY, model.clip_seconds.to_string()),
            (HASH_KEY, content_hash(self)),
        ];
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::try_new(3)?))
            .set_key_value_metadata(Some(
                key_values.map(|(key, value)| KeyValue::new(key.to_owned(), value)).to_vec(),
            ))
            .build();
        let schema = schema(self.dimensions());
        // Its Arrow schema stays in the file: Parquet's own knows no lists of fixed size, which
        // others read as matrices.
        let mut parquet = ArrowWriter::try_new(writer, Arc::clone(&schema), Some(properties))?;
        parquet.write(&to_batch(&schema, self.dimensions(), &song_rows(self))?)?;
        parquet.flush()?;
        parquet.write(&to_batch(&schema, self.dimensions(), &clip_rows(self))?)?;
        Ok(parquet.into_inner()?)
    }

    /// Reads a file that [`write_parquet`](Self::write_parquet) wrote.
    ///
    /// The file is held in memory while it is read.
    ///
    /// # Errors
    ///
    /// [`EvalError::Read`] if the file cannot be read, [`EvalError::DamagedEmbeddings`] if it is not
    /// such a file or differs from what was written, [`EvalError::ImpossibleEmbeddings`] if what was
    /// written cannot be.
    pub fn read_parquet(path: &Path) -> Result<Self, EvalError> {
        let bytes = std::fs::read(path)
            .map_err(|source| EvalError::Read { path: path.to_path_buf(), source })?;
        from_bytes(bytes, path)
    }

    /// Reads embeddings from anything that holds what [`write_parquet`](Self::write_parquet) wrote; all
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

/// A row of the file.
struct Row<'a> {
    song: &'a EmbeddedSong,
    /// None in the row of a song.
    clip: Option<u32>,
    start_seconds: f64,
    features: &'a [f32],
}

fn song_rows(embeddings: &Embeddings) -> Vec<Row<'_>> {
    let songs = embeddings.songs().iter().zip(embeddings.song_means());
    songs
        .map(|(song, mean)| Row {
            song,
            clip: None,
            start_seconds: song.clips.first().map_or(0.0, |clip| clip.start_seconds),
            features: mean,
        })
        .collect()
}

fn clip_rows(embeddings: &Embeddings) -> Vec<Row<'_>> {
    let mut rows = Vec::with_capacity(embeddings.clips());
    for song in embeddings.songs() {
        rows.extend((0..).zip(&song.clips).map(|(number, clip)| Row {
            song,
            clip: Some(number),
            start_seconds: clip.start_seconds,
            features: &clip.features,
        }));
    }
    rows
}

fn schema(dimensions: usize) -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let features = DataType::FixedSizeList(element(), dimensions as i32);
    Arc::new(Schema::new(vec![
        text("level"),
        text("song_id"),
        text("artist"),
        text("album"),
        text("title"),
        text("source_hash"),
        Field::new("clip", DataType::UInt32, true),
        Field::new("start_seconds", DataType::Float64, false),
        Field::new("features", features, false),
    ]))
}

fn element() -> Arc<Field> {
    Arc::new(Field::new("element", DataType::Float32, false))
}

fn to_batch(
    schema: &SchemaRef,
    dimensions: usize,
    rows: &[Row<'_>],
) -> Result<RecordBatch, ArrowError> {
    let texts = |text: &dyn Fn(&Row<'_>) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(rows.iter().map(text)))
    };
    let values = Float32Array::from_iter_values(rows.iter().flat_map(|row| row.features).copied());
    let features =
        FixedSizeListArray::try_new(element(), dimensions as i32, Arc::new(values), None)?;
    let columns: Vec<ArrayRef> = vec![
        texts(&|row| if row.clip.is_some() { CLIP } else { SONG }.to_owned()),
        texts(&|row| row.song.song_id.clone()),
        texts(&|row| row.song.artist.clone()),
        texts(&|row| row.song.album.clone()),
        texts(&|row| row.song.title.clone()),
        texts(&|row| row.song.source_hash.clone()),
        Arc::new(rows.iter().map(|row| row.clip).collect::<UInt32Array>()),
        Arc::new(Float64Array::from_iter_values(rows.iter().map(|row| row.start_seconds))),
        Arc::new(features),
    ];
    RecordBatch::try_new(Arc::clone(schema), columns)
}

fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Embeddings, EvalError> {
    let damaged =
        |problem: String| EvalError::DamagedEmbeddings { path: path.to_path_buf(), problem };
    // Some damaged files make the Parquet reader panic instead of returning an error.
    let parsed = catch_unwind(AssertUnwindSafe(|| parse(Bytes::from(bytes))))
        .map_err(|panic| damaged(format!("the Parquet reader gave up: {}", words(&*panic))))?;
    let Parsed { model, songs, means, hash } = parsed.map_err(damaged)?;
    let embeddings = Embeddings::new(model, songs).map_err(|source| {
        EvalError::ImpossibleEmbeddings { path: path.to_path_buf(), source: Box::new(source) }
    })?;
    if content_hash(&embeddings) != hash {
        return Err(damaged("its numbers differ from the checksum in its footer".to_owned()));
    }
    if embeddings.song_means() != means {
        return Err(damaged("the rows of its songs differ from the means of its clips".to_owned()));
    }
    Ok(embeddings)
}

/// A file's content before its numbers are checked.
struct Parsed {
    model: EmbeddingModel,
    songs: Vec<EmbeddedSong>,
    /// In the order of the songs.
    means: Vec<Vec<f32>>,
    hash: String,
}

fn parse(bytes: Bytes) -> Result<Parsed, String> {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    // What a list of fixed size adds to a list, the checks of `Embeddings` ask for.
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
    let front_end: BTreeMap<String, String> = serde_json::from_str(&value(FRONT_END_KEY)?)
        .map_err(|error| format!("its front end is no JSON object of strings: {error}"))?;
    let number = |key: &str, error: &dyn std::fmt::Display| format!("its {key}: {error}");
    let model = EmbeddingModel {
        model_hash: value(MODEL_KEY)?,
        front_end,
        frames_per_clip: value(FRAMES_KEY)?.parse().map_err(|error| number(FRAMES_KEY, &error))?,
        clip_seconds: value(SECONDS_KEY)?.parse().map_err(|error| number(SECONDS_KEY, &error))?,
    };
    let mut rows = Rows::default();
    let hash = value(HASH_KEY)?;
    for batch in builder.build().map_err(|error| text(&error))? {
        rows.read(&batch.map_err(|error| text(&error))?)?;
    }
    Ok(Parsed { model, songs: rows.songs, means: rows.means, hash })
}

/// The songs of the rows so far, and where each stands.
#[derive(Default)]
struct Rows {
    songs: Vec<EmbeddedSong>,
    means: Vec<Vec<f32>>,
    places: HashMap<String, usize>,
}

impl Rows {
    fn read(&mut self, batch: &RecordBatch) -> Result<(), String> {
        let texts = |name: &str| {
            column(batch, name)?
                .as_string_opt::<i32>()
                .ok_or_else(|| format!("its column {name} holds no text"))
        };
        let (level, song_id) = (texts("level")?, texts("song_id")?);
        let (artist, album, title) = (texts("artist")?, texts("album")?, texts("title")?);
        let source_hash = texts("source_hash")?;
        let clip = batch
            .column_by_name("clip")
            .and_then(|column| column.as_primitive_opt::<UInt32Type>())
            .ok_or("it has no column clip of unsigned 32-bit numbers")?;
        let start_seconds = column(batch, "start_seconds")?
            .as_primitive_opt::<Float64Type>()
            .ok_or("its column start_seconds holds no 64-bit floats")?;
        let features = column(batch, "features")?
            .as_list_opt::<i32>()
            .ok_or("its column features holds no lists")?;
        for row in 0..batch.num_rows() {
            let values = features.value(row);
            let values = values
                .as_primitive_opt::<Float32Type>()
                .filter(|values| values.null_count() == 0)
                .ok_or("its column features holds no lists of 32-bit floats")?
                .values()
                .to_vec();
            let id = song_id.value(row);
            match (level.value(row), clip.is_valid(row)) {
                (SONG, false) => {
                    self.places.insert(id.to_owned(), self.songs.len());
                    self.means.push(values);
                    self.songs.push(EmbeddedSong {
                        song_id: id.to_owned(),
                        artist: artist.value(row).to_owned(),
                        album: album.value(row).to_owned(),
                        title: title.value(row).to_owned(),
                        source_hash: source_hash.value(row).to_owned(),
                        clips: Vec::new(),
                    });
                }
                (CLIP, true) => {
                    let place = self.places.get(id);
                    let place =
                        place.ok_or_else(|| format!("it has a clip but no row of {id:?}"))?;
                    let clips = &mut self.songs[*place].clips;
                    if clip.value(row) as usize != clips.len() {
                        return Err(format!("the clips of {id:?} are not in order"));
                    }
                    clips.push(EmbeddedClip {
                        start_seconds: start_seconds.value(row),
                        features: values,
                    });
                }
                (level, _) => {
                    return Err(format!("a row of {id:?} with the level {level:?} cannot be"));
                }
            }
        }
        Ok(())
    }
}

/// BLAKE3 of model, songs and clips, each text with its length before it, numbers little-endian.
fn content_hash(embeddings: &Embeddings) -> String {
    let mut hasher = blake3::Hasher::new();
    let text = |hasher: &mut blake3::Hasher, text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    let EmbeddingModel { model_hash, front_end, frames_per_clip, clip_seconds } =
        embeddings.model();
    text(&mut hasher, model_hash);
    hasher.update(&(front_end.len() as u64).to_le_bytes());
    for (key, value) in front_end {
        text(&mut hasher, key);
        text(&mut hasher, value);
    }
    hasher.update(&frames_per_clip.to_le_bytes());
    hasher.update(&clip_seconds.to_le_bytes());
    for song in embeddings.songs() {
        for part in [&song.song_id, &song.artist, &song.album, &song.title, &song.source_hash] {
            text(&mut hasher, part);
        }
        hasher.update(&(song.clips.len() as u64).to_le_bytes());
        for clip in &song.clips {
            hasher.update(&clip.start_seconds.to_le_bytes());
            for feature in &clip.features {
                hasher.update(&feature.to_le_bytes());
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}
