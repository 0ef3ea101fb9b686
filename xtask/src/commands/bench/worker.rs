//! One process of `bench train` of ours: some steps of one size, timed.

use std::time::Instant;

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};
use cantus_crnn::{Crnn2d, Crnn2dConfig, GruForm, Mode, cross_entropy};
use cantus_train::{Adam, AdamSettings, TrainConfig};
use serde::{Deserialize, Serialize};

use crate::cli::{BenchTrainFlags, KernelPath};
use crate::commands::print_json;
use crate::outcome::Outcome;

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

/// Times steps of `flags.frames[0]` frames and prints them.
pub(crate) fn run(flags: &BenchTrainFlags, path: KernelPath) -> Result<Outcome> {
    let frames = *flags.frames.first().context("a worker is given one number of frames")?;
    let chosen = cantus_kernels::Path::current().to_string();
    anyhow::ensure!(chosen == path.to_string(), "the kernels run as {chosen}, not as {path}");
    // The peer's recurrent layer is PyTorch's, so this is the same network.
    let config = Crnn2dConfig { gru_form: GruForm::Torch, ..Crnn2dConfig::default() };
    let shape = (flags.batch, config.n_mels, frames);
    let mut network = Crnn2d::new(config, 0, &Device::Cpu, DType::F32)?;
    let mut adam = Adam::new(AdamSettings::from(&TrainConfig::default()), network.parameters())?;
    let x = Tensor::randn(-40f32, 15f32, shape, &Device::Cpu)?;
    let targets: Vec<u32> = (0..flags.batch as u32).map(|item| item % 20).collect();
    let mut train = |step: u64| -> Result<f64> {
        let started = Instant::now();
        let forward = network.forward(&x, Mode::Training { seed: 0, step })?;
        let loss = cross_entropy(&forward.logits, &targets, None)?;
        adam.step(network.parameters(), &loss.backward()?)?;
        network.update_running_statistics(&forward.statistics)?;
        drop((forward, loss));
        Ok(started.elapsed().as_secs_f64() * 1e3)
    };
    for step in 0..flags.warm_up as u64 {
        train(step)?;
    }
    let train_ms = (0..flags.steps as u64)
        .map(|step| train(flags.warm_up as u64 + step))
        .collect::<Result<_>>()?;
    let peak_mib = peak_mib();
    let infer = || -> Result<f64> {
        let started = Instant::now();
        network.probabilities(&x)?;
        Ok(started.elapsed().as_secs_f64() * 1e3)
    };
    for _ in 0..flags.warm_up {
        infer()?;
    }
    let infer_ms = (0..flags.steps).map(|_| infer()).collect::<Result<_>>()?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    print_json(&Timed { train_ms, infer_ms, peak_mib, version })?;
    Ok(Outcome::Done)
}

/// `VmHWM` of this process; 0 where the system does not tell it.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| {
            line.strip_prefix("VmHWM:")?.trim().strip_suffix("kB")?.trim().parse().ok()
        })
        .map_or(0.0, |kib: f64| kib / 1024.0)
}
