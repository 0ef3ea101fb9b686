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
    Many {
        /// The files.
        files: Vec<PathBuf>,
        /// What of the folders could not be looked at, and folders in which there is no music.
        unusable: Vec<SongProblem>,
    },
}

/// Files as they are named, and the music of folders in order of the paths. The session remembers what of
/// the folders is unusable.
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
    let (mut files, mut unusable) = (Vec::new(), Vec::new());
    for path in named {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        let list = list_audio_files(path, &options)?;
        files.extend(list.files.iter().map(|file| path.join(file)));
        if list.files.is_empty() && list.problems.is_empty() {
            unusable.push(SongProblem {
                song: path.display().to_string(),
                reason: "there is no music in this folder".to_owned(),
                hint: Some(by_extension()),
            });
        }
        unusable.extend(list.problems.into_iter().map(|problem| SongProblem {
            song: path.join(&problem.path).display().to_string(),
            reason: problem.kind.to_string(),
            hint: Some(problem.hint().to_owned()),
        }));
    }
    unusable.iter().cloned().for_each(|problem| session.add_unusable(problem));
    Ok(Asked::Many { files, unusable })
}

/// Refuses folders in all of which there is no music.
pub(super) fn refuse_none(named: &[PathBuf], files: &[PathBuf]) -> Result<()> {
    if files.is_empty() {
        let named: Vec<String> = named.iter().map(|path| format!("`{}`", path.display())).collect();
        bail!("there is no music in {}\n\nhint: {}", named.join(", "), by_extension());
    }
    Ok(())
}

fn by_extension() -> String {
    format!("files are found by their extensions: {}", EXTENSIONS.join(", "))
}
