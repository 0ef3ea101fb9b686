//! The table of `bench train`.

use std::fmt;

use serde::Serialize;

use super::Case;
use super::steps::Timed;
use crate::cli::Peer;
use crate::commands::bench::median;

/// What is timed.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Task {
    Train,
    Infer,
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
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

/// The times of all rounds, of one or more.
#[derive(Debug, Default)]
pub(super) struct Rounds {
    train_ms: Vec<f64>,
    infer_ms: Vec<f64>,
    peak_mib: f64,
    version: String,
}

impl Rounds {
    pub(super) fn add(&mut self, timed: Timed) {
        self.train_ms.extend(timed.train_ms);
        self.infer_ms.extend(timed.infer_ms);
        self.peak_mib = self.peak_mib.max(timed.peak_mib);
        self.version = timed.version;
    }

    fn fastest(&self, task: Task) -> f64 {
        self.times(task).iter().copied().fold(f64::INFINITY, f64::min)
    }

    fn times(&self, task: Task) -> &[f64] {
        match task {
            Task::Train => &self.train_ms,
            Task::Infer => &self.infer_ms,
        }
    }
}

impl Row {
    /// Of ours alone.
    pub(super) fn new(task: Task, batch: usize, case: Case, ours: &Rounds) -> Self {
        Self {
            task,
            frames: case.frames,
            batch,
            path: case.path.to_string(),
            threads: case.threads,
            ours_ms: median(ours.times(task)),
            ours_fastest_ms: ours.fastest(task),
            ours_peak_mib: ours.peak_mib,
            peer: None,
            peer_ms: None,
            peer_fastest_ms: None,
            peer_peak_mib: None,
            ratio: None,
        }
    }

    /// The same with a peer's times.
    pub(super) fn beside(self, peer: Peer, rounds: &Rounds) -> Self {
        let peer_ms = median(rounds.times(self.task));
        Self {
            peer: Some(peer.in_full(&rounds.version)),
            peer_ms: Some(peer_ms),
            peer_fastest_ms: Some(rounds.fastest(self.task)),
            peer_peak_mib: Some(rounds.peak_mib),
            ratio: Some(self.ours_ms / peer_ms),
            ..self
        }
    }

    pub(super) fn header() -> String {
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
