//! What can go wrong, always with the path it went wrong at.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file of the pipeline could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PipelineError {
    /// The file system, or the user's share of it, has no room left.
    #[error("no space left to write {}: {bytes_written} bytes were written", path.display())]
    StorageFull {
        /// The file that was to be written; what stood there before is untouched.
        path: PathBuf,
        /// Bytes that reached the temporary file before the space ended.
        bytes_written: u64,
        /// The operating system's answer.
        source: io::Error,
    },
    /// This user may not do this to this path.
    #[error("not permitted to {action} {}", path.display())]
    PermissionDenied {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// The file system is mounted read-only.
    #[error("cannot {action} {}: the file system is read-only", path.display())]
    ReadOnly {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Something other than a regular file stands where one is needed.
    #[error("not a regular file: {}", path.display())]
    NotAFile {
        /// What was given.
        path: PathBuf,
    },
    /// The file changed each time it was read.
    #[error("file keeps changing while it is read: {}", path.display())]
    Unsteady {
        /// The file.
        path: PathBuf,
    },
    /// Any other input or output error.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What was tried, as a verb.
        action: &'static str,
        /// The operating system's answer.
        source: io::Error,
    },
    /// Settings that have no form as key-values, for example a map whose keys are not text.
    #[error("settings of stage `{stage}` cannot be written as key-values: {source}")]
    Settings {
        /// The stage whose settings they are.
        stage: String,
        /// What the serializer met.
        source: serde_json::Error,
    },
    /// A stage names an upstream stage that does not stand before it.
    #[error("stage `{stage}` needs `{upstream}`, which does not stand before it")]
    StageOrder {
        /// The stage with the wrong place.
        stage: String,
        /// The stage that is missing above it.
        upstream: String,
    },
    /// Two stages have the same name.
    #[error("two stages are named `{stage}`")]
    DuplicateStage {
        /// The name.
        stage: String,
    },
}

impl PipelineError {
    /// Sorts an [`io::Error`] into the variant that fits, with the path and the verb that belong
    /// to it. An error that already carries a [`PipelineError`] (as those of
    /// [`AtomicFile`](crate::AtomicFile)'s `Write` do) is unwrapped, not wrapped again.
    pub fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self::io_after(action, path, 0, source)
    }

    pub(crate) fn io_after(
        action: &'static str,
        path: &Path,
        bytes_written: u64,
        source: io::Error,
    ) -> Self {
        let source = match source.downcast::<Self>() {
            Ok(inner) => return inner,
            Err(source) => source,
        };
        let path = path.to_path_buf();
        match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Self::StorageFull { path, bytes_written, source },
            io::ErrorKind::PermissionDenied => Self::PermissionDenied { path, action, source },
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, action, source },
            _ => Self::Io { path, action, source },
        }
    }

    /// What the user can do about it, where there is something to do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::StorageFull { .. } => Some(
                "free some space (or raise the quota) and run the same command again; \
                 nothing that was there before is lost",
            ),
            Self::PermissionDenied { .. } => Some(
                "check who owns the file and its folder, or choose another folder for the data",
            ),
            Self::ReadOnly { .. } => Some("choose a folder for the data that can be written to"),
            Self::NotAFile { .. } => Some("give the path of a file, not of a folder or device"),
            Self::Unsteady { .. } => {
                Some("wait until the program that writes the file is done and run again")
            }
            Self::Io { source, .. } => match source.kind() {
                io::ErrorKind::IsADirectory => {
                    Some("a folder stands where the file should go; move it away")
                }
                io::ErrorKind::NotADirectory => {
                    Some("a file stands where a folder should be; move it away")
                }
                io::ErrorKind::NotFound => Some("check the path; part of it does not exist"),
                _ => None,
            },
            Self::Settings { .. } | Self::StageOrder { .. } | Self::DuplicateStage { .. } => None,
        }
    }

    /// The path the error is about, where there is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::StorageFull { path, .. }
            | Self::PermissionDenied { path, .. }
            | Self::ReadOnly { path, .. }
            | Self::NotAFile { path }
            | Self::Unsteady { path }
            | Self::Io { path, .. } => Some(path),
            Self::Settings { .. } | Self::StageOrder { .. } | Self::DuplicateStage { .. } => None,
        }
    }

    fn io_kind(&self) -> io::ErrorKind {
        match self {
            Self::StorageFull { source, .. }
            | Self::PermissionDenied { source, .. }
            | Self::ReadOnly { source, .. }
            | Self::Io { source, .. } => source.kind(),
            Self::NotAFile { .. } => io::ErrorKind::InvalidInput,
            _ => io::ErrorKind::Other,
        }
    }
}

impl From<PipelineError> for io::Error {
    /// Keeps the kind, and the whole error as the inner one, so that a writer between the two
    /// (Parquet's, say) does not lose the path.
    fn from(error: PipelineError) -> Self {
        Self::new(error.io_kind(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_a_quota_and_a_size_limit_are_all_storage_full() {
        #[cfg(target_os = "linux")]
        for (raw, kind) in [
            (28, io::ErrorKind::StorageFull),
            (122, io::ErrorKind::QuotaExceeded),
            (27, io::ErrorKind::FileTooLarge),
        ] {
            let source = io::Error::from_raw_os_error(raw);
            assert_eq!(source.kind(), kind);
            let error = PipelineError::io_after("write", Path::new("/data/x"), 77, source);
            assert!(
                matches!(&error, PipelineError::StorageFull { bytes_written: 77, .. }),
                "{error:?}"
            );
            assert!(error.to_string().contains("/data/x"), "{error}");
            assert!(error.hint().unwrap().contains("free some space"));
        }
    }

    #[test]
    fn an_error_comes_back_whole_from_inside_an_io_error() {
        let first = PipelineError::io_after(
            "write",
            Path::new("/data/x"),
            5,
            io::ErrorKind::StorageFull.into(),
        );
        let wrapped = io::Error::from(first);
        assert_eq!(wrapped.kind(), io::ErrorKind::StorageFull);
        let again = PipelineError::io("read", Path::new("/elsewhere"), wrapped);
        assert!(matches!(&again, PipelineError::StorageFull { bytes_written: 5, .. }));
        assert_eq!(again.path(), Some(Path::new("/data/x")));
    }

    #[test]
    fn a_read_only_file_system_and_a_missing_permission_differ() {
        let path = Path::new("/data/x");
        let read_only = PipelineError::io("write", path, io::ErrorKind::ReadOnlyFilesystem.into());
        assert!(matches!(read_only, PipelineError::ReadOnly { .. }));
        let denied = PipelineError::io("write", path, io::ErrorKind::PermissionDenied.into());
        assert!(matches!(denied, PipelineError::PermissionDenied { .. }));
        assert!(read_only.hint().is_some() && denied.hint().is_some());
    }
}
