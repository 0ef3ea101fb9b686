//! How an error reads: what happened, because of what, and what to do about it.

use std::fmt;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Error;

/// Prints an error with its causes, and the first hint that any of them has.
pub(crate) fn print(error: &Error) {
    let mut lines = vec![format!("error: {error}")];
    let mut said = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Some libraries put their cause into their own message as well.
        if !said.contains(&cause) {
            lines.push(format!("  because: {cause}"));
            said.push_str(&cause);
        }
    }
    if let Some(hint) = error.chain().find_map(hint) {
        lines.push(format!("\nhint: {hint}"));
    }
    drop(writeln!(std::io::stderr().lock(), "{}", lines.join("\n")));
}

/// An output of a stage that cannot be read back.
#[derive(Debug)]
pub(crate) struct Damaged {
    path: PathBuf,
    /// The command whose stage makes it.
    command: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl Damaged {
    pub(crate) fn new(
        path: impl Into<PathBuf>,
        command: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { path: path.into(), command, source: source.into() }
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
        return error.hint();
    }
    if let Some(Damaged { command, .. }) = error.downcast_ref() {
        return Some(format!("`cargo xtask {command} --force` makes it again"));
    }
    // An error that passed through a writer is inside the I/O error, not one of its causes.
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        return hint(error.get_ref()?);
    }
    None
}
