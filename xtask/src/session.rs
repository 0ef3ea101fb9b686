//! What all stages of one command share: folders, bars, hashes, and the songs that failed.

use std::path::PathBuf;
use std::sync::Mutex;

use anyhow::{Context, Result};
use cantus_pipeline::{Lock, StatCache, sweep_leftovers, write_atomic_bytes};
use serde::Serialize;

use crate::cli::CommonFlags;
use crate::data_folder::DataFolder;
use crate::interrupt::Interrupt;
use crate::outcome::Outcome;
use crate::progress::Progress;

/// One command at work.
pub(crate) struct Session {
    /// Where everything lies.
    pub(crate) data: DataFolder,
    /// Bars and messages.
    pub(crate) progress: Progress,
    /// Whether the user asked for a stop.
    pub(crate) interrupt: Interrupt,
    /// Content hashes, so that unchanged files are not read again.
    pub(crate) hashes: StatCache,
    /// Run the command's own stage even where it is fresh.
    pub(crate) force: bool,
    /// Bytes that spectrograms may take while training.
    pub(crate) memory_bytes: u64,
    unusable: Mutex<Vec<UnusableSong>>,
    lock: Option<Lock>,
}

/// A song that could not be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct UnusableSong {
    /// Path of the song, or its id where it lies in a corpus.
    pub(crate) song: String,
    /// What happened.
    pub(crate) reason: String,
    /// What could be done about it.
    pub(crate) hint: Option<String>,
}

impl Session {
    /// A session that only looks: it takes no lock and writes nothing.
    pub(crate) fn reading(flags: &CommonFlags, progress: &Progress) -> Result<Self> {
        let data = DataFolder::new(&flags.data);
        let hashes = StatCache::open(data.stat_cache())?;
        Ok(Self {
            data,
            progress: progress.clone(),
            interrupt: Interrupt::default(),
            hashes,
            force: flags.force,
            memory_bytes: (flags.memory * f64::from(1 << 30)) as u64,
            unusable: Mutex::default(),
            lock: None,
        })
    }

    /// A session that writes: the only one on its data folder, listening for Ctrl-C. What a killed
    /// one left half written is removed.
    pub(crate) fn writing(flags: &CommonFlags, progress: &Progress) -> Result<Self> {
        let mut session = Self::reading(flags, progress)?;
        session.lock = Some(Lock::try_acquire(session.data.root())?);
        session.interrupt = Interrupt::install()?;
        for folder in session.data.made() {
            sweep_leftovers(folder)?;
        }
        Ok(session)
    }

    /// True where this session may write.
    pub(crate) fn may_write(&self) -> bool {
        self.lock.is_some()
    }

    /// Remembers a song that cannot be used.
    pub(crate) fn add_unusable(&self, song: UnusableSong) {
        let mut unusable = self.unusable.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !unusable.contains(&song) {
            unusable.push(song);
        }
    }

    /// The songs that could not be used so far, in order of their names.
    pub(crate) fn unusable(&self) -> Vec<UnusableSong> {
        let mut songs =
            self.unusable.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        songs.sort();
        songs
    }

    /// Does a command's work, then saves the content hashes and names every unusable song. Both
    /// are due where the work failed, too: the songs are often why, and the files were hashed.
    pub(crate) fn run(self, work: impl FnOnce(&Self) -> Result<Outcome>) -> Result<Outcome> {
        let worked = work(&self);
        let saved = if self.may_write() { self.hashes.save() } else { Ok(()) };
        let listed = self.name_unusable();
        let outcome = worked?;
        saved.context("cannot save the table of content hashes")?;
        Ok(outcome.and(listed))
    }

    fn name_unusable(&self) -> Outcome {
        let unusable = self.unusable();
        if unusable.is_empty() {
            return Outcome::Done;
        }
        let mut lines = vec![format!("\n{} could not be used:", count(unusable.len(), "song"))];
        for song in &unusable {
            lines.push(format!("  {}: {}", song.song, song.reason));
            lines.extend(song.hint.as_ref().map(|hint| format!("    hint: {hint}")));
        }
        self.progress.say_even_if_quiet(lines.join("\n"));
        Outcome::SomeSongsUnusable
    }

    /// Writes a small file whole or not at all.
    pub(crate) fn write(&self, path: &std::path::Path, bytes: &[u8]) -> Result<()> {
        if !self.may_write() {
            anyhow::bail!("`{}` is not to be written by a command that only looks", path.display());
        }
        write_atomic_bytes(path, bytes)?;
        Ok(())
    }

    /// Content hash of a file this pipeline made.
    pub(crate) fn hash(&self, path: PathBuf) -> Result<String> {
        Ok(self.hashes.hash_file(path)?)
    }
}

/// `1 song`, `2 songs`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
