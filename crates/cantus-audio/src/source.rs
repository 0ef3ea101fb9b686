//! Opening files and readers, and counting what is read from them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use symphonia::core::io::MediaSource;

use crate::{AudioError, Origin};

/// Opens a regular, non-empty file and looks at what it is before reading: opening a pipe would
/// block for ever.
pub(crate) fn open_file(path: &Path) -> Result<File, AudioError> {
    let origin = Origin::Path(path.to_owned());
    let metadata = std::fs::metadata(path).map_err(|error| AudioError::from_io(&origin, error))?;
    if metadata.is_dir() {
        return Err(AudioError::IsDirectory { path: path.to_owned() });
    }
    if !metadata.is_file() {
        return Err(AudioError::NotAFile { path: path.to_owned() });
    }
    File::open(path).map_err(|error| AudioError::from_io(&origin, error))
}

/// The extension as a hint, lower case.
pub(crate) fn extension_of(path: &Path) -> Option<String> {
    path.extension().map(|extension| extension.to_string_lossy().to_ascii_lowercase())
}

/// How many bytes may still be read; `u64::MAX` is no bound.
#[derive(Debug, Clone)]
pub(crate) struct Budget(Arc<AtomicU64>);

impl Budget {
    pub(crate) fn new(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    pub(crate) fn lift(&self) {
        self.0.store(u64::MAX, Ordering::Relaxed);
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    fn spend(&self, bytes: usize) {
        let left = self.0.load(Ordering::Relaxed);
        if left != u64::MAX {
            self.0.store(left.saturating_sub(bytes as u64), Ordering::Relaxed);
        }
    }
}

/// A reader under a [`Budget`], of known length.
#[derive(Debug)]
pub(crate) struct Source<R> {
    reader: R,
    len: u64,
    budget: Budget,
}

impl<R: Read + Seek> Source<R> {
    /// Rewinds the reader and measures it.
    pub(crate) fn new(mut reader: R, budget: Budget) -> io::Result<Self> {
        let len = reader.seek(SeekFrom::End(0))?;
        reader.rewind()?;
        Ok(Self { reader, len, budget })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.budget.is_spent() {
            return Err(io::Error::other("the bytes allowed for headers and tags are spent"));
        }
        let read = self.reader.read(buffer)?;
        self.budget.spend(read);
        Ok(read)
    }
}

impl<R: Seek> Seek for Source<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.reader.seek(position)
    }
}

impl<R: Read + Seek + Send + Sync> MediaSource for Source<R> {
    fn is_seekable(&self) -> bool {
        true
    }

    fn byte_len(&self) -> Option<u64> {
        Some(self.len)
    }
}
