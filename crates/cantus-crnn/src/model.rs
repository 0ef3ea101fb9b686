use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::ops::softmax_last_dim;

use crate::initial::first_values;
use crate::pass::Pass;
use crate::tensors::check;
use crate::{CrnnError, ModelConfig};

/// How a model is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Running statistics, no dropout, no gradients: the graph is not kept.
    Evaluation,
    /// The batch's own statistics, dropout, and gradients to [`Model::parameters`].
    Training {
        /// The run's seed: with `step`, it decides what is dropped.
        seed: u64,
        /// The training step, counted from the start of the run.
        step: u64,
    },
}

/// Mean and variance that one batch had before a batch normalisation.
#[derive(Clone, Debug)]
pub struct BatchStatistics {
    /// The layer: `norm0`, `norm1`, ...
    pub layer: String,
    /// `[channel]`
    pub mean: Tensor,
    /// Biased, `[channel]`
    pub variance: Tensor,
}

/// What a model says of a batch.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Forward {
    /// `[batch, class]`, before the softmax.
    pub logits: Tensor,
    /// `[batch, units]`: the last recurrent state, which the dense layer sees (in training after
    /// dropout).
    pub embedding: Tensor,
    /// The batch's statistics, a record for each normalisation; empty in evaluation.
    pub statistics: Vec<BatchStatistics>,
}

/// A network that tells artists apart, of the kind that its [`ModelConfig`] names: any of them ends
/// in recurrent layers and a dense layer on their last state.
#[derive(Debug)]
pub struct Model {
    config: ModelConfig,
    parameters: BTreeMap<String, Var>,
    buffers: BTreeMap<String, Tensor>,
}

impl Model {
    /// A model with first weights as Keras draws them: glorot uniform kernels, orthogonal recurrent
    /// kernels (a layer's gates as one matrix), zero biases but for the forget gate's, which are 1,
    /// unit gains. Each tensor is a pure function of the seed and its name.
    ///
    /// # Errors
    /// When the configuration makes no sense or `dtype` is neither f32 nor f64.
    pub fn new(
        config: impl Into<ModelConfig>,
        seed: u64,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, CrnnError> {
        let config = config.into();
        config.validate()?;
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(CrnnError::ModelElementType { got: dtype });
        }
        let mut tensors = BTreeMap::new();
        for (name, wanted) in config.wanted() {
            let values = first_values(seed, &name, &wanted);
            let tensor = Tensor::from_vec(values, wanted.shape, device)?.to_dtype(dtype)?;
            tensors.insert(name, tensor);
        }
        Self::from_tensors(config, tensors)
    }

    /// A model with the given tensors, which are copied. Names and layouts are PyTorch's, as the
    /// crate's README lists them.
    ///
    /// # Errors
    /// When the configuration makes no sense, a tensor is missing, unknown, of another shape,
    /// neither f32 nor f64, of another type than the rest, or not finite.
    pub fn from_tensors(
        config: impl Into<ModelConfig>,
        tensors: BTreeMap<String, Tensor>,
    ) -> Result<Self, CrnnError> {
        let config = config.into();
        config.validate()?;
        check(&config.wanted(), &tensors)?;
        let mut model = Self { config, parameters: BTreeMap::new(), buffers: BTreeMap::new() };
        let dtype = tensors.values().next().map_or(DType::F32, Tensor::dtype);
        let wanted = model.config.wanted();
        for (name, tensor) in tensors {
            if tensor.dtype() != dtype {
                let (expected, got) = ("as the others' are", format!("{:?}", tensor.dtype()));
                return Err(CrnnError::ElementType { name, expected, got });
            }
            if wanted.get(&name).is_some_and(|wanted| wanted.role.is_trained()) {
                model.parameters.insert(name, Var::from_tensor(&tensor.detach())?);
            } else {
                model.buffers.insert(name, tensor.detach().copy()?.detach());
            }
        }
        Ok(model)
    }

    /// The configuration that the model was built by.
    pub fn config(&self) -> &ModelConfig {
        &self.config
    }

    /// f32 or f64.
    pub fn dtype(&self) -> DType {
        self.parameters.values().next().map_or(DType::F32, |parameter| parameter.dtype())
    }

    /// What is trained, by name. Set a [`Var`] to change a weight.
    pub fn parameters(&self) -> &BTreeMap<String, Var> {
        &self.parameters
    }

    /// Running means and variances, by name.
    pub fn buffers(&self) -> &BTreeMap<String, Tensor> {
        &self.buffers
    }

    /// Numbers that are trained.
    pub fn parameter_count(&self) -> usize {
        self.parameters.values().map(|parameter| parameter.elem_count()).sum()
    }

