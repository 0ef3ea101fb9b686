//! Finding a package file with the right sum: kept, in the user's folder, or from the archive.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::apt::{self, Offer};
use super::observer::FetchObserver;
use super::sha256::{Sha256Sum, sum_of_file};
use super::table::Package;
use super::unpack::CannotWrite;

/// The user's folder of package files.
#[derive(Debug)]
pub(super) struct PackageFolder {
    path: PathBuf,
    /// Regular files by name.
    names: Vec<String>,
    /// Sums are only taken once a file cannot be told by its name.
    by_sum: OnceCell<BTreeMap<Sha256Sum, PathBuf>>,
}

impl PackageFolder {
    /// Lists a folder.
    ///
    /// # Errors
    ///
    /// If it cannot be listed.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let context = || format!("cannot list the folder of packages `{}`", path.display());
        let mut names = Vec::new();
        for entry in fs::read_dir(path).with_context(context)? {
            let entry = entry.with_context(context)?;
            // Links are followed: a folder of links to packages is a folder of packages.
            if entry.path().is_file()
                && let Ok(name) = entry.file_name().into_string()
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(Self { path: path.to_owned(), names, by_sum: OnceCell::new() })
    }

    /// The file of a package, found by its name or, whatever it is called, by its sum.
    ///
    /// # Errors
    ///
    /// If no file has the package's sum.
    pub(super) fn find(&self, package: &Package) -> Result<PathBuf> {
        let mut damaged = None;
        for name in self.named(package) {
            let path = self.path.join(name);
            match sum_of_file(&path) {
                Ok(sum) if sum == package.sum => return Ok(path),
                _ => damaged = Some(name),
            }
        }
        if let Some(path) = self.by_sum.get_or_init(|| self.sums()).get(&package.sum) {
            return Ok(path.clone());
        }
        let folder = self.path.display();
        let Package { name, version, .. } = package;
        match damaged {
            Some(damaged) => bail!("`{damaged}` in `{folder}` is damaged: it has another sum"),
            None => {
                bail!("`{folder}` has no `{name}_{version}_*.deb`, nor another file of its sum")
            }
        }
    }

    /// The names that a file of this package may have.
    fn named(&self, package: &Package) -> impl Iterator<Item = &String> {
        let prefixes = package.file_name_prefixes();
        self.names.iter().filter(move |name| {
            let is_package = Path::new(name).extension().is_some_and(|ext| ext == "deb");
            is_package && prefixes.iter().any(|prefix| name.starts_with(prefix))
        })
    }

    fn sums(&self) -> BTreeMap<Sha256Sum, PathBuf> {
        let paths = self.names.iter().map(|name| self.path.join(name));
        // A file that cannot be read is not the one.
        paths.filter_map(|path| Some((sum_of_file(&path).ok()?, path))).collect()
    }
}

/// Where packages are downloaded to. What was meant to be kept lies in the folder itself, what is
/// on its way in a folder of its own inside, so that a fetch that was killed leaves nothing for
/// good.
#[derive(Debug)]
pub(super) struct Scratch {
    path: PathBuf,
    keep: bool,
}

impl Scratch {
    /// Scratch space at `path`, in which whole packages stay when done if `keep`.
    pub(super) fn new(path: &Path, keep: bool) -> Self {
        Self { path: path.to_owned(), keep }
    }

    /// The folder itself, made if it is missing.
    ///
    /// # Errors
    ///
    /// If it cannot be made.
    pub(super) fn folder(&self) -> Result<&Path> {
        fs::create_dir_all(&self.path).with_context(|| CannotWrite(self.path.clone()))?;
        Ok(&self.path)
    }

    /// The whole package file that an earlier fetch left, be it kept or at its death.
    pub(super) fn find(&self, package: &Package) -> Option<PathBuf> {
        [&self.path, &self.folder_of(package)].into_iter().find_map(|folder| {
            let folder = PackageFolder::open(folder).ok()?;
            let mut paths = folder.named(package).map(|name| folder.path.join(name));
            paths.find(|path| sum_of_file(path).is_ok_and(|sum| sum == package.sum))
        })
    }

    /// Gets a package from the archive. What arrived of it in an earlier run is gone on with; if
    /// the sum of the whole is wrong, it is fetched once more from its start.
    ///
    /// # Errors
    ///
    /// If it cannot be had, or the archive has another file.
    pub(super) fn download(
        &self,
        package: &Package,
        offer: &Offer,
        observer: &dyn FetchObserver,
        mut progress: impl FnMut(u64),
    ) -> Result<PathBuf> {
        if let Some(offered) = &offer.sha256
            && *offered != package.sum.to_string()
        {
            bail!("the archive has another file under this version: its sum is {offered}");
        }
        for _ in 0..2 {
            let folder = self.folder_of(package);
            let path = apt::download(package, &folder, observer, &mut progress)?;
            if sum_of_file(&path)? == package.sum {
                return Ok(path);
            }
            remove_folder(&folder)?;
        }
        bail!("what arrives is damaged: its sum is not {}", package.sum)
    }

