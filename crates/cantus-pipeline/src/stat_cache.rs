//! Content digests of files that did not change since they were last hashed.

use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::atomic_file::write_atomic_bytes;
use crate::error::PipelineError;
use crate::stat_cache_file::{SavedEntries, SplitPath, path_bytes, path_of, split};

/// A file changed this shortly before it was hashed may change again without a new time stamp.
const RACY_NANOSECONDS: i64 = 2_000_000_000;
const ATTEMPTS: usize = 5;

/// BLAKE3 digests of files, remembered with the files' sizes and times so that an unchanged file
/// is not read again.
///
/// The digest is the verdict; size, modification and change time, inode and device are only the
/// key under which it is found (without Unix: size and modification time). A file that was touched
/// is read again and has the same digest. A file whose modification time is less than two seconds
/// before the moment of hashing, or after it, is read again next time, since another write within
/// the time stamps' resolution would not show.
///
/// All methods take `&self` and may be called from many threads.
#[derive(Debug)]
pub struct StatCache {
    path: PathBuf,
    entries: RwLock<Entries>,
    hashed: AtomicU64,
    reused: AtomicU64,
    unsaved: AtomicBool,
    was_damaged: bool,
}

/// What is remembered: as it was read, and what was hashed since, which counts before that.
#[derive(Debug, Default)]
struct Entries {
    saved: SavedEntries,
    hashed: HashMap<PathBuf, Entry>,
}

impl Entries {
    fn get(&self, path: &Path) -> Option<Entry> {
        let hashed = self.hashed.get(path).copied();
        hashed.or_else(|| self.saved.get(path_bytes(path)?))
    }

    /// All of them but those that `is_left_out` names, in the form of the file.
    fn merged(&self, is_left_out: impl Fn(&Path) -> bool) -> SavedEntries {
        let mut hashed: Vec<(SplitPath<'_>, Entry)> = self
            .hashed
            .iter()
            .filter_map(|(path, entry)| Some((split(path_bytes(path)?), *entry)))
            .collect();
        hashed.sort_unstable_by_key(|(path, _)| *path);
        let mut hashed = hashed.into_iter().peekable();
        let mut saved = self.saved.iter().peekable();
        let in_order = std::iter::from_fn(|| match (hashed.peek(), saved.peek()) {
            (Some((new, _)), Some((old, _))) if old < new => saved.next(),
            (Some((new, _)), Some((old, _))) => {
                if new == old {
                    saved.next();
                }
                hashed.next()
            }
            (Some(_), None) => hashed.next(),
            (None, _) => saved.next(),
        });
        let is_kept = |((folder, name), _): &(SplitPath<'_>, Entry)| {
            path_of(&[*folder, *name].concat()).is_some_and(|path| !is_left_out(path))
        };
        SavedEntries::from_sorted(in_order.filter(is_kept), self.saved.as_bytes().len())
    }

    fn len(&self) -> usize {
        let is_replaced =
            |path: &&PathBuf| path_bytes(path).is_some_and(|path| self.saved.get(path).is_some());
        self.saved.len() + self.hashed.len() - self.hashed.keys().filter(is_replaced).count()
    }
}

/// How many files were read and how many were not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatCacheCounts {
    /// Files that were read and hashed.
    pub hashed: u64,
    /// Files whose digest was known.
    pub reused: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) stat: Stat,
    /// Nanoseconds since 1970 at which the hashing began.
    pub(crate) hashed_at: i64,
    pub(crate) digest: [u8; 32],
}

/// What tells one state of a file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) bytes: u64,
    /// Nanoseconds since 1970.
    pub(crate) modified: i64,
    /// Nanoseconds since 1970.
    pub(crate) changed: i64,
    pub(crate) inode: u64,
    pub(crate) device: u64,
}

impl Stat {
    #[cfg(unix)]
    fn of(metadata: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        let nanoseconds = |seconds: i64, rest: i64| {
            clamped(i128::from(seconds) * 1_000_000_000 + i128::from(rest))
        };
        Self {
            bytes: metadata.len(),
            modified: nanoseconds(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanoseconds(metadata.ctime(), metadata.ctime_nsec()),
            inode: metadata.ino(),
            device: metadata.dev(),
        }
    }

    #[cfg(not(unix))]
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().map_or(i64::MAX, nanoseconds_since_1970);
        Self { bytes: metadata.len(), modified, changed: 0, inode: 0, device: 0 }
    }
}

