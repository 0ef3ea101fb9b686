//! Files of events, against TensorBoard's own writer.

use std::io::{Error, Write};

use cantus_train::{EpochRecord, EventFile, TrainError, event_file_name};

const GOLDEN: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/golden/tensorboard.tfevents");

fn record(epoch: usize, measures: [f64; 4]) -> EpochRecord {
    let [training_loss, validation_loss, training_accuracy, validation_accuracy] = measures;
    EpochRecord {
        epoch,
        training_loss,
        training_accuracy,
        validation_loss,
        validation_accuracy,
        is_best: false,
        learning_rate: 1e-3,
    }
}

#[test]
fn a_file_has_the_bytes_of_tensorboards_own() {
    let mut events = EventFile::begin(Vec::new(), 1_699_999_999.5).unwrap();
    events.epoch(&record(1, [2.75, 2.9, 0.125, 0.1]), 1_700_000_000.25).unwrap();
    events.epoch(&record(127, [1.0 / 3.0, 1e-45, 1.0, 0.0]), 1_700_000_061.5).unwrap();
    events.scalars(128, 1_700_000_123.0, &[("ρυθμός/歌", -0.0)]).unwrap();
    events.scalars(70_000, 1_700_000_124.0, &[(&"a".repeat(200), f64::INFINITY)]).unwrap();
    assert_eq!(events.into_inner(), std::fs::read(GOLDEN).unwrap());
}

#[test]
fn a_file_begun_from_the_history_is_the_one_that_was_never_interrupted() {
    let history: Vec<EpochRecord> = (1..=3).map(|epoch| record(epoch, [2.0; 4])).collect();
    let write = |records: &[EpochRecord]| {
        let mut events = EventFile::begin(Vec::new(), 0.0).unwrap();
        for record in records {
            events.epoch(record, record.epoch as f64).unwrap();
        }
        events.into_inner()
    };
    let whole = write(&history);
    let until_then = write(&history[..2]);
    assert!(until_then.len() < whole.len());
    let mut events = EventFile::append_to(until_then);
    events.epoch(&history[2], 3.0).unwrap();
    assert_eq!(events.into_inner(), whole);
}

/// Counts what arrives and when it must be there, and can be full.
#[derive(Debug, Default)]
struct Disk {
    pieces: Vec<usize>,
    flushed: usize,
    is_full: bool,
}

impl Write for &mut Disk {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.is_full {
            return Err(Error::from(std::io::ErrorKind::StorageFull));
        }
        self.pieces.push(bytes.len());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.flushed = self.pieces.len();
        Ok(())
    }
}

#[test]
fn every_epoch_arrives_in_one_piece_and_at_once() {
    let mut disk = Disk::default();
    let mut events = EventFile::begin(&mut disk, 0.0).unwrap();
    events.epoch(&record(1, [1.0; 4]), 1.0).unwrap();
    assert_eq!((disk.pieces.len(), disk.flushed), (2, 2));
}

#[test]
fn a_full_disk_is_the_writers_own_error() {
    let mut disk = Disk { is_full: true, ..Disk::default() };
    let error = EventFile::begin(&mut disk, 0.0).unwrap_err();
    let is_full = |error: &Error| error.kind() == std::io::ErrorKind::StorageFull;
    assert!(matches!(&error, TrainError::WriteEvents(source) if is_full(source)), "{error:?}");
}

#[test]
fn a_name_is_one_that_tensorboard_looks_for_and_stays_in_its_folder() {
    assert_eq!(
        event_file_name(1_700_000_000, "box-1.lan"),
        "events.out.tfevents.1700000000.box-1.lan"
    );
    assert_eq!(event_file_name(5, "../a b\u{202E}"), "events.out.tfevents.0000000005..._a_b_");
}
