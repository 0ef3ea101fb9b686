//! The whole of a fetch: what is missing, package by package, until the profile is complete.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use cantus_pipeline::write_atomic_bytes;
use rayon::prelude::*;

use super::Profile;
use super::apt::{self, Offer};
use super::attribution::attribution;
use super::download::{PackageFolder, Scratch};
use super::observer::{FetchEvent, FetchObserver, PackageSource};
use super::sha256::sum_of_file;
use super::table::{Package, Table, Track};
use super::unpack::{CannotWrite, Limits, Unpacking};
use crate::session::count;

/// Where a fetch takes from and puts to.
#[derive(Debug, Clone)]
pub(crate) struct FetchSettings {
    /// The table of tracks, `data/corpora/freemusic20.tsv`.
    pub(crate) table: PathBuf,
    /// The corpus root, `data/raw/freemusic`; made if missing.
    pub(crate) destination: PathBuf,
    /// A folder of package files to take from, and from nowhere else. They are left as they are.
    pub(crate) debs: Option<PathBuf>,
    /// Where packages are downloaded to, `data/debs`.
    pub(crate) scratch: PathBuf,
    /// Whether downloaded packages stay there.
    pub(crate) keep_packages: bool,
}

/// A package that could not be had, or a track that its package did not give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FetchFailure {
    /// The package's name.
    pub(crate) package: String,
    /// The track's path under the corpus root, or none if the whole package failed.
    pub(crate) track: Option<String>,
    /// Why, in words.
    pub(crate) reason: String,
}

/// How a fetch ended.
#[derive(Debug, Clone, Default)]
pub(crate) struct FetchSummary {
    /// Songs in the profile.
    pub(crate) tracks: usize,
    /// Songs that were complete before.
    pub(crate) kept: usize,
    /// Songs of the profile written now.
    pub(crate) written: usize,
    /// Songs of other profiles that came in the same packages and were written too, so that no
    /// package is ever fetched twice.
    pub(crate) written_of_other_profiles: usize,
    /// Paths of songs of the profile that are still missing, sorted.
    pub(crate) missing: Vec<String>,
    /// What went wrong, in the order in which it did.
    pub(crate) failures: Vec<FetchFailure>,
    /// Bytes that came from the archive.
    pub(crate) bytes_downloaded: u64,
    /// Seconds spent downloading.
    pub(crate) seconds_downloading: f64,
    /// Seconds spent summing and unpacking packages.
    pub(crate) seconds_unpacking: f64,
    /// Whether the observer said stop.
    pub(crate) cancelled: bool,
}

impl FetchSummary {
    /// Whether every song of the profile is in place with the right sum.
    pub(crate) fn is_complete(&self) -> bool {
        self.missing.is_empty()
    }
}