impl Entry {
    fn is_trusted(&self) -> bool {
        // Times before 1677 are clamped to one, which tells no two of them apart.
        self.stat.modified > i64::MIN
            && self.stat.modified.saturating_add(RACY_NANOSECONDS) <= self.hashed_at
    }
}

fn nanoseconds_since_1970(time: SystemTime) -> i64 {
    clamped(match time.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    })
}

/// The nearest number of nanoseconds that half the room holds: of times from 1677 to 2262 themselves.
fn clamped(nanoseconds: i128) -> i64 {
    nanoseconds.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

impl StatCache {
    /// Reads the cache saved at `path`. One that is missing, or [damaged](Self::was_damaged), is
    /// empty: it costs time, not correctness.
    ///
    /// # Errors
    ///
    /// If there is a file but it cannot be read at all.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, PipelineError> {
        let path = path.as_ref().to_path_buf();
        let mut was_damaged = false;
        let saved = match fs::read(&path) {
            Ok(bytes) => SavedEntries::decode(bytes).unwrap_or_else(|reason| {
                tracing::debug!(path = %path.display(), reason, "stat cache damaged, starting anew");
                was_damaged = true;
                SavedEntries::default()
            }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => SavedEntries::default(),
            Err(error) => return Err(PipelineError::io("read", &path, error)),
        };
        Ok(Self {
            path,
            entries: RwLock::new(Entries { saved, hashed: HashMap::new() }),
            hashed: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            unsaved: AtomicBool::new(was_damaged),
            was_damaged,
        })
    }

    /// The digest of a file's content, 64 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// If the path is no regular file (symbolic links are followed), cannot be read, or changes
    /// each time while it is read.
    pub fn hash_file(&self, path: impl AsRef<Path>) -> Result<String, PipelineError> {
        Ok(blake3::Hash::from_bytes(self.digest_of_file(path)?).to_hex().to_string())
    }

    /// The digest of a file's content as 32 bytes, a quarter of the room that its text takes.
    ///
    /// # Errors
    ///
    /// Those of [`hash_file`](Self::hash_file).
    pub fn digest_of_file(&self, path: impl AsRef<Path>) -> Result<[u8; 32], PipelineError> {
        let path = path.as_ref();
        let key = std::path::absolute(path)
            .map_err(|source| PipelineError::io("resolve", path, source))?;
        // Asked before opening: opening a named pipe would wait for a writer.
        let metadata = fs::metadata(path).map_err(|e| PipelineError::io("read", path, e))?;
        if !metadata.is_file() {
            return Err(PipelineError::NotAFile { path: path.to_path_buf() });
        }
        let known = self.entries.read().unwrap_or_else(PoisonError::into_inner).get(&key);
        if let Some(entry) = known
            && entry.stat == Stat::of(&metadata)
            && entry.is_trusted()
        {
            self.reused.fetch_add(1, Ordering::Relaxed);
            return Ok(entry.digest);
        }
        let entry = hash_steady(path)?;
        self.hashed.fetch_add(1, Ordering::Relaxed);
        // No code that can panic runs while the entries are half changed, so poisoned ones are whole.
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.hashed.insert(key, entry);
        self.unsaved.store(true, Ordering::Relaxed);
        Ok(entry.digest)
    }

    /// How many files were read, and how many not, since the cache was opened.
    pub fn counts(&self) -> StatCacheCounts {
        StatCacheCounts {
            hashed: self.hashed.load(Ordering::Relaxed),
            reused: self.reused.load(Ordering::Relaxed),
        }
    }

    /// Whether the saved cache was damaged, so that this one started empty.
    pub fn was_damaged(&self) -> bool {
        self.was_damaged
    }

    /// How many files are remembered.
    pub fn len(&self) -> usize {
        self.entries.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes the cache back, atomically, without the files that are gone; does nothing if nothing
    /// was hashed.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self) -> Result<(), PipelineError> {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        if !self.unsaved.load(Ordering::Relaxed) {
            return Ok(());
        }
        let saved = entries.merged(|path| !path.try_exists().unwrap_or(true));
        write_atomic_bytes(&self.path, saved.as_bytes())?;
        *entries = Entries { saved, hashed: HashMap::new() };
        self.unsaved.store(false, Ordering::Relaxed);
        Ok(())
    }
}

