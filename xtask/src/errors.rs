//! How an error reads: what happened, because of what, and what to do about it.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Error;

/// Prints an error with its causes, and a hint: the first that a message carries, or else the first
/// that a crate knows.
pub(crate) fn print(error: &Error) {
    drop(writeln!(std::io::stderr().lock(), "{}", text(error)));
}

/// The hint stands last.
fn text(error: &Error) -> String {
    let mut lines = Vec::new();
    let mut said = String::new();
    let mut of_message = None;
    for cause in error.chain() {
        let cause = cause.to_string();
        // Some libraries put their cause into their own message as well.
        if said.contains(&cause) {
            continue;
        }
        said.push_str(&cause);
        let (message, hint) = cause.split_once("\n\nhint: ").unwrap_or((&cause, ""));
        let lead = if lines.is_empty() { "error" } else { "  because" };
        lines.push(format!("{lead}: {message}"));
        if !hint.is_empty() {
            of_message.get_or_insert_with(|| hint.to_owned());
        }
    }
    if let Some(hint) = of_message.or_else(|| error.chain().find_map(hint)) {
        lines.push(format!("\nhint: {hint}"));
    }
    lines.join("\n")
}

/// Flags that do not go together, or not with what they are about.
#[derive(Debug)]
pub(crate) struct BadUsage(String);

/// Says what does not go together and, after an empty line and `hint: `, what does.
pub(crate) fn bad_usage<T>(message: impl Into<String>) -> anyhow::Result<T> {
    Err(BadUsage(message.into()).into())
}

impl fmt::Display for BadUsage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for BadUsage {}

/// What the shell is told of an error: 2 for bad usage, 1 for all else.
pub(crate) fn exit_code(error: &Error) -> ExitCode {
    ExitCode::from(if error.is::<BadUsage>() { 2 } else { 1 })
}

/// An output of a stage that cannot be read back.
#[derive(Debug)]
pub(crate) struct Damaged {
    path: PathBuf,
    /// The command that makes it.
    command: &'static str,
    /// Whether the command makes it anew only where it is gone, since its own stage is another.
    is_to_be_deleted: bool,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Damaged {
    pub(crate) fn new(
        path: impl Into<PathBuf>,
        command: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { path: path.into(), command, is_to_be_deleted: false, source: source.into() }
    }

    /// An output of a stage that no command has for its own.
    pub(crate) fn to_delete(
        path: impl Into<PathBuf>,
        command: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { is_to_be_deleted: true, ..Self::new(path, command, source) }
    }
}

impl fmt::Display for Damaged {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "`{}` is damaged", self.path.display())
    }
}

impl std::error::Error for Damaged {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&*self.source)
    }
}

/// What the crates know about mending their errors.
pub(crate) fn hint(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    if let Some(error) = error.downcast_ref::<cantus_pipeline::PipelineError>() {
        return error.hint().map(Into::into);
    }
    if let Some(error) = error.downcast_ref::<cantus_pipeline::LockError>() {
        return error.hint().map(Into::into);
    }
    if let Some(error) = error.downcast_ref::<cantus_corpus::CorpusError>() {
        return error.hint().map(Into::into);
    }
    if let Some(error) = error.downcast_ref::<cantus_audio::AudioError>() {
        return error.hint();
    }
    if let Some(error) = error.downcast_ref::<cantus_cache::CacheError>() {
        return if error.is_damage() {
            Some("`cargo xtask verify --repair` makes anew what is damaged".to_owned())
        } else {
            error.hint()
        };
    }
    if let Some(error) = error.downcast_ref::<cantus_crnn::CrnnError>() {
        return error.hint().map(Into::into);
    }
    if let Some(error) = error.downcast_ref::<cantus::CantusError>() {
        return error.hint();
    }
    if let Some(Damaged { command, is_to_be_deleted, .. }) = error.downcast_ref() {
        return Some(if *is_to_be_deleted {
            format!("delete it, and `cargo xtask {command}` makes it again")
        } else {
            format!("`cargo xtask {command} --force` makes it again")
        });
    }
    // An error that passed through a writer is inside the I/O error, not one of its causes.
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        return hint(error.get_ref()?);
    }
    None
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::text;

    #[test]
    fn the_hint_stands_after_the_causes() {
        let error = anyhow!("no such file").context("cannot read `a`\n\nhint: name a file");
        assert_eq!(
            text(&error),
            "error: cannot read `a`\n  because: no such file\n\nhint: name a file"
        );
    }

    #[test]
    fn a_cause_that_was_said_already_is_not_said_again() {
        let error = anyhow!("disk full").context("cannot write: disk full");
        assert_eq!(text(&error), "error: cannot write: disk full");
    }
}
