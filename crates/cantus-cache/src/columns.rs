//! The table's columns.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Float16Array, Float32Array, Float64Array, ListArray, RecordBatch,
    StringArray, UInt32Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{
    DataType, Field, FieldRef, Float16Type, Float32Type, Float64Type, Schema, SchemaRef, UInt32Type,
};
use arrow::error::ArrowError;
use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::error::CacheError;
use crate::song_info::{Precision, SongInfo};

/// The column with the spectrogram, which is the last.
pub(crate) const MEL: &str = "mel";
/// Place of the column with the spectrogram.
pub(crate) const MEL_INDEX: usize = 13;

const INFO_COLUMNS: [(&str, DataType); MEL_INDEX] = [
    ("id", DataType::Utf8),
    ("artist", DataType::Utf8),
    ("album", DataType::Utf8),
    ("title", DataType::Utf8),
    ("source_path", DataType::Utf8),
    ("source_hash", DataType::Utf8),
    ("sound_hash", DataType::Utf8),
    ("start_seconds", DataType::Float64),
    ("seconds", DataType::Float64),
    ("sample_rate", DataType::UInt32),
    ("n_frames", DataType::UInt32),
    ("n_mels", DataType::UInt32),
    ("damage", DataType::Utf8),
];

fn mel_element(precision: Precision) -> FieldRef {
    let element = match precision {
        Precision::F32 => DataType::Float32,
        Precision::F16 => DataType::Float16,
    };
    Arc::new(Field::new("element", element, false))
}

/// The table's schema; no column has missing values.
pub(crate) fn schema(precision: Precision) -> SchemaRef {
    let mut fields: Vec<Field> =
        INFO_COLUMNS.into_iter().map(|(name, kind)| Field::new(name, kind, false)).collect();
    fields.push(Field::new(MEL, DataType::List(mel_element(precision)), false));
    Arc::new(Schema::new(fields))
}

/// Checks a file's schema and tells the precision of its spectrograms.
pub(crate) fn check_schema(path: &Path, found: &Schema) -> Result<Precision, CacheError> {
    let type_error = |column, expected: String, found: &Field| {
        let nullable = if found.is_nullable() { " with missing values" } else { "" };
        let found = format!("{}{nullable}", found.data_type());
        Err(CacheError::ColumnType { path: path.to_path_buf(), column, expected, found })
    };
    for (index, (column, expected)) in INFO_COLUMNS.into_iter().enumerate() {
        let field = column_of(path, found, index, column)?;
        if field.data_type() != &expected || field.is_nullable() {
            return type_error(column, expected.to_string(), field);
        }
    }
    let field = column_of(path, found, MEL_INDEX, MEL)?;
    if found.fields().len() > MEL_INDEX + 1 {
        let detail = format!("{} columns, not {}", found.fields().len(), MEL_INDEX + 1);
        return Err(CacheError::Damaged { path: path.to_path_buf(), detail });
    }
    if let DataType::List(element) = field.data_type()
        && !field.is_nullable()
        && !element.is_nullable()
    {
        match element.data_type() {
            DataType::Float32 => return Ok(Precision::F32),
            DataType::Float16 => return Ok(Precision::F16),
            _ => {}
        }
    }
    type_error(MEL, "a list of Float32 or Float16".to_owned(), field)
}

fn column_of<'a>(
    path: &Path,
    schema: &'a Schema,
    index: usize,
    column: &'static str,
) -> Result<&'a Field, CacheError> {
    let path = path.to_path_buf();
    match schema.index_of(column) {
        Ok(found) if found == index => Ok(schema.field(index)),
        Ok(found) => {
            let detail = format!("column `{column}` is number {found}, not {index}");
            Err(CacheError::Damaged { path, detail })
        }
        Err(_) => Err(CacheError::MissingColumn { path, column }),
    }
}

/// One song as a table of one row.
pub(crate) fn row(
    schema: &SchemaRef,
    info: &SongInfo,
    mel: &[f32],
    precision: Precision,
) -> Result<RecordBatch, ArrowError> {
    let text = |value: &str| -> ArrayRef { Arc::new(StringArray::from(vec![value])) };
    let count = |value: u32| -> ArrayRef { Arc::new(UInt32Array::from(vec![value])) };
    let seconds = |value: f64| -> ArrayRef { Arc::new(Float64Array::from(vec![value])) };
    let values: ArrayRef = match precision {
        Precision::F32 => Arc::new(Float32Array::from(mel.to_vec())),
        Precision::F16 => {
            let mut rounded = vec![f16::ZERO; mel.len()];
            rounded.convert_from_f32_slice(mel);
            Arc::new(Float16Array::from(rounded))
        }
    };
    let offsets = OffsetBuffer::from_lengths([mel.len()]);
    let list = ListArray::try_new(mel_element(precision), offsets, values, None)?;
    RecordBatch::try_new(
        Arc::clone(schema),
        vec![
            text(&info.id),
            text(&info.artist),
            text(&info.album),
            text(&info.title),
            text(&info.source_path),
            text(&info.source_hash),
            text(&info.sound_hash),
            seconds(info.start_seconds),
            seconds(info.seconds),
            count(info.sample_rate),
            count(info.n_frames),
            count(info.n_mels),
            text(&info.damage),
            Arc::new(list),
        ],
    )
}

/// The song of a table of one row, or `None` if it is no such table.
pub(crate) fn info_of(row: &RecordBatch) -> Option<SongInfo> {
    let text = |column: usize| -> Option<String> {
        let array = row.columns().get(column)?.as_string_opt::<i32>()?;
        (array.len() == 1 && array.is_valid(0)).then(|| array.value(0).to_owned())
    };
    let count = |column: usize| -> Option<u32> {
        let array = row.columns().get(column)?.as_primitive_opt::<UInt32Type>()?;
        (array.len() == 1 && array.is_valid(0)).then(|| array.value(0))
    };
    let seconds = |column: usize| -> Option<f64> {
        let array = row.columns().get(column)?.as_primitive_opt::<Float64Type>()?;
        (array.len() == 1 && array.is_valid(0)).then(|| array.value(0))
    };
    Some(SongInfo {
        id: text(0)?,
        artist: text(1)?,
        album: text(2)?,
        title: text(3)?,
        source_path: text(4)?,
        source_hash: text(5)?,
        sound_hash: text(6)?,
        start_seconds: seconds(7)?,
        seconds: seconds(8)?,
        sample_rate: count(9)?,
        n_frames: count(10)?,
        n_mels: count(11)?,
        damage: text(12)?,
    })
}

/// The spectrogram of a table of one row and one column, or `None` if it is no such table.
pub(crate) fn mel_of(row: &RecordBatch) -> Option<Vec<f32>> {
    let list = row.columns().first()?.as_list_opt::<i32>()?;
    if list.len() != 1 || list.is_null(0) {
        return None;
    }
    let values = list.value(0);
    if values.null_count() > 0 {
        return None;
    }
    if let Some(values) = values.as_primitive_opt::<Float32Type>() {
        return Some(values.values().to_vec());
    }
    let values = values.as_primitive_opt::<Float16Type>()?;
    let mut wide = vec![0.0; values.len()];
    values.values().convert_to_f32_slice(&mut wide);
    Some(wide)
}