/// Brings the songs of a profile into `settings.destination`, each checked by its sum.
///
/// A page of attribution, `ATTRIBUTION.md`, goes with them. Complete songs are kept (all are hashed
/// for that), and a package none of whose songs of the profile is missing is not touched. Songs
/// appear under their names whole or not at all, so a fetch that was killed goes on where it
/// stopped. Two fetches into one folder at a time waste work, so callers hold the data folder's
/// lock.
///
/// # Errors
///
/// If the table or the folder of packages cannot be read, if apt is missing or knows none of the
/// packages, or if the destination or the scratch folder cannot be written. A package or track
/// that fails alone is in the summary, and the rest goes on.
pub(crate) fn fetch_freemusic(
    profile: Profile,
    settings: &FetchSettings,
    observer: &dyn FetchObserver,
) -> Result<FetchSummary> {
    let table = Table::read(&settings.table)?;
    let wanted: BTreeSet<&str> =
        table.tracks_of(profile).map(|track| track.path.as_str()).collect();
    let mut summary = FetchSummary { tracks: wanted.len(), ..FetchSummary::default() };
    observer.event(FetchEvent::Checking { tracks: wanted.len() });
    let complete = complete_tracks(&table, &settings.destination);
    for path in wanted.intersection(&complete) {
        observer.event(FetchEvent::TrackKept { path });
        summary.kept += 1;
    }
    let needed = packages_of_missing(&table, profile, &complete);
    let mut fetch = Fetch {
        settings,
        observer,
        scratch: Scratch::new(&settings.scratch, settings.keep_packages),
        summary,
        bytes_settled: 0,
    };
    let sources = fetch.find_sources(&needed)?;
    observer.event(FetchEvent::Planned {
        tracks_complete: fetch.summary.kept,
        tracks_missing: wanted.len() - fetch.summary.kept,
        packages: needed.len(),
        bytes_to_download: sources.iter().map(|(_, source)| source.bytes_to_download()).sum(),
    });
    let mut in_place = complete.clone();
    for (package, source) in sources {
        if observer.is_cancelled() {
            fetch.summary.cancelled = true;
            break;
        }
        let missing: Vec<&Track> = table
            .tracks
            .iter()
            .filter(|track| track.package == package.name)
            .filter(|track| !complete.contains(track.path.as_str()))
            .collect();
        let written = fetch.take_package(package, source, &missing)?;
        in_place.extend(
            missing.iter().map(|track| track.path.as_str()).filter(|path| written.contains(*path)),
        );
    }
    if !in_place.is_empty() {
        write_attribution(&table, &settings.destination)?;
    }
    let mut summary = fetch.summary;
    let new = in_place.difference(&complete);
    let (of_profile, others): (Vec<&str>, Vec<&str>) = new.partition(|path| wanted.contains(*path));
    summary.written = of_profile.len();
    summary.written_of_other_profiles = others.len();
    summary.missing = wanted.difference(&in_place).map(|&path| path.to_owned()).collect();
    Ok(summary)
}

/// What a fetch would have to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Preview {
    /// Songs of the profile that are missing.
    pub(crate) missing: usize,
    /// Packages that hold them.
    pub(crate) packages: usize,
    /// How many of these are not in the folder that they are to come from.
    pub(crate) packages_not_found: usize,
    /// What the archive would be asked for; none where it cannot be asked.
    pub(crate) bytes_to_download: Option<u64>,
}

/// Looks at what is missing of a profile, and changes nothing.
///
/// # Errors
///
/// If the table or the folder of packages cannot be read.
pub(crate) fn preview(profile: Profile, settings: &FetchSettings) -> Result<Preview> {
    let table = Table::read(&settings.table)?;
    let complete = complete_tracks(&table, &settings.destination);
    let needed = packages_of_missing(&table, profile, &complete);
    let mut packages_not_found = 0;
    let bytes_to_download = if let Some(folder) = &settings.debs {
        let folder = PackageFolder::open(folder)?;
        packages_not_found = needed.iter().filter(|package| folder.find(package).is_err()).count();
        Some(0)
    } else {
        let scratch = Scratch::new(&settings.scratch, settings.keep_packages);
        let absent: Vec<&Package> =
            needed.iter().copied().filter(|package| scratch.find(package).is_none()).collect();
        let offers = if absent.is_empty() { Ok(BTreeMap::new()) } else { apt::look_up(&absent) };
        offers
            .ok()
            .filter(|offers| offers.len() == absent.len())
            .map(|offers| offers.values().map(|offer| offer.bytes).sum())
    };
    let missing =
        table.tracks_of(profile).filter(|track| !complete.contains(track.path.as_str())).count();
    Ok(Preview { missing, packages: needed.len(), packages_not_found, bytes_to_download })
}

fn packages_of_missing<'a>(
    table: &'a Table,
    profile: Profile,
    complete: &BTreeSet<&str>,
) -> Vec<&'a Package> {
    let is_needed = |package: &&Package| {
        table
            .tracks_of(profile)
            .any(|track| track.package == package.name && !complete.contains(track.path.as_str()))
    };
    table.packages.values().filter(is_needed).collect()
}

/// The paths of the tracks whose file is there with the right sum.
fn complete_tracks<'a>(table: &'a Table, root: &Path) -> BTreeSet<&'a str> {
    table
        .tracks
        .par_iter()
        .filter(|track| sum_of_file(&root.join(&track.path)).is_ok_and(|sum| sum == track.sum))
        .map(|track| track.path.as_str())
        .collect()
}

