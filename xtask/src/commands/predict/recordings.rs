//! Which recordings are asked about.

use std::path::PathBuf;

use anyhow::{Result, bail};
use cantus_audio::EXTENSIONS;
use cantus_corpus::{ScanOptions, list_audio_files};

use crate::session::{Session, SongProblem};

/// The recordings that the command line names.
#[derive(Debug, PartialEq)]
pub(super) enum Asked {
    /// A single file, which need not exist.
    One(PathBuf),
    /// Several, or those of a folder, even if that is one.
    Many(Vec<PathBuf>),
}

/// Files as they are named, and the music of folders in order of the paths. What of a folder cannot be
/// looked at is added to the session's unusable songs.
pub(super) fn find(named: &[PathBuf], session: &Session) -> Result<Asked> {
    if let [path] = named
        && !path.is_dir()
    {
        return Ok(Asked::One(path.clone()));
    }
    let options = ScanOptions {
        extensions: EXTENSIONS.iter().map(|&text| text.to_owned()).collect(),
        ..ScanOptions::default()
    };
    let mut files = Vec::new();
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let list = list_audio_files(path, &options)?;
        files.extend(list.files.iter().map(|file| path.join(file)));
        for problem in list.problems {
            session.add_unusable(SongProblem {
                song: path.join(&problem.path).display().to_string(),
                reason: problem.kind.to_string(),
                hint: None,
            });
        }
    }
    if files.is_empty() {
        let named: Vec<String> = named.iter().map(|path| format!("`{}`", path.display())).collect();
        bail!(
            "there is no music in {}\n\nhint: files are found by their extensions: {}",
            named.join(", "),
            EXTENSIONS.join(", ")
        );
    }
    Ok(Asked::Many(files))
}
