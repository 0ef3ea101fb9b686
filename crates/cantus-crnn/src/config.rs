use std::collections::BTreeMap;

use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::onnx::OnnxLayers;
use crate::pass::Pass;
use crate::tensors::{Wanted, WantedTensors};
use crate::{Crnn1dConfig, Crnn2dConfig, CrnnError, RnnConfig};

/// Whose equations the recurrent layers follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GruForm {
    /// Keras 2's default, and the paper's: hard sigmoid gates `clip(0.2 v + 0.5, 0, 1)`, the reset
    /// gate of a GRU applied to the state before the product, one bias.
    #[default]
    Keras,
    /// PyTorch's, cuDNN's, and Keras 3's default: logistic gates, the reset gate of a GRU applied
    /// after the product, two biases (an LSTM has one here, for only their sum would matter).
    Torch,
}

/// The shape of a [`Model`](crate::Model): which network, and its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ModelConfig {
    /// Convolutions over mel and time, then recurrent layers: the paper's network, and two that its
    /// code has beside it.
    Crnn2d(Crnn2dConfig),
    /// Convolutions over time, then recurrent layers.
    Crnn1d(Crnn1dConfig),
    /// Recurrent layers alone.
    Rnn(RnnConfig),
}

/// The paper's network for 20 artists.
impl Default for ModelConfig {
    fn default() -> Self {
        Crnn2dConfig::default().into()
    }
}

impl From<Crnn2dConfig> for ModelConfig {
    fn from(config: Crnn2dConfig) -> Self {
        Self::Crnn2d(config)
    }
}

impl From<Crnn1dConfig> for ModelConfig {
    fn from(config: Crnn1dConfig) -> Self {
        Self::Crnn1d(config)
    }
}

impl From<RnnConfig> for ModelConfig {
    fn from(config: RnnConfig) -> Self {
        Self::Rnn(config)
    }
}

impl ModelConfig {
    /// Checks that every size is at least 1 and not beyond reason, that pooling leaves a mel row,
    /// and that probabilities are such.
    ///
    /// # Errors
    /// [`CrnnError::Config`] with the field's name.
    pub fn validate(&self) -> Result<(), CrnnError> {
        let architecture = self.architecture();
        check_size("n_mels", architecture.n_mels())?;
        check_size("classes", architecture.classes())?;
        architecture.validate()
    }

    /// Mel bands of the input.
    pub fn n_mels(&self) -> usize {
        self.architecture().n_mels()
    }

    /// Classes to tell apart.
    pub fn classes(&self) -> usize {
        self.architecture().classes()
    }

    /// The same network for another number of classes.
    #[must_use]
    pub fn with_classes(mut self, classes: usize) -> Self {
        match &mut self {
            Self::Crnn2d(config) => config.classes = classes,
            Self::Crnn1d(config) => config.classes = classes,
            Self::Rnn(config) => config.classes = classes,
        }
        self
    }

    /// Numbers that a clip's embedding has: the units of the last recurrent layer.
    pub fn embedding_size(&self) -> usize {
        self.architecture().recurrent_units().last().copied().unwrap_or(0)
    }

    /// Recurrent steps of a clip of `frames`: what convolution and pooling leave of its frames.
    pub fn steps(&self, frames: usize) -> usize {
        self.architecture().steps(frames)
    }

    /// The shortest clip that leaves one recurrent step: 16 frames, or 0.5 s, by default.
    pub fn minimum_frames(&self) -> usize {
        self.architecture().minimum_frames()
    }

    pub(crate) fn architecture(&self) -> &dyn Architecture {
        match self {
            Self::Crnn2d(config) => config,
            Self::Crnn1d(config) => config,
            Self::Rnn(config) => config,
        }
    }

    /// Every tensor of the model, by name.
    pub(crate) fn wanted(&self) -> BTreeMap<String, Wanted> {
        let mut tensors = WantedTensors::default();
        self.architecture().add_tensors(&mut tensors);
        tensors.dense("dense", self.embedding_size(), self.classes());
        tensors.0
    }
}

/// What differs from network to network; all end in a dense layer on the last recurrent state.
pub(crate) trait Architecture {
    fn n_mels(&self) -> usize;

    fn classes(&self) -> usize;

    fn recurrent_units(&self) -> &[usize];

    /// Probability with which the dense layer's input is dropped in training.
    fn dense_dropout(&self) -> Option<f64> {
        None
    }

    /// Weight of the old running statistics when a batch's are folded in; without batch
    /// normalisation there are none.
    fn batch_norm_momentum(&self) -> f64 {
        1.0
    }

    /// Checks all but the bands and the classes.
    fn validate(&self) -> Result<(), CrnnError>;

    fn steps(&self, frames: usize) -> usize;

    fn minimum_frames(&self) -> usize;

    /// Names the tensors of all layers but the dense one.
    fn add_tensors(&self, tensors: &mut WantedTensors);

    /// The last recurrent state, `[batch, unit]`, of `[batch, mel, frame]`.
    fn last_state(&self, pass: &mut Pass<'_>, x: &Tensor) -> Result<Tensor, CrnnError>;

    /// Adds what [`last_state`](Self::last_state) does in evaluation to an ONNX graph.
    fn add_to_onnx(&self, layers: &mut OnnxLayers<'_>) -> Result<(), CrnnError>;
}

/// Layers of a kind, and sizes, beyond which a configuration is refused: then no product of sizes
/// overflows.
const MAX_LAYERS: usize = 64;
const MAX_SIZE: usize = 1 << 16;

pub(crate) fn config_error(field: &'static str, problem: String) -> CrnnError {
    CrnnError::Config { field, problem }
}

pub(crate) fn check_size(field: &'static str, size: usize) -> Result<(), CrnnError> {
    if (1..=MAX_SIZE).contains(&size) {
        return Ok(());
    }
    Err(config_error(field, format!("has {size}, expected 1 to {MAX_SIZE}")))
}

/// The number of layers, and the size of each.
pub(crate) fn check_layers(field: &'static str, sizes: &[usize]) -> Result<(), CrnnError> {
    if sizes.is_empty() || sizes.len() > MAX_LAYERS {
        return Err(config_error(field, format!("must name 1 to {MAX_LAYERS} layers")));
    }
    sizes.iter().try_for_each(|&size| check_size(field, size))
}
