//! What the loop needs of a network.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor, Var};
use cantus_crnn::{BatchStatistics, CrnnError, Mode, Model};

use crate::error::TrainError;

/// What a network computes of a batch.
#[derive(Debug, Clone)]
pub struct Output {
    /// `[clip, class]`, before the softmax.
    pub logits: Tensor,
    /// `[clip, width]`, what the last layer sees.
    pub embedding: Tensor,
}

/// A classifier of clips that can be trained.
///
/// Everything it computes must be a pure function of its weights, the batch, and, in training,
/// of seed and step.
pub trait Network {
    /// What a training pass learns of the batch beside its logits, such as means and variances.
    type Statistics;
    /// The network's own error.
    type Error: Into<Box<dyn std::error::Error + Send + Sync>>;

    /// Mel bands of its input.
    fn n_mels(&self) -> usize;

    /// The number of classes.
    fn classes(&self) -> usize;

    /// Its settings, compared field by field on resuming.
    fn configuration(&self) -> serde_json::Value;

    /// The trainable weights by name.
    fn parameters(&self) -> &BTreeMap<String, Var>;

    /// A copy of all weights by name, those that no gradient changes (running statistics)
    /// included; later steps do not change the copy.
    ///
    /// # Errors
    /// The network's own.
    fn tensors(&self) -> Result<BTreeMap<String, Tensor>, Self::Error>;

    /// Takes on the values of such a copy. [`parameters`](Self::parameters) stay the same
    /// variables.
    ///
    /// # Errors
    /// The network's own, at other names, shapes or types.
    fn load_tensors(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<(), Self::Error>;

    /// A pass in evaluation mode over `[clip, mel, frame]`.
    ///
    /// # Errors
    /// The network's own.
    fn evaluate(&self, clips: &Tensor) -> Result<Output, Self::Error>;

    /// A pass in training mode over `[clip, mel, frame]`, differentiable; `seed` and `step` decide
    /// the dropout masks.
    ///
    /// # Errors
    /// The network's own.
    fn train(
        &self,
        clips: &Tensor,
        seed: u64,
        step: u64,
    ) -> Result<(Output, Self::Statistics), Self::Error>;

    /// Folds a batch's statistics into the running ones.
    ///
    /// # Errors
    /// The network's own.
    fn fold(&mut self, statistics: &Self::Statistics) -> Result<(), Self::Error>;
}

impl Network for Model {
    type Statistics = Vec<BatchStatistics>;
    type Error = CrnnError;

    fn n_mels(&self) -> usize {
        self.config().n_mels()
    }

    fn classes(&self) -> usize {
        self.config().classes()
    }

    fn configuration(&self) -> serde_json::Value {
        serde_json::json!(self.config())
    }

    fn parameters(&self) -> &BTreeMap<String, Var> {
        self.parameters()
    }

    fn tensors(&self) -> Result<BTreeMap<String, Tensor>, CrnnError> {
        self.tensors()
    }

    fn load_tensors(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<(), CrnnError> {
        self.load_tensors(tensors)
    }

    fn evaluate(&self, clips: &Tensor) -> Result<Output, CrnnError> {
        let forward = self.forward(clips, Mode::Evaluation)?;
        Ok(Output { logits: forward.logits, embedding: forward.embedding })
    }

    fn train(
        &self,
        clips: &Tensor,
        seed: u64,
        step: u64,
    ) -> Result<(Output, Vec<BatchStatistics>), CrnnError> {
        let forward = self.forward(clips, Mode::Training { seed, step })?;
        let output = Output { logits: forward.logits, embedding: forward.embedding };
        Ok((output, forward.statistics))
    }

    fn fold(&mut self, statistics: &Vec<BatchStatistics>) -> Result<(), CrnnError> {
        self.update_running_statistics(statistics)
    }
}

/// The type of a network's parameters.
pub(crate) fn dtype<N: Network>(network: &N) -> DType {
    network.parameters().values().next().map_or(DType::F32, |parameter| parameter.dtype())
}

/// A copy of a network's weights.
pub(crate) fn tensors_of<N: Network>(network: &N) -> Result<BTreeMap<String, Tensor>, TrainError> {
    network.tensors().map_err(TrainError::network("copying its weights"))
}

/// Checks that `found` has the names, shapes and types of `expected`.
pub(crate) fn check_like<'a>(
    what: &'static str,
    found: &BTreeMap<String, Tensor>,
    expected: impl IntoIterator<Item = (&'a String, &'a Tensor)>,
) -> Result<(), TrainError> {
    let describe = |entry: Option<(&String, &Tensor)>| {
        entry.map_or("nothing".to_owned(), |(name, tensor)| {
            format!("`{name}` {:?} {}", tensor.dims(), tensor.dtype().as_str())
        })
    };
    let (mut found, mut expected) = (found.iter(), expected.into_iter());
    loop {
        let pair = (expected.next(), found.next());
        if matches!(pair, (None, None)) {
            return Ok(());
        }
        let (expected, found) = (describe(pair.0), describe(pair.1));
        if expected != found {
            return Err(TrainError::Disagreement { what, expected, found });
        }
    }
}
