//! One process of `bench train` of candle: the same network of its operations as they are.

use anyhow::{Context, Result};
use candle_core::{DType, Device, Tensor};
use candle_nn::rnn::{GRU, GRUConfig, RNN, gru};
use candle_nn::{
    AdamW, BatchNorm, BatchNormConfig, Conv2d, Conv2dConfig, Dropout, Linear, Module, ModuleT,
    Optimizer, ParamsAdamW, VarBuilder, VarMap, batch_norm, conv2d, linear, loss, ops,
};

use super::steps::{Repetitions, Timed};
use crate::cli::BenchTrainFlags;
use crate::commands::bench::worker_process::peak_mib;
use crate::commands::print_json;
use crate::outcome::Outcome;

/// What this workspace is built with, candle among it, whose version candle does not tell.
const LOCK_FILE: &str = include_str!("../../../../../Cargo.lock");

/// Times steps of `flags.frames[0]` frames and prints them.
pub(crate) fn run(flags: &BenchTrainFlags) -> Result<Outcome> {
    let frames = *flags.frames.first().context("a worker is given one number of frames")?;
    let variables = VarMap::new();
    let network = Network::new(&VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu))?;
    let settings = ParamsAdamW { lr: 1e-3, weight_decay: 0.0, ..ParamsAdamW::default() };
    let mut adam = AdamW::new(variables.all_vars(), settings)?;
    let x = Tensor::randn(-40f32, 15f32, (flags.batch, 128, frames), &Device::Cpu)?;
    let targets: Vec<u32> = (0..flags.batch as u32).map(|item| item % 20).collect();
    let targets = Tensor::new(targets, &Device::Cpu)?;
    let repetitions = Repetitions::of_peer(flags);
    let train_ms = repetitions.time(|| {
        let loss = loss::cross_entropy(&network.logits(&x, true)?, &targets)?;
        Ok(adam.backward_step(&loss)?)
    })?;
    let peak_mib = peak_mib();
    let infer_ms = repetitions.time(|| {
        ops::softmax(&network.logits(&x, false)?, 1)?;
        Ok(())
    })?;
    let version = version().context("candle-nn is not in Cargo.lock")?.to_owned();
    print_json(&Timed { train_ms, infer_ms, peak_mib, version })?;
    Ok(Outcome::Done)
}

fn version() -> Option<&'static str> {
    let (_, entry) = LOCK_FILE.split_once("name = \"candle-nn\"\nversion = \"")?;
    entry.split('"').next()
}

struct Network {
    norm: BatchNorm,
    blocks: Vec<Block>,
    recurrent: [GRU; 2],
    drop: Dropout,
    dense: Linear,
}

struct Block {
    convolution: Conv2d,
    norm: BatchNorm,
    pool: (usize, usize),
    drop: Dropout,
}

impl Network {
    fn new(variables: &VarBuilder) -> candle_core::Result<Self> {
        // Momentum is the weight of the new here.
        let norm = BatchNormConfig { eps: 1e-3, momentum: 0.01, ..BatchNormConfig::default() };
        let same = Conv2dConfig { padding: 1, ..Conv2dConfig::default() };
        let mut blocks = Vec::new();
        let mut channels = 1;
        for (filters, pool) in [(64, (2, 2)), (128, (4, 2)), (128, (4, 2)), (128, (4, 2))] {
            let variables = variables.pp(format!("block{}", blocks.len()));
            blocks.push(Block {
                convolution: conv2d(channels, filters, 3, same, variables.pp("convolution"))?,
                norm: batch_norm(filters, norm, variables.pp("norm"))?,
                pool,
                drop: Dropout::new(0.1),
            });
            channels = filters;
        }
        Ok(Self {
            norm: batch_norm(128, norm, variables.pp("norm"))?,
            blocks,
            recurrent: [
                gru(channels, 32, GRUConfig::default(), variables.pp("recurrent0"))?,
                gru(32, 32, GRUConfig::default(), variables.pp("recurrent1"))?,
            ],
            drop: Dropout::new(0.3),
            dense: linear(32, 20, variables.pp("dense"))?,
        })
    }

    /// Of `[batch, mel, frame]`.
    fn logits(&self, x: &Tensor, train: bool) -> candle_core::Result<Tensor> {
        let mut x = self.norm.forward_t(x, train)?.unsqueeze(1)?;
        for block in &self.blocks {
            x = block.convolution.forward(&x)?.elu(1.0)?;
            x = block.norm.forward_t(&x, train)?.max_pool2d(block.pool)?;
            x = block.drop.forward(&x, train)?;
        }
        // [batch, channel, 1 mel row, frame]: a step is a frame.
        let mut x = x.permute((0, 3, 1, 2))?.flatten_from(2)?;
        for layer in &self.recurrent {
            let states = layer.seq(&x)?;
            let states: Vec<&Tensor> = states.iter().map(|state| &state.h).collect();
            x = Tensor::stack(&states, 1)?;
        }
        let last = x.narrow(1, x.dim(1)? - 1, 1)?.squeeze(1)?;
        self.dense.forward(&self.drop.forward(&last, train)?)
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};
    use candle_nn::{VarBuilder, VarMap};
    use cantus_crnn::{Crnn2dConfig, GruForm, Model};

    use super::Network;

    #[test]
    fn candle_s_network_has_as_many_numbers_as_ours() {
        let variables = VarMap::new();
        Network::new(&VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu)).unwrap();
        let config = Crnn2dConfig { gru_form: GruForm::Torch, ..Crnn2dConfig::default() };
        let ours = Model::new(config, 0, &Device::Cpu, DType::F32).unwrap().tensors().unwrap();
        assert_eq!(
            variables.all_vars().iter().map(|var| var.elem_count()).sum::<usize>(),
            ours.values().map(Tensor::elem_count).sum::<usize>()
        );
    }
}
