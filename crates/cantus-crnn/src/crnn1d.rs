use candle_core::Tensor;
use cantus_kernels::{Padding, conv1d, max_pool2d, relu};
use serde::{Deserialize, Serialize};

use crate::config::{Architecture, check_layers, check_size};
use crate::onnx::OnnxLayers;
use crate::pass::Pass;
use crate::tensors::WantedTensors;
use crate::{CrnnError, GruForm};

/// The shape of a convolutional recurrent network over time alone, in which mel bands are the
/// input's channels. The default is `CRNN1D` of the paper's code for 20 artists.
///
/// Blocks of convolution (without padding), ReLU and max pooling; recurrent layers; a dense layer on
/// the last state. Nothing is normalised or dropped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Crnn1dConfig {
    /// Mel bands of the input.
    pub n_mels: usize,
    /// Filters of each convolution block.
    pub filters: Vec<usize>,
    /// Frames that a convolution sees; one fewer are lost.
    pub kernel_frames: usize,
    /// Frames of a pooling window. Incomplete windows are dropped.
    pub pool_frames: usize,
    /// Units of each recurrent layer.
    pub gru_units: Vec<usize>,
    /// Classes to tell apart.
    pub classes: usize,
    /// The recurrent layers' equations.
    pub gru_form: GruForm,
}

impl Default for Crnn1dConfig {
    fn default() -> Self {
        Self {
            n_mels: 128,
            filters: vec![64, 128, 128],
            kernel_frames: 5,
            pool_frames: 2,
            gru_units: vec![64, 64],
            classes: 20,
            gru_form: GruForm::Keras,
        }
    }
}

impl Architecture for Crnn1dConfig {
    fn n_mels(&self) -> usize {
        self.n_mels
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn recurrent_units(&self) -> &[usize] {
        &self.gru_units
    }

    fn validate(&self) -> Result<(), CrnnError> {
        check_layers("filters", &self.filters)?;
        check_size("kernel_frames", self.kernel_frames)?;
        check_size("pool_frames", self.pool_frames)?;
        check_layers("gru_units", &self.gru_units)
    }

    fn steps(&self, frames: usize) -> usize {
        let (lost, pool) = (self.kernel_frames.saturating_sub(1), self.pool_frames.max(1));
        self.filters.iter().fold(frames, |frames, _| frames.saturating_sub(lost) / pool)
    }

    fn minimum_frames(&self) -> usize {
        let lost = self.kernel_frames.saturating_sub(1);
        let before = |frames: usize| frames.saturating_mul(self.pool_frames).saturating_add(lost);
        self.filters.iter().fold(1, |frames, _| before(frames))
    }

    fn add_tensors(&self, tensors: &mut WantedTensors) {
        let mut channels = self.n_mels;
        for (block, &filters) in (1..).zip(&self.filters) {
            tensors.conv(&format!("conv{block}"), filters, channels, &[self.kernel_frames]);
            channels = filters;
        }
        tensors.gru_layers(&self.gru_units, channels, self.gru_form);
    }

    fn last_state(&self, pass: &mut Pass<'_>, x: &Tensor) -> Result<Tensor, CrnnError> {
        let mut x = x.clone();
        for block in 1..=self.filters.len() {
            let conv = format!("conv{block}");
            let (weight, bias) = (pass.tensor(&conv, "weight")?, pass.tensor(&conv, "bias")?);
            let activated = relu(&conv1d(&x, &weight, &bias, Padding::Valid)?)?;
            x = max_pool2d(&activated.unsqueeze(2)?, (1, self.pool_frames))?.squeeze(2)?;
            pass.trace(&format!("block{block}"), || Ok(x.clone()))?;
        }
        let sequence = x.permute((2, 0, 1))?.contiguous()?;
        pass.gru_layers(sequence, self.gru_units.len(), self.gru_form)
    }

    fn add_to_onnx(&self, layers: &mut OnnxLayers<'_>) -> Result<(), CrnnError> {
        for block in 1..=self.filters.len() {
            layers.convolve(&format!("conv{block}"), &[0])?;
            layers.relu(&format!("relu{block}"));
            layers.max_pool(&format!("pool{block}"), &[self.pool_frames]);
        }
        layers.transpose("sequence", &[2, 0, 1]);
        layers.gru_layers(&self.gru_units, self.gru_form)
    }
}
