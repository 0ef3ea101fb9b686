//! Files that the user names for a result.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use cantus_pipeline::PipelineError;

use crate::corpus_source::Selection;
use crate::data_folder::DataFolder;
use crate::errors::bad_usage;
use crate::stages::train;
use crate::stages::trial::Trial;

/// Where a result goes that is to be written to `path`: there or, where that is a symbolic link, to the
/// file that it leads to, so that the link stays.
///
/// # Errors
/// Where something stands there that must not be replaced: a folder, a pipe, a device, a link into a
/// folder that is not there, or something that the stages made in the data folder.
pub(crate) fn place(path: &Path, data: &DataFolder) -> Result<PathBuf> {
    let place = unlinked(path)?;
    if is_of_stages(&place, data) {
        return bad_usage(format!(
            "`{}` belongs to the data folder, whose files vouch for each other\n\n\
             hint: name another file",
            place.display()
        ));
    }
    Ok(place)
}

/// All of the caches and the lock; in the folders of runs what is there and is no result that a user asks for
/// by itself.
fn is_of_stages(place: &Path, data: &DataFolder) -> bool {
    let (Some(place), Ok(root)) = (resolved(place), data.root().canonicalize()) else {
        return false;
    };
    let Ok(within) = place.strip_prefix(root) else { return false };
    let is_asked_for = place.extension().is_some_and(|kind| kind == "onnx" || kind == "svg")
        || place.file_name().is_some_and(|name| name == "calibrated.safetensors");
    within.starts_with("cache")
        || within == Path::new(".cantus-lock")
        || (within.starts_with("runs") && place.exists() && !is_asked_for)
}

fn unlinked(path: &Path) -> Result<PathBuf> {
    // What cannot be looked at, most often since it is not there, is left to the writing.
    let Ok(found) = fs::symlink_metadata(path) else { return Ok(path.to_owned()) };
    if found.is_symlink()
        && let Some(new) = new_file_behind(path)
    {
        return Ok(new);
    }
    let (place, found) = if found.is_symlink() {
        let led = || {
            let place = path.canonicalize()?;
            let found = fs::metadata(&place)?;
            Ok::<_, std::io::Error>((place, found))
        };
        led().with_context(|| {
            format!(
                "cannot write through the link `{}`\n\nhint: name the file itself",
                path.display()
            )
        })?
    } else {
        (path.to_owned(), found)
    };
    if !found.is_file() {
        return Err(PipelineError::NotAFile { path: place }.into());
    }
    Ok(place)
}

/// Refuses a result that would take the place of what it is made from.
///
/// # Errors
/// Bad usage, where both are one file, or will be.
pub(crate) fn refuse_own_input(place: &Path, input: &Path) -> Result<()> {
    match (resolved(place), resolved(input)) {
        (Some(written), Some(read)) if written == read => own_input(place),
        _ => Ok(()),
    }
}

/// Refuses a result that would take the place of anything that a trial is made from: its model, the file
/// with its settings, the weights that it begins with, its table of songs, or one of the songs.
///
/// # Errors
/// Bad usage, where it would.
pub(crate) fn refuse_inputs_of(trial: &Trial, config: Option<&Path>, place: &Path) -> Result<()> {
    refuse_own_input(place, &train::model_path(&trial.run))?;
    if let Some(config) = config {
        refuse_own_input(place, config)?;
    }
    if let Some(from) = &trial.config.from {
        refuse_own_input(place, from)?;
    }
    if let Selection::Manifest(table) = &trial.source.selection {
        refuse_own_input(place, table)?;
    }
    let is_music = place.extension().is_some_and(|extension| {
        cantus_audio::EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
    });
    let root = trial.source.root.canonicalize();
    match (place.canonicalize(), root) {
        (Ok(place), Ok(root)) if is_music && place.starts_with(&root) => own_input(&place),
        _ => Ok(()),
    }
}

fn own_input(place: &Path) -> Result<()> {
    bad_usage(format!(
        "`{}` is what the result is made from, and would be lost\n\nhint: name another file",
        place.display()
    ))
}

/// A file's path without links, also where the file itself is not there yet.
fn resolved(path: &Path) -> Option<PathBuf> {
    if let Ok(whole) = path.canonicalize() {
        return Some(whole);
    }
    let folder = match path.parent()? {
        here if here.as_os_str().is_empty() => Path::new("."),
        folder => folder,
    };
    Some(folder.canonicalize().ok()?.join(path.file_name()?))
}

/// The file that a link names and that is not there yet, where the folder for it is.
fn new_file_behind(link: &Path) -> Option<PathBuf> {
    let named = link.parent()?.join(fs::read_link(link).ok()?);
    let is_new = fs::symlink_metadata(&named)
        .is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    (is_new && named.parent().is_some_and(Path::is_dir)).then_some(named)
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_link_is_followed_and_what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let [new, file, link, folder, lost, early] =
            ["new", "file", "link", "folder", "lost", "early"].map(|name| root.join(name));
        fs::write(&file, b"old").unwrap();
        fs::create_dir(&folder).unwrap();
        symlink("file", &link).unwrap();
        symlink("nowhere/at all", &lost).unwrap();
        symlink("new", &early).unwrap();
        let data = DataFolder::new(root.join("data"));
        let place = |path: &Path| place(path, &data);
        assert_eq!(place(&new).unwrap(), new);
        assert_eq!(place(&file).unwrap(), file);
        assert_eq!(place(&link).unwrap(), file);
        assert_eq!(place(&early).unwrap(), new);
        for refused in [folder.as_path(), Path::new("/dev/null")] {
            let said = place(refused).unwrap_err().to_string();
            assert_eq!(said, format!("not a regular file: {}", refused.display()));
        }
        let said = place(&lost).unwrap_err().to_string();
        assert!(said.starts_with("cannot write through the link"), "{said}");
    }

    #[test]
    fn what_stages_made_is_no_place_for_results() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path());
        let run = data.run("music", "run");
        fs::create_dir_all(&run).unwrap();
        fs::create_dir_all(data.cache("music")).unwrap();
        for name in ["split.tsv", "model.onnx", "calibrated.safetensors", "timeline.svg"] {
            fs::write(run.join(name), b"made").unwrap();
        }
        let refused =
            [run.join("split.tsv"), data.cache("new.svg"), folder.path().join(".cantus-lock")];
        for path in refused {
            let said = place(&path, &data).unwrap_err().to_string();
            assert!(said.contains("belongs to the data folder"), "{said}");
        }
        for name in ["new.onnx", "model.onnx", "calibrated.safetensors", "timeline.svg"] {
            place(&run.join(name), &data).unwrap();
        }
        place(&folder.path().join("models.onnx"), &data).unwrap();
    }

    #[test]
    fn a_result_in_the_place_of_what_it_is_made_from_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [song, link, other, new] =
            ["song", "link", "other", "new"].map(|name| folder.path().join(name));
        fs::write(&song, b"music").unwrap();
        fs::write(&other, b"music").unwrap();
        symlink("song", &link).unwrap();
        // Neither is there yet, or their folder.
        let (indirect, lost) = (folder.path().join("./new"), folder.path().join("none/new"));
        refuse_own_input(&lost, &lost).unwrap();
        let same = [(&song, &song), (&song, &link), (&link, &song), (&new, &indirect)];
        for (written, read) in same {
            let said = refuse_own_input(written, read).unwrap_err().to_string();
            assert!(said.contains("is what the result is made from"), "{said}");
        }
        for (written, read) in [(&other, &song), (&new, &song), (&song, &new)] {
            refuse_own_input(written, read).unwrap();
        }
    }
}
