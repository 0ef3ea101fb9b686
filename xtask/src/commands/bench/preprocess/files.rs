//! The files that are timed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use cantus_audio::EXTENSIONS;

/// Every music file named or under a folder named, in order of their paths.
pub(super) fn music_files(named: &[PathBuf]) -> Result<Vec<String>> {
    let mut files = Vec::new();
    for path in named {
        let kind = path.metadata().with_context(|| format!("cannot read `{}`", path.display()))?;
        if kind.is_dir() {
            add_folder(path, &mut files)?;
        } else {
            files.push(text_of(path)?);
        }
    }
    files.sort();
    files.dedup();
    if files.is_empty() {
        let named: Vec<String> = named.iter().map(|path| format!("`{}`", path.display())).collect();
        bail!(
            "there is no music in {}\n\nhint: files are found by their extensions: {}",
            named.join(", "),
            EXTENSIONS.join(", ")
        );
    }
    Ok(files)
}

fn add_folder(folder: &Path, files: &mut Vec<String>) -> Result<()> {
    let reading = || format!("cannot read `{}`", folder.display());
    for entry in folder.read_dir().with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let path = entry.path();
        // A link counts as what it leads to, and one that leads nowhere as nothing.
        let Ok(kind) = path.metadata() else { continue };
        if kind.is_dir() {
            add_folder(&path, files)?;
        } else if path.extension().is_some_and(|extension| {
            EXTENSIONS.iter().any(|known| extension.eq_ignore_ascii_case(known))
        }) {
            files.push(text_of(&path)?);
        }
    }
    Ok(())
}

/// Paths go to other programs as JSON, which is UTF-8.
fn text_of(path: &Path) -> Result<String> {
    let text = path.to_str();
    text.map(str::to_owned).with_context(|| format!("`{}` is not UTF-8", path.display()))
}