/// Who made the music goes where the music goes.
fn write_attribution(table: &Table, root: &Path) -> Result<()> {
    let (path, page) = (root.join("ATTRIBUTION.md"), attribution(table));
    if fs::read(&path).is_ok_and(|there| there == page.as_bytes()) {
        return Ok(());
    }
    write_atomic_bytes(&path, page.as_bytes()).with_context(|| CannotWrite(path))
}

/// Where a package is to be had.
enum Source {
    File { path: PathBuf, bytes: u64, of_user: bool },
    Archive(Offer),
    Nowhere(String),
}

impl Source {
    fn file(path: PathBuf, of_user: bool) -> Self {
        match fs::metadata(&path) {
            Ok(metadata) => Self::File { bytes: metadata.len(), path, of_user },
            Err(error) => Self::Nowhere(format!("cannot look at `{}`: {error}", path.display())),
        }
    }

    fn bytes_to_download(&self) -> u64 {
        match self {
            Self::Archive(offer) => offer.bytes,
            Self::File { .. } | Self::Nowhere(_) => 0,
        }
    }
}

struct Fetch<'a> {
    settings: &'a FetchSettings,
    observer: &'a dyn FetchObserver,
    scratch: Scratch,
    summary: FetchSummary,
    /// Of the packages to download, the sizes of those that came or failed.
    bytes_settled: u64,
}

