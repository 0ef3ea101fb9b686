//! Predictions in Parquet, as numbers that pyarrow, DuckDB and Polars read.

use std::any::Any;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float32Builder, Float64Array, ListBuilder, StringArray, UInt32Array,
};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, UInt32Type};
use arrow::record_batch::RecordBatch;
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use crate::error::EvalError;
use crate::predictions::{ClipPrediction, Predictions};

const FORMAT: &str = "1";
const FORMAT_KEY: &str = "cantus.predictions.format";
const LABELS_KEY: &str = "cantus.predictions.labels";
/// The Parquet writer puts no checksum on its pages, so a flipped bit would pass for a number.
const HASH_KEY: &str = "cantus.predictions.blake3";

impl Predictions {
    /// Writes the predictions as Parquet, one row a clip, and returns the writer.
    ///
    /// Columns: `song_id`, `clip`, `start_seconds`, `truth` and `predicted` (class indices),
    /// `true_label` and `predicted_label` (their names), `probabilities` (a list of floats). The
    /// footer's key-values hold the labels in order, as a JSON list under
    /// `cantus.predictions.labels`. Equal predictions give equal bytes.
    ///
    /// # Errors
    ///
    /// The writer's, as [`EvalError::WritePredictions`].
    pub fn write_parquet<W: Write + Send>(&self, writer: W) -> Result<W, EvalError> {
        self.write(writer).map_err(|source| EvalError::WritePredictions { source })
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
    /// [`EvalError::Read`] if the file cannot be read, [`EvalError::DamagedPredictions`] if it is
    /// not such a file or differs from what was written, [`EvalError::ImpossiblePredictions`] if
    /// what was written cannot be.
    pub fn read_parquet(path: &Path) -> Result<Self, EvalError> {
        let bytes = std::fs::read(path)
            .map_err(|source| EvalError::Read { path: path.to_path_buf(), source })?;
        from_bytes(bytes, path)
    }

    /// Reads predictions from anything that holds what [`write_parquet`](Self::write_parquet)
    /// wrote; all of it is read into memory.
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

fn to_batch(predictions: &Predictions) -> Result<RecordBatch, arrow::error::ArrowError> {
    let clips = predictions.clips();
    let label = |class: usize| predictions.labels()[class].as_str();
    let mut probabilities = ListBuilder::new(Float32Builder::new()).with_field(Field::new(
        "element",
        DataType::Float32,
        false,
    ));
    for clip in clips {
        probabilities.values().append_slice(&clip.probabilities);
        probabilities.append(true);
    }
    let probabilities = probabilities.finish();
    let numbers = |number: &dyn Fn(&ClipPrediction) -> u32| -> ArrayRef {
        Arc::new(UInt32Array::from_iter_values(clips.iter().map(number)))
    };
    let texts = |text: &dyn Fn(&ClipPrediction) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(clips.iter().map(text)))
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("song_id", texts(&|clip| clip.song_id.clone())),
        ("clip", numbers(&|clip| clip.clip)),
        (
            "start_seconds",
            Arc::new(Float64Array::from_iter_values(clips.iter().map(|clip| clip.start_seconds))),
        ),
        ("truth", numbers(&|clip| clip.truth as u32)),
        ("predicted", numbers(&|clip| clip.predicted() as u32)),
        ("true_label", texts(&|clip| label(clip.truth).to_owned())),
        ("predicted_label", texts(&|clip| label(clip.predicted()).to_owned())),
        ("probabilities", Arc::new(probabilities)),
    ];
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, column)| Field::new(*name, column.data_type().clone(), false))
        .collect();
    let columns = columns.into_iter().map(|(_, column)| column).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
}

fn from_bytes(bytes: Vec<u8>, path: &Path) -> Result<Predictions, EvalError> {
    let damaged =
        |problem: String| EvalError::DamagedPredictions { path: path.to_path_buf(), problem };
    // Some damaged files make the Parquet reader panic instead of returning an error.
    let parsed = catch_unwind(AssertUnwindSafe(|| parse(Bytes::from(bytes))))
        .map_err(|panic| damaged(format!("the Parquet reader gave up: {}", words(&*panic))))?;
    let Parsed { labels, clips, hash, names } = parsed.map_err(damaged)?;
    let predictions = Predictions::new(labels, clips).map_err(|source| {
        EvalError::ImpossiblePredictions { path: path.to_path_buf(), source: Box::new(source) }
    })?;
    if content_hash(&predictions) != hash {
        return Err(damaged("its numbers differ from the checksum in its footer".to_owned()));
    }
    if names != content_names(&predictions) {
        return Err(damaged("its label columns differ from its class indices".to_owned()));
    }
    Ok(predictions)
}

