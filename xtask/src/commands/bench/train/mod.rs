//! `bench train`: the time of a training step and of inference, ours and the peers' in turn.

mod candle_step;
mod peer;
mod rows;
mod steps;
mod worker;

use std::process::Command;

use anyhow::{Context, Result};
use cantus_kernels::{PATH_VARIABLE, Path};

use rows::{Rounds, Row, Task};

use super::each_once;
use super::worker_process::json_of;
use crate::cli::{BenchTrainFlags, CommonFlags, KernelPath, Peer, Worker};
use crate::commands::{print, print_json};
use crate::outcome::Outcome;
use crate::progress::Progress;

/// What one process times.
#[derive(Debug, Clone, Copy)]
pub(super) struct Case {
    pub(super) path: Path,
    pub(super) frames: usize,
    pub(super) threads: usize,
}

/// Times every combination of frames and path, a process of ours and one of each peer in turn.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &BenchTrainFlags,
    progress: &Progress,
) -> Result<Outcome> {
    match flags.worker {
        Some(Worker::Ours(path)) => return worker::run(flags, path),
        Some(Worker::Candle) => return candle_step::run(flags),
        None => {}
    }
    let threads = match common.threads {
        Some(threads) => usize::from(threads),
        None => rayon::current_num_threads(),
    };
    let mut paths: Vec<Path> = flags.path.iter().map(|path| path.0).collect();
    if paths.is_empty() {
        paths.push(Path::current());
    }
    let (paths, mut peers) = (each_once(&paths), each_once(&flags.peer));
    let cases: Vec<Case> = paths
        .iter()
        .flat_map(|&path| flags.frames.iter().map(move |&frames| Case { path, frames, threads }))
        .collect();
    if common.dry_run {
        let peers: Vec<String> = peers.iter().map(ToString::to_string).collect();
        for Case { path, frames, threads } in cases {
            if common.json {
                let path = path.to_string();
                print_json(&serde_json::json!({
                    "would": "time", "frames": frames, "path": path, "threads": threads, "peers": peers
                }))?;
            } else {
                print(&format!(
                    "would time {frames} frames on {path} with {threads} threads, beside {}\n",
                    peers.join(", ")
                ))?;
            }
        }
        return Ok(Outcome::Done);
    }
    peers.retain(|peer| {
        let reason = peer.why_missing(flags);
        if let Some(reason) = &reason {
            progress.say(format!("without {peer}, since {reason}"));
        }
        reason.is_none()
    });
    if !common.json {
        print(&format!("{}\n", Row::header()))?;
    }
    for case in cases {
        for row in rows_of(case, flags, &peers, progress)? {
            if common.json {
                print_json(&row)?;
            } else {
                print(&format!("{row}\n"))?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// All rounds of a case: a row for each task and peer, or for each task where there is no peer.
fn rows_of(
    case: Case,
    flags: &BenchTrainFlags,
    peers: &[Peer],
    progress: &Progress,
) -> Result<Vec<Row>> {
    let mut ours = Rounds::default();
    let mut theirs: Vec<Rounds> = peers.iter().map(|_| Rounds::default()).collect();
    let bar = progress.bar(flags.rounds as u64, format!("{} frames", case.frames), "rounds");
    for _ in 0..flags.rounds {
        ours.add(json_of(case.process_of(Worker::Ours(KernelPath(case.path)), flags)?)?);
        for (&peer, rounds) in peers.iter().zip(&mut theirs) {
            rounds.add(peer.time(flags, case)?);
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let mut rows = Vec::new();
    for task in [Task::Train, Task::Infer] {
        let row = Row::new(task, flags.batch, case, &ours);
        if peers.is_empty() {
            rows.push(row);
            continue;
        }
        for (peer, rounds) in peers.iter().zip(&theirs) {
            rows.push(row.clone().beside(*peer, rounds));
        }
    }
    Ok(rows)
}

impl Case {
    /// A process of this program that runs the steps of `worker`.
    pub(super) fn process_of(self, worker: Worker, flags: &BenchTrainFlags) -> Result<Command> {
        let itself = std::env::current_exe().context("cannot find this program's file")?;
        let mut process = Command::new(itself);
        process
            .args(["bench", "train", "--worker", &worker.to_string()])
            .args(["--frames", &self.frames.to_string(), "--batch", &flags.batch.to_string()])
            .args(["--steps", &flags.steps.to_string(), "--warm-up", &flags.warm_up.to_string()])
            .args(["--threads", &self.threads.to_string()])
            .args(["--peer-seconds", &flags.peer_seconds.to_string()])
            .env(PATH_VARIABLE, self.path.to_string());
        Ok(process)
    }
}
