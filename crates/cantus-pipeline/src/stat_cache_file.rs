//! The stat cache's file: a header, the entries sorted by path, and a BLAKE3 digest of all that.
//!
//! ```text
//! "cantus stat cache 2\n"
//! entries: u64
//! entries times: path length u32, path bytes, size u64, modified i64, changed i64, inode u64,
//!                device u64, hashed at i64, digest 32 bytes
//! digest of everything before: 32 bytes
//! ```
//!
//! Numbers are little-endian. In memory it stays as it is in the file, and an entry is found by bisection: a
//! million entries take 150 MB there and here, and no time to parse.

use std::cell::Cell;
use std::path::Path;

use crate::stat_cache::{Entry, Stat};

const MAGIC: &[u8] = b"cantus stat cache 2\n";
/// What an older form begins with, in which times took more room.
const OLDER_MAGIC: &[u8] = b"cantus stat cache 1\n";
const DIGEST_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;
const FIXED_BYTES: usize = 6 * 8 + DIGEST_BYTES;

thread_local! {
    /// Where the entry after the one that this thread found last stands, in whichever cache: files are
    /// mostly asked for in order, and looking there first spares the bisection.
    static NEXT: Cell<usize> = const { Cell::new(0) };
}

/// Entries as they stand in the file, in order of their paths.
#[derive(Debug, Default)]
pub(crate) struct SavedEntries {
    bytes: Vec<u8>,
    /// Where each entry begins.
    starts: Vec<usize>,
}

impl SavedEntries {
    /// Takes entries that are in order of their paths, none of which is there twice, and that may take
    /// so many bytes.
    pub(crate) fn from_sorted<'a>(
        entries: impl Iterator<Item = (&'a [u8], Entry)>,
        expected_bytes: usize,
    ) -> Self {
        let mut bytes = Vec::with_capacity(expected_bytes);
        bytes.extend(MAGIC);
        // Their count comes here.
        bytes.extend([0; 8]);
        let mut starts = Vec::new();
        for (path, entry) in entries {
            starts.push(bytes.len());
            bytes.extend((path.len() as u32).to_le_bytes());
            bytes.extend_from_slice(path);
            bytes.extend(entry.stat.bytes.to_le_bytes());
            bytes.extend(entry.stat.modified.to_le_bytes());
            bytes.extend(entry.stat.changed.to_le_bytes());
            bytes.extend(entry.stat.inode.to_le_bytes());
            bytes.extend(entry.stat.device.to_le_bytes());
            bytes.extend(entry.hashed_at.to_le_bytes());
            bytes.extend(entry.digest);
        }
        bytes[MAGIC.len()..][..8].copy_from_slice(&(starts.len() as u64).to_le_bytes());
        let digest = blake3::hash(&bytes);
        bytes.extend(digest.as_bytes());
        Self { bytes, starts }
    }

    /// Checks the content of a file and finds the entries in it; none in one of an older form.
    pub(crate) fn decode(bytes: Vec<u8>) -> Result<Self, &'static str> {
        if bytes.starts_with(OLDER_MAGIC) {
            return Ok(Self::default());
        }
        let (body, digest) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or("too short")?;
        let mut rest = body.strip_prefix(MAGIC).ok_or("not a stat cache of this form")?;
        if blake3::hash(body) != blake3::Hash::from_bytes(*digest) {
            return Err("its digest does not agree with its content");
        }
        let count = u64::from_le_bytes(take(&mut rest)?);
        // The count is only believed as far as the bytes bear it out.
        let capacity = (count as usize).min(rest.len() / FIXED_BYTES);
        let mut starts = Vec::with_capacity(capacity);
        let mut before: Option<&[u8]> = None;
        for _ in 0..count {
            starts.push(body.len() - rest.len());
            let length = u32::from_le_bytes(take(&mut rest)?) as usize;
            let (path, after) = rest.split_at_checked(length).ok_or("cut off")?;
            if before.is_some_and(|before| before >= path) {
                return Err("its entries are not in order");
            }
            before = Some(path);
            rest = after.get(FIXED_BYTES..).ok_or("cut off")?;
        }
        if !rest.is_empty() {
            return Err("more bytes than entries");
        }
        Ok(Self { bytes, starts })
    }

    /// What the file holds.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.starts.len()
    }

    /// The entry of a path.
    pub(crate) fn get(&self, path: &[u8]) -> Option<Entry> {
        let is_at = |place: &usize| {
            self.starts.get(*place).is_some_and(|&start| self.path_at(start) == path)
        };
        let search = || self.starts.binary_search_by(|&start| self.path_at(start).cmp(path)).ok();
        let found = Some(NEXT.get()).filter(is_at).or_else(search)?;
        NEXT.set(found + 1);
        self.entry_at(self.starts[found])
    }

    /// All entries, in order of their paths.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], Entry)> {
        self.starts.iter().filter_map(|&start| Some((self.path_at(start), self.entry_at(start)?)))
    }

    /// Empty where there is none, which cannot be: all entries were looked at when they were read.
    fn path_at(&self, start: usize) -> &[u8] {
        let path = self.bytes.get(start..).and_then(|bytes| {
            let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
            rest.get(..u32::from_le_bytes(*length) as usize)
        });
        path.unwrap_or_default()
    }

    fn entry_at(&self, start: usize) -> Option<Entry> {
        let mut rest = self.bytes.get(start + LENGTH_BYTES + self.path_at(start).len()..)?;
        read_entry(&mut rest).ok()
    }
}

