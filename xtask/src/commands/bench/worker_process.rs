//! Processes that do the work that is timed, so that none of it finds what another left behind.

use std::ffi::OsString;
use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;

/// Runs a process that prints its times as JSON. What it says beside them is shown where it fails.
pub(super) fn json_of<T: DeserializeOwned>(worker: Command) -> Result<T> {
    json_of_input(worker, b"")
}

/// The same with something to read on standard input.
pub(super) fn json_of_input<T: DeserializeOwned>(mut worker: Command, input: &[u8]) -> Result<T> {
    let name = OsString::from(worker.get_program());
    let starting = || format!("cannot start `{}`", name.display());
    worker.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = worker.spawn().with_context(starting)?;
    if let Some(mut stdin) = process.stdin.take() {
        // One that ends without reading says below why.
        drop(stdin.write_all(input));
    }
    let output = process.wait_with_output().with_context(starting)?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` ended with {}:\n{}", name.display(), output.status, said.trim_end());
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("`{}` printed no times", name.display()))
}

/// `VmHWM` of this process; 0 where the system does not tell it.
pub(super) fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok()
        })
        .map_or(0.0, |kib: f64| kib / 1024.0)
}
