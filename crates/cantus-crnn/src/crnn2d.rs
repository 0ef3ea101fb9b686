use std::collections::BTreeMap;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::ops::softmax_last_dim;
use cantus_kernels::{
    Activation, BatchNormTraining, ConvBlock, ConvBlockParameters, ConvBlockSettings, DropoutKey,
    GruKind, GruParameters, batch_norm_eval, batch_norm_train, conv_blocks_eval, conv_blocks_train,
    dropout, gru,
};

use crate::initial::first_values;
use crate::tensors::{check, wanted};
use crate::{Crnn2dConfig, CrnnError, GruForm};

/// How a model is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Running statistics, no dropout, no gradients: the graph is not kept.
    Evaluation,
    /// The batch's own statistics, dropout, and gradients to [`Crnn2d::parameters`].
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

/// The paper's network: batch normalisation over mel bands, blocks of 3x3 convolution, ELU, batch
/// normalisation, max pooling and dropout, recurrent layers, a dense layer on the last state.
#[derive(Debug)]
pub struct Crnn2d {
    config: Crnn2dConfig,
    parameters: BTreeMap<String, Var>,
    buffers: BTreeMap<String, Tensor>,
}

impl Crnn2d {
    /// A model with first weights as Keras draws them: glorot uniform kernels, orthogonal recurrent
    /// kernels (the three gates as one matrix), zero biases, unit gains. Each tensor is a pure
    /// function of the seed and its name.
    ///
    /// # Errors
    /// When the configuration makes no sense or `dtype` is neither f32 nor f64.
    pub fn new(
        config: Crnn2dConfig,
        seed: u64,
        device: &Device,
        dtype: DType,
    ) -> Result<Self, CrnnError> {
        config.validate()?;
        if !matches!(dtype, DType::F32 | DType::F64) {
            return Err(CrnnError::ModelElementType { got: dtype });
        }
        let mut tensors = BTreeMap::new();
        for (name, wanted) in wanted(&config) {
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
        config: Crnn2dConfig,
        tensors: BTreeMap<String, Tensor>,
    ) -> Result<Self, CrnnError> {
        config.validate()?;
        check(&config, &tensors)?;
        let mut model = Self { config, parameters: BTreeMap::new(), buffers: BTreeMap::new() };
        let dtype = tensors.values().next().map_or(DType::F32, Tensor::dtype);
        let wanted = wanted(&model.config);
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
    pub fn config(&self) -> &Crnn2dConfig {
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
        check(&self.config, tensors)?;
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
        let momentum = self.config.batch_norm_momentum;
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
    /// When `x` has another shape or element type, or fewer than [`Crnn2dConfig::minimum_frames`].
    pub fn forward(&self, x: &Tensor, mode: Mode) -> Result<Forward, CrnnError> {
        self.run(x, mode, None)
    }

    /// As [`forward`](Self::forward), and the output of each layer by name: `block1`... `[batch,
    /// channel, mel, frame]` (in training after dropout), `gru1`... `[batch, step, units]`.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_traced(
        &self,
        x: &Tensor,
        mode: Mode,
    ) -> Result<(Forward, BTreeMap<String, Tensor>), CrnnError> {
        let mut trace = BTreeMap::new();
        let forward = self.run(x, mode, Some(&mut trace))?;
        for (name, output) in &mut trace {
            *output = if name.starts_with("gru") {
                output.transpose(0, 1)?
            } else {
                output.permute((0, 3, 1, 2))?
            };
        }
        Ok((forward, trace))
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
        mut trace: Option<&mut BTreeMap<String, Tensor>>,
    ) -> Result<Forward, CrnnError> {
        self.check_input(x)?;
        let mut run = Run { model: self, mode, dropped: 0, statistics: Vec::new() };
        // [batch, mel, frame, channel] from here on.
        let mut x = run.normalise("norm0", x)?.unsqueeze(3)?;
        let blocks: Vec<BlockTensors> = (1..=self.config.pools.len())
            .map(|block| run.block_tensors(block))
            .collect::<Result<_, _>>()?;
        if let Some(trace) = &mut trace {
            for block in &blocks {
                x = run.blocks(&x, std::slice::from_ref(block))?;
                trace.insert(block.name.clone(), x.clone());
            }
        } else {
            x = run.blocks(&x, &blocks)?;
        }
        // A step is a frame: [mel, channel] of it, the channel fastest.
        let mut sequence = x.permute((2, 0, 1, 3))?.contiguous()?.flatten_from(2)?;
        for layer in 1..=self.config.gru_units.len() {
            let layer = format!("gru{layer}");
            sequence = run.gru(&layer, &sequence)?;
            if let Some(trace) = &mut trace {
                trace.insert(layer, sequence.clone());
            }
        }
        let state = sequence.get(sequence.dim(0)? - 1)?;
        let embedding = run.drop(&state, self.config.dense_dropout)?;
        let (weight, bias) = (run.weight("dense", "weight")?, run.weight("dense", "bias")?);
        let logits = embedding.matmul(&weight.t()?)?.broadcast_add(&bias)?;
        Ok(Forward { logits, embedding, statistics: run.statistics })
    }

    fn check_input(&self, x: &Tensor) -> Result<(), CrnnError> {
        let n_mels = self.config.n_mels;
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

/// One pass through the network.
struct Run<'a> {
    model: &'a Crnn2d,
    mode: Mode,
    /// Dropout layers passed so far.
    dropped: u32,
    statistics: Vec<BatchStatistics>,
}

/// What one block is made of.
struct BlockTensors {
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
    /// None in evaluation.
    dropout: Option<DropoutKey>,
}

impl Run<'_> {
    fn weight(&self, layer: &str, part: &str) -> Result<Tensor, CrnnError> {
        let name = format!("{layer}.{part}");
        match (self.model.parameters.get(&name), self.mode) {
            (Some(parameter), Mode::Training { .. }) => Ok(parameter.as_tensor().clone()),
            (Some(parameter), Mode::Evaluation) => Ok(parameter.as_detached_tensor()),
            (None, _) => {
                let buffer = self.model.buffers.get(&name);
                buffer.cloned().ok_or(CrnnError::MissingTensor { name })
            }
        }
    }

    fn normalise(&mut self, layer: &str, x: &Tensor) -> Result<Tensor, CrnnError> {
        let epsilon = self.model.config.batch_norm_epsilon;
        let (gamma, beta) = (self.weight(layer, "weight")?, self.weight(layer, "bias")?);
        if self.mode == Mode::Evaluation {
            let [mean, variance] = self.running(layer)?;
            return Ok(batch_norm_eval(x, &gamma, &beta, &mean, &variance, epsilon)?);
        }
        Ok(self.keep_statistics(layer, batch_norm_train(x, &gamma, &beta, epsilon)?))
    }

    fn block_tensors(&mut self, block: usize) -> Result<BlockTensors, CrnnError> {
        let (conv, norm) = (format!("conv{block}"), format!("norm{block}"));
        Ok(BlockTensors {
            name: format!("block{block}"),
            weight: self.weight(&conv, "weight")?,
            bias: self.weight(&conv, "bias")?,
            gamma: self.weight(&norm, "weight")?,
            beta: self.weight(&norm, "bias")?,
            running: self.running(&norm)?,
            norm,
            pool: self.model.config.pools[block - 1],
            dropout: self.next_dropout(),
        })
    }

    /// Blocks of convolution, activation, normalisation, pooling and dropout.
    fn blocks(&mut self, x: &Tensor, tensors: &[BlockTensors]) -> Result<Tensor, CrnnError> {
        let config = &self.model.config;
        let blocks: Vec<ConvBlock> = tensors
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
                    epsilon: config.batch_norm_epsilon,
                    pool: block.pool,
                    path: None,
                },
                dropped: block.dropout.map(|key| (config.block_dropout, key)),
            })
            .collect();
        if self.mode == Mode::Evaluation {
            let running: Vec<(&Tensor, &Tensor)> =
                tensors.iter().map(|block| (&block.running[0], &block.running[1])).collect();
            return Ok(conv_blocks_eval(x, &blocks, &running)?);
        }
        let trained = conv_blocks_train(x, &blocks)?;
        for (block, (mean, variance)) in tensors.iter().zip(trained.statistics) {
            self.statistics.push(BatchStatistics { layer: block.norm.clone(), mean, variance });
        }
        Ok(trained.output)
    }

    fn running(&self, layer: &str) -> Result<[Tensor; 2], CrnnError> {
        Ok([self.weight(layer, "running_mean")?, self.weight(layer, "running_var")?])
    }

    fn keep_statistics(&mut self, layer: &str, normalised: BatchNormTraining) -> Tensor {
        let BatchNormTraining { output, mean, variance, .. } = normalised;
        self.statistics.push(BatchStatistics { layer: layer.to_owned(), mean, variance });
        output
    }

    fn drop(&mut self, x: &Tensor, probability: f64) -> Result<Tensor, CrnnError> {
        match self.next_dropout() {
            None => Ok(x.clone()),
            Some(key) => Ok(dropout(x, probability, key)?),
        }
    }

    /// The mask of the next dropout layer; in evaluation none.
    fn next_dropout(&mut self) -> Option<DropoutKey> {
        self.dropped += 1;
        match self.mode {
            Mode::Evaluation => None,
            Mode::Training { seed, step } => Some(DropoutKey { seed, layer: self.dropped, step }),
        }
    }

    /// States `[step, batch, unit]` of a sequence `[step, batch, feature]`.
    fn gru(&self, layer: &str, sequence: &Tensor) -> Result<Tensor, CrnnError> {
        let (kind, bias_hh) = match self.model.config.gru_form {
            GruForm::Keras => (GruKind::ResetBefore, None),
            GruForm::Torch => (GruKind::ResetAfter, Some(self.weight(layer, "bias_hh")?)),
        };
        let parameters = GruParameters {
            weight_ih: &self.weight(layer, "weight_ih")?,
            weight_hh: &self.weight(layer, "weight_hh")?,
            bias_ih: &self.weight(layer, "bias_ih")?,
            bias_hh: bias_hh.as_ref(),
        };
        Ok(gru(sequence, parameters, kind)?)
    }
}
