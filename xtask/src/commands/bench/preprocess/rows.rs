//! The table of `bench preprocess`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Case;
use super::peers::Present;
use crate::commands::bench::median;

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Task {
    /// From the file to decibels.
    LogMel,
    /// Of that, from samples to decibels.
    Transform,
    /// Of that, from the file to mono samples at the rate of the spectrograms.
    Read,
    /// The same alone.
    Resample,
    /// From the file to samples at its own rate; ours are mixed to mono.
    Decode,
}

/// What a worker, ours or librosa, says on standard output. The parts are sums over all threads.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Times {
    pub(super) wall_s: f64,
    /// Seconds of music.
    pub(super) audio_s: f64,
    /// Decoding, mixing and resampling.
    pub(super) resample_s: f64,
    /// Transform, mel bank and decibels.
    pub(super) transform_s: f64,
    /// The largest resident set of a process.
    pub(super) peak_mib: f64,
    pub(super) version: String,
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed {
    pub(super) seconds: f64,
    pub(super) peak_mib: Option<f64>,
}

impl Times {
    pub(super) fn wall(&self) -> Timed {
        Timed { seconds: self.wall_s, peak_mib: Some(self.peak_mib) }
    }

    /// A thread's share.
    pub(super) fn transform(&self, case: &Case) -> Timed {
        Timed { seconds: self.transform_s / case.busy_threads(), peak_mib: None }
    }

    /// A thread's share.
    pub(super) fn resample(&self, case: &Case) -> Timed {
        Timed { seconds: self.resample_s / case.busy_threads(), peak_mib: None }
    }
}

/// All rounds of a case.
#[derive(Default)]
pub(super) struct Measured<'a> {
    pub(super) seconds_of_audio: f64,
    ours: Vec<(Task, Vec<Timed>)>,
    theirs: Vec<(Task, &'a Present, Vec<Timed>)>,
}

impl<'a> Measured<'a> {
    pub(super) fn add_ours(&mut self, task: Task, timed: Timed) {
        match self.ours.iter_mut().find(|(other, _)| *other == task) {
            Some((_, times)) => times.push(timed),
            None => self.ours.push((task, vec![timed])),
        }
    }

    pub(super) fn add_theirs(&mut self, task: Task, peer: &'a Present, timed: Timed) {
        let same = |other: &Present| other.name == peer.name;
        match self.theirs.iter_mut().find(|(other, by, _)| *other == task && same(by)) {
            Some((_, _, times)) => times.push(timed),
            None => self.theirs.push((task, peer, vec![timed])),
        }
    }

    /// A row for each task and peer, or for each task that no peer does.
    pub(super) fn rows(&self, case: &Case) -> Vec<Row> {
        let mut rows = Vec::new();
        for (task, ours) in &self.ours {
            let row = Row {
                task: *task,
                files: case.files.len(),
                seconds_of_audio: self.seconds_of_audio,
                threads: case.threads,
                ours_s: seconds(ours),
                ours_peak_mib: peak(ours),
                peer: None,
                peer_s: None,
                peer_peak_mib: None,
                ratio: None,
            };
            let before = rows.len();
            for (_, peer, times) in self.theirs.iter().filter(|(other, ..)| other == task) {
                rows.push(Row {
                    peer: Some(peer.name.clone()),
                    peer_s: Some(seconds(times)),
                    peer_peak_mib: peak(times),
                    ratio: Some(row.ours_s / seconds(times)),
                    ..row.clone()
                });
            }
            if rows.len() == before {
                rows.push(row);
            }
        }
        rows
    }
}

fn seconds(times: &[Timed]) -> f64 {
    median(&times.iter().map(|timed| timed.seconds).collect::<Vec<_>>())
}

fn peak(times: &[Timed]) -> Option<f64> {
    times.iter().filter_map(|timed| timed.peak_mib).reduce(f64::max)
}

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Row {
    task: Task,
    files: usize,
    seconds_of_audio: f64,
    threads: usize,
    ours_s: f64,
    /// The whole process.
    #[serde(skip_serializing_if = "Option::is_none")]
    ours_peak_mib: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_s: Option<f64>,
    /// The largest of its processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    peer_peak_mib: Option<f64>,
    /// Ours by the peer's: below 1 we are faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    ratio: Option<f64>,
}

impl Row {
    pub(super) fn header() -> String {
        format!(
            "{:<11}{:>6}{:>9}{:>9}{:>9}{:>12}{:>7}{:>9}{:>7}{:>7}  peer",
            "task",
            "files",
            "audio s",
            "threads",
            "ours s",
            "real time",
            "MiB",
            "peer s",
            "MiB",
            "ratio"
        )
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let task = match self.task {
            Task::LogMel => "log-mel",
            Task::Transform => "transform",
            Task::Read => "read",
            Task::Resample => "resample",
            Task::Decode => "decode",
        };
        let mib = |peak: Option<f64>| peak.map_or(String::new(), |mib| format!("{mib:.0}"));
        write!(
            formatter,
            "{task:<11}{:>6}{:>9.0}{:>9}{:>9.3}{:>11.0}x{:>7}",
            self.files,
            self.seconds_of_audio,
            self.threads,
            self.ours_s,
            self.seconds_of_audio / self.ours_s,
            mib(self.ours_peak_mib),
        )?;
        match (&self.peer, self.peer_s, self.ratio) {
            (Some(peer), Some(seconds), Some(ratio)) => {
                let mib = mib(self.peer_peak_mib);
                write!(formatter, "{seconds:>9.3}{mib:>7}{ratio:>7.2}  {peer}")
            }
            _ => Ok(()),
        }
    }
}
