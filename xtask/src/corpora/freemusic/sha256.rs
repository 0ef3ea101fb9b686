//! SHA-256 sums: as text, of files, and of what is copied.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

const BLOCK_BYTES: usize = 64 * 1024;

/// A SHA-256 sum.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Sha256Sum([u8; 32]);

impl Sha256Sum {
    /// The sum of bytes in memory.
    pub(super) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The first eight hexadecimal digits.
    pub(super) fn short(&self) -> String {
        let mut text = self.to_string();
        text.truncate(8);
        text
    }
}

impl FromStr for Sha256Sum {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.as_bytes();
        if digits.len() != 64 {
            bail!("`{text}` is not a SHA-256 sum: it has {} characters, not 64", digits.len());
        }
        let mut sum = [0; 32];
        for (byte, pair) in sum.iter_mut().zip(digits.chunks_exact(2)) {
            let digit = |letter: u8| (letter as char).to_digit(16);
            let (Some(high), Some(low)) = (digit(pair[0]), digit(pair[1])) else {
                bail!("`{text}` is not a SHA-256 sum: it is not hexadecimal");
            };
            *byte = (high * 16 + low) as u8;
        }
        Ok(Self(sum))
    }
}

impl fmt::Display for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The sum of a whole file.
pub(super) fn sum_of_file(path: &Path) -> Result<Sha256Sum> {
    let copied = File::open(path)
        .map_err(CopyError::Read)
        .and_then(|mut file| copy_and_sum(&mut file, &mut io::sink(), u64::MAX));
    match copied {
        Ok(copied) => Ok(copied.sum),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    }
}

/// What was copied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Copied {
    pub(super) bytes: u64,
    pub(super) sum: Sha256Sum,
}

/// Which side of a copy failed.
#[derive(Debug)]
pub(super) enum CopyError {
    Read(io::Error),
    Write(io::Error),
    TooLong { limit: u64 },
}

impl fmt::Display for CopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) | Self::Write(error) => error.fmt(f),
            Self::TooLong { limit } => write!(f, "it holds more than {limit} bytes"),
        }
    }
}

impl std::error::Error for CopyError {}

/// Copies to the end of `reader` and sums what passes; gives up after `limit` bytes.
pub(super) fn copy_and_sum(
    reader: &mut impl Read,
    writer: &mut impl Write,
    limit: u64,
) -> Result<Copied, CopyError> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut hasher = Sha256::new();
    let mut bytes = 0;
    loop {
        let read = match reader.read(&mut block) {
            Ok(0) => return Ok(Copied { bytes, sum: Sha256Sum(hasher.finalize().into()) }),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(CopyError::Read(error)),
        };
        bytes += read as u64;
        if bytes > limit {
            return Err(CopyError::TooLong { limit });
        }
        hasher.update(&block[..read]);
        writer.write_all(&block[..read]).map_err(CopyError::Write)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM_OF_ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_sum_of_abc_is_that_of_fips_180() {
        assert_eq!(Sha256Sum::of(b"abc").to_string(), SUM_OF_ABC);
        assert_eq!(SUM_OF_ABC.parse::<Sha256Sum>().unwrap(), Sha256Sum::of(b"abc"));
        let copied = copy_and_sum(&mut &b"abc"[..], &mut io::sink(), 3).unwrap();
        assert_eq!((copied.bytes, copied.sum), (3, Sha256Sum::of(b"abc")));
    }

    #[test]
    fn a_copy_stops_at_its_limit() {
        let error = copy_and_sum(&mut io::repeat(0), &mut io::sink(), 1_000_000).unwrap_err();
        assert!(matches!(error, CopyError::TooLong { limit: 1_000_000 }), "{error}");
    }

    #[test]
    fn what_is_no_sum_is_refused() {
        for text in ["", "abc", &"g".repeat(64), &"é".repeat(32)] {
            assert!(text.parse::<Sha256Sum>().is_err(), "{text}");
        }
    }
}
