//! Takes the named tracks out of a package, and nothing else.
//!
//! Names found in packages are only ever compared; every file is written under the name that the
//! table gave it, once its sum is right.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cantus_pipeline::AtomicFile;
use zip::ZipArchive;

use super::deb;
use super::observer::{FetchEvent, FetchObserver};
use super::sha256::{CopyError, copy_and_sum};
use super::table::Track;

/// What a package may ask for. Of those in the table, the largest track has 10 MB, the largest zip
/// archive 210 MB, the largest package file 381 MB.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Of one track.
    pub(super) track_bytes: u64,
    /// Of one zip archive inside a package.
    pub(super) archive_bytes: u64,
    /// Of all that a package unpacks to.
    pub(super) package_bytes: u64,
    /// Files, folders and links in a package.
    pub(super) entries: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            track_bytes: 128 << 20,
            archive_bytes: 512 << 20,
            package_bytes: 4 << 30,
            entries: 100_000,
        }
    }
}

/// Linux allows paths of 4096 bytes.
const MAX_NAME_BYTES: u64 = 4096;
const BYTES_BETWEEN_EVENTS: u64 = 1 << 20;

/// The context of errors that no other package would be spared.
#[derive(Debug)]
pub(super) struct CannotWrite(pub(super) PathBuf);

impl fmt::Display for CannotWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot write `{}`", self.0.display())
    }
}

/// A track that its package did not give.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TrackFailure {
    pub(super) path: String,
    pub(super) reason: String,
}

/// One package being unpacked.
pub(super) struct Unpacking<'a> {
    package: &'a str,
    /// The corpus root.
    root: &'a Path,
    /// Where a zip archive lies while it is read.
    scratch: &'a Path,
    limits: Limits,
    observer: &'a dyn FetchObserver,
    /// The paths written so far.
    pub(super) written: Vec<String>,
    /// The tracks that failed, each on its own.
    pub(super) failures: Vec<TrackFailure>,
}

impl<'a> Unpacking<'a> {
    pub(super) fn new(
        package: &'a str,
        root: &'a Path,
        scratch: &'a Path,
        limits: Limits,
        observer: &'a dyn FetchObserver,
    ) -> Self {
        Self { package, root, scratch, limits, observer, written: Vec::new(), failures: Vec::new() }
    }

    /// Writes `tracks` out of the package file `deb`. What could not be had alone is in
    /// [`failures`](Self::failures).
    ///
    /// # Errors
    ///
    /// If the package cannot be read to the last wanted track, be it that the observer said stop;
    /// with [`CannotWrite`] as context where that is why.
    pub(super) fn unpack(&mut self, deb: &Path, tracks: &[&Track]) -> Result<()> {
        let mut wanted: BTreeMap<&[u8], Vec<&Track>> = BTreeMap::new();
        for track in tracks {
            wanted.entry(track.place.file.as_bytes()).or_default().push(track);
        }
        let file = File::open(deb)?;
        let watched = Watched {
            bytes_total: file.metadata()?.len(),
            inner: file,
            package: self.package,
            bytes: 0,
            bytes_told: 0,
            observer: self.observer,
        };
        let mut tar = tar::Archive::new(deb::open_data(watched, self.limits.package_bytes)?);
        // Raw, since otherwise a long name is read at whatever length its header claims.
        let entries = tar.entries().context("the package is damaged")?.raw(true);
        let mut long_name = None;
        for (index, entry) in entries.enumerate() {
            if index >= self.limits.entries {
                bail!("the package holds more than {} files", self.limits.entries);
            }
            let mut entry = entry.map_err(damaged)?;
            let kind = entry.header().entry_type();
            if kind.is_gnu_longname() {
                long_name = Some(read_long_name(&mut entry)?);
                continue;
            }
            if kind.is_gnu_longlink() {
                continue;
            }
            let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
            let name = name.strip_prefix(b"./").unwrap_or(&name);
            let Some(tracks) = wanted.remove(name) else { continue };
            if kind.is_file() {
                self.take(&mut entry, &tracks)?;
            } else {
                self.fail_all(&tracks, "it is no regular file in the package");
            }
            if wanted.is_empty() {
                break;
            }
        }
        for tracks in wanted.into_values() {
            self.fail_all(&tracks, "the package does not hold it");
        }
        Ok(())
    }

    fn take(&mut self, entry: &mut impl Read, tracks: &[&Track]) -> Result<()> {
        match tracks {
            [track] if track.place.inner.is_none() => self.write_track(track, entry),
            tracks => self.take_from_archive(entry, tracks),
        }
    }

