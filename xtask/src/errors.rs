//! How an error reads: what happened, because of what, and what to do about it.

use std::io::Write;

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
    // An error that passed through a writer is inside the I/O error, not one of its causes.
    if let Some(error) = error.downcast_ref::<std::io::Error>() {
        return hint(error.get_ref()?);
    }
    None
}