    /// Deletes or keeps the package file at `path`, which [`find`](Self::find) or
    /// [`download`](Self::download) returned. What was kept earlier stays.
    ///
    /// # Errors
    ///
    /// If it cannot be moved or deleted.
    pub(super) fn finish(&self, package: &Package, path: &Path) -> Result<()> {
        let folder = self.folder_of(package);
        if self.keep && path.starts_with(&folder) {
            let target = self.path.join(path.file_name().unwrap_or_default());
            fs::rename(path, &target).with_context(|| CannotWrite(target.clone()))?;
        }
        remove_folder(&folder)?;
        self.tidy();
        Ok(())
    }

    /// Removes the folder itself if nothing is in it.
    pub(super) fn tidy(&self) {
        drop(fs::remove_dir(&self.path));
    }

    fn folder_of(&self, package: &Package) -> PathBuf {
        self.path.join(format!("partial-{}", package.name))
    }
}

fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).context(CannotWrite(folder.to_owned()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package_of(bytes: &[u8]) -> Package {
        Package { name: "music".into(), version: "1:2-1".into(), sum: Sha256Sum::of(bytes) }
    }

    #[test]
    fn a_package_is_found_by_any_of_its_names_and_by_its_sum_under_any_name() {
        for name in ["music_2-1_all.deb", "music_1%3a2-1_all.deb", "download (3)"] {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join(name), b"right").unwrap();
            fs::write(folder.path().join("music_2-0_all.deb"), b"older").unwrap();
            let folder = PackageFolder::open(folder.path()).unwrap();
            let found = folder.find(&package_of(b"right"));
            assert_eq!(found.unwrap().file_name().unwrap(), name);
        }
    }

    #[test]
    fn a_right_name_with_a_wrong_sum_is_called_damaged_unless_another_file_is_right() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("music_2-1_all.deb"), b"wrong").unwrap();
        let error = PackageFolder::open(folder.path()).unwrap().find(&package_of(b"right"));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("`music_2-1_all.deb`") && error.contains("damaged"), "{error}");
        fs::write(folder.path().join("copy.deb"), b"right").unwrap();
        let found = PackageFolder::open(folder.path()).unwrap().find(&package_of(b"right"));
        assert!(found.unwrap().ends_with("copy.deb"));
    }

    #[test]
    fn what_is_missing_is_named_with_its_version() {
        let folder = tempfile::tempdir().unwrap();
        let error = PackageFolder::open(folder.path()).unwrap().find(&package_of(b"right"));
        let error = error.unwrap_err().to_string();
        assert!(error.contains("music_1:2-1_*.deb"), "{error}");
        let error = PackageFolder::open(&folder.path().join("absent")).unwrap_err().to_string();
        assert!(error.contains("absent"), "{error}");
    }

    #[test]
    fn a_package_left_behind_counts_only_if_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (scratch, package) = (Scratch::new(folder.path(), false), package_of(b"right"));
        let partial = folder.path().join("partial-music");
        fs::create_dir(&partial).unwrap();
        for path in [folder.path().join("music_2-1_all.deb"), partial.join("music_2-1_all.deb")] {
            assert_eq!(scratch.find(&package), None);
            fs::write(&path, b"righ").unwrap();
            assert_eq!(scratch.find(&package), None);
            fs::write(&path, b"right").unwrap();
            assert_eq!(scratch.find(&package), Some(path.clone()));
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn when_done_a_download_goes_unless_it_is_to_be_kept_and_what_was_kept_stays() {
        for keep in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("debs");
            let (scratch, package) = (Scratch::new(&path, keep), package_of(b"right"));
            let arrived = path.join("partial-music/music_2-1_all.deb");
            fs::create_dir_all(arrived.parent().unwrap()).unwrap();
            fs::write(&arrived, b"right").unwrap();
            scratch.finish(&package, &arrived).unwrap();
            let kept = path.join("music_2-1_all.deb");
            assert_eq!((kept.exists(), path.exists()), (keep, keep));
            if keep {
                Scratch::new(&path, false).finish(&package, &kept).unwrap();
                assert_eq!(fs::read(&kept).unwrap(), b"right");
            }
        }
    }

    #[test]
    fn another_file_under_the_same_version_is_not_even_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = Scratch::new(folder.path(), false);
        let offer = Offer { bytes: 1, sha256: Some(Sha256Sum::of(b"other").to_string()) };
        let silent = |_: super::super::FetchEvent<'_>| {};
        let error = scratch.download(&package_of(b"right"), &offer, &silent, |_| {});
        assert!(error.unwrap_err().to_string().contains("another file"));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