fn read_entry(rest: &mut &[u8]) -> Result<Entry, &'static str> {
    let stat = Stat {
        bytes: u64::from_le_bytes(take(rest)?),
        modified: i64::from_le_bytes(take(rest)?),
        changed: i64::from_le_bytes(take(rest)?),
        inode: u64::from_le_bytes(take(rest)?),
        device: u64::from_le_bytes(take(rest)?),
    };
    Ok(Entry { stat, hashed_at: i64::from_le_bytes(take(rest)?), digest: take(rest)? })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or("cut off")?;
    *rest = after;
    Ok(*taken)
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere not every path has bytes to save")]
pub(crate) fn path_bytes(path: &Path) -> Option<&[u8]> {
    use std::os::unix::ffi::OsStrExt;
    Some(path.as_os_str().as_bytes())
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "elsewhere not all bytes are a path")]
pub(crate) fn path_of(bytes: &[u8]) -> Option<&Path> {
    use std::os::unix::ffi::OsStrExt;
    Some(Path::new(std::ffi::OsStr::from_bytes(bytes)))
}

/// Paths that are not Unicode are hashed anew each time here.
#[cfg(not(unix))]
pub(crate) fn path_bytes(path: &Path) -> Option<&[u8]> {
    path.to_str().map(str::as_bytes)
}

#[cfg(not(unix))]
pub(crate) fn path_of(bytes: &[u8]) -> Option<&Path> {
    std::str::from_utf8(bytes).ok().map(Path::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some_entries() -> Vec<(Vec<u8>, Entry)> {
        let mut entries: Vec<(Vec<u8>, Entry)> = (0..50_u8)
            .map(|i| {
                let n = u64::from(i);
                let time = i64::from(i) * 1_000_000_007 - 5;
                let stat =
                    Stat { bytes: n, modified: time, changed: time + 1, inode: n + 9, device: 3 };
                let entry = Entry { stat, hashed_at: time * 3, digest: [i; 32] };
                (format!("/music/artist/\u{1f3b5} {i}.ogg").into_bytes(), entry)
            })
            .collect();
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        entries
    }

    fn saved(entries: &[(Vec<u8>, Entry)]) -> SavedEntries {
        let entries = entries.iter().map(|(path, entry)| (path.as_slice(), *entry));
        SavedEntries::from_sorted(entries, 0)
    }

    fn encoded() -> Vec<u8> {
        saved(&some_entries()).as_bytes().to_vec()
    }

    #[test]
    fn entries_read_back_the_same_one_by_one_and_in_order() {
        let (entries, read) = (some_entries(), SavedEntries::decode(encoded()).unwrap());
        assert_eq!(read.len(), entries.len());
        for (path, entry) in &entries {
            assert_eq!(read.get(path), Some(*entry));
        }
        let listed: Vec<(Vec<u8>, Entry)> =
            read.iter().map(|(path, entry)| (path.to_vec(), entry)).collect();
        assert_eq!(listed, entries);
        assert_eq!(read.get(b"/music/nobody"), None);
        assert_eq!(read.get(b""), None);
        assert_eq!(SavedEntries::default().get(b"/music"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf8_reads_back() {
        let odd = b"/music/\xff\xfe".to_vec();
        let entry = some_entries()[0].1;
        let read =
            SavedEntries::decode(saved(&[(odd.clone(), entry)]).as_bytes().to_vec()).unwrap();
        assert_eq!(read.get(path_bytes(path_of(&odd).unwrap()).unwrap()), Some(entry));
    }

    #[test]
    fn every_cut_and_every_flipped_byte_is_noticed() {
        let whole = encoded();
        for length in 0..whole.len() {
            assert!(SavedEntries::decode(whole[..length].to_vec()).is_err(), "cut at {length}");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 0x10;
            assert!(SavedEntries::decode(flipped).is_err(), "flipped at {at}");
        }
    }

    #[test]
    fn entries_out_of_order_under_a_right_digest_are_refused() {
        let mut entries = some_entries();
        entries.swap(3, 4);
        let refused = SavedEntries::decode(saved(&entries).as_bytes().to_vec());
        assert_eq!(refused.unwrap_err(), "its entries are not in order");
    }

    #[test]
    fn a_count_that_lies_under_a_right_digest_neither_panics_nor_allocates() {
        let mut body = MAGIC.to_vec();
        body.extend(u64::MAX.to_le_bytes());
        let digest = blake3::hash(&body);
        body.extend(digest.as_bytes());
        assert_eq!(SavedEntries::decode(body).unwrap_err(), "cut off");
    }
}
