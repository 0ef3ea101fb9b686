//! Points at which a test lets the process die, before and after whatever changes a file or a folder.
//!
//! Of use to those who prove what survives a crash, of this crate and of what is built on it. Without
//! the feature `fault-injection` every function here is empty. With it the environment decides:
//!
//! | variable | what happens |
//! |---|---|
//! | `CANTUS_FAULT_LOG` | each point is added to this file, a line `<step> <path>` |
//! | `CANTUS_FAULT_KILL` | at the point of this number, counted from 1, the process kills itself |
//! | `CANTUS_FAULT_DISK` | once this many bytes were written, the disk is full |

use std::io;
use std::path::Path;

/// Does something that changes `path`, between two points that are named after it.
///
/// # Errors
/// What `change` returns.
pub fn around<T, E>(
    step: &str,
    path: &Path,
    change: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    armed::point("before", step, path);
    let changed = change()?;
    armed::point("after", step, path);
    Ok(changed)
}

/// How many of `wanted` bytes the disk still takes, at least one.
///
/// # Errors
/// [`io::ErrorKind::StorageFull`] if it is full.
pub(crate) fn room(wanted: usize) -> io::Result<usize> {
    armed::room(wanted)
}

#[cfg(not(feature = "fault-injection"))]
mod armed {
    use std::io;
    use std::path::Path;

    pub(super) fn point(_when: &str, _step: &str, _path: &Path) {}

    #[expect(clippy::unnecessary_wraps, reason = "the armed one may be full")]
    pub(super) fn room(wanted: usize) -> io::Result<usize> {
        Ok(wanted)
    }
}

#[cfg(feature = "fault-injection")]
mod armed {
    use std::fs::{File, OpenOptions};
    use std::io::{self, Write};
    use std::path::Path;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Mutex, OnceLock, PoisonError};

    struct Faults {
        log: Option<Mutex<File>>,
        kill_at: Option<u64>,
        disk_bytes: Option<u64>,
        points: AtomicU64,
        written: AtomicU64,
    }

    impl Faults {
        fn of_environment() -> Self {
            let number = |name| -> Option<u64> { std::env::var(name).ok()?.parse().ok() };
            let log = std::env::var_os("CANTUS_FAULT_LOG")
                .and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
            Self {
                log: log.map(Mutex::new),
                kill_at: number("CANTUS_FAULT_KILL"),
                disk_bytes: number("CANTUS_FAULT_DISK"),
                points: AtomicU64::new(0),
                written: AtomicU64::new(0),
            }
        }
    }

    fn faults() -> &'static Faults {
        static FAULTS: OnceLock<Faults> = OnceLock::new();
        FAULTS.get_or_init(Faults::of_environment)
    }

    pub(super) fn point(when: &str, step: &str, path: &Path) {
        let faults = faults();
        if let Some(log) = &faults.log {
            let line = format!("{when} {step} {}\n", path.display());
            let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
            // A log that cannot be written is missed by the test that asked for it.
            let _ = log.write_all(line.as_bytes());
        }
        let number = faults.points.fetch_add(1, Ordering::SeqCst) + 1;
        if faults.kill_at == Some(number) {
            die();
        }
    }

    /// As the kernel ends a process: nothing is unwound, nothing is flushed.
    fn die() -> ! {
        #[cfg(unix)]
        {
            use rustix::process::{Signal, getpid, kill_process};
            let _ = kill_process(getpid(), Signal::KILL);
        }
        std::process::abort()
    }

    pub(super) fn room(wanted: usize) -> io::Result<usize> {
        let faults = faults();
        let Some(disk) = faults.disk_bytes else { return Ok(wanted) };
        let before = faults.written.fetch_add(wanted as u64, Ordering::SeqCst);
        let left = disk.saturating_sub(before).min(wanted as u64) as usize;
        if left == 0 && wanted > 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(left)
    }
}
