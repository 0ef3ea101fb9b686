mod config;

use candle_core::Tensor;
use cantus_kernels::{
    Activation, ConvBlock, ConvBlockParameters, ConvBlockSettings, DropoutKey, conv_blocks_eval,
    conv_blocks_train,
};

use crate::CrnnError;
use crate::config::{Architecture, check_layers, check_size, config_error};
use crate::onnx::OnnxLayers;
use crate::pass::Pass;
use crate::tensors::WantedTensors;

pub use config::Crnn2dConfig;

/// Height and width of every convolution kernel.
const KERNEL: usize = 3;

impl Architecture for Crnn2dConfig {
    fn n_mels(&self) -> usize {
        self.n_mels
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn recurrent_units(&self) -> &[usize] {
        &self.gru_units
    }

    fn dense_dropout(&self) -> Option<f64> {
        Some(self.dense_dropout)
    }

    fn batch_norm_momentum(&self) -> f64 {
        self.batch_norm_momentum
    }

    fn validate(&self) -> Result<(), CrnnError> {
        check_layers("filters", &self.filters)?;
        if self.pools.len() != self.filters.len() {
            let (filters, pools) = (self.filters.len(), self.pools.len());
            let problem = format!("must name {filters} windows, as `filters` does, not {pools}");
            return Err(config_error("pools", problem));
        }
        check_layers("gru_units", &self.gru_units)?;
        for &(mel, frame) in &self.pools {
            check_size("pools", mel)?;
            check_size("pools", frame)?;
        }
        if self.mel_rows() == 0 {
            let problem = format!("leave nothing of {} mel bands", self.n_mels);
            return Err(config_error("pools", problem));
        }
        for (field, probability) in
            [("block_dropout", self.block_dropout), ("dense_dropout", self.dense_dropout)]
        {
            if !(0.0..1.0).contains(&probability) {
                let problem = format!("is {probability}, expected at least 0 and below 1");
                return Err(config_error(field, problem));
            }
        }
        if !(self.batch_norm_epsilon > 0.0 && self.batch_norm_epsilon.is_finite()) {
            let problem = format!("is {}, expected more than 0", self.batch_norm_epsilon);
            return Err(config_error("batch_norm_epsilon", problem));
        }
        if !(0.0..=1.0).contains(&self.batch_norm_momentum) {
            let problem = format!("is {}, expected 0 to 1", self.batch_norm_momentum);
            return Err(config_error("batch_norm_momentum", problem));
        }
        Ok(())
    }

    fn steps(&self, frames: usize) -> usize {
        self.pools.iter().fold(frames, |frames, pool| frames / pool.1.max(1))
    }

    fn minimum_frames(&self) -> usize {
        self.pools.iter().fold(1usize, |frames, pool| frames.saturating_mul(pool.1))
    }

    fn add_tensors(&self, tensors: &mut WantedTensors) {
        tensors.norm("norm0", self.n_mels);
        let mut channels = 1;
        for (block, &filters) in (1..).zip(&self.filters) {
            tensors.conv(&format!("conv{block}"), filters, channels, &[KERNEL, KERNEL]);
            tensors.norm(&format!("norm{block}"), filters);
            channels = filters;
        }
        tensors.gru_layers(&self.gru_units, self.mel_rows() * channels, self.gru_form);
    }

    fn last_state(&self, pass: &mut Pass<'_>, x: &Tensor) -> Result<Tensor, CrnnError> {
        // [batch, mel, frame, channel] from here on.
        let mut x = pass.normalise("norm0", x, self.batch_norm_epsilon)?.unsqueeze(3)?;
        let blocks = (1..)
            .zip(&self.pools)
            .map(|(block, &pool)| Block::new(pass, block, pool))
            .collect::<Result<Vec<_>, _>>()?;
        if pass.is_traced() {
            for block in &blocks {
                x = self.run_blocks(pass, &x, std::slice::from_ref(block))?;
                pass.trace(&block.name, || x.permute((0, 3, 1, 2)))?;
            }
        } else {
            x = self.run_blocks(pass, &x, &blocks)?;
        }
        // A step is a frame: [mel, channel] of it, the channel fastest.
        let sequence = x.permute((2, 0, 1, 3))?.contiguous()?.flatten_from(2)?;
        pass.gru_layers(sequence, self.gru_units.len(), self.gru_form)
    }

    fn add_to_onnx(&self, layers: &mut OnnxLayers<'_>) -> Result<(), CrnnError> {
        layers.normalise("norm0", self.batch_norm_epsilon)?;
        layers.unsqueeze("channel", 1);
        for (block, &(mel, frame)) in (1..).zip(&self.pools) {
            layers.convolve(&format!("conv{block}"), &[KERNEL / 2; 2])?;
            layers.elu(&format!("elu{block}"));
            layers.normalise(&format!("norm{block}"), self.batch_norm_epsilon)?;
            layers.max_pool(&format!("pool{block}"), &[mel, frame]);
        }
        // As in `last_state`: the channel is the fastest within a step.
        layers.transpose("steps", &[3, 0, 2, 1]);
        let channels = self.filters.last().copied().unwrap_or(0);
        layers.reshape("sequence", &[0, 0, (self.mel_rows() * channels) as i64]);
        layers.gru_layers(&self.gru_units, self.gru_form)
    }
}

impl Crnn2dConfig {
    /// Blocks of convolution, activation, normalisation, pooling and dropout.
    fn run_blocks(
        &self,
        pass: &mut Pass<'_>,
        x: &Tensor,
        blocks: &[Block],
    ) -> Result<Tensor, CrnnError> {
        let parts: Vec<ConvBlock> = blocks
            .iter()
            .map(|block| ConvBlock {
                parameters: ConvBlockParameters {
                    weight: &block.weight,
                    bias: &block.bias,
                    gamma: &block.gamma,
                    beta: &block.beta,
                },
                settings: ConvBlockSettings {
                    activation: Activation::Elu,
                    epsilon: self.batch_norm_epsilon,
                    pool: block.pool,
                    path: None,
                },
                dropped: block.dropout.map(|key| (self.block_dropout, key)),
            })
            .collect();
        if !pass.is_training() {
            let running: Vec<(&Tensor, &Tensor)> =
                blocks.iter().map(|block| (&block.running[0], &block.running[1])).collect();
            return Ok(conv_blocks_eval(x, &parts, &running)?);
        }
        let trained = conv_blocks_train(x, &parts)?;
        for (block, (mean, variance)) in blocks.iter().zip(trained.statistics) {
            pass.keep_statistics(&block.norm, mean, variance);
        }
        Ok(trained.output)
    }
}

/// What one block is made of.
struct Block {
    name: String,
    weight: Tensor,
    bias: Tensor,
    /// The name of the normalisation.
    norm: String,
    gamma: Tensor,
    beta: Tensor,
    /// Running mean and variance.
    running: [Tensor; 2],
    pool: (usize, usize),
    /// None in evaluation, and where nothing is pooled.
    dropout: Option<DropoutKey>,
}

impl Block {
    fn new(pass: &mut Pass<'_>, block: usize, pool: (usize, usize)) -> Result<Self, CrnnError> {
        let (conv, norm) = (format!("conv{block}"), format!("norm{block}"));
        Ok(Self {
            name: format!("block{block}"),
            weight: pass.tensor(&conv, "weight")?,
            bias: pass.tensor(&conv, "bias")?,
            gamma: pass.tensor(&norm, "weight")?,
            beta: pass.tensor(&norm, "bias")?,
            running: pass.running_statistics(&norm)?,
            norm,
            pool,
            dropout: if pool == (1, 1) { None } else { pass.next_dropout() },
        })
    }
}
