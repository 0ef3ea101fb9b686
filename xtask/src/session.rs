//! What all stages of one command share: folders, bars, hashes, and the songs that failed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use cantus_pipeline::{
    Lock, LockError, PipelineError, StatCache, sweep_leftovers, write_atomic_bytes,
};
use serde::Serialize;

use crate::cli::CommonFlags;
use crate::data_folder::DataFolder;
use crate::interrupt::Interrupt;
use crate::outcome::Outcome;
use crate::progress::Progress;

/// One command at work. Clones are of one session: they share its lock, its hashes and the songs
/// that failed.
#[derive(Clone)]
pub(crate) struct Session {
    /// Where everything lies.
    pub(crate) data: DataFolder,
    /// Bars and messages.
    pub(crate) progress: Progress,
    /// Whether the user asked for a stop.
    pub(crate) interrupt: Interrupt,
    /// Content hashes, so that unchanged files are not read again.
    pub(crate) hashes: Arc<StatCache>,
    /// Run the command's own stage even where it is fresh.
    pub(crate) force: bool,
    /// Bytes that spectrograms may take while training.
    pub(crate) memory_bytes: u64,
    /// Time between two checkpoints within an epoch.
    pub(crate) checkpoint_every: Duration,
    unusable: Arc<Mutex<BTreeSet<SongProblem>>>,
    damaged: Arc<Mutex<BTreeSet<SongProblem>>>,
    lock: Option<Arc<Lock>>,
    may_write: bool,
}

/// A song that could not be used, or not all of it, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct SongProblem {
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
        let hashes = Arc::new(StatCache::open(data.stat_cache())?);
        if hashes.was_damaged() {
            progress.warn(format!(
                "`{}` is damaged and not used; files are read again instead",
                data.stat_cache().display()
            ));
        }
        Ok(Self {
            data,
            progress: progress.clone(),
            interrupt: Interrupt::default(),
            hashes,
            force: flags.force,
            memory_bytes: (flags.memory * f64::from(1 << 30)) as u64,
            checkpoint_every: Duration::from_secs(flags.checkpoint_seconds),
            unusable: Arc::default(),
            damaged: Arc::default(),
            lock: None,
            may_write: false,
        })
    }

    /// A session that only looks, while no other writes: it is the only one on its data folder, unless
    /// nobody can write there at all, and listens for Ctrl-C.
    pub(crate) fn reading_alone(flags: &CommonFlags, progress: &Progress) -> Result<Self> {
        let mut session = Self::reading(flags, progress)?;
        session.lock = match Lock::try_acquire(session.data.root()) {
            Ok(lock) => Some(Arc::new(lock)),
            Err(LockError::File(PipelineError::ReadOnly { .. })) => None,
            Err(error) => return Err(error.into()),
        };
        session.interrupt = Interrupt::install()?;
        Ok(session)
    }

    /// A session that writes: the only one on its data folder, listening for Ctrl-C. What a killed
    /// one left half written is removed.
    pub(crate) fn writing(flags: &CommonFlags, progress: &Progress) -> Result<Self> {
        let mut session = Self::reading_alone(flags, progress)?;
        if session.lock.is_none() {
            session.lock = Some(Arc::new(Lock::try_acquire(session.data.root())?));
        }
        session.may_write = true;
        for folder in session.data.made() {
            sweep_leftovers(folder)?;
        }
        Ok(session)
    }

    /// The same session, telling of its work elsewhere.
    pub(crate) fn telling(&self, progress: Progress) -> Self {
        Self { progress, ..self.clone() }
    }

    /// True where this session may write.
    pub(crate) fn may_write(&self) -> bool {
        self.may_write
    }

    /// Remembers a song that cannot be used.
    pub(crate) fn add_unusable(&self, song: SongProblem) {
        add(&self.unusable, song);
    }

    /// Remembers a song that is used as far as it can be decoded.
    pub(crate) fn add_damaged(&self, song: SongProblem) {
        add(&self.damaged, song);
    }

    /// The songs that could not be used so far, in order of their names.
    pub(crate) fn unusable(&self) -> Vec<SongProblem> {
        listed(&self.unusable)
    }

    /// The songs that are used as far as they can be decoded, in order of their names.
    pub(crate) fn damaged(&self) -> Vec<SongProblem> {
        listed(&self.damaged)
    }

    /// Does a command's work, then saves the content hashes and names every damaged and every
    /// unusable song. Both are due where the work failed, too: the songs are often why, and the
    /// files were hashed.
    pub(crate) fn run(self, work: impl FnOnce(&Self) -> Result<Outcome>) -> Result<Outcome> {
        let worked = work(&self);
        let saved = if self.may_write() { self.hashes.save() } else { Ok(()) };
        self.list(
            "is damaged and used as far as it goes",
            "are damaged and used as far as they go",
            &self.damaged(),
        );
        let unusable = self.unusable();
        self.list("could not be used", "could not be used", &unusable);
        let listed = if unusable.is_empty() { Outcome::Done } else { Outcome::SomeSongsUnusable };
        let outcome = worked?;
        saved.context("cannot save the table of content hashes")?;
        Ok(outcome.and(listed))
    }

    fn list(&self, of_one: &str, of_many: &str, songs: &[SongProblem]) {
        let what = match songs.len() {
            0 => return,
            1 => of_one,
            _ => of_many,
        };
        let mut lines = vec![format!("\n{} {what}:", count(songs.len(), "song"))];
        for song in songs {
            lines.push(format!("  {}: {}", song.song, song.reason));
            lines.extend(song.hint.as_ref().map(|hint| format!("    hint: {hint}")));
        }
        self.progress.say_even_if_quiet(lines.join("\n"));
    }

    /// Says that the user's stop was heeded, and how to go on.
    pub(crate) fn interrupted(&self) -> Outcome {
        self.progress.say_even_if_quiet("interrupted; run the same command to go on");
        Outcome::Interrupted
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

fn add(songs: &Mutex<BTreeSet<SongProblem>>, song: SongProblem) {
    songs.lock().unwrap_or_else(PoisonError::into_inner).insert(song);
}

fn listed(songs: &Mutex<BTreeSet<SongProblem>>) -> Vec<SongProblem> {
    songs.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

/// `1 song`, `2 songs`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
