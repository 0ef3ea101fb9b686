//! The stat cache's file: a header, the entries sorted by folder and name, and a BLAKE3 digest of all that.
//!
//! ```text
//! "cantus stat cache 2\n"
//! folders: u64
//! folders times: path length u32, path bytes up to the last separator, entries: u32,
//!   entries times: name length u32, name bytes, size u64, modified i64, changed i64, inode u64,
//!                  device u64, hashed at i64, digest 32 bytes
//! digest of everything before: 32 bytes
//! ```
//!
//! Numbers are little-endian. In memory it stays as it is in the file, and an entry is found by bisection: a
//! million entries take some 110 MB there and here, and no time to parse.

use std::cell::Cell;
use std::path::Path;

use crate::stat_cache::{Entry, Stat};

const MAGIC: &[u8] = b"cantus stat cache 2\n";
/// What an older form begins with, which had whole paths.
const OLDER_MAGIC: &[u8] = b"cantus stat cache 1\n";
const DIGEST_BYTES: usize = 32;
const LENGTH_BYTES: usize = 4;
const FIXED_BYTES: usize = 6 * 8 + DIGEST_BYTES;

thread_local! {
    /// The place after the one that this thread found last, in whichever cache: files are mostly asked for
    /// in order, and looking there first spares the bisection.
    static NEXT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

/// A path in two: up to and with its last separator, and its name. In order of these the entries stand.
pub(crate) type SplitPath<'a> = (&'a [u8], &'a [u8]);

/// Entries as they stand in the file.
#[derive(Debug, Default)]
pub(crate) struct SavedEntries {
    bytes: Vec<u8>,
    folders: Vec<Folder>,
    /// Where each entry begins.
    starts: Vec<usize>,
}

/// Entries of one folder.
#[derive(Debug)]
struct Folder {
    /// Where its path begins.
    start: usize,
    /// The first of its entries.
    first: usize,
}

impl SavedEntries {
    /// Takes entries that are in order of their paths in two, none of which is there twice, and that may take
    /// so many bytes.
    pub(crate) fn from_sorted<'a>(
        entries: impl Iterator<Item = (SplitPath<'a>, Entry)>,
        expected_bytes: usize,
    ) -> Self {
        let mut bytes = Vec::with_capacity(expected_bytes);
        bytes.extend(MAGIC);
        // The count of folders comes here.
        bytes.extend([0; 8]);
        let (mut folders, mut starts) = (Vec::<Folder>::new(), Vec::new());
        let mut last: Option<&[u8]> = None;
        // Where the count of entries of the last folder stands.
        let mut count_at = 0;
        for ((folder, name), entry) in entries {
            if last != Some(folder) {
                last = Some(folder);
                folders.push(Folder { start: bytes.len(), first: starts.len() });
                put_text(&mut bytes, folder);
                count_at = bytes.len();
                bytes.extend([0; LENGTH_BYTES]);
            }
            starts.push(bytes.len());
            put_text(&mut bytes, name);
            bytes.extend(entry.stat.bytes.to_le_bytes());
            bytes.extend(entry.stat.modified.to_le_bytes());
            bytes.extend(entry.stat.changed.to_le_bytes());
            bytes.extend(entry.stat.inode.to_le_bytes());
            bytes.extend(entry.stat.device.to_le_bytes());
            bytes.extend(entry.hashed_at.to_le_bytes());
            bytes.extend(entry.digest);
            let count = folders.last().map_or(0, |folder| starts.len() - folder.first) as u32;
            bytes[count_at..][..LENGTH_BYTES].copy_from_slice(&count.to_le_bytes());
        }
        bytes[MAGIC.len()..][..8].copy_from_slice(&(folders.len() as u64).to_le_bytes());
        let digest = blake3::hash(&bytes);
        bytes.extend(digest.as_bytes());
        Self { bytes, folders, starts }
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
        // Counts are believed as far as the bytes bear them out: nothing is allocated by them.
        let (mut folders, mut starts) = (Vec::new(), Vec::new());
        let mut last_folder: Option<&[u8]> = None;
        for _ in 0..u64::from_le_bytes(take(&mut rest)?) {
            folders.push(Folder { start: body.len() - rest.len(), first: starts.len() });
            let folder = take_text(&mut rest)?;
            let count = u32::from_le_bytes(take(&mut rest)?);
            if count == 0 {
                return Err("a folder has no entries");
            }
            if last_folder.is_some_and(|last| last >= folder) {
                return Err("its folders are not in order");
            }
            last_folder = Some(folder);
            let mut last_name: Option<&[u8]> = None;
            for _ in 0..count {
                starts.push(body.len() - rest.len());
                let name = take_text(&mut rest)?;
                if last_name.is_some_and(|last| last >= name) {
                    return Err("its entries are not in order");
                }
                last_name = Some(name);
                rest = rest.get(FIXED_BYTES..).ok_or("cut off")?;
            }
        }
        if !rest.is_empty() {
            return Err("more bytes than entries");
        }
        Ok(Self { bytes, folders, starts })
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
        let (folder, name) = split(path);
        let next = NEXT.get();
        let is_folder =
            |at: usize| self.folders.get(at).is_some_and(|of| self.text(of.start) == folder);
        let at = if is_folder(next.0) {
            next.0
        } else {
            self.folders.binary_search_by(|of| self.text(of.start).cmp(folder)).ok()?
        };
        let places = self.folders[at].first..self.end_of(at);
        let is_name =
            |place: usize| places.contains(&place) && self.text(self.starts[place]) == name;
        let place = if is_name(next.1) {
            next.1
        } else {
            let found = self.starts[places.clone()]
                .binary_search_by(|&start| self.text(start).cmp(name))
                .ok()?;
            places.start + found
        };
        // After the last of a folder the next one is expected.
        NEXT.set((if place + 1 == places.end { at + 1 } else { at }, place + 1));
        self.entry_at(self.starts[place])
    }

    /// All entries, in order of their paths in two.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (SplitPath<'_>, Entry)> {
        self.folders.iter().enumerate().flat_map(move |(at, folder)| {
            self.starts[folder.first..self.end_of(at)].iter().filter_map(move |&start| {
                Some(((self.text(folder.start), self.text(start)), self.entry_at(start)?))
            })
        })
    }

    /// Where the entries of a folder end.
    fn end_of(&self, at: usize) -> usize {
        self.folders.get(at + 1).map_or(self.starts.len(), |next| next.first)
    }

    /// The path or name that begins there. Empty where there is none, which cannot be: all were looked at
    /// when they were read.
    fn text(&self, start: usize) -> &[u8] {
        let mut rest = self.bytes.get(start..).unwrap_or_default();
        take_text(&mut rest).unwrap_or_default()
    }

    fn entry_at(&self, start: usize) -> Option<Entry> {
        let mut rest = self.bytes.get(start..)?;
        take_text(&mut rest).ok()?;
        read_entry(&mut rest).ok()
    }
}

