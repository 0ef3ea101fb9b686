//! `bench train`: the time of a training step and of inference, ours and PyTorch's in turn.

use std::ffi::OsString;
use std::fmt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use cantus_kernels::{PATH_VARIABLE, Path};
use serde::Serialize;

use super::worker::Timed;
use crate::cli::{BenchTrainFlags, CommonFlags};
use crate::commands::{print, print_json};
use crate::outcome::Outcome;
use crate::progress::Progress;

/// The peer's network, step by step the same work.
const TORCH_STEP: &str = include_str!("torch_step.py");

/// What is timed.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
enum Task {
    Train,
    Infer,
}

/// One line of the table.
#[derive(Debug, Serialize)]
struct Row {
    task: Task,
    frames: usize,
    batch: usize,
    path: String,
    threads: usize,
    ours_ms: f64,
    ours_fastest_ms: f64,
    ours_peak_mib: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_fastest_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_peak_mib: Option<f64>,
    /// Ours by the peer's: below 1 we are faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

/// The times of all rounds.
#[derive(Default)]
struct Rounds {
    train_ms: Vec<f64>,
    infer_ms: Vec<f64>,
    peak_mib: f64,
    version: String,
}

impl Rounds {
    fn add(&mut self, timed: Timed) {
        self.train_ms.extend(timed.train_ms);
        self.infer_ms.extend(timed.infer_ms);
        self.peak_mib = self.peak_mib.max(timed.peak_mib);
        self.version = timed.version;
    }

    fn fastest(&self, task: Task) -> f64 {
        self.sorted(task)[0]
    }

    /// Of one time or more.
    fn sorted(&self, task: Task) -> Vec<f64> {
        let mut times = match task {
            Task::Train => self.train_ms.clone(),
            Task::Infer => self.infer_ms.clone(),
        };
        times.sort_by(f64::total_cmp);
        times
    }

    fn median(&self, task: Task) -> f64 {
        let times = self.sorted(task);
        let (low, high) = (times[(times.len() - 1) / 2], times[times.len() / 2]);
        f64::midpoint(low, high)
    }
}

/// Times every combination of frames and path, a process of ours and one of the peer's in turn.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &BenchTrainFlags,
    progress: &Progress,
) -> Result<Outcome> {
    let threads = match common.threads {
        Some(threads) => usize::from(threads),
        None => rayon::current_num_threads(),
    };
    let fastest = Path::current();
    let paths: Vec<Path> = if flags.path.is_empty() {
        vec![fastest]
    } else {
        let mut paths: Vec<Path> = flags.path.iter().map(|path| path.0).collect();
        paths.dedup();
        paths
    };
    if common.dry_run {
        for path in &paths {
            for frames in &flags.frames {
                print(&format!("would time {frames} frames on {path} with {threads} threads\n"));
            }
        }
        return Ok(Outcome::Done);
    }
    let no_torch = why_no_torch(flags);
    if let Some(reason) = &no_torch {
        progress.say(format!("ours alone, {reason}"));
    }
    if !common.json {
        print(&format!("{}\n", Row::header()));
    }
    for &path in &paths {
        for &frames in &flags.frames {
            let (mut ours, mut peer) = (Rounds::default(), Rounds::default());
            let bar = progress.bar(flags.rounds as u64, format!("{frames} frames"), "rounds");
            for _ in 0..flags.rounds {
                ours.add(time_ours(flags, path, frames, threads)?);
                if no_torch.is_none() {
                    peer.add(time_torch(flags, path, frames, threads)?);
                }
                bar.inc(1);
            }
            bar.finish_and_clear();
            for task in [Task::Train, Task::Infer] {
                let row = Row::new(task, flags, (path, frames, threads), &ours, &peer);
                if common.json {
                    print_json(&row)?;
                } else {
                    print(&format!("{row}\n"));
                }
            }
        }
    }
    Ok(Outcome::Done)
}

fn why_no_torch(flags: &BenchTrainFlags) -> Option<String> {
    let name = flags.python.display();
    let mut python = Command::new(&flags.python);
    python.args(["-c", "import torch"]).stdout(Stdio::null()).stderr(Stdio::null());
    match python.status() {
        Ok(status) if status.success() => None,
        Ok(_) => Some(format!(
            "since `{name}` cannot import torch (`pip install torch` in its environment, or \
             `--python`, brings the peer)"
        )),
        Err(error) => Some(format!("since `{name}` cannot be started: {error}")),
    }
}

