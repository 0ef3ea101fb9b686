//! One process of `bench train` of ours: some steps of one size, timed.

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};
use cantus_crnn::{Crnn2dConfig, GruForm, Mode, Model, cross_entropy};
use cantus_train::{Adam, AdamSettings, TrainConfig};

use super::steps::{Repetitions, Timed};
use crate::cli::{BenchTrainFlags, KernelPath};
use crate::commands::bench::worker_process::peak_mib;
use crate::commands::print_json;
use crate::outcome::Outcome;

/// Times steps of `flags.frames[0]` frames and prints them.
pub(crate) fn run(flags: &BenchTrainFlags, path: KernelPath) -> Result<Outcome> {
    let frames = *flags.frames.first().context("a worker is given one number of frames")?;
    let chosen = cantus_kernels::Path::current().to_string();
    anyhow::ensure!(chosen == path.to_string(), "the kernels run as {chosen}, not as {path}");
    // The peers' recurrent layers are of this form, so this is the same network.
    let config = Crnn2dConfig { gru_form: GruForm::Torch, ..Crnn2dConfig::default() };
    let shape = (flags.batch, config.n_mels, frames);
    let mut network = Model::new(config, 0, &Device::Cpu, DType::F32)?;
    let mut adam = Adam::new(AdamSettings::from(&TrainConfig::default()), network.parameters())?;
    let x = Tensor::randn(-40f32, 15f32, shape, &Device::Cpu)?;
    let targets: Vec<u32> = (0..flags.batch as u32).map(|item| item % 20).collect();
    let repetitions = Repetitions::of_ours(flags);
    let mut step = 0;
    let train_ms = repetitions.time(|| {
        let forward = network.forward(&x, Mode::Training { seed: 0, step })?;
        let loss = cross_entropy(&forward.logits, &targets, None)?;
        adam.step(network.parameters(), &loss.backward()?)?;
        network.update_running_statistics(&forward.statistics)?;
        step += 1;
        Ok(())
    })?;
    let peak_mib = peak_mib();
    let infer_ms = repetitions.time(|| {
        network.probabilities(&x)?;
        Ok(())
    })?;
    let version = env!("CARGO_PKG_VERSION").to_owned();
    print_json(&Timed { train_ms, infer_ms, peak_mib, version })?;
    Ok(Outcome::Done)
}
