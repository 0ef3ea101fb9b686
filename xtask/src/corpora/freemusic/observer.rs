//! What a fetch tells its caller while it runs.

/// Where a package file comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PackageSource {
    /// The archive, through apt.
    Archive,
    /// The user's folder of packages.
    Folder,
    /// An earlier fetch, which left the whole package behind.
    Kept,
}

/// One step of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FetchEvent<'a> {
    /// Files that an earlier fetch left are about to be hashed.
    Checking {
        /// Songs of the profile.
        tracks: usize,
    },
    /// A file is there already, and its sum is right.
    TrackKept {
        /// Relative to the corpus root.
        path: &'a str,
    },
    /// What there is to do is known.
    Planned {
        /// Songs of the profile that are complete.
        tracks_complete: usize,
        /// Songs of the profile that are not.
        tracks_missing: usize,
        /// Packages that hold the missing ones.
        packages: usize,
        /// Sum of the sizes of the packages that must be downloaded.
        bytes_to_download: u64,
    },
    /// Work on a package begins.
    PackageStarted {
        /// Its name.
        package: &'a str,
        /// Its exact version.
        version: &'a str,
        /// Where it comes from.
        source: PackageSource,
        /// The size of the package file.
        bytes: u64,
    },
    /// So much of a package has arrived.
    Downloaded {
        /// Its name.
        package: &'a str,
        /// Of this package.
        bytes: u64,
        /// Of all packages to download; ends at `bytes_to_download` unless some fail.
        bytes_of_all: u64,
    },
    /// The sum of a package file is right.
    PackageVerified {
        /// Its name.
        package: &'a str,
    },
    /// So much of a package file has been unpacked.
    Unpacked {
        /// Its name.
        package: &'a str,
        /// Compressed bytes read so far.
        bytes: u64,
        /// The size of the package file.
        bytes_total: u64,
    },
    /// A song's sum is right and its file in place.
    TrackWritten {
        /// Relative to the corpus root.
        path: &'a str,
        /// Size of the file.
        bytes: u64,
    },
    /// A song could not be had from a package that was there.
    TrackFailed {
        /// Relative to the corpus root.
        path: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// A package could not be had or read to its end.
    PackageFailed {
        /// Its name.
        package: &'a str,
        /// Why.
        reason: &'a str,
    },
    /// Work on a package has ended, well or not.
    PackageDone {
        /// Its name.
        package: &'a str,
    },
}

/// Whoever follows a fetch. Closures over [`FetchEvent`] are observers.
pub(crate) trait FetchObserver {
    /// Takes note of a step.
    fn event(&self, event: FetchEvent<'_>);

    /// Asked several times a second; once true, the fetch stops as soon as nothing is half done.
    fn is_cancelled(&self) -> bool {
        false
    }
}

impl<F: Fn(FetchEvent<'_>)> FetchObserver for F {
    fn event(&self, event: FetchEvent<'_>) {
        self(event);
    }
}
