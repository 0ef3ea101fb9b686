//! `bench preprocess`: music files to log-mel spectrograms, ours and the peers' in turn.

mod files;
mod peers;
mod rows;
mod worker;

use anyhow::Result;
use cantus_mel::MelConfig;

use peers::Present;
use rows::{Measured, Row, Task, Times};

use super::each_once;
use crate::cli::{BenchPreprocessFlags, CommonFlags, PreprocessPeer, PreprocessWorker};
use crate::commands::{print, print_json};
use crate::outcome::Outcome;
use crate::progress::Progress;

/// What is timed: the same files at so many threads.
struct Case<'a> {
    files: &'a [String],
    threads: usize,
    /// Samples a second of what the spectrograms are made of.
    sample_rate: u32,
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
    let files = files::music_files(&flags.music)?;
    let threads = match common.threads {
        Some(threads) => vec![usize::from(threads)],
        None => each_once(&[1, rayon::current_num_threads()]),
    };
    let peers = each_once(&flags.peer);
    if common.dry_run {
        for threads in threads {
            print(&format!("would time {} files with {threads} threads\n", files.len()));
        }
        return Ok(Outcome::Done);
    }
    let mut present = Vec::new();
    for peer in peers {
        match Present::find(peer, flags, &files) {
            Ok(peer) => present.push(peer),
            Err(reason) => progress.say(format!("without {}, since {reason}", peers::name(peer))),
        }
    }
    if !common.json {
        print(&format!("{}\n", Row::header()));
    }
    let sample_rate = MelConfig::paper().sample_rate;
    for threads in threads {
        let case = Case { files: &files, threads, sample_rate };
        for row in rows_of(&case, flags.rounds, &present, progress)? {
            if common.json {
                print_json(&row)?;
            } else {
                print(&format!("{row}\n"));
            }
        }
    }
    Ok(Outcome::Done)
}

/// All rounds of a case.
fn rows_of(case: &Case, rounds: usize, peers: &[Present], progress: &Progress) -> Result<Vec<Row>> {
    let mut measured = Measured::default();
    let unit =
        if case.threads == 1 { "1 thread".into() } else { format!("{} threads", case.threads) };
    let bar = progress.bar(rounds as u64, unit, "rounds");
    for _ in 0..rounds {
        // Each of ours just before the peers that do the same.
        let log_mel = case.ours(PreprocessWorker::LogMel)?;
        measured.ours(Task::LogMel, log_mel.wall());
        measured.ours(Task::Transform, log_mel.transform(case.threads));
        for peer in of(peers, PreprocessPeer::Librosa) {
            let librosa = peer.librosa(case)?;
            measured.theirs(Task::LogMel, peer, librosa.wall());
            measured.theirs(Task::Transform, peer, librosa.transform(case.threads));
            measured.theirs(Task::Resample, peer, librosa.resample(case.threads));
        }
        measured.ours(Task::Resample, case.ours(PreprocessWorker::Resample)?.wall());
        for peer in of(peers, PreprocessPeer::Ffmpeg) {
            measured.theirs(Task::Resample, peer, peer.ffmpeg(case, true)?);
        }
        measured.ours(Task::Decode, case.ours(PreprocessWorker::Decode)?.wall());
        for peer in of(peers, PreprocessPeer::Ffmpeg) {
            measured.theirs(Task::Decode, peer, peer.ffmpeg(case, false)?);
        }
        for peer in of(peers, PreprocessPeer::Mpg123) {
            measured.theirs(Task::Decode, peer, peer.mpg123(case)?);
        }
        measured.seconds_of_audio = log_mel.audio_s;
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(measured.rows(case))
}

fn of(peers: &[Present], wanted: PreprocessPeer) -> impl Iterator<Item = &Present> {
    peers.iter().filter(move |peer| peer.peer == wanted)
}

impl Case<'_> {
    /// A process of this program at the work of `worker`.
    fn ours(&self, worker: PreprocessWorker) -> Result<Times> {
        worker::process(worker, self.threads, self.files)
    }
}
