use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch, UInt32Array, new_empty_array};
use arrow::datatypes::{DataType, Field, Schema};
use cantus_cache::{AlbumFile, CacheError};
use parquet::arrow::ArrowWriter;

fn error_of(path: &Path) -> CacheError {
    AlbumFile::open(path).unwrap_err()
}

/// An empty table with this crate's columns after `edit`.
fn table(folder: &Path, edit: impl FnOnce(&mut Vec<Field>)) -> PathBuf {
    let list = DataType::List(Arc::new(Field::new("element", DataType::Float32, false)));
    let texts = ["id", "artist", "album", "title", "source_path", "source_hash", "sound_hash"];
    let mut fields: Vec<Field> = texts.map(|name| Field::new(name, DataType::Utf8, false)).into();
    fields.push(Field::new("start_seconds", DataType::Float64, false));
    fields.push(Field::new("seconds", DataType::Float64, false));
    fields.extend(
        ["sample_rate", "n_frames", "n_mels"].map(|name| Field::new(name, DataType::UInt32, false)),
    );
    fields.push(Field::new("damage", DataType::Utf8, false));
    fields.push(Field::new("mel", list, false));
    edit(&mut fields);
    let columns: Vec<ArrayRef> =
        fields.iter().map(|field| new_empty_array(field.data_type())).collect();
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    let path = folder.join("table.parquet");
    std::fs::write(&path, writer.into_inner().unwrap()).unwrap();
    path
}

#[test]
fn what_is_not_parquet_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.parquet");
    for bytes in [&b""[..], b"PAR", b"some text", b"ID3\x04 a song named .parquet", &[0; 100]] {
        std::fs::write(&path, bytes).unwrap();
        assert!(matches!(error_of(&path), CacheError::NotParquet { .. }), "{bytes:?}");
    }
    assert!(matches!(error_of(folder.path()), CacheError::NotParquet { .. }));
    assert!(matches!(error_of(&folder.path().join("none")), CacheError::Read { .. }));
}

#[test]
fn a_footer_length_that_lies_is_damage_not_an_allocation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file.parquet");
    for length in [0_u32, 1, 4, 5, 1 << 20, i32::MAX as u32, u32::MAX] {
        let mut bytes = b"PAR1\x15\x02\x19\x2c".to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend(b"PAR1");
        std::fs::write(&path, bytes).unwrap();
        let error = error_of(&path);
        assert!(matches!(error, CacheError::Damaged { .. }), "{length}: {error:?}");
    }
    std::fs::write(&path, b"PAR1").unwrap();
    assert!(matches!(error_of(&path), CacheError::CutOff { .. }));
}

#[test]
fn a_table_with_the_right_columns_but_from_elsewhere_has_no_format_version() {
    let folder = tempfile::tempdir().unwrap();
    let error = error_of(&table(folder.path(), |_| {}));
    assert!(matches!(error, CacheError::FormatVersion { found: None, .. }), "{error:?}");
    assert!(error.to_string().ends_with("table.parquet has format version none, not 4"));
}

#[test]
fn a_missing_a_moved_and_an_extra_column_are_told_apart() {
    let folder = tempfile::tempdir().unwrap();
    let error = error_of(&table(folder.path(), |fields| {
        fields.remove(3);
    }));
    assert!(matches!(error, CacheError::MissingColumn { column: "title", .. }), "{error:?}");
    let error = error_of(&table(folder.path(), |fields| fields.swap(1, 2)));
    assert!(error.to_string().ends_with("column `artist` is number 2, not 1"), "{error}");
    let error = error_of(&table(folder.path(), |fields| {
        fields.push(Field::new("genre", DataType::Utf8, false));
    }));
    assert!(error.to_string().ends_with("15 columns, not 14"), "{error}");
}

#[test]
fn a_column_of_another_type_is_told_with_both_types() {
    let folder = tempfile::tempdir().unwrap();
    let error = error_of(&table(folder.path(), |fields| {
        fields[10] = Field::new("n_frames", DataType::Int64, false);
    }));
    assert!(
        error.to_string().starts_with("column `n_frames` in ")
            && error.to_string().ends_with("is Int64, not UInt32"),
        "{error}"
    );
    let error = error_of(&table(folder.path(), |fields| {
        fields[0] = Field::new("id", DataType::Utf8, true);
    }));
    assert!(error.to_string().ends_with("is Utf8 with missing values, not Utf8"), "{error}");
    for element in [
        Field::new("element", DataType::Float64, false),
        Field::new("element", DataType::Float32, true),
    ] {
        let error = error_of(&table(folder.path(), |fields| {
            fields[13] = Field::new("mel", DataType::List(Arc::new(element)), false);
        }));
        assert!(matches!(error, CacheError::ColumnType { column: "mel", .. }), "{error:?}");
    }
}

#[test]
fn a_table_of_something_else_misses_the_first_column() {
    let folder = tempfile::tempdir().unwrap();
    let column: ArrayRef = Arc::new(UInt32Array::from(vec![1, 2, 3]));
    let field = Field::new("number", column.data_type().clone(), false);
    let schema = Arc::new(Schema::new(vec![field]));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![column]).unwrap();
    let mut writer = ArrowWriter::try_new(Vec::new(), schema, None).unwrap();
    writer.write(&batch).unwrap();
    let path = folder.path().join("numbers.parquet");
    std::fs::write(&path, writer.into_inner().unwrap()).unwrap();
    assert!(matches!(error_of(&path), CacheError::MissingColumn { column: "id", .. }));
}
