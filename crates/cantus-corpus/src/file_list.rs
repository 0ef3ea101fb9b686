//! Which files under a folder look like songs.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::error::CorpusError;
use crate::escape::song_id;
use crate::problem::{Notice, NoticeKind, Problem, ProblemKind};
use crate::scan::ScanOptions;

/// Extensions of sound that a caller may not have asked for. Such files are named one by one, as
/// their owner would miss them; other unknown files are only counted.
const SOUND_EXTENSIONS: &[&str] = &[
    "3gp", "aac", "ac3", "aif", "aifc", "aiff", "alac", "amr", "ape", "au", "caf", "dff", "dsf",
    "dts", "flac", "m4a", "m4b", "m4p", "mka", "mp+", "mp2", "mp3", "mp4", "mpc", "oga", "ogg",
    "opus", "ra", "rm", "shn", "snd", "spx", "tak", "tta", "w64", "wav", "wave", "weba", "webm",
    "wma", "wv",
];

/// The songs under a folder by their file names, and what else was there.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileList {
    /// The folder that was searched.
    pub root: PathBuf,
    /// The songs' paths below the root, sorted by the bytes of their ids.
    pub files: Vec<PathBuf>,
    /// Folders seen below the root, hidden ones aside.
    pub folders: usize,
    /// Files and folders that could not be used, sorted by path.
    pub problems: Vec<Problem>,
    /// What else is worth knowing, sorted by path.
    pub notices: Vec<Notice>,
    /// Files that are no songs, counted by lower-case extension (empty for none).
    pub other_files: BTreeMap<String, usize>,
}

impl FileList {
    pub(crate) fn empty(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            files: Vec::new(),
            folders: 0,
            problems: Vec::new(),
            notices: Vec::new(),
            other_files: BTreeMap::new(),
        }
    }
}

/// Finds the songs under a folder, at any depth, by the extensions of their names.
///
/// Nothing is opened. Hidden files and folders (a leading dot, macOS's `._` files among them) are
/// passed over in silence. Links to files are followed. Links to folders are followed too, but
/// into no folder that the search covers anyway, that another link has led into, or that holds
/// the root: so links in a circle end, and no song is found twice by way of folders.
///
/// # Errors
///
/// [`CorpusError::RootMissing`], [`CorpusError::RootNotAFolder`] or [`CorpusError::Io`] if the
/// root cannot be searched. Whatever fails further down is a [`Problem`].
pub fn list_audio_files(root: &Path, options: &ScanOptions) -> Result<FileList, CorpusError> {
    let mut search = Search::new(root, options)?;
    // The names are sorted for the sake of links: of two that lead to one folder, the first wins.
    let mut entries =
        WalkDir::new(root).min_depth(1).follow_links(true).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        match entry {
            Ok(entry) if is_hidden(entry.file_name()) => {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
            }
            Ok(entry) if entry.file_type().is_dir() => {
                if search.may_enter(&entry) {
                    search.list.folders += 1;
                } else {
                    entries.skip_current_dir();
                }
            }
            Ok(entry) => search.take_file(&entry),
            Err(error) => search.take_error(error)?,
        }
    }
    Ok(search.finish())
}

struct Search {
    list: FileList,
    extensions: Vec<String>,
    canonical_root: PathBuf,
    linked_folders: BTreeSet<PathBuf>,
}

impl Search {
    fn new(root: &Path, options: &ScanOptions) -> Result<Self, CorpusError> {
        let unreadable = |source| CorpusError::Io { action: "read", path: root.to_owned(), source };
        match fs::metadata(root) {
            Ok(metadata) if metadata.is_dir() => {}
            Ok(_) => return Err(CorpusError::RootNotAFolder { path: root.to_owned() }),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(CorpusError::RootMissing { path: root.to_owned() });
            }
            Err(error) => return Err(unreadable(error)),
        }
        Ok(Self {
            list: FileList::empty(root),
            extensions: options.normal_extensions(),
            canonical_root: fs::canonicalize(root).map_err(unreadable)?,
            linked_folders: BTreeSet::new(),
        })
    }

    fn relative(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.list.root).unwrap_or(path).to_owned()
    }

    fn report(&mut self, path: &Path, kind: ProblemKind) {
        let path = self.relative(path);
        self.list.problems.push(Problem { path, kind });
    }

    fn notice_link(&mut self, path: &Path) {
        let path = self.relative(path);
        self.list.notices.push(Notice { path, kind: NoticeKind::LinkIntoCorpus });
    }

    fn may_enter(&mut self, folder: &DirEntry) -> bool {
        if !folder.path_is_symlink() {
            return true;
        }
        let target = match fs::canonicalize(folder.path()) {
            Ok(target) => target,
            Err(error) => {
                let reason = error.to_string();
                self.report(folder.path(), ProblemKind::Unreadable { reason });
                return false;
            }
        };
        // What lies in a hidden folder of the root is not searched by itself.
        let searched_anyway = target.strip_prefix(&self.canonical_root).is_ok_and(|below| {
            !below.components().any(|component| is_hidden(component.as_os_str()))
        });
        let holds_root = self.canonical_root.starts_with(&target);
        if searched_anyway || holds_root || !self.linked_folders.insert(target) {
            self.notice_link(folder.path());
            return false;
        }
        true
    }

    fn take_file(&mut self, file: &DirEntry) {
        let extension = extension(file.path());
        if self.extensions.contains(&extension) {
            if file.file_type().is_file() {
                self.list.files.push(self.relative(file.path()));
            } else {
                self.report(file.path(), ProblemKind::NotAFile);
            }
        } else if SOUND_EXTENSIONS.contains(&extension.as_str()) {
            self.report(file.path(), ProblemKind::OtherFormat);
            *self.list.other_files.entry(extension).or_default() += 1;
        } else {
            *self.list.other_files.entry(extension).or_default() += 1;
        }
    }

    fn take_error(&mut self, error: walkdir::Error) -> Result<(), CorpusError> {
        let path = error.path().unwrap_or(&self.list.root).to_owned();
        if path.file_name().is_some_and(is_hidden) && path != self.list.root {
            return Ok(());
        }
        if error.loop_ancestor().is_some() {
            self.notice_link(&path);
            return Ok(());
        }
        let reason = error.to_string();
        let source = error.into_io_error().unwrap_or_else(|| std::io::Error::other(reason));
        if path == self.list.root {
            return Err(CorpusError::Io { action: "read", path, source });
        }
        let is_link = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
        if is_link && source.kind() == std::io::ErrorKind::NotFound {
            self.report(&path, ProblemKind::BrokenLink);
        } else {
            self.report(&path, ProblemKind::Unreadable { reason: source.to_string() });
        }
        Ok(())
    }

    fn finish(mut self) -> FileList {
        self.list.files.sort_by_cached_key(|path| song_id(path));
        self.list.problems.sort_unstable();
        self.list.notices.sort_unstable();
        self.list
    }
}

pub(crate) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

fn extension(path: &Path) -> String {
    path.extension().map_or_else(String::new, |text| text.to_string_lossy().to_ascii_lowercase())
}
