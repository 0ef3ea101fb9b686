//! Times training steps and inference of the paper's network on random clips.
//!
//! `cargo run --release -p cantus-crnn --example step_time -- --frames 94 --batch 16 --steps 10`;
//! the number of threads is `RAYON_NUM_THREADS`. A step is forward, loss and backward, without the
//! optimiser.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::error::Error;
use std::time::Instant;

use candle_core::{DType, Device, Tensor};
use cantus_crnn::{Crnn2dConfig, Mode, Model, cross_entropy};

fn setting(name: &str, default: usize) -> Result<usize, Box<dyn Error>> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    Ok(arguments.next().map_or(Ok(default), |value| value.parse())?)
}

/// The median, and the fastest: on a machine with neighbours that one says what the code can do.
fn summary(mut milliseconds: Vec<f64>) -> String {
    milliseconds.sort_by(f64::total_cmp);
    format!("{:.0} ms (fastest {:.0})", milliseconds[milliseconds.len() / 2], milliseconds[0])
}

fn main() -> Result<(), Box<dyn Error>> {
    let (frames, batch) = (setting("--frames", 94)?, setting("--batch", 16)?);
    let steps = setting("--steps", 10)?.max(1);
    let config = Crnn2dConfig::default();
    let shape = (batch, config.n_mels, frames);
    let model = Model::new(config, 0, &Device::Cpu, DType::F32)?;
    let x = Tensor::randn(-40f32, 15f32, shape, &Device::Cpu)?;
    let targets: Vec<u32> = (0..batch as u32).map(|item| item % 20).collect();

    let (mut forward_times, mut step_times, mut inference_times) = (vec![], vec![], vec![]);
    // The first round pays for pages and thread pools.
    for round in 0..=steps {
        let start = Instant::now();
        let mode = Mode::Training { seed: 0, step: round as u64 };
        let loss = cross_entropy(&model.forward(&x, mode)?.logits, &targets, None)?;
        let forward = start.elapsed();
        drop(loss.backward()?);
        drop(loss);
        let step = start.elapsed();
        let start = Instant::now();
        model.probabilities(&x)?;
        let inference = start.elapsed();
        if round > 0 {
            forward_times.push(forward.as_secs_f64() * 1e3);
            step_times.push(step.as_secs_f64() * 1e3);
            inference_times.push(inference.as_secs_f64() * 1e3);
        }
    }
    println!(
        "{frames} frames, batch {batch}: training step {}, of it forward {}, inference {}",
        summary(step_times),
        summary(forward_times),
        summary(inference_times),
    );
    Ok(())
}