fn time_ours(flags: &BenchTrainFlags, path: Path, frames: usize, threads: usize) -> Result<Timed> {
    let itself = std::env::current_exe().context("cannot find this program's file")?;
    let mut worker = Command::new(itself);
    worker
        .args(["bench", "train", "--worker", &path.to_string()])
        .args(["--frames", &frames.to_string(), "--batch", &flags.batch.to_string()])
        .args(["--steps", &flags.steps.to_string(), "--warm-up", &flags.warm_up.to_string()])
        .args(["--threads", &threads.to_string()])
        .env(PATH_VARIABLE, path.to_string());
    output_of(worker)
}

fn time_torch(flags: &BenchTrainFlags, path: Path, frames: usize, threads: usize) -> Result<Timed> {
    let numbers = [frames, flags.batch, flags.warm_up, flags.steps, threads];
    let mut worker = Command::new(&flags.python);
    worker
        .args(["-c", TORCH_STEP])
        .args(numbers.map(|number| number.to_string()))
        // glibc then keeps the large activations from step to step: up to twice as fast.
        .env("MALLOC_MMAP_THRESHOLD_", "8589934592")
        .env("MALLOC_TRIM_THRESHOLD_", "8589934592")
        .env("OMP_NUM_THREADS", threads.to_string());
    // The peer's own ways to do without newer instructions; it has none to do without SSE4.1.
    let limits = match path {
        Path::Avx2 => Some(("AVX2", "avx2")),
        Path::Portable => Some(("SSE41", "default")),
        _ => None,
    };
    if let Some((of_convolutions, of_the_rest)) = limits {
        worker.env("ONEDNN_MAX_CPU_ISA", of_convolutions).env("ATEN_CPU_CAPABILITY", of_the_rest);
    }
    output_of(worker)
}

fn output_of(mut worker: Command) -> Result<Timed> {
    let name = OsString::from(worker.get_program());
    let output = worker
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot start `{}`", name.display()))?;
    if !output.status.success() {
        bail!("`{}` ended with {}", name.display(), output.status);
    }
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("`{}` printed no times", name.display()))
}

impl Row {
    fn new(
        task: Task,
        flags: &BenchTrainFlags,
        (path, frames, threads): (Path, usize, usize),
        ours: &Rounds,
        peer: &Rounds,
    ) -> Self {
        let ours_ms = ours.median(task);
        let peer = (!peer.train_ms.is_empty()).then_some(peer);
        let peer_ms = peer.map(|peer| peer.median(task));
        Self {
            task,
            frames,
            batch: flags.batch,
            path: path.to_string(),
            threads,
            ours_ms,
            ours_fastest_ms: ours.fastest(task),
            ours_peak_mib: ours.peak_mib,
            peer: peer.map(|peer| format!("torch {} channels_last f32", peer.version)),
            peer_ms,
            peer_fastest_ms: peer.map(|peer| peer.fastest(task)),
            peer_peak_mib: peer.map(|peer| peer.peak_mib),
            ratio: peer_ms.map(|peer_ms| ours_ms / peer_ms),
        }
    }

    fn header() -> String {
        format!(
            "{:<6}{:>7}  {:<9}{:>8}{:>10}{:>10}{:>11}{:>10}{:>8}  peer",
            "task", "frames", "path", "threads", "ours ms", "MiB", "peer ms", "MiB", "ratio"
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = match self.task {
            Task::Train => "train",
            Task::Infer => "infer",
        };
        write!(
            formatter,
            "{task:<6}{:>7}  {:<9}{:>8}{:>10.1}{:>10.0}",
            self.frames, self.path, self.threads, self.ours_ms, self.ours_peak_mib
        )?;
        match (&self.peer, self.peer_ms, self.peer_peak_mib, self.ratio) {
            (Some(peer), Some(ms), Some(mib), Some(ratio)) => {
                write!(formatter, "{ms:>11.1}{mib:>10.0}{ratio:>8.2}  {peer}")
            }
            _ => Ok(()),
        }
    }
}
