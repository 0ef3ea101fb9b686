//! `bench preprocess`: music files to log-mel spectrograms, ours and the peers' in turn.

mod files;
mod peers;
mod rows;
mod worker;

use anyhow::{Result, bail};
use cantus_mel::MelConfig;

use peers::Present;
use rows::{Measured, Row, Task, Times};
use worker::Unusable;

use super::each_once;
use crate::cli::{BenchPreprocessFlags, CommonFlags, PreprocessPeer, PreprocessWorker};
use crate::commands::{print, print_json};
use crate::outcome::Outcome;
use crate::progress::Progress;

/// What is timed: the same files at so many threads.
struct Case<'a> {
    files: &'a [String],
    threads: usize,
    /// Of the spectrograms.
    config: &'a MelConfig,
}

/// Times one thread and all of them, or as many as were asked for.
pub(crate) fn run(
    common: &CommonFlags,
    flags: &BenchPreprocessFlags,
    progress: &Progress,
) -> Result<Outcome> {
    if let Some(worker) = flags.worker {
        return worker::run(worker);
    }
    let mut files = files::music_files(&flags.music)?;
    let threads = match common.threads {
        Some(threads) => vec![usize::from(threads)],
        None => each_once(&[1, rayon::current_num_threads()]),
    };
    if common.dry_run {
        for threads in threads {
            if common.json {
                let files = files.len();
                print_json(
                    &serde_json::json!({ "would": "time", "files": files, "threads": threads }),
                )?;
            } else {
                print(&format!("would time {} files with {threads} threads\n", files.len()))?;
            }
        }
        return Ok(Outcome::Done);
    }
    let bar = progress.bar(1, "files", "checks");
    let unusable = worker::unusable(threads[0].max(rayon::current_num_threads()), &files)?;
    bar.finish_and_clear();
    for Unusable { file, reason } in &unusable {
        progress.say(format!("without `{file}`: {reason}"));
    }
    files.retain(|file| unusable.iter().all(|unusable| unusable.file != *file));
    if files.is_empty() {
        bail!("no file can be timed");
    }
    let mut present = Vec::new();
    for peer in each_once(&flags.peer) {
        match Present::find(peer, flags, &files) {
            Ok(peer) => present.push(peer),
            Err(reason) => progress.say(format!("without {}, since {reason}", peers::name(peer))),
        }
    }
    let mut peers: Vec<&Present> = present.iter().collect();
    if !common.json {
        print(&format!("{}\n", Row::header()))?;
    }
    let config = MelConfig::paper();
    for threads in threads {
        let case = Case { files: &files, threads, config: &config };
        for row in rows_of(&case, flags.rounds, &mut peers, progress)? {
            if common.json {
                print_json(&row)?;
            } else {
                print(&format!("{row}\n"))?;
            }
        }
    }
    Ok(Outcome::Done)
}

/// All rounds of a case. A peer that fails is left out from then on.
fn rows_of(
    case: &Case,
    rounds: usize,
    peers: &mut Vec<&Present>,
    progress: &Progress,
) -> Result<Vec<Row>> {
    let mut measured = Measured::default();
    let name = match case.threads {
        1 => "1 thread".to_owned(),
        threads => format!("{threads} threads"),
    };
    let bar = progress.bar(rounds as u64, name, "rounds");
    for _ in 0..rounds {
        let log_mel = case.ours(PreprocessWorker::LogMel)?;
        measured.seconds_of_audio = log_mel.audio_s;
        measured.add_ours(Task::LogMel, log_mel.wall());
        measured.add_ours(Task::Transform, log_mel.transform(case));
        measured.add_ours(Task::Read, log_mel.resample(case));
        measured.add_ours(Task::Resample, case.ours(PreprocessWorker::Resample)?.wall());
        measured.add_ours(Task::Decode, case.ours(PreprocessWorker::Decode)?.wall());
        peers.retain(|&peer| match measured.add_peer(case, peer) {
            Ok(()) => true,
            Err(error) => {
                progress.say(format!("from here on without {}: {error:#}", peer.name));
                false
            }
        });
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(measured.rows(case))
}

impl<'a> Measured<'a> {
    /// One run of each task of a peer.
    fn add_peer(&mut self, case: &Case, peer: &'a Present) -> Result<()> {
        match peer.peer {
            PreprocessPeer::Librosa => {
                let librosa = peer.librosa(case)?;
                self.add_theirs(Task::LogMel, peer, librosa.wall());
                self.add_theirs(Task::Transform, peer, librosa.transform(case));
                self.add_theirs(Task::Read, peer, librosa.resample(case));
            }
            PreprocessPeer::Ffmpeg => {
                self.add_theirs(Task::Resample, peer, peer.ffmpeg(case, true)?);
                self.add_theirs(Task::Decode, peer, peer.ffmpeg(case, false)?);
            }
            PreprocessPeer::Mpg123 => self.add_theirs(Task::Decode, peer, peer.mpg123(case)?),
        }
        Ok(())
    }
}

impl Case<'_> {
    /// As many as have something to do.
    fn busy_threads(&self) -> f64 {
        self.threads.min(self.files.len()) as f64
    }

    /// A process of this program at the work of `worker`.
    fn ours(&self, worker: PreprocessWorker) -> Result<Times> {
        worker::process(worker, self.threads, self.files)
    }
}
