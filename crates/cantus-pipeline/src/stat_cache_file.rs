//! The stat cache's file: a header, the entries sorted by path, and a BLAKE3 digest of all that.
//!
//! ```text
//! "cantus stat cache 1\n"
//! entries: u64
//! entries times: path length u32, path bytes, size u64, modified i128, changed i128, inode u64,
//!                device u64, hashed at i128, digest 32 bytes
//! digest of everything before: 32 bytes
//! ```
//!
//! Numbers are little-endian. A million entries take 190 MB and, at start, no parsing of text.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::atomic_file::write_atomic;
use crate::error::PipelineError;
use crate::stat_cache::{Entry, Stat};

const MAGIC: &[u8] = b"cantus stat cache 1\n";
const DIGEST_BYTES: usize = 32;
const FIXED_BYTES: usize = 3 * 8 + 3 * 16 + DIGEST_BYTES;

pub(crate) fn write(path: &Path, entries: &HashMap<PathBuf, Entry>) -> Result<(), PipelineError> {
    let mut sorted: Vec<(&[u8], &Entry)> =
        entries.iter().filter_map(|(path, entry)| Some((path_bytes(path)?, entry))).collect();
    sorted.sort_unstable_by_key(|(path, _)| *path);
    write_atomic(path, |file| {
        let mut hasher = blake3::Hasher::new();
        let mut put = |bytes: &[u8]| -> io::Result<()> {
            hasher.update(bytes);
            file.write_all(bytes)
        };
        let written = (|| {
            put(MAGIC)?;
            put(&(sorted.len() as u64).to_le_bytes())?;
            let mut record = Vec::new();
            for (path, entry) in &sorted {
                record.clear();
                record.extend((path.len() as u32).to_le_bytes());
                record.extend_from_slice(path);
                record.extend(entry.stat.bytes.to_le_bytes());
                record.extend(entry.stat.modified.to_le_bytes());
                record.extend(entry.stat.changed.to_le_bytes());
                record.extend(entry.stat.inode.to_le_bytes());
                record.extend(entry.stat.device.to_le_bytes());
                record.extend(entry.hashed_at.to_le_bytes());
                record.extend(entry.digest);
                put(&record)?;
            }
            Ok(())
        })();
        written
            .and_then(|()| file.write_all(hasher.finalize().as_bytes()))
            .map_err(|source| PipelineError::io("write", path, source))
    })
}

pub(crate) fn decode(bytes: &[u8]) -> Result<HashMap<PathBuf, Entry>, &'static str> {
    let (body, digest) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or("too short")?;
    let mut rest = body.strip_prefix(MAGIC).ok_or("not a stat cache of this form")?;
    if blake3::hash(body) != blake3::Hash::from_bytes(*digest) {
        return Err("its digest does not agree with its content");
    }
    let count = u64::from_le_bytes(take(&mut rest)?);
    // The count is only believed as far as the bytes bear it out.
    let capacity = (count as usize).min(rest.len() / FIXED_BYTES);
    let mut entries = HashMap::with_capacity(capacity);
    for _ in 0..count {
        let length = u32::from_le_bytes(take(&mut rest)?) as usize;
        let (path, after) = rest.split_at_checked(length).ok_or("cut off")?;
        rest = after;
        let stat = Stat {
            bytes: u64::from_le_bytes(take(&mut rest)?),
            modified: i128::from_le_bytes(take(&mut rest)?),
            changed: i128::from_le_bytes(take(&mut rest)?),
            inode: u64::from_le_bytes(take(&mut rest)?),
            device: u64::from_le_bytes(take(&mut rest)?),
        };
        let hashed_at = i128::from_le_bytes(take(&mut rest)?);
        let digest = take(&mut rest)?;
        if let Some(path) = path_of(path) {
            entries.insert(path, Entry { stat, hashed_at, digest });
        }
    }
    if rest.is_empty() { Ok(entries) } else { Err("more bytes than entries") }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or("cut off")?;
    *rest = after;
    Ok(*taken)
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere not every path has bytes to save")]
fn path_bytes(path: &Path) -> Option<&[u8]> {
    use std::os::unix::ffi::OsStrExt;
    Some(path.as_os_str().as_bytes())
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere not all bytes are a path")]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(bytes)))
}

/// Paths that are not Unicode are hashed anew each time here.
#[cfg(not(unix))]
fn path_bytes(path: &Path) -> Option<&[u8]> {
    path.to_str().map(str::as_bytes)
}

#[cfg(not(unix))]
fn path_of(bytes: &[u8]) -> Option<PathBuf> {
    std::str::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_entries() -> HashMap<PathBuf, Entry> {
        (0..50_u8)
            .map(|i| {
                let n = u64::from(i);
                let time = i128::from(i) * 1_000_000_007 - 5;
                let stat =
                    Stat { bytes: n, modified: time, changed: time + 1, inode: n + 9, device: 3 };
                let entry = Entry { stat, hashed_at: time * 3, digest: [i; 32] };
                (PathBuf::from(format!("/music/artist/\u{1f3b5} {i}.ogg")), entry)
            })
            .collect()
    }

    fn encoded() -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        write(&path, &some_entries()).unwrap();
        std::fs::read(&path).unwrap()
    }

    #[test]
    fn entries_read_back_the_same_and_the_bytes_do_not_depend_on_hash_map_order() {
        assert_eq!(decode(&encoded()).unwrap(), some_entries());
        assert_eq!(encoded(), encoded());
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf8_reads_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache");
        let odd = path_of(b"/music/\xff\xfe").unwrap();
        let entry = *some_entries().values().next().unwrap();
        write(&path, &HashMap::from([(odd.clone(), entry)])).unwrap();
        assert_eq!(decode(&std::fs::read(&path).unwrap()).unwrap()[&odd], entry);
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_noticed() {
        let whole = encoded();
        for length in 0..whole.len() {
            assert!(decode(&whole[..length]).is_err(), "cut at {length}");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            assert!(decode(&flipped).is_err(), "flipped at {at}");
        }
    }

    #[test]
    fn a_count_that_lies_under_a_right_digest_neither_panics_nor_allocates() {
        let mut body = MAGIC.to_vec();
        body.extend(u64::MAX.to_le_bytes());
        let digest = blake3::hash(&body);
        body.extend(digest.as_bytes());
        assert_eq!(decode(&body), Err("cut off"));
    }
}
