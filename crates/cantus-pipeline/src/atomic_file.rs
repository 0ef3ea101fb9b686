//! Files that appear whole or not at all.

use std::fs::{self, File};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::error::PipelineError;
use crate::{fault, leftovers};

const BUFFER_BYTES: usize = 64 * 1024;

/// A file being written beside its final place, which it takes only in [`commit`].
///
/// Until then whatever stood at the path stays as it is. Dropped without a commit, the temporary
/// file is removed; after a crash [`sweep_leftovers`](crate::sweep_leftovers) finds it. Writes are
/// buffered. The final file's permissions are those of any new file (0666 less the umask); a
/// symbolic link at the path is replaced, not followed.
///
/// The errors of its [`Write`] and [`Seek`] hold a [`PipelineError`] with the final path, and
/// once a write has failed [`commit`] refuses, even if the caller lost sight of the failure.
///
/// [`commit`]: AtomicFile::commit
#[derive(Debug)]
pub struct AtomicFile {
    writer: BufWriter<CountedFile>,
    target: PathBuf,
    folder: PathBuf,
}

/// The temporary file, with what went through it and the first error that it gave.
#[derive(Debug)]
struct CountedFile {
    file: NamedTempFile,
    target: PathBuf,
    bytes_written: u64,
    failure: Option<Failure>,
}

#[derive(Debug, Clone, Copy)]
struct Failure {
    kind: io::ErrorKind,
    raw_os_error: Option<i32>,
}

impl Failure {
    fn to_io_error(self) -> io::Error {
        self.raw_os_error.map_or_else(|| self.kind.into(), io::Error::from_raw_os_error)
    }
}

impl CountedFile {
    fn note(&mut self, source: io::Error) -> io::Error {
        if source.kind() == io::ErrorKind::Interrupted {
            return source;
        }
        self.failure
            .get_or_insert(Failure { kind: source.kind(), raw_os_error: source.raw_os_error() });
        PipelineError::io_after("write", &self.target, self.bytes_written, source).into()
    }
}

impl Write for CountedFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let file = self.file.as_file_mut();
        let write = || file.write(&buffer[..fault::room(buffer.len())?]);
        match fault::around("write", &self.target, write) {
            Ok(written) => {
                self.bytes_written += written as u64;
                Ok(written)
            }
            Err(source) => Err(self.note(source)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for CountedFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.as_file_mut().seek(position).map_err(|source| self.note(source))
    }
}

impl AtomicFile {
    /// Opens a temporary file in the folder of `path`, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// If the path has no file name, or the folder or the temporary file cannot be made.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, PipelineError> {
        let target = path.as_ref().to_path_buf();
        if target.file_name().is_none() {
            return Err(PipelineError::NotAFile { path: target });
        }
        let folder = match target.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        create_folders(&folder)?;
        let prefix = leftovers::temporary_prefix();
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).rand_bytes(8);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            // Without this the crate's 0600 would follow the file to its final name.
            builder.permissions(fs::Permissions::from_mode(0o666));
        }
        let file = fault::around("create", &target, || builder.tempfile_in(&folder))
            .map_err(|source| PipelineError::io("create a file in", &folder, source))?;
        let counted = CountedFile { file, target: target.clone(), bytes_written: 0, failure: None };
        Ok(Self { writer: BufWriter::with_capacity(BUFFER_BYTES, counted), target, folder })
    }

    /// The path that the file will have.
    pub fn path(&self) -> &Path {
        &self.target
    }

    /// Writes out what is buffered, syncs the file, gives it its name and syncs the folder. When
    /// this returns, the new content survives a power cut; if it fails, the old content stands.
    ///
    /// # Errors
    ///
    /// If this or any write before it failed, or the name is taken by a folder.
    pub fn commit(mut self) -> Result<(), PipelineError> {
        let flushed = self.writer.flush();
        let counted = self.writer.get_mut();
        let (bytes_written, failure) = (counted.bytes_written, counted.failure);
        let fail = |source| PipelineError::io_after("write", &self.target, bytes_written, source);
        flushed.map_err(fail)?;
        if let Some(failure) = failure {
            return Err(fail(failure.to_io_error()));
        }
        let (counted, _) = self.writer.into_parts();
        fault::around("sync", &self.target, || counted.file.as_file().sync_all()).map_err(fail)?;
        fault::around("rename", &self.target, || counted.file.persist(&self.target))
            .map_err(|failed| fail(failed.error))?;
        sync_folder(&self.folder)
    }
}

impl Write for AtomicFile {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.writer.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

impl Seek for AtomicFile {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.writer.seek(position)
    }
}

/// Writes a file through `write`, which may fail in its own way; only if it succeeds does the file
/// appear.
///
/// # Errors
///
/// What `write` returns, or what [`AtomicFile`] does.
pub fn write_atomic<T, E: From<PipelineError>>(
    path: impl AsRef<Path>,
    write: impl FnOnce(&mut AtomicFile) -> Result<T, E>,
) -> Result<T, E> {
    let mut file = AtomicFile::create(path)?;
    let value = write(&mut file)?;
    file.commit()?;
    Ok(value)
}