/// A path in two.
pub(crate) fn split(path: &[u8]) -> SplitPath<'_> {
    let is_separator = |&byte: &u8| char::from(byte) == std::path::MAIN_SEPARATOR;
    path.split_at(path.iter().rposition(is_separator).map_or(0, |last| last + 1))
}

fn put_text(bytes: &mut Vec<u8>, text: &[u8]) {
    bytes.extend((text.len() as u32).to_le_bytes());
    bytes.extend_from_slice(text);
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let length = u32::from_le_bytes(take(rest)?) as usize;
    let (text, after) = rest.split_at_checked(length).ok_or("cut off")?;
    *rest = after;
    Ok(text)
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

    /// The bytes of a path from the root.
    fn path(parts: &[&str]) -> Vec<u8> {
        let separator = std::path::MAIN_SEPARATOR_STR;
        format!("{separator}{}", parts.join(separator)).into_bytes()
    }

    fn some_entries() -> Vec<(Vec<u8>, Entry)> {
        let mut entries: Vec<(Vec<u8>, Entry)> = (0..50_u8)
            .map(|i| {
                let n = u64::from(i);
                let time = i64::from(i) * 1_000_000_007 - 5;
                let stat =
                    Stat { bytes: n, modified: time, changed: time + 1, inode: n + 9, device: 3 };
                let entry = Entry { stat, hashed_at: time * 3, digest: [i; 32] };
                (
                    path(&["music", &format!("artist {}", i % 7), &format!("\u{1f3b5} {i}.ogg")]),
                    entry,
                )
            })
            .collect();
        // Were paths compared whole, a file would stand behind those of a folder that comes before it.
        entries[7].0 = path(&["music", "b.ogg"]);
        entries[8].0 = b"nowhere".to_vec();
        entries.sort_unstable_by(|a, b| split(&a.0).cmp(&split(&b.0)));
        entries
    }

    fn saved(entries: &[(Vec<u8>, Entry)]) -> SavedEntries {
        let entries = entries.iter().map(|(path, entry)| (split(path), *entry));
        SavedEntries::from_sorted(entries, 0)
    }

    fn encoded() -> Vec<u8> {
        saved(&some_entries()).as_bytes().to_vec()
    }

    #[test]
    fn entries_read_back_the_same_one_by_one_and_in_order() {
        let (entries, read) = (some_entries(), SavedEntries::decode(encoded()).unwrap());
        assert_eq!(read.len(), entries.len());
        for (path, entry) in entries.iter().chain(entries.iter().rev()) {
            assert_eq!(read.get(path), Some(*entry));
        }
        let listed: Vec<(Vec<u8>, Entry)> =
            read.iter().map(|((folder, name), entry)| ([folder, name].concat(), entry)).collect();
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
        for (swapped, what) in [((3, 4), "entries"), ((0, 1), "folders")] {
            let mut entries = some_entries();
            entries.swap(swapped.0, swapped.1);
            let refused = SavedEntries::decode(saved(&entries).as_bytes().to_vec());
            assert_eq!(refused.unwrap_err(), format!("its {what} are not in order"));
        }
    }

    #[test]
    fn one_of_an_older_form_is_empty_and_not_damaged() {
        let read = SavedEntries::decode([OLDER_MAGIC, b"whatever it has"].concat()).unwrap();
        assert_eq!(read.len(), 0);
    }

    #[test]
    fn a_count_that_lies_under_a_right_digest_neither_panics_nor_allocates() {
        let refused = |folders: u64, rest: &[u8]| {
            let mut body = [MAGIC, &folders.to_le_bytes(), rest].concat();
            let digest = blake3::hash(&body);
            body.extend(digest.as_bytes());
            SavedEntries::decode(body).unwrap_err()
        };
        assert_eq!(refused(u64::MAX, b""), "cut off");
        assert_eq!(refused(1, &u32::MAX.to_le_bytes()), "cut off");
        let folder =
            |entries: u32| [&1_u32.to_le_bytes()[..], b"/", &entries.to_le_bytes()].concat();
        assert_eq!(refused(1, &folder(u32::MAX)), "cut off");
        assert_eq!(refused(1, &folder(0)), "a folder has no entries");
        let name = [folder(1), u32::MAX.to_le_bytes().to_vec()].concat();
        assert_eq!(refused(1, &name), "cut off");
        assert_eq!(refused(0, b"more"), "more bytes than entries");
    }
}
