//! The peers of `bench preprocess`: whether they are there, and a run of each.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::Case;
use super::rows::{Timed, Times};
use crate::cli::{BenchPreprocessFlags, PreprocessPeer};
use crate::commands::bench::worker_process::json_of_input;

/// What libsndfile cannot read of what we can.
const AAC: [&str; 4] = ["aac", "m4a", "m4b", "mp4"];

/// A peer that can be run.
pub(super) struct Present {
    pub(super) peer: PreprocessPeer,
    program: std::path::PathBuf,
    /// What it calls itself.
    pub(super) name: String,
}

/// What a peer is called.
pub(super) fn name(peer: PreprocessPeer) -> &'static str {
    match peer {
        PreprocessPeer::Librosa => "librosa",
        PreprocessPeer::Ffmpeg => "ffmpeg",
        PreprocessPeer::Mpg123 => "mpg123",
    }
}

impl Present {
    /// Looks for the peer; the error says why it is left out, and what to do about it.
    pub(super) fn find(
        peer: PreprocessPeer,
        flags: &BenchPreprocessFlags,
        files: &[String],
    ) -> Result<Self, String> {
        let (program, arguments): (_, &[&str]) = match peer {
            PreprocessPeer::Librosa => {
                let versions = "import librosa, soundfile, soxr; print(librosa.__version__)";
                (flags.python.as_path(), &["-c", versions])
            }
            PreprocessPeer::Ffmpeg => (Path::new("ffmpeg"), &["-version"]),
            PreprocessPeer::Mpg123 => (Path::new("mpg123"), &["--version"]),
        };
        let extensions = || files.iter().map(|file| extension(file));
        match peer {
            PreprocessPeer::Mpg123 if extensions().any(|extension| extension != "mp3") => {
                return Err("it decodes nothing but mp3".to_owned());
            }
            PreprocessPeer::Librosa if extensions().any(|extension| AAC.contains(&&*extension)) => {
                return Err("its soundfile decodes no AAC".to_owned());
            }
            _ => {}
        }
        let shown = program.display();
        let answer = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("`{shown}` cannot be started: {error}"))?;
        if !answer.status.success() {
            return Err(match peer {
                PreprocessPeer::Librosa => format!(
                    "`{shown}` cannot import librosa, soundfile and soxr (`pip install librosa` in \
                     its environment, or `--python`, brings the peer)"
                ),
                _ => format!("`{shown}` does not tell its version"),
            });
        }
        // `ffmpeg version 5.1.6-0 Copyright ...`, `mpg123 1.31.2`, `0.11.0`.
        let answer = String::from_utf8_lossy(&answer.stdout);
        let version =
            answer.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
        let name = format!("{} {}", name(peer), version.unwrap_or_default());
        Ok(Self { peer, program: program.to_owned(), name })
    }

    /// The files that each of its processes decodes, one after the other: dealt in turn, since it has
    /// no way to take the next that is free.
    fn dealt<'a>(case: &'a Case, process: usize) -> impl Iterator<Item = &'a String> {
        case.files.iter().skip(process).step_by(case.threads)
    }

    /// All of it, in as many processes as there are threads.
    pub(super) fn librosa(&self, case: &Case) -> Result<Times> {
        let config = case.config;
        let mut process = Command::new(&self.program);
        process.args(["-c", include_str!("librosa_peer.py")]).arg(case.threads.to_string()).args(
            [config.sample_rate as usize, config.n_fft, config.hop_length, config.n_mels]
                .map(|n| n.to_string()),
        );
        // A process a core: with threads of their own they would be in each other's way.
        for library in ["OMP", "OPENBLAS", "MKL", "NUMBA"] {
            process.env(format!("{library}_NUM_THREADS"), "1");
        }
        json_of_input(process, &serde_json::to_vec(case.files)?)
            .context("librosa could not be timed")
    }

    /// A process a file, as many at once as there are threads.
    pub(super) fn ffmpeg(&self, case: &Case, resampled: bool) -> Result<Timed> {
        let rate = case.config.sample_rate.to_string();
        self.at_once(case, case.files.len(), |index| {
            let mut process = Command::new(&self.program);
            process
                .args(["-nostdin", "-v", "error", "-threads", "1", "-i", &case.files[index]])
                .args(["-map", "0:a:0"]);
            if resampled {
                process.args(["-ac", "1", "-ar", &rate]);
            }
            process.args(["-f", "null", "-"]);
            process
        })
    }

    /// A process a thread.
    pub(super) fn mpg123(&self, case: &Case) -> Result<Timed> {
        self.at_once(case, case.threads.min(case.files.len()), |index| {
            let mut process = Command::new(&self.program);
            // Decodes and drops the samples.
            process.args(["--quiet", "--test"]);
            process.args(Self::dealt(case, index));
            process
        })
    }

    /// Runs `count` processes, as many at once as there are threads.
    fn at_once(
        &self,
        case: &Case,
        count: usize,
        process: impl Fn(usize) -> Command + Sync,
    ) -> Result<Timed> {
        let next = AtomicUsize::new(0);
        let started = Instant::now();
        let work = || -> Result<()> {
            loop {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    return Ok(());
                }
                let mut process = process(index);
                let output = process.stdin(Stdio::null()).output();
                let output = output.with_context(|| format!("cannot start {}", self.name))?;
                if !output.status.success() {
                    let said = String::from_utf8_lossy(&output.stderr);
                    bail!("{} ended with {}:\n{}", self.name, output.status, said.trim_end());
                }
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..case.threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().try_for_each(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        Ok(Timed { seconds: started.elapsed().as_secs_f64(), peak_mib: None })
    }
}

/// In lower case.
fn extension(file: &str) -> String {
    let extension = Path::new(file).extension().unwrap_or_default();
    extension.to_string_lossy().to_ascii_lowercase()
}