/// Writes a file that is in memory already.
///
/// # Errors
///
/// What [`AtomicFile`] returns.
pub fn write_atomic_bytes(path: impl AsRef<Path>, bytes: &[u8]) -> Result<(), PipelineError> {
    let path = path.as_ref();
    write_atomic(path, |file| {
        file.write_all(bytes).map_err(|source| PipelineError::io("write", path, source))
    })
}

/// Makes the folders that are missing and syncs the folder above each, so that a committed file
/// does not vanish with the folder it is in.
fn create_folders(folder: &Path) -> Result<(), PipelineError> {
    let missing: Vec<&Path> = folder
        .ancestors()
        .take_while(|ancestor| !ancestor.as_os_str().is_empty() && !ancestor.exists())
        .collect();
    fault::around("make", folder, || fs::create_dir_all(folder))
        .map_err(|source| PipelineError::io("make the folder", folder, source))?;
    for made in missing {
        match made.parent() {
            Some(above) if !above.as_os_str().is_empty() => sync_folder(above)?,
            _ => sync_folder(Path::new("."))?,
        }
    }
    Ok(())
}

/// Makes a rename or a removal in `folder` last. File systems that cannot sync a folder, and
/// systems where a folder cannot be opened, have nothing better to offer and are let pass.
pub(crate) fn sync_folder(folder: &Path) -> Result<(), PipelineError> {
    if !cfg!(unix) {
        return Ok(());
    }
    match fault::around("sync", folder, || File::open(folder)?.sync_all()) {
        Ok(()) => Ok(()),
        Err(source)
            if matches!(
                source.kind(),
                // A folder that may be written to but not listed cannot be opened.
                io::ErrorKind::InvalidInput
                    | io::ErrorKind::Unsupported
                    | io::ErrorKind::PermissionDenied
            ) =>
        {
            Ok(())
        }
        Err(source) => Err(PipelineError::io("sync the folder", folder, source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_in(folder: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_committed_file_has_its_bytes_and_leaves_nothing_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/er/file.bin");
        write_atomic_bytes(&path, b"first").unwrap();
        write_atomic_bytes(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(names_in(path.parent().unwrap()), ["file.bin"]);
    }

    #[test]
    fn a_file_dropped_before_its_commit_leaves_the_old_one_and_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.bin");
        write_atomic_bytes(&path, b"old").unwrap();
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(&vec![7; 3 * BUFFER_BYTES]).unwrap();
        assert_eq!(names_in(folder.path()).len(), 2);
        drop(file);
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names_in(folder.path()), ["file.bin"]);
    }

    #[test]
    fn a_writer_that_fails_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.bin");
        write_atomic_bytes(&path, b"old").unwrap();
        let result: io::Result<()> = write_atomic(&path, |file| {
            file.write_all(b"half")?;
            Err(io::Error::other("the encoder gave up"))
        });
        assert_eq!(result.unwrap_err().to_string(), "the encoder gave up");
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }

    #[test]
    fn seeking_back_overwrites_the_header() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.bin");
        let mut file = AtomicFile::create(&path).unwrap();
        file.write_all(b"????body").unwrap();
        file.seek(SeekFrom::Start(0)).unwrap();
        file.write_all(b"HEAD").unwrap();
        file.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"HEADbody");
    }

    #[cfg(unix)]
    #[test]
    fn the_final_file_has_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let (ordinary, atomic) = (folder.path().join("ordinary"), folder.path().join("atomic"));
        fs::write(&ordinary, b"x").unwrap();
        write_atomic_bytes(&atomic, b"x").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&atomic), mode(&ordinary));
    }

    #[test]
    fn a_folder_at_the_path_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("taken");
        fs::create_dir_all(path.join("inside")).unwrap();
        let error = write_atomic_bytes(&path, b"x").unwrap_err();
        assert_eq!(error.path(), Some(path.as_path()));
        assert!(error.hint().is_some(), "{error:?}");
        assert_eq!(names_in(folder.path()), ["taken"]);
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), b"x").unwrap();
        let error = AtomicFile::create(folder.path().join("file/inside")).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    }

    #[test]
    fn a_path_without_a_name_is_refused() {
        let error = AtomicFile::create("/").unwrap_err();
        assert!(matches!(error, PipelineError::NotAFile { .. }));
    }

    /// Only an effective check tells whether writing is forbidden: root writes anywhere.
    #[cfg(unix)]
    #[test]
    fn a_folder_that_may_not_be_written_to_is_a_permission_error() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.bin");
        write_atomic_bytes(&path, b"old").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
        let writes_anyway = fs::write(folder.path().join("probe"), b"x").is_ok();
        let result = write_atomic_bytes(&path, b"new");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        if writes_anyway {
            result.unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"new");
        } else {
            let error = result.unwrap_err();
            assert!(matches!(error, PipelineError::PermissionDenied { .. }), "{error:?}");
            assert_eq!(fs::read(&path).unwrap(), b"old");
        }
    }
}
