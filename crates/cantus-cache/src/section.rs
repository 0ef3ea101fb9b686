//! A stretch of a file in memory, which the Parquet reader takes for the file.

use bytes::{Buf, Bytes};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

/// The bytes of a file from `start` on; nothing else can be read through it.
///
/// The library's own reader of files shares one position among all threads and allocates what a
/// damaged length asks for; this one has neither trait.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) start: u64,
    pub(crate) bytes: Bytes,
}

impl Section {
    fn offset(&self, position: u64) -> Option<usize> {
        let offset = usize::try_from(position.checked_sub(self.start)?).ok()?;
        (offset <= self.bytes.len()).then_some(offset)
    }
}

fn outside() -> ParquetError {
    ParquetError::EOF("a position outside the row group".to_owned())
}

impl Length for Section {
    fn len(&self) -> u64 {
        self.start + self.bytes.len() as u64
    }
}

impl ChunkReader for Section {
    type T = bytes::buf::Reader<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let offset = self.offset(start).ok_or_else(outside)?;
        Ok(self.bytes.slice(offset..).reader())
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let offset = self.offset(start).ok_or_else(outside)?;
        let end = offset.checked_add(length).filter(|&end| end <= self.bytes.len());
        Ok(self.bytes.slice(offset..end.ok_or_else(outside)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn only_what_lies_inside_can_be_read() {
        let section = Section { start: 100, bytes: Bytes::from_static(b"abcdef") };
        assert_eq!(section.len(), 106);
        assert_eq!(&section.get_bytes(102, 3).unwrap()[..], b"cde");
        let mut rest = String::new();
        section.get_read(104).unwrap().read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "ef");
        assert!(section.get_bytes(106, 0).unwrap().is_empty());
        for (start, length) in [(99, 1), (0, 1), (102, 5), (107, 0), (u64::MAX, 1)] {
            assert!(section.get_bytes(start, length).is_err(), "{start} {length}");
        }
        assert!(section.get_bytes(102, usize::MAX).is_err());
        assert!(section.get_read(107).is_err());
    }
}
