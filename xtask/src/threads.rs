//! `--threads`, for this process' pool and for libraries that ask the environment.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// What rayon's pool, and candle beside it, take their number of threads from.
const VARIABLE: &str = "RAYON_NUM_THREADS";

/// What candle asks first for the pool of its operations by element.
const FIRST_OF_CANDLE: &str = "CANDLE_NUM_THREADS";

/// Makes every pool of this program have `threads` threads: where the environment says otherwise,
/// the program begins again with one that says so, since candle reads it and not the pool that it
/// is called in. Gives an exit code where the program has run its course that way.
///
/// Called before any other thread is started.
pub(crate) fn restart_with(threads: u16, arguments: &[OsString]) -> Result<Option<ExitCode>> {
    let says_so = |value: OsString| value == *threads.to_string();
    if std::env::var_os(VARIABLE).is_some_and(says_so)
        && std::env::var_os(FIRST_OF_CANDLE).is_none_or(says_so)
    {
        return Ok(None);
    }
    let itself = std::env::current_exe().context("cannot find this program's file")?;
    let mut again = Command::new(itself);
    again
        .args(arguments.get(1..).unwrap_or_default())
        .env(VARIABLE, threads.to_string())
        .env_remove(FIRST_OF_CANDLE);
    begin_again(again).map(Some).context("cannot begin again with another number of threads")
}

/// In place of this process.
#[cfg(unix)]
fn begin_again(mut again: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    Err(again.exec().into())
}

/// Beside this process, which waits.
#[cfg(not(unix))]
fn begin_again(mut again: Command) -> Result<ExitCode> {
    let status = again.status()?;
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, Into::into))
}
