//! What `--corpus` names: a corpus that can be fetched, a folder of music, or a manifest.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::corpora::freemusic::Profile;
use crate::data_folder::DataFolder;

/// A corpus that a command works on.
#[derive(Debug, Clone)]
pub(crate) struct CorpusSource {
    /// Its name in `data/runs`.
    pub(crate) name: String,
    /// The folder that song ids are relative to.
    pub(crate) root: PathBuf,
    /// The name in `data/cache` of what is derived from the audio; corpora over one root share it.
    pub(crate) store: String,
    /// Which songs under the root belong to it.
    pub(crate) selection: Selection,
    /// The command that gets it, where there is one.
    pub(crate) fetch_command: Option<String>,
}

/// Which songs under a root belong to a corpus.
#[derive(Debug, Clone)]
pub(crate) enum Selection {
    /// Every song.
    Everything,
    /// Those of one profile of the open corpus.
    FreeMusic(Profile),
    /// Those that a manifest file lists.
    Manifest(PathBuf),
}

impl CorpusSource {
    /// Finds what `name` means: a corpus by name first, then a path.
    ///
    /// # Errors
    /// Where it is neither.
    pub(crate) fn resolve(name: &str, data: &DataFolder) -> Result<Self> {
        if name == "demo" {
            return Ok(Self {
                name: name.to_owned(),
                root: data.raw("demo"),
                store: name.to_owned(),
                selection: Selection::Everything,
                fetch_command: Some("cargo xtask fetch demo".to_owned()),
            });
        }
        if let Some(profile) = Profile::from_corpus_name(name) {
            return Ok(Self {
                name: name.to_owned(),
                root: data.raw("freemusic"),
                store: "freemusic".to_owned(),
                selection: Selection::FreeMusic(profile),
                fetch_command: Some(format!("cargo xtask fetch {name}")),
            });
        }
        if name == "artist20" && !Path::new(name).exists() {
            bail!(
                "artist20 is known by the folder that you have it in, not by name\n\n\
                 hint: `--corpus DIR`, after `cargo xtask fetch artist20 --from DIR` has checked it"
            );
        }
        Self::from_path(name)
    }

    /// What `--corpus` would name it by from any folder: its absolute path, unless it has a name.
    /// None where that path is not UTF-8, which no configuration file can hold.
    pub(crate) fn absolute(&self) -> Option<&str> {
        match &self.selection {
            Selection::Manifest(path) => path.to_str(),
            Selection::Everything if self.fetch_command.is_none() => self.root.to_str(),
            Selection::Everything | Selection::FreeMusic(_) => Some(&self.name),
        }
    }

    fn from_path(text: &str) -> Result<Self> {
        let path = Path::new(text);
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => bail!(
                "`{text}` is neither a corpus nor a folder\n\n\
                 hint: the corpora by name are demo, freemusic-small, freemusic-albums and \
                 freemusic-all; anything else is a folder that holds \
                 `<artist>/<album>/<song>.<ext>`, or a manifest ending in `.tsv`"
            ),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot look at the corpus `{text}`"));
            }
        };
        let absolute = std::fs::canonicalize(path)
            .with_context(|| format!("cannot find where `{text}` lies"))?;
        let name = local_name(&absolute);
        if metadata.is_dir() {
            return Ok(Self {
                store: name.clone(),
                name,
                root: absolute,
                selection: Selection::Everything,
                fetch_command: None,
            });
        }
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("tsv")) {
            let root = absolute.parent().unwrap_or(Path::new("/")).to_owned();
            return Ok(Self {
                store: local_name(&root),
                name,
                root,
                selection: Selection::Manifest(absolute),
                fetch_command: None,
            });
        }
        bail!(
            "`{text}` is a file, not a folder of music\n\n\
             hint: name the folder that holds `<artist>/<album>/<song>.<ext>`, or a manifest \
             ending in `.tsv`"
        )
    }
}

/// A folder's own name made safe, and a hash of where it lies, since many are called `music`.
fn local_name(absolute: &Path) -> String {
    let last = absolute.file_stem().unwrap_or_default().to_string_lossy();
    let safe: String = last
        .chars()
        .map(|letter| if letter.is_alphanumeric() || "-_.".contains(letter) { letter } else { '-' })
        .take(40)
        .collect();
    let digest = blake3::hash(absolute.as_os_str().as_encoded_bytes()).to_hex();
    format!("{}-{}", safe.trim_start_matches('.'), &digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn profiles_of_the_open_corpus_share_root_and_store_but_not_the_name() {
        let data = DataFolder::new("data");
        let small = CorpusSource::resolve("freemusic-small", &data).unwrap();
        let all = CorpusSource::resolve("freemusic-all", &data).unwrap();
        assert_eq!((&small.root, &small.store), (&all.root, &all.store));
        assert_ne!(small.name, all.name);
    }

    #[test]
    fn two_folders_of_one_name_are_two_corpora() {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<String> = ["a/music", "b/music"]
            .iter()
            .map(|path| {
                let path = folder.path().join(path);
                std::fs::create_dir_all(&path).unwrap();
                CorpusSource::resolve(path.to_str().unwrap(), &DataFolder::new("data"))
                    .unwrap()
                    .name
            })
            .collect();
        assert_ne!(names[0], names[1]);
    }

    #[test]
    fn what_is_neither_name_nor_folder_is_refused_with_the_names_that_are() {
        let error = CorpusSource::resolve("no/such", &DataFolder::new("data")).unwrap_err();
        assert!(error.to_string().contains("freemusic-small"), "{error}");
    }
}
