//! Where everything made lies: `data/raw`, `data/cache`, `data/runs`, `data/pictures`.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};

/// The folder that holds raw music, caches and runs (`--data`, `data` by default).
#[derive(Debug, Clone)]
pub(crate) struct DataFolder {
    root: PathBuf,
}

/// Refuses a data folder that is not there, where one is only looked at.
pub(crate) fn refuse_missing(root: &Path) -> Result<()> {
    if !root.is_dir() {
        bail!(
            "there is no data folder `{}`\n\nhint: `--data DIR` names the one to look at",
            root.display()
        );
    }
    Ok(())
}

impl DataFolder {
    /// A data folder at `root`; nothing is created until something is written.
    pub(crate) fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// The folders in which everything made lies; they need not exist.
    pub(crate) fn made(&self) -> [PathBuf; 5] {
        ["raw", "cache", "runs", "pictures", "debs"].map(|name| self.root.join(name))
    }

    /// A fetched corpus: `raw/<name>`.
    pub(crate) fn raw(&self, name: &str) -> PathBuf {
        self.root.join("raw").join(name)
    }

    /// Pictures of a corpus: `pictures/<corpus>`.
    pub(crate) fn pictures(&self, corpus: &str) -> PathBuf {
        self.root.join("pictures").join(corpus)
    }

    /// What is derived from the audio of one corpus: `cache/<store>`.
    pub(crate) fn cache(&self, store: &str) -> PathBuf {
        self.root.join("cache").join(store)
    }

    /// Models that are no run's: `models`.
    pub(crate) fn models(&self) -> PathBuf {
        self.root.join("models")
    }

    /// All trials: `runs`.
    pub(crate) fn runs(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// One trial: `runs/<corpus>/<run>`.
    pub(crate) fn run(&self, corpus: &str, run: &str) -> PathBuf {
        self.runs().join(corpus).join(run)
    }

    /// The table of content hashes by file size and times.
    pub(crate) fn stat_cache(&self) -> PathBuf {
        self.root.join("cache").join("content-hashes.bin")
    }

    /// Packages of Debian that the open corpus was unpacked from, where they are kept.
    pub(crate) fn packages(&self) -> PathBuf {
        self.root.join("debs")
    }
}