impl Fetch<'_> {
    fn find_sources<'p>(&self, needed: &[&'p Package]) -> Result<Vec<(&'p Package, Source)>> {
        if let Some(folder) = &self.settings.debs {
            let packages = PackageFolder::open(folder)?;
            let find = |package: &Package| match packages.find(package) {
                Ok(path) => Source::file(path, true),
                Err(error) => Source::Nowhere(format!("{error:#}")),
            };
            let found: Vec<_> = needed.iter().map(|&package| (package, find(package))).collect();
            let reasons: Vec<&str> = found
                .iter()
                .filter_map(|(_, source)| match source {
                    Source::Nowhere(reason) => Some(reason.as_str()),
                    _ => None,
                })
                .collect();
            if let Some(first) = reasons.first()
                && reasons.len() == found.len()
            {
                return Err(anyhow!("{first}").context(format!(
                    "`{}` has none of what is needed, {}\n\nhint: {}",
                    folder.display(),
                    count(needed.len(), "package"),
                    folder_hint(needed)
                )));
            }
            return Ok(found);
        }
        let left: Vec<Option<PathBuf>> =
            needed.iter().map(|package| self.scratch.find(package)).collect();
        let absent: Vec<&Package> = needed
            .iter()
            .zip(&left)
            .filter(|(_, left)| left.is_none())
            .map(|(&package, _)| package)
            .collect();
        let mut offers = ask_archive(&absent)?;
        let sources = needed.iter().zip(left).map(|(&package, left)| {
            let source = match left {
                Some(path) => Source::file(path, false),
                None => offers
                    .remove(&package.name)
                    .map_or_else(|| Source::Nowhere(unknown_version(package)), Source::Archive),
            };
            (package, source)
        });
        Ok(sources.collect())
    }

    /// Gets and unpacks one package, and returns the paths of the tracks it gave.
    fn take_package(
        &mut self,
        package: &Package,
        source: Source,
        missing: &[&Track],
    ) -> Result<BTreeSet<String>> {
        let bytes_to_download = source.bytes_to_download();
        let mut written = BTreeSet::new();
        let taken = self.take_package_or_fail(package, source, missing, &mut written);
        self.bytes_settled += bytes_to_download;
        if let Err(error) = taken {
            if self.observer.is_cancelled() {
                self.summary.cancelled = true;
            } else if error.downcast_ref::<CannotWrite>().is_some() {
                return Err(anyhow!(
                    "{error:#}, so the fetch stopped at package {}; what is complete is kept\n\n\
                     hint: make room, or let this user write there, and run the same command again",
                    package.name
                ));
            } else {
                let reason = format!("{error:#}");
                let event = FetchEvent::PackageFailed { package: &package.name, reason: &reason };
                self.observer.event(event);
                let package = package.name.clone();
                self.summary.failures.push(FetchFailure { package, track: None, reason });
            }
        }
        self.observer.event(FetchEvent::PackageDone { package: &package.name });
        Ok(written)
    }

    fn take_package_or_fail(
        &mut self,
        package: &Package,
        source: Source,
        missing: &[&Track],
        written: &mut BTreeSet<String>,
    ) -> Result<()> {
        let started = |source, bytes| FetchEvent::PackageStarted {
            package: &package.name,
            version: &package.version,
            source,
            bytes,
        };
        let (path, of_user) = match source {
            Source::Nowhere(reason) => return Err(anyhow!(reason)),
            Source::File { path, bytes, of_user } => {
                let source = if of_user { PackageSource::Folder } else { PackageSource::Kept };
                self.observer.event(started(source, bytes));
                (path, of_user)
            }
            Source::Archive(offer) => {
                self.observer.event(started(PackageSource::Archive, offer.bytes));
                (self.download(package, &offer)?, false)
            }
        };
        self.observer.event(FetchEvent::PackageVerified { package: &package.name });
        let start = Instant::now();
        let mut unpacking = Unpacking::new(
            &package.name,
            &self.settings.destination,
            self.scratch.folder()?,
            Limits::default(),
            self.observer,
        );
        let unpacked = unpacking.unpack(&path, missing);
        self.summary.seconds_unpacking += start.elapsed().as_secs_f64();
        written.extend(unpacking.written);
        self.summary.failures.extend(unpacking.failures.into_iter().map(|failure| FetchFailure {
            package: package.name.clone(),
            track: Some(failure.path),
            reason: failure.reason,
        }));
        unpacked?;
        if of_user {
            self.scratch.tidy();
        } else {
            self.scratch.finish(package, &path)?;
        }
        Ok(())
    }

    fn download(&mut self, package: &Package, offer: &Offer) -> Result<PathBuf> {
        let (observer, settled) = (self.observer, self.bytes_settled);
        let start = Instant::now();
        let mut bytes_here = 0;
        let path = self.scratch.download(package, offer, observer, |bytes| {
            bytes_here = bytes;
            observer.event(FetchEvent::Downloaded {
                package: &package.name,
                bytes,
                bytes_of_all: settled + bytes,
            });
        });
        self.summary.seconds_downloading += start.elapsed().as_secs_f64();
        self.summary.bytes_downloaded += bytes_here;
        path
    }
}

/// What the archive offers of the packages; that it has none at all is an error.
fn ask_archive(packages: &[&Package]) -> Result<BTreeMap<String, Offer>> {
    if packages.is_empty() {
        return Ok(BTreeMap::new());
    }
    let offers = apt::look_up(packages)
        .map_err(|error| anyhow!("{error:#}\n\nhint: {}", folder_hint(packages)))?;
    if offers.is_empty() {
        return Err(anyhow!(
            "the package lists of this machine have none of the {} packages that are needed\n\n\
             hint: run `apt-get update` as root, and this again; the versions are those of \
             Debian 12 (bookworm); or {}",
            packages.len(),
            folder_hint(packages)
        ));
    }
    Ok(offers)
}

fn unknown_version(package: &Package) -> String {
    format!(
        "the package lists of this machine do not have version {}; run `apt-get update` as root, \
         or give a folder that holds `{}_{}_*.deb` with `--from DIR`",
        package.version, package.name, package.version
    )
}

