//! One pass through a network: its tensors, its masks, and what it leaves beside its output.

use std::collections::BTreeMap;

use candle_core::Tensor;
use cantus_kernels::{
    BatchNormTraining, DropoutKey, GruKind, GruParameters, LstmKind, LstmParameters,
    batch_norm_eval, batch_norm_train, dropout, gru, lstm,
};

use crate::{BatchStatistics, CrnnError, GruForm, Mode, Model};

pub(crate) struct Pass<'a> {
    model: &'a Model,
    mode: Mode,
    /// Dropout layers passed so far.
    dropped: u32,
    pub(crate) statistics: Vec<BatchStatistics>,
    /// The layers' outputs, if they are wanted.
    pub(crate) trace: Option<BTreeMap<String, Tensor>>,
}

impl<'a> Pass<'a> {
    pub(crate) fn new(model: &'a Model, mode: Mode, is_traced: bool) -> Self {
        let trace = is_traced.then(BTreeMap::new);
        Self { model, mode, dropped: 0, statistics: Vec::new(), trace }
    }

    pub(crate) fn is_training(&self) -> bool {
        self.mode != Mode::Evaluation
    }

    pub(crate) fn is_traced(&self) -> bool {
        self.trace.is_some()
    }

    pub(crate) fn trace(
        &mut self,
        layer: &str,
        output: impl FnOnce() -> candle_core::Result<Tensor>,
    ) -> Result<(), CrnnError> {
        if let Some(trace) = &mut self.trace {
            trace.insert(layer.to_owned(), output()?);
        }
        Ok(())
    }

    /// A parameter, whose gradient is kept track of in training alone, or a buffer.
    pub(crate) fn tensor(&self, layer: &str, part: &str) -> Result<Tensor, CrnnError> {
        let name = format!("{layer}.{part}");
        match (self.model.parameters().get(&name), self.mode) {
            (Some(parameter), Mode::Training { .. }) => Ok(parameter.as_tensor().clone()),
            (Some(parameter), Mode::Evaluation) => Ok(parameter.as_detached_tensor()),
            (None, _) => {
                let buffer = self.model.buffers().get(&name);
                buffer.cloned().ok_or(CrnnError::MissingTensor { name })
            }
        }
    }

    /// Running mean and variance of a normalisation.
    pub(crate) fn running_statistics(&self, layer: &str) -> Result<[Tensor; 2], CrnnError> {
        Ok([self.tensor(layer, "running_mean")?, self.tensor(layer, "running_var")?])
    }

    pub(crate) fn keep_statistics(&mut self, layer: &str, mean: Tensor, variance: Tensor) {
        self.statistics.push(BatchStatistics { layer: layer.to_owned(), mean, variance });
    }

    /// Batch normalisation over all axes but axis 1.
    pub(crate) fn normalise(
        &mut self,
        layer: &str,
        x: &Tensor,
        epsilon: f64,
    ) -> Result<Tensor, CrnnError> {
        let (gamma, beta) = (self.tensor(layer, "weight")?, self.tensor(layer, "bias")?);
        if !self.is_training() {
            let [mean, variance] = self.running_statistics(layer)?;
            return Ok(batch_norm_eval(x, &gamma, &beta, &mean, &variance, epsilon)?);
        }
        let BatchNormTraining { output, mean, variance, .. } =
            batch_norm_train(x, &gamma, &beta, epsilon)?;
        self.keep_statistics(layer, mean, variance);
        Ok(output)
    }

    pub(crate) fn drop(&mut self, x: &Tensor, probability: f64) -> Result<Tensor, CrnnError> {
        match self.next_dropout() {
            None => Ok(x.clone()),
            Some(key) => Ok(dropout(x, probability, key)?),
        }
    }

    /// The mask of the next dropout layer; in evaluation none.
    pub(crate) fn next_dropout(&mut self) -> Option<DropoutKey> {
        self.dropped += 1;
        match self.mode {
            Mode::Evaluation => None,
            Mode::Training { seed, step } => Some(DropoutKey { seed, layer: self.dropped, step }),
        }
    }

    /// The last state of the layers `gru1`... over `[step, batch, feature]`.
    pub(crate) fn gru_layers(
        &mut self,
        sequence: Tensor,
        layers: usize,
        form: GruForm,
    ) -> Result<Tensor, CrnnError> {
        self.recurrent_layers("gru", sequence, layers, |pass, layer, x| {
            let (kind, bias_hh) = match form {
                GruForm::Keras => (GruKind::ResetBefore, None),
                GruForm::Torch => (GruKind::ResetAfter, Some(pass.tensor(layer, "bias_hh")?)),
            };
            let parameters = GruParameters {
                weight_ih: &pass.tensor(layer, "weight_ih")?,
                weight_hh: &pass.tensor(layer, "weight_hh")?,
                bias_ih: &pass.tensor(layer, "bias_ih")?,
                bias_hh: bias_hh.as_ref(),
            };
            Ok(gru(x, parameters, kind)?)
        })
    }

    /// The last state of the layers `lstm1`... over `[step, batch, feature]`.
    pub(crate) fn lstm_layers(
        &mut self,
        sequence: Tensor,
        layers: usize,
        form: GruForm,
    ) -> Result<Tensor, CrnnError> {
        let kind = match form {
            GruForm::Keras => LstmKind::HardSigmoid,
            GruForm::Torch => LstmKind::Logistic,
        };
        self.recurrent_layers("lstm", sequence, layers, |pass, layer, x| {
            let parameters = LstmParameters {
                weight_ih: &pass.tensor(layer, "weight_ih")?,
                weight_hh: &pass.tensor(layer, "weight_hh")?,
                bias: &pass.tensor(layer, "bias")?,
            };
            Ok(lstm(x, parameters, kind)?)
        })
    }

    fn recurrent_layers(
        &mut self,
        kind: &str,
        mut sequence: Tensor,
        layers: usize,
        states: impl Fn(&Self, &str, &Tensor) -> Result<Tensor, CrnnError>,
    ) -> Result<Tensor, CrnnError> {
        for layer in 1..=layers {
            let layer = format!("{kind}{layer}");
            sequence = states(self, &layer, &sequence)?;
            self.trace(&layer, || sequence.transpose(0, 1))?;
        }
        Ok(sequence.get(sequence.dim(0)? - 1)?)
    }

    /// A dense layer.
    pub(crate) fn dense(&self, layer: &str, x: &Tensor) -> Result<Tensor, CrnnError> {
        let (weight, bias) = (self.tensor(layer, "weight")?, self.tensor(layer, "bias")?);
        Ok(x.matmul(&weight.t()?)?.broadcast_add(&bias)?)
    }
}
