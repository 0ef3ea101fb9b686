//! How a command ends, and what the shell is told.

use std::process::ExitCode;

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outcome {
    /// Everything asked for is done.
    Done,
    /// Done, but some songs could not be used; they were listed.
    SomeSongsUnusable,
    /// Stopped by Ctrl-C or a termination signal after saving; the same command goes on.
    Interrupted,
}

impl Outcome {
    /// The outcome of two pieces of work: the worse one.
    #[must_use]
    pub(crate) fn and(self, other: Self) -> Self {
        self.max(other)
    }

    /// The exit code: 0 done, 3 done but for some songs, 130 interrupted.
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::SomeSongsUnusable => ExitCode::from(3),
            Self::Interrupted => ExitCode::from(130),
        }
    }
}