/// What a panic said.
pub(crate) fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason given").to_owned()
}

/// A file's content before its numbers are checked.
struct Parsed {
    labels: Vec<String>,
    clips: Vec<ClipPrediction>,
    hash: String,
    names: Vec<DerivedColumns>,
}

/// What a row says twice, for readers that know no labels.
#[derive(PartialEq, Eq)]
struct DerivedColumns {
    predicted: usize,
    true_label: String,
    predicted_label: String,
}

fn content_names(predictions: &Predictions) -> Vec<DerivedColumns> {
    let label = |class: usize| predictions.labels()[class].clone();
    let derived = |clip: &ClipPrediction| DerivedColumns {
        predicted: clip.predicted(),
        true_label: label(clip.truth),
        predicted_label: label(clip.predicted()),
    };
    predictions.clips().iter().map(derived).collect()
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
    let hash = value(HASH_KEY)?;
    let mut clips = Vec::new();
    let mut names = Vec::new();
    for batch in builder.build().map_err(|error| text(&error))? {
        read_rows(&batch.map_err(|error| text(&error))?, &mut clips, &mut names)?;
    }
    Ok(Parsed { labels, clips, hash, names })
}

fn read_rows(
    batch: &RecordBatch,
    clips: &mut Vec<ClipPrediction>,
    names: &mut Vec<DerivedColumns>,
) -> Result<(), String> {
    let texts = |name: &str| {
        column(batch, name)?
            .as_string_opt::<i32>()
            .ok_or_else(|| format!("its column {name} holds no text"))
    };
    let numbers = |name: &str| {
        column(batch, name)?
            .as_primitive_opt::<UInt32Type>()
            .ok_or_else(|| format!("its column {name} holds no unsigned 32-bit numbers"))
    };
    let (song_id, true_label) = (texts("song_id")?, texts("true_label")?);
    let predicted_label = texts("predicted_label")?;
    let (clip, truth, predicted) = (numbers("clip")?, numbers("truth")?, numbers("predicted")?);
    let start_seconds = column(batch, "start_seconds")?
        .as_primitive_opt::<Float64Type>()
        .ok_or("its column start_seconds holds no 64-bit floats")?;
    let probabilities = column(batch, "probabilities")?
        .as_list_opt::<i32>()
        .ok_or("its column probabilities holds no lists")?;
    for row in 0..batch.num_rows() {
        let values = probabilities.value(row);
        let values = values
            .as_primitive_opt::<Float32Type>()
            .filter(|values| values.null_count() == 0)
            .ok_or("its column probabilities holds no lists of 32-bit floats")?;
        clips.push(ClipPrediction {
            song_id: song_id.value(row).to_owned(),
            clip: clip.value(row),
            start_seconds: start_seconds.value(row),
            truth: truth.value(row) as usize,
            probabilities: values.values().to_vec(),
        });
        names.push(DerivedColumns {
            predicted: predicted.value(row) as usize,
            true_label: true_label.value(row).to_owned(),
            predicted_label: predicted_label.value(row).to_owned(),
        });
    }
    Ok(())
}

/// A column without nulls.
pub(crate) fn column<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a ArrayRef, String> {
    let column = batch.column_by_name(name).ok_or_else(|| format!("it has no column {name}"))?;
    if column.null_count() > 0 {
        return Err(format!("its column {name} holds nulls"));
    }
    Ok(column)
}

/// BLAKE3 of labels and clips, each text with its length before it, numbers little-endian.
fn content_hash(predictions: &Predictions) -> String {
    let mut hasher = blake3::Hasher::new();
    let text = |hasher: &mut blake3::Hasher, text: &str| {
        hasher.update(&(text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    };
    hasher.update(&(predictions.labels().len() as u64).to_le_bytes());
    for label in predictions.labels() {
        text(&mut hasher, label);
    }
    for clip in predictions.clips() {
        text(&mut hasher, &clip.song_id);
        hasher.update(&clip.clip.to_le_bytes());
        hasher.update(&clip.start_seconds.to_le_bytes());
        hasher.update(&(clip.truth as u64).to_le_bytes());
        for probability in &clip.probabilities {
            hasher.update(&probability.to_le_bytes());
        }
    }
    hasher.finalize().to_hex().to_string()
}
