//! The steps of a worker process, timed.

use std::time::Instant;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::cli::BenchTrainFlags;

/// What a worker, ours or a peer's, says on standard output.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Timed {
    /// Milliseconds of each training step.
    pub(crate) train_ms: Vec<f64>,
    /// Milliseconds of each inference of a batch.
    pub(crate) infer_ms: Vec<f64>,
    /// The largest resident set of the process, in MiB, up to the end of the training steps.
    pub(crate) peak_mib: f64,
    /// What ran.
    pub(crate) version: String,
}

/// How often a step is run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Repetitions {
    warm_up: usize,
    steps: usize,
    /// When to stop before, once two steps were timed.
    seconds: f64,
}

impl Repetitions {
    pub(crate) fn of_ours(flags: &BenchTrainFlags) -> Self {
        Self { warm_up: flags.warm_up, steps: flags.steps, seconds: f64::INFINITY }
    }

    pub(crate) fn of_peer(flags: &BenchTrainFlags) -> Self {
        Self { seconds: flags.peer_seconds, ..Self::of_ours(flags) }
    }

    /// Milliseconds of each step but those that warm up.
    pub(crate) fn time(self, mut step: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
        let begun = Instant::now();
        let time_is_left = || begun.elapsed().as_secs_f64() < self.seconds;
        for _ in 0..self.warm_up {
            if time_is_left() {
                step()?;
            }
        }
        let mut times = Vec::with_capacity(self.steps);
        while times.len() < self.steps && (times.len() < 2 || time_is_left()) {
            let started = Instant::now();
            step()?;
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        Ok(times)
    }
}

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    use super::Repetitions;

    /// Steps that were run, and those that were timed.
    fn counts(repetitions: Repetitions, length: Duration) -> (usize, usize) {
        let mut run = 0;
        let times = repetitions.time(|| {
            run += 1;
            sleep(length);
            Ok(())
        });
        (run, times.unwrap().len())
    }

    #[test]
    fn as_many_steps_are_run_as_were_asked_for_where_time_does_not_end_them() {
        let repetitions = Repetitions { warm_up: 3, steps: 5, seconds: f64::INFINITY };
        assert_eq!(counts(repetitions, Duration::ZERO), (8, 5));
    }

    #[test]
    fn two_steps_are_timed_however_long_they_take() {
        let repetitions = Repetitions { warm_up: 3, steps: 5, seconds: 1e-3 };
        assert_eq!(counts(repetitions, Duration::from_millis(2)), (3, 2));
        let repetitions = Repetitions { steps: 1, ..repetitions };
        assert_eq!(counts(repetitions, Duration::from_millis(2)), (2, 1));
    }
}
