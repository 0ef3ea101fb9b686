//! Temporary files of processes that are gone.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io, process};

use crate::error::PipelineError;
use crate::fault;

const PREFIX: &str = ".tmp-cantus-";

/// Distinguishes this process from an earlier one with the same id: in a container every run may
/// well be process 7.
fn process_token() -> &'static str {
    static TOKEN: OnceLock<String> = OnceLock::new();
    TOKEN.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{:x}", since.as_nanos())
    })
}

/// `.tmp-cantus-<process id>-<token>-`, to which the temporary file adds random letters.
pub(crate) fn temporary_prefix() -> String {
    format!("{PREFIX}{}-{}-", process::id(), process_token())
}

/// Removes the temporary files under `folder` (at any depth, symbolic links not followed) whose
/// process is dead, and returns their paths, sorted. A folder that does not exist has none.
///
/// Call it while holding the folder's [`Lock`](crate::Lock): a process in another container or on
/// another machine looks dead from here.
///
/// # Errors
///
/// If a folder cannot be listed or a leftover cannot be removed.
pub fn sweep_leftovers(folder: impl AsRef<Path>) -> Result<Vec<PathBuf>, PipelineError> {
    let mut removed = Vec::new();
    let mut waiting = vec![folder.as_ref().to_path_buf()];
    while let Some(folder) = waiting.pop() {
        let list = |source| PipelineError::io("list", &folder, source);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(list(error)),
        };
        for entry in entries {
            let entry = entry.map_err(list)?;
            let kind = entry.file_type().map_err(list)?;
            if kind.is_dir() {
                waiting.push(entry.path());
            } else if kind.is_file() && entry.file_name().to_str().is_some_and(is_leftover) {
                let path = entry.path();
                match fault::around("remove", &path, || fs::remove_file(&path)) {
                    Ok(()) => {
                        tracing::info!(path = %path.display(), "removed an unfinished file");
                        removed.push(path);
                    }
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(PipelineError::io("remove", &path, error)),
                }
            }
        }
    }
    removed.sort();
    Ok(removed)
}

fn is_leftover(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX) else { return false };
    let mut parts = rest.split('-');
    let (Some(id), Some(token)) = (parts.next(), parts.next()) else { return false };
    let Ok(id) = id.parse::<u32>() else { return false };
    if id == process::id() { token != process_token() } else { !is_alive(id) }
}

#[cfg(unix)]
fn is_alive(id: u32) -> bool {
    let id = i32::try_from(id).ok().and_then(rustix::process::Pid::from_raw);
    // Only "no such process" proves that it is gone; "not permitted" is another user's process.
    id.is_some_and(|id| {
        !matches!(rustix::process::test_kill_process(id), Err(rustix::io::Errno::SRCH))
    })
}

/// There is no cheap question to ask here, so nothing is ever taken for dead.
#[cfg(not(unix))]
fn is_alive(_id: u32) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AtomicFile;

    #[cfg(unix)]
    #[test]
    fn only_the_files_of_dead_processes_are_swept() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let mut child = process::Command::new("true").spawn().unwrap();
        let dead = child.id();
        child.wait().unwrap();

        let of_the_dead = deep.join(format!("{PREFIX}{dead}-123-abc"));
        let of_an_earlier_self = deep.join(format!("{PREFIX}{}-123-abc", process::id()));
        let of_init = deep.join(format!("{PREFIX}1-123-abc"));
        let unrelated = deep.join(".tmp-cantus-notes");
        for path in [&of_the_dead, &of_an_earlier_self, &of_init, &unrelated] {
            fs::write(path, b"x").unwrap();
        }
        let unfinished = AtomicFile::create(deep.join("file")).unwrap();

        let mut expected = vec![of_the_dead, of_an_earlier_self];
        expected.sort();
        assert_eq!(sweep_leftovers(folder.path()).unwrap(), expected);
        assert!(of_init.exists() && unrelated.exists());
        unfinished.commit().unwrap();
        assert!(deep.join("file").exists());
    }

    #[test]
    fn a_missing_folder_has_no_leftovers() {
        let folder = tempfile::tempdir().unwrap();
        assert!(sweep_leftovers(folder.path().join("none")).unwrap().is_empty());
    }
}