/// Hashes a file whose size and times are the same before and after.
fn hash_steady(path: &Path) -> Result<Entry, PipelineError> {
    let fail = |source| PipelineError::io("read", path, source);
    for _ in 0..ATTEMPTS {
        let hashed_at = nanoseconds_since_1970(SystemTime::now());
        let file = File::open(path).map_err(fail)?;
        let stat = Stat::of(&file.metadata().map_err(fail)?);
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(&file).map_err(fail)?;
        if Stat::of(&file.metadata().map_err(fail)?) == stat {
            return Ok(Entry { stat, hashed_at, digest: *hasher.finalize().as_bytes() });
        }
    }
    Err(PipelineError::Unsteady { path: path.to_path_buf() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content_digest;
    use std::time::Duration;

    fn counts(hashed: u64, reused: u64) -> StatCacheCounts {
        StatCacheCounts { hashed, reused }
    }

    /// A file that was last written an hour ago.
    fn settled(path: &Path, bytes: &[u8]) {
        fs::write(path, bytes).unwrap();
        set_modified(path, 3600);
    }

    fn set_modified(path: &Path, seconds_ago: u64) {
        let time = SystemTime::now() - Duration::from_secs(seconds_ago);
        File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
    }

    #[test]
    fn an_unchanged_file_is_read_once_even_across_a_save() {
        let folder = tempfile::tempdir().unwrap();
        let (saved, song) = (folder.path().join("stat-cache"), folder.path().join("song"));
        settled(&song, b"music");
        let cache = StatCache::open(&saved).unwrap();
        assert_eq!(cache.hash_file(&song).unwrap(), content_digest(b"music"));
        assert_eq!(cache.hash_file(&song).unwrap(), content_digest(b"music"));
        assert_eq!(cache.counts(), counts(1, 1));
        cache.save().unwrap();

        let again = StatCache::open(&saved).unwrap();
        assert_eq!(again.hash_file(&song).unwrap(), content_digest(b"music"));
        assert_eq!(again.counts(), counts(0, 1));
    }

    #[test]
    fn a_touched_file_is_read_again_and_has_the_same_digest() {
        let folder = tempfile::tempdir().unwrap();
        let song = folder.path().join("song");
        settled(&song, b"music");
        let cache = StatCache::open(folder.path().join("stat-cache")).unwrap();
        let before = cache.hash_file(&song).unwrap();
        set_modified(&song, 1800);
        assert_eq!(cache.hash_file(&song).unwrap(), before);
        assert_eq!(cache.counts(), counts(2, 0));
    }

    #[cfg(unix)]
    #[test]
    fn other_content_of_the_same_size_and_modification_time_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let song = folder.path().join("song");
        settled(&song, b"music");
        let modified = fs::metadata(&song).unwrap().modified().unwrap();
        let cache = StatCache::open(folder.path().join("stat-cache")).unwrap();
        cache.hash_file(&song).unwrap();
        // A replacement has another inode, and its change time cannot be set back.
        let other = folder.path().join("other");
        fs::write(&other, b"noise").unwrap();
        File::options().write(true).open(&other).unwrap().set_modified(modified).unwrap();
        fs::rename(&other, &song).unwrap();
        assert_eq!(cache.hash_file(&song).unwrap(), content_digest(b"noise"));
    }

    #[test]
    fn a_file_written_just_now_or_in_the_future_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let cache = StatCache::open(folder.path().join("stat-cache")).unwrap();
        let fresh = folder.path().join("fresh");
        fs::write(&fresh, b"music").unwrap();
        let future = SystemTime::now() + Duration::from_secs(3600);
        File::options().write(true).open(&fresh).unwrap().set_modified(future).unwrap();
        cache.hash_file(&fresh).unwrap();
        cache.hash_file(&fresh).unwrap();
        assert_eq!(cache.counts(), counts(2, 0));
    }

    #[test]
    fn two_seconds_must_lie_between_a_change_and_its_hashing() {
        let entry = |modified| Entry {
            stat: Stat { bytes: 1, modified, changed: 0, inode: 0, device: 0 },
            hashed_at: 10 * RACY_NANOSECONDS,
            digest: [0; 32],
        };
        assert!(entry(9 * RACY_NANOSECONDS).is_trusted());
        assert!(!entry(9 * RACY_NANOSECONDS + 1).is_trusted());
        assert!(!entry(i64::MAX).is_trusted() && !entry(i64::MIN).is_trusted());
    }

    #[test]
    fn a_damaged_cache_starts_empty_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (saved, song) = (folder.path().join("stat-cache"), folder.path().join("song"));
        settled(&song, b"music");
        fs::write(&saved, b"not a cache").unwrap();
        let cache = StatCache::open(&saved).unwrap();
        assert!(cache.was_damaged() && cache.is_empty());
        cache.hash_file(&song).unwrap();
        cache.save().unwrap();
        let again = StatCache::open(&saved).unwrap();
        assert!(!again.was_damaged());
        assert_eq!(again.len(), 1);
    }

    #[test]
    fn a_saved_cache_forgets_the_files_that_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let saved = folder.path().join("stat-cache");
        let cache = StatCache::open(&saved).unwrap();
        let songs = ["kept", "gone"].map(|name| folder.path().join(name));
        for song in &songs {
            settled(song, b"music");
            cache.hash_file(song).unwrap();
        }
        fs::remove_file(&songs[1]).unwrap();
        cache.save().unwrap();
        assert_eq!(cache.len(), 1);
        let again = StatCache::open(&saved).unwrap();
        again.hash_file(&songs[0]).unwrap();
        assert_eq!(again.counts(), StatCacheCounts { hashed: 0, reused: 1 });
        assert_eq!(again.len(), 1);
    }

    #[test]
    fn what_was_hashed_again_replaces_what_was_saved_wherever_it_stands() {
        let folder = tempfile::tempdir().unwrap();
        let saved = folder.path().join("stat-cache");
        let songs = ["a", "b", "c", "d"].map(|name| folder.path().join(name));
        let cache = StatCache::open(&saved).unwrap();
        for song in &songs[1..3] {
            settled(song, b"music");
            cache.hash_file(song).unwrap();
        }
        cache.save().unwrap();
        let again = StatCache::open(&saved).unwrap();
        for (song, content) in songs.iter().zip([b"first", b"other", b"music", b"after"]) {
            if content != b"music" {
                settled(song, content);
            }
            assert_eq!(again.hash_file(song).unwrap(), content_digest(content));
        }
        assert_eq!((again.counts(), again.len()), (counts(3, 1), 4));
        again.save().unwrap();
        let last = StatCache::open(&saved).unwrap();
        assert_eq!(last.len(), 4);
        for (song, content) in songs.iter().zip([b"first", b"other", b"music", b"after"]) {
            assert_eq!(last.hash_file(song).unwrap(), content_digest(content));
        }
        assert_eq!(last.counts(), counts(0, 4));
    }

    #[test]
    fn files_of_several_folders_are_merged_in_the_order_of_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let saved = folder.path().join("stat-cache");
        let songs = ["b.ogg", "a/x.ogg", "c/y.ogg", "a.ogg"].map(|name| folder.path().join(name));
        for songs in songs.chunks(2) {
            let cache = StatCache::open(&saved).unwrap();
            for song in songs {
                fs::create_dir_all(song.parent().unwrap()).unwrap();
                settled(song, song.as_os_str().as_encoded_bytes());
                cache.hash_file(song).unwrap();
            }
            cache.save().unwrap();
        }
        let again = StatCache::open(&saved).unwrap();
        assert!(!again.was_damaged());
        for song in songs.iter().chain(songs.iter().rev()) {
            let expected = content_digest(song.as_os_str().as_encoded_bytes());
            assert_eq!(again.hash_file(song).unwrap(), expected);
        }
        assert_eq!((again.counts(), again.len()), (counts(0, 8), 4));
    }

    #[test]
    fn a_folder_is_refused_and_a_missing_file_named() {
        let folder = tempfile::tempdir().unwrap();
        let cache = StatCache::open(folder.path().join("stat-cache")).unwrap();
        let error = cache.hash_file(folder.path()).unwrap_err();
        assert!(matches!(error, PipelineError::NotAFile { .. }), "{error:?}");
        let error = cache.hash_file(folder.path().join("none")).unwrap_err();
        assert!(error.to_string().contains("none"), "{error}");
    }

    #[test]
    fn many_threads_share_a_cache() {
        let folder = tempfile::tempdir().unwrap();
        let cache = StatCache::open(folder.path().join("stat-cache")).unwrap();
        let songs: Vec<PathBuf> = (0..20).map(|i| folder.path().join(format!("song{i}"))).collect();
        for song in &songs {
            settled(song, song.as_os_str().as_encoded_bytes());
        }
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for song in &songs {
                        let expected = content_digest(song.as_os_str().as_encoded_bytes());
                        assert_eq!(cache.hash_file(song).unwrap(), expected);
                    }
                });
            }
        });
        let counted = cache.counts();
        assert_eq!(counted.hashed + counted.reused, 80);
        assert_eq!(cache.len(), 20);
    }
}