    fn take_from_archive(&mut self, entry: &mut impl Read, tracks: &[&Track]) -> Result<()> {
        // It has no name, so it is gone even if this process is killed.
        let mut spooled = tempfile::tempfile_in(self.scratch)
            .with_context(|| CannotWrite(self.scratch.to_owned()))?;
        match copy_and_sum(entry, &mut spooled, self.limits.archive_bytes) {
            Ok(_) => {}
            Err(CopyError::Read(error)) => return Err(damaged(error)),
            Err(CopyError::Write(error)) => {
                return Err(error).context(CannotWrite(self.scratch.to_owned()));
            }
            Err(error @ CopyError::TooLong { .. }) => {
                self.fail_all(tracks, &format!("its archive is too large: {error}"));
                return Ok(());
            }
        }
        spooled.seek(SeekFrom::Start(0))?;
        let mut archive = match ZipArchive::new(spooled) {
            Ok(archive) => archive,
            Err(error) => {
                self.fail_all(tracks, &format!("its zip archive is damaged: {error}"));
                return Ok(());
            }
        };
        for track in tracks {
            let Some(inner) = &track.place.inner else {
                self.fail(track, "the table names it both as a track and as an archive".into());
                continue;
            };
            match archive.by_name(inner) {
                Ok(mut file) if file.is_file() => self.write_track(track, &mut file)?,
                Ok(_) => self.fail(track, "it is no regular file in its zip archive".into()),
                Err(error) => self.fail(track, format!("not had from its zip archive: {error}")),
            }
        }
        Ok(())
    }

    fn write_track(&mut self, track: &Track, reader: &mut impl Read) -> Result<()> {
        let target = self.root.join(&track.path);
        let cannot_write = || CannotWrite(target.clone());
        let mut file = AtomicFile::create(&target).with_context(cannot_write)?;
        match copy_and_sum(reader, &mut file, self.limits.track_bytes) {
            Ok(copied) if copied.sum == track.sum => {
                file.commit().with_context(cannot_write)?;
                let event = FetchEvent::TrackWritten { path: &track.path, bytes: copied.bytes };
                self.observer.event(event);
                self.written.push(track.path.clone());
            }
            Ok(copied) => {
                let sum = copied.sum;
                self.fail(track, format!("its sum is {sum}, the table's {}", track.sum));
            }
            Err(CopyError::Write(error)) => return Err(error).with_context(cannot_write),
            Err(CopyError::Read(error)) if track.place.inner.is_none() => {
                return Err(damaged(error));
            }
            Err(CopyError::Read(error)) => {
                self.fail(track, format!("its zip archive is damaged: {error}"));
            }
            Err(error @ CopyError::TooLong { .. }) => self.fail(track, error.to_string()),
        }
        Ok(())
    }

    fn fail_all(&mut self, tracks: &[&Track], reason: &str) {
        for track in tracks {
            self.fail(track, reason.to_owned());
        }
    }

    fn fail(&mut self, track: &Track, reason: String) {
        self.observer.event(FetchEvent::TrackFailed { path: &track.path, reason: &reason });
        self.failures.push(TrackFailure { path: track.path.clone(), reason });
    }
}

fn damaged(error: io::Error) -> anyhow::Error {
    anyhow::Error::new(error).context("the package is damaged")
}

fn read_long_name(entry: &mut impl Read) -> Result<Vec<u8>> {
    let mut name = Vec::new();
    entry.take(MAX_NAME_BYTES + 1).read_to_end(&mut name).map_err(damaged)?;
    if name.len() as u64 > MAX_NAME_BYTES {
        bail!("the package is damaged: it holds a name of more than {MAX_NAME_BYTES} bytes");
    }
    let end = name.iter().position(|&byte| byte == 0).unwrap_or(name.len());
    name.truncate(end);
    Ok(name)
}