fn folder_hint(packages: &[&Package]) -> String {
    let names: Vec<String> =
        packages.iter().map(|package| format!("  {} {}", package.name, package.version)).collect();
    format!(
        "put the files of these packages of Debian 12 (bookworm) into a folder and give it with \
         `--from DIR`:\n{}",
        names.join("\n")
    )
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use tempfile::TempDir;

    use super::super::sha256::Sha256Sum;
    use super::super::test_packages::{Compression, package, zip_of};
    use super::*;

    const HEADER: &str = "artist\talbum\ttrack\tpackage\tpackage_version\tdeb_sha256\t\
        path_in_package\ttrack_sha256\tcodec\tlicense\tsmall\talbums_strict\n";

    /// Two packages, `plain` with one track of each profile and `zipped` with one of `small`.
    struct World {
        folder: TempDir,
        settings: FetchSettings,
    }

    impl World {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let debs = folder.path().join("from");
            fs::create_dir(&debs).unwrap();
            let plain = package(&[("usr/1.ogg", b"one"), ("usr/2.ogg", b"two")], Compression::Xz);
            let archive = zip_of(&[("music/3.ogg", b"three")]);
            let zipped = package(&[("usr/music.pk3", &archive)], Compression::Zstd);
            fs::write(debs.join("plain_1-1_all.deb"), &plain).unwrap();
            fs::write(debs.join("zipped_1-1_all.deb"), &zipped).unwrap();
            let row = |title: &str, deb: (&str, &[u8]), place: &str, content: &str, flags: &str| {
                let (sum_of_deb, sum) = (Sha256Sum::of(deb.1), Sha256Sum::of(content.as_bytes()));
                let package = format!("{}\t1-1\t{sum_of_deb}", deb.0);
                format!("A\tB\t{title}\t{package}\t{place}\t{sum}\tvorbis\tCC0\t{flags}\n")
            };
            let table = [
                HEADER.to_owned(),
                row("One", ("plain", &plain), "usr/1.ogg", "one", "1\t0"),
                row("Two", ("plain", &plain), "usr/2.ogg", "two", "0\t1"),
                row("Three", ("zipped", &zipped), "usr/music.pk3!music/3.ogg", "three", "1\t0"),
            ];
            let settings = FetchSettings {
                table: folder.path().join("table.tsv"),
                destination: folder.path().join("raw/freemusic"),
                debs: Some(debs),
                scratch: folder.path().join("debs"),
                keep_packages: false,
            };
            fs::write(&settings.table, table.concat()).unwrap();
            Self { folder, settings }
        }

        fn fetch(&self, profile: Profile) -> FetchSummary {
            fetch_freemusic(profile, &self.settings, &|_: FetchEvent<'_>| {}).unwrap()
        }

        fn deb(&self, name: &str) -> PathBuf {
            self.folder.path().join("from").join(name)
        }

        fn song(&self, name: &str) -> Option<String> {
            fs::read_to_string(self.settings.destination.join("A/B").join(name)).ok()
        }
    }

    #[test]
    fn a_profile_becomes_complete_and_its_packages_give_the_other_profiles_tracks_too() {
        let world = World::new();
        let summary = world.fetch(Profile::Small);
        assert!(summary.is_complete() && summary.failures.is_empty(), "{summary:?}");
        assert_eq!((summary.tracks, summary.kept, summary.written), (2, 0, 2));
        assert_eq!(summary.written_of_other_profiles, 1);
        let songs = ["One.ogg", "Two.ogg", "Three.ogg"].map(|name| world.song(name).unwrap());
        assert_eq!(songs, ["one", "two", "three"]);
        assert!(!world.settings.scratch.exists());
        assert!(
            world.deb("plain_1-1_all.deb").exists() && world.deb("zipped_1-1_all.deb").exists()
        );
    }

    #[test]
    fn complete_songs_need_no_package_and_a_damaged_one_only_its_own() {
        let world = World::new();
        world.fetch(Profile::Small);
        fs::remove_file(world.deb("plain_1-1_all.deb")).unwrap();
        fs::write(world.settings.destination.join("A/B/Three.ogg"), "thre").unwrap();
        let summary = world.fetch(Profile::All);
        assert!(summary.is_complete(), "{summary:?}");
        assert_eq!((summary.kept, summary.written), (2, 1));
        assert_eq!(world.song("Three.ogg").unwrap(), "three");
    }

    #[test]
    fn a_damaged_package_is_reported_and_the_rest_goes_on() {
        let world = World::new();
        let path = world.deb("plain_1-1_all.deb");
        let mut deb = fs::read(&path).unwrap();
        let middle = deb.len() / 2;
        deb[middle] ^= 1;
        fs::write(&path, deb).unwrap();
        let summary = world.fetch(Profile::All);
        assert_eq!(summary.missing, ["A/B/One.ogg", "A/B/Two.ogg"]);
        assert_eq!(summary.written, 1);
        let [failure] = &summary.failures[..] else { panic!("{summary:?}") };
        assert_eq!((failure.package.as_str(), &failure.track), ("plain", &None));
        assert!(failure.reason.contains("damaged"), "{}", failure.reason);
        assert_eq!((world.song("One.ogg"), world.song("Three.ogg")), (None, Some("three".into())));
    }

    #[test]
    fn a_package_that_is_not_there_is_named() {
        let world = World::new();
        fs::remove_file(world.deb("zipped_1-1_all.deb")).unwrap();
        let summary = world.fetch(Profile::Small);
        assert_eq!(summary.missing, ["A/B/Three.ogg"]);
        assert!(summary.failures[0].reason.contains("zipped_1-1"), "{summary:?}");
    }

    #[test]
    fn a_package_that_an_earlier_fetch_left_is_used_without_apt() {
        let world = World::new();
        let FetchSettings { scratch, .. } = &world.settings;
        let partial = scratch.join("partial-plain");
        fs::create_dir_all(&partial).unwrap();
        fs::rename(world.deb("plain_1-1_all.deb"), partial.join("plain_1-1_all.deb")).unwrap();
        fs::rename(world.deb("zipped_1-1_all.deb"), scratch.join("zipped_1-1_all.deb")).unwrap();
        let settings = FetchSettings { debs: None, ..world.settings.clone() };
        let sources = RefCell::new(Vec::new());
        let observer = |event: FetchEvent<'_>| {
            if let FetchEvent::PackageStarted { source, .. } = event {
                sources.borrow_mut().push(source);
            }
        };
        let summary = fetch_freemusic(Profile::All, &settings, &observer).unwrap();
        assert!(summary.is_complete(), "{summary:?}");
        assert_eq!(*sources.borrow(), [PackageSource::Kept; 2]);
        assert!(!partial.exists() && scratch.join("zipped_1-1_all.deb").exists());
    }

    #[test]
    fn a_destination_that_cannot_be_written_stops_the_fetch() {
        let world = World::new();
        fs::write(world.folder.path().join("raw"), "a file").unwrap();
        let fetched = fetch_freemusic(Profile::All, &world.settings, &|_: FetchEvent<'_>| {});
        let error = format!("{:#}", fetched.unwrap_err());
        assert!(error.contains("cannot write") && error.contains("One.ogg"), "{error}");
        assert!(error.contains("hint:"), "{error}");
    }

    #[test]
    fn a_request_to_stop_leaves_the_rest_for_the_next_fetch() {
        struct Stop(Cell<bool>);
        impl FetchObserver for Stop {
            fn event(&self, event: FetchEvent<'_>) {
                self.0.set(self.0.get() || matches!(event, FetchEvent::PackageDone { .. }));
            }
            fn is_cancelled(&self) -> bool {
                self.0.get()
            }
        }
        let world = World::new();
        let stop = Stop(Cell::new(false));
        let summary = fetch_freemusic(Profile::All, &world.settings, &stop).unwrap();
        assert!(summary.cancelled && summary.failures.is_empty(), "{summary:?}");
        assert_eq!(summary.missing, ["A/B/Three.ogg"]);
        let summary = world.fetch(Profile::All);
        assert!(summary.is_complete() && !summary.cancelled, "{summary:?}");
        assert_eq!((summary.kept, summary.written), (2, 1));
    }

    #[test]
    fn a_missing_table_is_named() {
        let world = World::new();
        fs::remove_file(&world.settings.table).unwrap();
        let fetched = fetch_freemusic(Profile::All, &world.settings, &|_: FetchEvent<'_>| {});
        assert!(fetched.unwrap_err().to_string().contains("table.tsv"));
    }
}
