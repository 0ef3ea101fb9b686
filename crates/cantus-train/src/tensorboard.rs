//! Epochs as TensorBoard reads them: a file of events.

use std::io::Write;

use crc::{CRC_32_ISCSI, Crc, Table};

use crate::error::TrainError;
use crate::history::EpochRecord;

/// CRC-32C: what TFRecord files are summed with.
const CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);

/// A file of events for TensorBoard, one event an epoch.
///
/// The form is TensorFlow's: TFRecord frames (`tensorflow/core/lib/io/record_writer.h`) around
/// messages `tensorflow.Event` (`tensorflow/core/util/event.proto`). A training that is resumed may
/// go through an epoch twice, and TensorBoard would draw both: begin the file anew and write the
/// history first. The files of one folder are one run to TensorBoard, in the order of their
/// names: keep the name as well.
#[derive(Debug)]
pub struct EventFile<W> {
    writer: W,
    record: Vec<u8>,
}

impl<W: Write> EventFile<W> {
    /// Writes the event that every such file begins with. `wall_time` is in seconds since 1970.
    ///
    /// # Errors
    /// The writer's, as [`TrainError::WriteEvents`].
    pub fn begin(writer: W, wall_time: f64) -> Result<Self, TrainError> {
        let mut file = Self::append_to(writer);
        let mut event = Message::default();
        event.double(event_field::WALL_TIME, wall_time);
        event.bytes(event_field::FILE_VERSION, b"brain.Event:2");
        file.write(&event)?;
        Ok(file)
    }

    /// Goes on with a file that was begun: `writer` appends to it.
    pub fn append_to(writer: W) -> Self {
        Self { writer, record: Vec::new() }
    }

    /// Appends the measures of an epoch and flushes the writer. Step is the epoch; tags are
    /// `loss/training`, `loss/validation`, `accuracy/training`, `accuracy/validation` and
    /// `learning_rate`. `wall_time`, in seconds since 1970, is when the epoch was over.
    ///
    /// # Errors
    /// The writer's, as [`TrainError::WriteEvents`]. What was written of the epoch by then,
    /// TensorBoard takes for the end of the file.
    pub fn epoch(&mut self, record: &EpochRecord, wall_time: f64) -> Result<(), TrainError> {
        let scalars = [
            ("loss/training", record.training_loss),
            ("loss/validation", record.validation_loss),
            ("accuracy/training", record.training_accuracy),
            ("accuracy/validation", record.validation_accuracy),
            ("learning_rate", record.learning_rate),
        ];
        self.scalars(record.epoch as u64, wall_time, &scalars)
    }

    /// Appends one event with any numbers, each under its tag, and flushes the writer. TensorBoard
    /// keeps numbers as 32-bit floats, and draws the tags that are alike up to a slash side by side.
    ///
    /// # Errors
    /// As [`epoch`](Self::epoch).
    pub fn scalars(
        &mut self,
        step: u64,
        wall_time: f64,
        scalars: &[(&str, f64)],
    ) -> Result<(), TrainError> {
        let mut summary = Message::default();
        for &(tag, number) in scalars {
            let mut value = Message::default();
            value.bytes(value_field::TAG, tag.as_bytes());
            value.float(value_field::SIMPLE_VALUE, number as f32);
            summary.bytes(SUMMARY_VALUE, &value.0);
        }
        let mut event = Message::default();
        event.double(event_field::WALL_TIME, wall_time);
        event.integer(event_field::STEP, step);
        event.bytes(event_field::SUMMARY, &summary.0);
        self.write(&event)
    }

    /// The writer.
    pub fn into_inner(self) -> W {
        self.writer
    }

    /// One TFRecord: the length, its sum, the message, its sum, little-endian.
    fn write(&mut self, event: &Message) -> Result<(), TrainError> {
        let length = (event.0.len() as u64).to_le_bytes();
        self.record.clear();
        self.record.extend(length);
        self.record.extend(masked_crc(&length).to_le_bytes());
        self.record.extend(&event.0);
        self.record.extend(masked_crc(&event.0).to_le_bytes());
        // In one piece: who reads along sees whole records.
        let written = self.writer.write_all(&self.record).and_then(|()| self.writer.flush());
        written.map_err(TrainError::WriteEvents)
    }
}

/// A name by which TensorBoard knows a file of events: it looks for `tfevents`, and other programs
/// for the whole form, `events.out.tfevents.<seconds since 1970>.<host>`. What a file name had
/// better not hold becomes `_` in the host's.
pub fn event_file_name(started_seconds: u64, host: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    let host: String = host.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    format!("events.out.tfevents.{started_seconds:010}.{host}")
}

/// Sums of sums are weak, and a frame may hold frames: so they are turned and moved.
fn masked_crc(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

/// Fields of `tensorflow.Event`.
mod event_field {
    pub(super) const WALL_TIME: u64 = 1;
    pub(super) const STEP: u64 = 2;
    pub(super) const FILE_VERSION: u64 = 3;
    pub(super) const SUMMARY: u64 = 5;
}

/// The repeated field of `tensorflow.Summary`.
const SUMMARY_VALUE: u64 = 1;

/// Fields of `tensorflow.Summary.Value`.
mod value_field {
    pub(super) const TAG: u64 = 1;
    pub(super) const SIMPLE_VALUE: u64 = 2;
}

/// A protocol buffer that is being written, its fields in the order of their numbers.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn integer(&mut self, field: u64, value: u64) {
        self.varint(field << 3);
        self.varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.varint(field << 3 | 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.varint(field << 3 | 5);
        self.0.extend(value.to_le_bytes());
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}
