//! `predictions.parquet`: what comes back, and what is refused.

use std::io::{self, Write};
use std::path::Path;

use cantus_eval::{EvalError, Predictions};
use proptest::prelude::*;

use crate::samples::{any_clips, some_predictions};

fn bytes() -> Vec<u8> {
    some_predictions().write_parquet(Vec::new()).unwrap()
}

proptest! {
    #[test]
    fn predictions_come_back_from_parquet_bit_for_bit((labels, clips) in any_clips()) {
        let predictions = Predictions::new(labels, clips).unwrap();
        let bytes = predictions.write_parquet(Vec::new()).unwrap();
        prop_assert_eq!(Predictions::read_parquet_from(&bytes[..]).unwrap(), predictions);
    }
}

#[test]
fn equal_predictions_are_equal_bytes() {
    assert_eq!(bytes(), bytes());
}

#[test]
fn a_file_cut_short_is_refused_at_any_length() {
    let bytes = bytes();
    for end in (0..bytes.len()).step_by(5) {
        let error = Predictions::read_parquet_from(&bytes[..end]).unwrap_err();
        assert!(matches!(error, EvalError::DamagedPredictions { .. }), "{end}: {error}");
    }
}

#[test]
fn a_changed_byte_is_found_or_harmless() {
    let whole = bytes();
    let expected = some_predictions();
    let mut refused = 0;
    for position in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x10;
        match Predictions::read_parquet_from(&bytes[..]) {
            // Bytes that only other readers look at, such as a column's statistics.
            Ok(predictions) => assert_eq!(predictions, expected, "byte {position}"),
            Err(EvalError::DamagedPredictions { .. } | EvalError::ImpossiblePredictions { .. }) => {
                refused += 1;
            }
            Err(error) => panic!("byte {position}: {error}"),
        }
    }
    assert!(refused > whole.len() / 2, "{refused} of {} changes were found", whole.len());
}

#[test]
fn text_that_claims_to_be_parquet_is_refused_with_its_path() {
    let path = std::env::temp_dir()
        .join(format!("cantus-eval-{}-predictions.parquet", std::process::id()));
    std::fs::write(&path, "not columns at all").unwrap();
    let error = Predictions::read_parquet(&path).unwrap_err();
    std::fs::remove_file(&path).unwrap();
    assert!(matches!(error, EvalError::DamagedPredictions { .. }), "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
}

#[test]
fn a_missing_file_and_a_folder_are_named() {
    for path in [Path::new("/nonexistent/predictions.parquet"), Path::new("/")] {
        let error = Predictions::read_parquet(path).unwrap_err();
        assert!(matches!(error, EvalError::Read { .. }), "{error}");
        assert!(error.to_string().starts_with(path.to_str().unwrap()), "{error}");
    }
}

/// A disk with room for so many bytes.
struct FullDisk(usize);

impl Write for FullDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = bytes.len().min(self.0);
        self.0 -= written;
        if written == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(written) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_disk_that_is_full_at_any_byte_gives_an_error() {
    let needed = bytes().len();
    for room in (0..needed).step_by(101) {
        let Err(error) = some_predictions().write_parquet(FullDisk(room)) else {
            panic!("{room} of {needed} bytes were enough");
        };
        assert!(matches!(error, EvalError::WritePredictions { .. }), "{error}");
    }
    assert!(some_predictions().write_parquet(FullDisk(needed)).is_ok());
}