    /// A copy of every tensor, parameters and buffers: what training goes on from, or comes back
    /// to.
    ///
    /// # Errors
    /// When candle cannot copy.
    pub fn tensors(&self) -> Result<BTreeMap<String, Tensor>, CrnnError> {
        let parameters = self.parameters.iter().map(|(name, var)| (name, var.as_tensor()));
        parameters
            .chain(&self.buffers)
            .map(|(name, tensor)| Ok((name.clone(), tensor.detach().copy()?.detach())))
            .collect()
    }

    /// Takes on the values of `tensors`; the parameters stay the same variables.
    ///
    /// # Errors
    /// As [`from_tensors`](Self::from_tensors); then nothing has changed.
    pub fn load_tensors(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<(), CrnnError> {
        check(&self.config.wanted(), tensors)?;
        let dtype = self.dtype();
        if let Some((name, tensor)) = tensors.iter().find(|(_, tensor)| tensor.dtype() != dtype) {
            let (expected, got) = ("as the model's are", format!("{:?}", tensor.dtype()));
            return Err(CrnnError::ElementType { name: name.clone(), expected, got });
        }
        for (name, tensor) in tensors {
            match self.parameters.get(name) {
                Some(parameter) => parameter.set(&tensor.detach().contiguous()?)?,
                None => {
                    self.buffers.insert(name.clone(), tensor.detach().copy()?.detach());
                }
            }
        }
        Ok(())
    }

    /// Folds a batch's statistics into the running ones: `momentum * old + (1 - momentum) * batch`,
    /// with the biased variance as Keras has it.
    ///
    /// # Errors
    /// When a record names a layer that the model does not have.
    pub fn update_running_statistics(
        &mut self,
        statistics: &[BatchStatistics],
    ) -> Result<(), CrnnError> {
        let momentum = self.config.architecture().batch_norm_momentum();
        for BatchStatistics { layer, mean, variance } in statistics {
            for (part, batch) in [("running_mean", mean), ("running_var", variance)] {
                let name = format!("{layer}.{part}");
                let Some(running) = self.buffers.get_mut(&name) else {
                    return Err(CrnnError::UnknownTensor { name });
                };
                let kept = running.affine(momentum, 0.0)?;
                *running = (kept + batch.detach().affine(1.0 - momentum, 0.0)?)?.detach();
            }
        }
        Ok(())
    }

    /// Runs the network on `x`, `[batch, mel, frame]` in decibel.
    ///
    /// # Errors
    /// When `x` has another shape or element type, or fewer than [`ModelConfig::minimum_frames`].
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Forward, CrnnError> {
        Ok(self.run(x, mode, false)?.0)
    }

    /// As [`forward`](Self::forward), and the output of each layer by name: `block1`... `[batch,
    /// channel, mel, frame]` (in training after dropout; of convolutions over time `[batch, channel,
    /// frame]`), `gru1`... or `lstm1`... `[batch, step, units]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_traced(
        &self,
        x: &Tensor,
        mode: Mode,
    ) -> Result<(Forward, BTreeMap<String, Tensor>), CrnnError> {
        self.run(x, mode, true)
    }

    /// Probabilities of the classes, `[batch, class]`, by running statistics and without dropout.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn probabilities(&self, x: &Tensor) -> Result<Tensor, CrnnError> {
        Ok(softmax_last_dim(&self.forward(x, Mode::Evaluation)?.logits)?)
    }

    fn run(
        &self,
        x: &Tensor,
        mode: Mode,
        is_traced: bool,
    ) -> Result<(Forward, BTreeMap<String, Tensor>), CrnnError> {
        self.check_input(x)?;
        let architecture = self.config.architecture();
        let mut pass = Pass::new(self, mode, is_traced);
        let mut embedding = architecture.last_state(&mut pass, x)?;
        if let Some(probability) = architecture.dense_dropout() {
            embedding = pass.drop(&embedding, probability)?;
        }
        let logits = pass.dense("dense", &embedding)?;
        let forward = Forward { logits, embedding, statistics: pass.statistics };
        Ok((forward, pass.trace.unwrap_or_default()))
    }

    fn check_input(&self, x: &Tensor) -> Result<(), CrnnError> {
        let n_mels = self.config.n_mels();
        let frames = match *x.dims() {
            [batch, bands, frames] if batch > 0 && bands == n_mels => frames,
            _ => return Err(CrnnError::InputShape { n_mels, got: x.dims().to_vec() }),
        };
        let minimum = self.config.minimum_frames();
        if frames < minimum {
            return Err(CrnnError::TooFewFrames { minimum, got: frames });
        }
        if x.dtype() != self.dtype() {
            return Err(CrnnError::ElementType {
                name: "input".to_owned(),
                expected: if self.dtype() == DType::F32 { "f32" } else { "f64" },
                got: format!("{:?}", x.dtype()),
            });
        }
        Ok(())
    }
}