/// The package file, with the observer told about every megabyte and asked whether to go on.
struct Watched<'a> {
    inner: File,
    package: &'a str,
    bytes: u64,
    bytes_told: u64,
    bytes_total: u64,
    observer: &'a dyn FetchObserver,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.observer.is_cancelled() {
            return Err(io::Error::other("stopped on request"));
        }
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        if self.bytes >= self.bytes_told + BYTES_BETWEEN_EVENTS || self.bytes == self.bytes_total {
            self.bytes_told = self.bytes;
            self.observer.event(FetchEvent::Unpacked {
                package: self.package,
                bytes: self.bytes,
                bytes_total: self.bytes_total,
            });
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::fs;

    use tar::EntryType;
    use tempfile::TempDir;

    use super::super::sha256::Sha256Sum;
    use super::super::table::Place;
    use super::super::test_packages::{Compression, append, package, package_of_tar, zip_of};
    use super::*;

    const LIMITS: Limits =
        Limits { track_bytes: 10_000, archive_bytes: 50_000, package_bytes: 100_000, entries: 20 };

    fn track(path: &str, place: &str, content: &[u8]) -> Track {
        let (file, inner) = match place.split_once('!') {
            Some((file, inner)) => (file, Some(inner.to_owned())),
            None => (place, None),
        };
        Track {
            artist: "Artist".into(),
            album: "Album".into(),
            title: "Song".into(),
            license: "CC0".into(),
            package: "music".into(),
            place: Place { file: file.into(), inner },
            sum: Sha256Sum::of(content),
            in_small: true,
            in_albums: true,
            path: path.into(),
        }
    }

    struct Unpacked {
        folder: TempDir,
        result: Result<()>,
        written: Vec<String>,
        failures: Vec<TrackFailure>,
    }

    impl Unpacked {
        /// Every file below, but for the package itself.
        fn files(&self) -> Vec<String> {
            let mut found = Vec::new();
            let mut waiting = vec![self.folder.path().to_owned()];
            while let Some(folder) = waiting.pop() {
                for entry in fs::read_dir(folder).unwrap() {
                    let path = entry.unwrap().path();
                    if path.is_dir() && !path.is_symlink() {
                        waiting.push(path);
                    } else {
                        let name = path.strip_prefix(self.folder.path()).unwrap();
                        found.push(name.to_str().unwrap().to_owned());
                    }
                }
            }
            found.retain(|name| name != "music.deb");
            found.sort();
            found
        }

        fn reason(&self) -> &str {
            assert_eq!(self.failures.len(), 1, "{:?}", self.failures);
            &self.failures[0].reason
        }
    }

    fn unpack(deb: &[u8], tracks: &[Track]) -> Unpacked {
        unpack_watched(deb, tracks, &|_: FetchEvent<'_>| {})
    }

    fn unpack_watched(deb: &[u8], tracks: &[Track], observer: &dyn FetchObserver) -> Unpacked {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("music.deb");
        fs::write(&path, deb).unwrap();
        let root = folder.path().join("root");
        let mut unpacking = Unpacking::new("music", &root, folder.path(), LIMITS, observer);
        let result = unpacking.unpack(&path, &tracks.iter().collect::<Vec<_>>());
        let Unpacking { written, failures, .. } = unpacking;
        Unpacked { folder, result, written, failures }
    }

    #[test]
    fn the_named_tracks_are_written_under_their_own_names_and_nothing_else() {
        let long = format!("usr/share/{}/b.ogg", "long".repeat(40));
        let files = [("usr/share/a.ogg", &b"one"[..]), (&long, b"two"), ("usr/c.ogg", b"three")];
        for compression in
            [Compression::None, Compression::Gzip, Compression::Xz, Compression::Zstd]
        {
            let tracks =
                [track("X/Y/One.ogg", "usr/share/a.ogg", b"one"), track("X/Z/2", &long, b"two")];
            let unpacked = unpack(&package(&files, compression), &tracks);
            unpacked.result.as_ref().unwrap();
            assert_eq!(unpacked.files(), ["root/X/Y/One.ogg", "root/X/Z/2"]);
            assert_eq!(unpacked.written, ["X/Y/One.ogg", "X/Z/2"]);
            let one = fs::read(unpacked.folder.path().join("root/X/Y/One.ogg")).unwrap();
            assert_eq!(one, b"one");
        }
    }

    #[test]
    fn tracks_inside_a_zip_archive_are_written_too() {
        let zip = zip_of(&[("music/a.ogg", b"one"), ("../b.ogg", b"two"), ("c", b"three")]);
        let deb = package(&[("usr/music.pk3", &zip), ("usr/d.ogg", b"four")], Compression::Xz);
        let tracks = [
            track("a", "usr/music.pk3!music/a.ogg", b"one"),
            track("d", "usr/d.ogg", b"four"),
            track("x", "usr/music.pk3!music/x.ogg", b""),
            track("w", "usr/music.pk3!c", b"wrong"),
        ];
        let unpacked = unpack(&deb, &tracks);
        unpacked.result.as_ref().unwrap();
        assert_eq!(unpacked.files(), ["root/a", "root/d"]);
        let failed: Vec<&str> = unpacked.failures.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(failed, ["x", "w"]);
    }

    #[test]
    fn hostile_names_are_never_written() {
        let mut tar = tar::Builder::new(Vec::new());
        for name in ["../x", "./../../x", "/etc/x", "./usr/../../x", "usr\0/x"] {
            append(&mut tar, EntryType::Regular, name.as_bytes(), b"evil");
        }
        append(&mut tar, EntryType::Regular, "../".repeat(60).as_bytes(), b"evil");
        append(&mut tar, EntryType::Regular, b"./usr/a.ogg", b"good");
        let deb = package_of_tar(&tar.into_inner().unwrap(), Compression::Zstd);
        let unpacked = unpack(&deb, &[track("a", "usr/a.ogg", b"good")]);
        unpacked.result.as_ref().unwrap();
        assert_eq!(unpacked.files(), ["root/a"]);
    }

    #[test]
    fn links_and_folders_are_not_taken_for_tracks() {
        for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::Fifo] {
            let mut tar = tar::Builder::new(Vec::new());
            append(&mut tar, kind, b"./usr/a.ogg", b"");
            let deb = package_of_tar(&tar.into_inner().unwrap(), Compression::None);
            let unpacked = unpack(&deb, &[track("a", "usr/a.ogg", b"")]);
            unpacked.result.as_ref().unwrap();
            assert!(unpacked.reason().contains("no regular file"), "{}", unpacked.reason());
            assert_eq!(unpacked.files(), <[&str; 0]>::default());
        }
    }

    #[test]
    fn a_wrong_sum_leaves_no_file_and_spares_the_next_track() {
        let deb = package(&[("a", b"altered"), ("b", b"right")], Compression::Gzip);
        let tracks = [track("A/a", "a", b"original"), track("A/b", "b", b"right")];
        let unpacked = unpack(&deb, &tracks);
        unpacked.result.as_ref().unwrap();
        assert!(unpacked.reason().contains("sum"), "{}", unpacked.reason());
        assert_eq!(unpacked.files(), ["root/A/b"]);
    }

    #[test]
    fn a_file_that_stands_is_replaced_only_by_the_right_one() {
        let deb = package(&[("a", b"right")], Compression::None);
        for (expected, kept) in [(&b"right"[..], &b"right"[..]), (b"other", b"older")] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("music.deb"), &deb).unwrap();
            fs::write(folder.path().join("a"), b"older").unwrap();
            let silent = |_: FetchEvent<'_>| {};
            let path = folder.path();
            let mut unpacking = Unpacking::new("music", path, path, LIMITS, &silent);
            unpacking.unpack(&path.join("music.deb"), &[&track("a", "a", expected)]).unwrap();
            assert_eq!(fs::read(path.join("a")).unwrap(), kept);
        }
    }

    #[test]
    fn a_track_that_is_not_there_is_named() {
        let deb = package(&[("a", b"right")], Compression::None);
        let unpacked = unpack(&deb, &[track("A/b", "b", b"")]);
        assert!(unpacked.reason().contains("does not hold it"));
        assert_eq!(unpacked.failures[0].path, "A/b");
    }

    #[test]
    fn bombs_end_at_the_limits() {
        let zeros = vec![0; 20_000];
        let large = package(&[("a", &zeros), ("b", b"right")], Compression::Xz);
        let unpacked = unpack(&large, &[track("a", "a", &zeros), track("b", "b", b"right")]);
        unpacked.result.as_ref().unwrap();
        assert!(unpacked.reason().contains("more than 10000 bytes"), "{}", unpacked.reason());
        assert_eq!(unpacked.files(), ["root/b"]);

        let swelling = package(&[("x.pk3", &zip_of(&[("a", &zeros)]))], Compression::Xz);
        let unpacked = unpack(&swelling, &[track("a", "x.pk3!a", &zeros)]);
        assert!(unpacked.reason().contains("more than 10000 bytes"), "{}", unpacked.reason());

        let archive = package(&[("x.pk3", &vec![0; 60_000])], Compression::Xz);
        let unpacked = unpack(&archive, &[track("a", "x.pk3!a", b"")]);
        assert!(unpacked.reason().contains("more than 50000 bytes"), "{}", unpacked.reason());

        let filled = package(&[("x", &vec![0; 120_000]), ("a", b"right")], Compression::Xz);
        let unpacked = unpack(&filled, &[track("a", "a", b"right")]);
        let error = format!("{:#}", unpacked.result.as_ref().unwrap_err());
        assert!(error.contains("more than 100000 bytes"), "{error}");

        let names: Vec<String> = (0..30).map(|index| index.to_string()).collect();
        let files: Vec<(&str, &[u8])> =
            names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        let unpacked = unpack(&package(&files, Compression::Xz), &[track("a", "a", b"")]);
        let error = format!("{:#}", unpacked.result.as_ref().unwrap_err());
        assert!(error.contains("more than 20 files"), "{error}");
    }

    #[test]
    fn a_name_of_a_megabyte_is_not_read() {
        let mut tar = tar::Builder::new(Vec::new());
        append(&mut tar, EntryType::Regular, &vec![b'n'; 90_000], b"evil");
        let deb = package_of_tar(&tar.into_inner().unwrap(), Compression::None);
        let unpacked = unpack(&deb, &[track("a", "a", b"")]);
        let error = format!("{:#}", unpacked.result.as_ref().unwrap_err());
        assert!(error.contains("name of more than 4096 bytes"), "{error}");
    }

    #[test]
    fn a_package_cut_short_keeps_what_came_before_the_cut() {
        let files = [("a", &b"one"[..]), ("b", &[7; 5000]), ("c", b"three")];
        let deb = package(&files, Compression::None);
        let tracks = [track("a", "a", b"one"), track("b", "b", &[7; 5000])];
        let unpacked = unpack(&deb[..deb.len() - 5000], &tracks);
        assert!(unpacked.result.is_err() || !unpacked.failures.is_empty());
        assert_eq!(unpacked.files(), ["root/a"]);
    }

    #[test]
    fn a_damaged_zip_archive_fails_its_tracks_alone() {
        let mut zip = zip_of(&[("a", b"one")]);
        zip.truncate(zip.len() - 10);
        let deb = package(&[("x.pk3", &zip), ("b", b"two")], Compression::Xz);
        let unpacked = unpack(&deb, &[track("a", "x.pk3!a", b"one"), track("b", "b", b"two")]);
        unpacked.result.as_ref().unwrap();
        assert!(unpacked.reason().contains("zip archive"), "{}", unpacked.reason());
        assert_eq!(unpacked.files(), ["root/b"]);
    }

    #[test]
    fn what_cannot_be_written_stops_the_package_and_says_where() {
        let folder = tempfile::tempdir().unwrap();
        let deb = folder.path().join("music.deb");
        fs::write(&deb, package(&[("a", b"one")], Compression::None)).unwrap();
        let root = folder.path().join("root");
        fs::write(&root, b"a file where the folder should be").unwrap();
        let silent = |_: FetchEvent<'_>| {};
        let mut unpacking = Unpacking::new("music", &root, folder.path(), LIMITS, &silent);
        let error = unpacking.unpack(&deb, &[&track("A/a", "a", b"one")]).unwrap_err();
        assert!(error.downcast_ref::<CannotWrite>().is_some(), "{error:#}");
        assert!(error.to_string().contains("root/A/a"), "{error}");
    }

    #[test]
    fn progress_ends_at_the_size_of_the_package_and_every_track_is_told() {
        let deb = package(&[("a", b"one"), ("b", b"two")], Compression::None);
        let events = RefCell::new(Vec::new());
        let observer = |event: FetchEvent<'_>| events.borrow_mut().push(format!("{event:?}"));
        unpack_watched(&deb, &[track("a", "a", b"one"), track("b", "b", b"2")], &observer);
        let events = events.borrow();
        let told = |text: &str| events.iter().any(|event| event.contains(text));
        assert!(told(&format!("bytes: {0}, bytes_total: {0}", deb.len())), "{events:?}");
        assert!(told("TrackWritten { path: \"a\", bytes: 3 }"), "{events:?}");
        assert!(told("TrackFailed { path: \"b\""), "{events:?}");
    }

    #[test]
    fn a_request_to_stop_ends_the_package_between_two_reads() {
        struct Stop(Cell<bool>);
        impl FetchObserver for Stop {
            fn event(&self, event: FetchEvent<'_>) {
                self.0.set(self.0.get() || matches!(event, FetchEvent::TrackWritten { .. }));
            }
            fn is_cancelled(&self) -> bool {
                self.0.get()
            }
        }
        let noise: Vec<u8> =
            (0..90_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let files = [("a", &b"one"[..]), ("b", &noise[..]), ("c", b"three")];
        let deb = package(&files, Compression::None);
        let tracks = [track("a", "a", b"one"), track("c", "c", b"three")];
        let unpacked = unpack_watched(&deb, &tracks, &Stop(Cell::new(false)));
        assert!(unpacked.result.is_err());
        assert_eq!(unpacked.files(), ["root/a"]);
    }
}
