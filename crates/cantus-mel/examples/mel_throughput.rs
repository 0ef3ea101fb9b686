//! Computes the spectrogram of four minutes of noise on one thread and prints how long that took.
#![expect(clippy::print_stdout, reason = "an example shows its result")]

use std::time::Instant;

use cantus_mel::{LogMelPlan, MelConfig, MelError};

const SECONDS: usize = 240;
const RUNS: usize = 5;

fn main() -> Result<(), MelError> {
    let config = MelConfig::paper();
    let mut state = 1_u64;
    let samples: Vec<f32> = (0..SECONDS * config.sample_rate as usize)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 40) as f32 / 8_388_608.0 - 1.0
        })
        .collect();

    let plan = LogMelPlan::new(&config)?;
    let mut scratch = plan.make_scratch();
    let mut values = vec![0.0; plan.frames(samples.len()) * config.n_mels];
    let mut best_seconds = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        plan.process(&samples, &mut scratch, &mut values)?;
        best_seconds = best_seconds.min(start.elapsed().as_secs_f64());
    }
    println!(
        "{} frames of {SECONDS} s of audio in {:.1} ms: {:.0} times real time",
        values.len() / config.n_mels,
        best_seconds * 1e3,
        SECONDS as f64 / best_seconds,
    );
    Ok(())
}
