//! Ctrl-C and termination signals, as a flag that long work looks at between two steps.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};

/// Whether somebody asked for the work to stop. Clones share one flag.
#[derive(Debug, Clone, Default)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
}

/// The flag that this process' signals raise. A handler can be set only once, so every session of
/// the process shares it.
static OF_THIS_PROCESS: Mutex<Option<Interrupt>> = Mutex::new(None);

impl Interrupt {
    /// Takes over Ctrl-C, SIGTERM and SIGHUP of this process; the second signal ends it at once.
    pub(crate) fn install() -> Result<Self> {
        let mut installed = OF_THIS_PROCESS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupt) = &*installed {
            return Ok(interrupt.clone());
        }
        let interrupt = Self::default();
        let asked = Arc::clone(&interrupt.asked);
        ctrlc::set_handler(move || {
            if asked.swap(true, Ordering::SeqCst) {
                // The user insisted; nothing half written is kept.
                std::process::exit(130);
            }
        })
        .context("cannot listen for Ctrl-C")?;
        *installed = Some(interrupt.clone());
        Ok(interrupt)
    }

    /// True once a signal has come.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_of_one_process_share_the_flag() {
        let first = Interrupt::install().unwrap();
        let second = Interrupt::install().unwrap();
        assert!(Arc::ptr_eq(&first.asked, &second.asked));
    }
}
