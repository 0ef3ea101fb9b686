use candle_core::Tensor;
use serde::{Deserialize, Serialize};

use crate::config::{Architecture, check_layers};
use crate::onnx::OnnxLayers;
use crate::pass::Pass;
use crate::tensors::WantedTensors;
use crate::{CrnnError, GruForm};

/// The shape of a network of LSTM layers over the frames of a clip, with a dense layer on the last
/// state. The default is `RNN` of the paper's code for 20 artists.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RnnConfig {
    /// Mel bands of the input.
    pub n_mels: usize,
    /// Units of each recurrent layer.
    pub lstm_units: Vec<usize>,
    /// Classes to tell apart.
    pub classes: usize,
    /// The gates: hard sigmoids in Keras' form, logistic in PyTorch's.
    pub gru_form: GruForm,
}

impl Default for RnnConfig {
    fn default() -> Self {
        Self { n_mels: 128, lstm_units: vec![64, 64], classes: 20, gru_form: GruForm::Keras }
    }
}

impl Architecture for RnnConfig {
    fn n_mels(&self) -> usize {
        self.n_mels
    }

    fn classes(&self) -> usize {
        self.classes
    }

    fn recurrent_units(&self) -> &[usize] {
        &self.lstm_units
    }

    fn validate(&self) -> Result<(), CrnnError> {
        check_layers("lstm_units", &self.lstm_units)
    }

    fn steps(&self, frames: usize) -> usize {
        frames
    }

    fn minimum_frames(&self) -> usize {
        1
    }

    fn add_tensors(&self, tensors: &mut WantedTensors) {
        tensors.lstm_layers(&self.lstm_units, self.n_mels);
    }

    fn last_state(&self, pass: &mut Pass<'_>, x: &Tensor) -> Result<Tensor, CrnnError> {
        let sequence = x.permute((2, 0, 1))?.contiguous()?;
        pass.lstm_layers(sequence, self.lstm_units.len(), self.gru_form)
    }

    fn add_to_onnx(&self, layers: &mut OnnxLayers<'_>) -> Result<(), CrnnError> {
        layers.transpose("sequence", &[2, 0, 1]);
        layers.lstm_layers(&self.lstm_units, self.gru_form)
    }
}
