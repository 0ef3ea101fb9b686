//! One process at a time in a data folder.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::error::PipelineError;

/// The lock file's name inside the folder.
const FILE_NAME: &str = ".cantus-lock";
const POLL: Duration = Duration::from_millis(100);
/// While a holder has yet to say who it is.
const SHORT_POLL: Duration = Duration::from_millis(10);
/// So long a holder may take to write down who it is.
const TIME_TO_SAY_SO: Duration = Duration::from_millis(500);

/// The right to work in a data folder, given back when dropped.
///
/// It is the operating system's lock on `<folder>/.cantus-lock`: when the holder dies, however it
/// dies, the lock is free at once, so there is nothing to steal or to clean up, and the file may
/// stay. Its text (process id and start time) only serves messages. Network file systems without
/// locks give an error, not a false promise.
#[derive(Debug)]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// Who holds a lock, as far as the lock file tells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The process's id.
    pub pid: Option<u32>,
    /// Seconds since 1970 at which it took the lock.
    pub since_unix_seconds: Option<u64>,
}

impl Holder {
    /// Whether it is a process of this machine that lives.
    fn is_at_work(&self) -> bool {
        #[cfg(unix)]
        {
            use rustix::io::Errno;
            use rustix::process::{Pid, test_kill_process};
            let pid = self.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
            // Another user's may not be asked, but is there.
            pid.is_some_and(|pid| matches!(test_kill_process(pid), Ok(()) | Err(Errno::PERM)))
        }
        #[cfg(not(unix))]
        {
            self.pid.is_some()
        }
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}"),
            None => write!(f, "another process"),
        }
    }
}

/// Why a lock was not had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Another process (or another [`Lock`] of this one) works in the folder.
    #[error("{holder} is working in {}", folder.display())]
    Held {
        /// The folder.
        folder: PathBuf,
        /// Who holds it.
        holder: Holder,
    },
    /// The lock file cannot be made, read or locked.
    #[error(transparent)]
    File(#[from] PipelineError),
}

impl LockError {
    /// What the user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Held { .. } => {
                Some("wait until it is done, or give this run another folder for its data")
            }
            Self::File(error) => error.hint(),
        }
    }
}

impl Lock {
    /// Takes the lock of `folder`, which is made if it is missing, or fails: at once, or half a second later
    /// where the lock file names nobody who is at work here.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] with the holder's process id, or [`LockError::File`].
    pub fn try_acquire(folder: impl AsRef<Path>) -> Result<Self, LockError> {
        Self::acquire(folder, |_| false)
    }

    /// Takes the lock of `folder`, asking `keep_waiting` about ten times a second for as long as
    /// somebody else holds it.
    ///
    /// # Errors
    ///
    /// [`LockError::Held`] once `keep_waiting` says no, or [`LockError::File`].
    pub fn acquire(
        folder: impl AsRef<Path>,
        mut keep_waiting: impl FnMut(&Holder) -> bool,
    ) -> Result<Self, LockError> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder)
            .map_err(|source| PipelineError::io("make the folder", folder, source))?;
        let path = folder.join(FILE_NAME);
        let fail = |source| PipelineError::io("lock", &path, source);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            // The text may be the holder's, who is still at work.
            .truncate(false)
            .open(&path)
            .map_err(fail)?;
        let asked = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {
                    let holder = read_holder(&mut file);
                    // Who took it this moment has not said so yet: the text is empty, or of one that died.
                    if !holder.is_at_work() && asked.elapsed() < TIME_TO_SAY_SO {
                        std::thread::sleep(SHORT_POLL);
                        continue;
                    }
                    if !keep_waiting(&holder) {
                        return Err(LockError::Held { folder: folder.to_path_buf(), holder });
                    }
                    std::thread::sleep(POLL);
                }
                Err(TryLockError::Error(source)) => return Err(fail(source).into()),
            }
        }
        write_holder(&mut file).map_err(fail)?;
        Ok(Self { file, path })
    }

    /// The lock file.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Nobody holds it from here on, so nobody should be named; failing that, the next holder
        // writes over it.
        drop(self.file.set_len(0));
        // Closing the file would do, were it not for a child process that is just being started:
        // until it runs its own program it has the file open, too.
        drop(self.file.unlock());
    }
}

fn write_holder(file: &mut File) -> std::io::Result<()> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    file.write_all(format!("{} {since}\n", std::process::id()).as_bytes())
}

fn read_holder(file: &mut File) -> Holder {
    let mut text = String::new();
    let read = file.seek(SeekFrom::Start(0)).and_then(|_| file.take(64).read_to_string(&mut text));
    if read.is_err() {
        return Holder::default();
    }
    let mut words = text.split_whitespace();
    Holder {
        pid: words.next().and_then(|word| word.parse().ok()),
        since_unix_seconds: words.next().and_then(|word| word.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_is_refused_with_the_holders_process_id_until_the_first_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let first = Lock::try_acquire(&data).unwrap();
        let error = Lock::try_acquire(&data).unwrap_err();
        let LockError::Held { holder, .. } = &error else { panic!("{error:?}") };
        assert_eq!(holder.pid, Some(std::process::id()));
        assert!(holder.since_unix_seconds.is_some());
        assert!(error.to_string().contains(&std::process::id().to_string()), "{error}");
        drop(first);
        Lock::try_acquire(&data).unwrap();
    }

    #[test]
    fn waiting_ends_when_the_holder_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Some(Lock::try_acquire(folder.path()).unwrap());
        let mut asked = 0;
        let second = Lock::acquire(folder.path(), |_| {
            asked += 1;
            first = None;
            true
        });
        assert_eq!(asked, 1);
        second.unwrap();
    }

    #[test]
    fn a_text_left_by_a_dead_holder_does_not_hold_the_lock() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE_NAME), "1 1700000000\n").unwrap();
        let lock = Lock::try_acquire(folder.path()).unwrap();
        let text = fs::read_to_string(lock.path()).unwrap();
        assert!(text.starts_with(&format!("{} ", std::process::id())), "{text}");
    }

    #[cfg(unix)]
    #[test]
    fn a_holder_that_has_not_yet_said_who_it_is_is_waited_for() {
        for text in ["", "2147483646 1700000000\n"] {
            let folder = tempfile::tempdir().unwrap();
            let lock = Lock::try_acquire(folder.path()).unwrap();
            let said = fs::read(lock.path()).unwrap();
            fs::write(lock.path(), text).unwrap();
            let path = lock.path().to_owned();
            let late = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(50));
                fs::write(path, said).unwrap();
            });
            let error = Lock::try_acquire(folder.path()).unwrap_err();
            let LockError::Held { holder, .. } = &error else { panic!("{error:?}") };
            assert_eq!(holder.pid, Some(std::process::id()));
            late.join().unwrap();
        }
    }

    #[test]
    fn nonsense_in_the_lock_file_is_an_unknown_holder() {
        let folder = tempfile::tempdir().unwrap();
        let lock = Lock::try_acquire(folder.path()).unwrap();
        fs::write(lock.path(), [0xff; 200]).unwrap();
        let error = Lock::try_acquire(folder.path()).unwrap_err();
        assert!(error.to_string().starts_with("another process is working in"), "{error}");
    }
}
