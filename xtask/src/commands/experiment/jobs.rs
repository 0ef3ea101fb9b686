//! Trials one after the other, or several at once on parts of the machine.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};

use crate::outcome::Outcome;
use crate::progress::Pieces;
use crate::session::Session;
use crate::stages::trial::{StageName, Trial};
use crate::stages::{baseline, evaluate};

/// How each trial ended, in the order given; none of one that was not begun.
type Ended = Vec<Option<Result<Outcome>>>;

/// Brings every trial up to date, `jobs` at a time, under one view of how far they are.
///
/// The threads are divided among the jobs, so that all are busy and none waits for another's. Which
/// thread computes what changes no bit of a result.
pub(crate) fn run(session: &Session, trials: &[Trial], jobs: usize) -> Result<Ended> {
    let threads = rayon::current_num_threads();
    let jobs = jobs.min(threads).min(trials.len()).max(1);
    let pieces = session.progress.pieces(trials.len(), "experiment");
    let next = AtomicUsize::new(0);
    let ended: Mutex<Ended> = Mutex::new(trials.iter().map(|_| None).collect());
    let work = || {
        while !session.interrupt.is_asked() {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(trial) = trials.get(number) else { break };
            let outcome = run_one(session, &pieces, number, trial);
            ended.lock().unwrap_or_else(PoisonError::into_inner)[number] = Some(outcome);
        }
    };
    if jobs == 1 {
        work();
    } else {
        let pools: Result<Vec<_>, _> = (0..jobs)
            .map(|job| {
                let share = threads / jobs + usize::from(job < threads % jobs);
                rayon::ThreadPoolBuilder::new().num_threads(share).build()
            })
            .collect();
        let pools = pools.context("cannot start threads")?;
        std::thread::scope(|scope| {
            for pool in &pools {
                scope.spawn(|| pool.install(work));
            }
        });
    }
    pieces.finish();
    Ok(ended.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// One trial, and a line about how it ended.
fn run_one(
    session: &Session,
    pieces: &Arc<Pieces>,
    number: usize,
    trial: &Trial,
) -> Result<Outcome> {
    let name = trial.config.run_name()?;
    let own = session.telling(session.progress.of_piece(pieces, number, &name));
    let started = Instant::now();
    let done = trial.bring_up_to_date(&own, StageName::Evaluate);
    // One that this corpus does not allow, such as a split by album of artists with one album, is no
    // reason to leave out the others.
    let done = match done {
        Ok(done) => done,
        Err(error) => {
            pieces.end(number, false);
            own.progress.say_even_if_quiet(format!("failed: {error:#}"));
            return Err(error);
        }
    };
    if done.outcome != Outcome::Interrupted {
        let worked = !done.seconds.0.is_empty();
        pieces.end(number, worked);
        for method in baseline::read_scores(&trial.run)? {
            if let Some(failure) = method.failure {
                own.progress.warn(format!("{} has no scores: {failure}", method.method.as_str()));
            }
        }
        let metrics = evaluate::read_metrics(&trial.run)?;
        session.progress.say(format!(
            "{name}: weighted F1 {:.3} by clip, {:.3} by song, {}  ({})",
            metrics.clip.weighted_f1.value,
            metrics.song_vote.weighted_f1.value,
            if worked {
                format!("{:.0} s", started.elapsed().as_secs_f64())
            } else {
                "done before".to_owned()
            },
            pieces.summary()
        ));
    }
    Ok(done.outcome)
}
