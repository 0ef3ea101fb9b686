//! The gated recurrent unit over a whole sequence, in its two forms.

use candle_core::{Result, Tensor};
use candle_nn::ops::sigmoid;

use crate::GruForm;

/// Weights of one layer in PyTorch's layout: gate blocks r, z, n.
pub(crate) struct Gru {
    pub(crate) form: GruForm,
    /// `[3 * units, feature]`
    pub(crate) weight_ih: Tensor,
    /// `[3 * units, units]`
    pub(crate) weight_hh: Tensor,
    /// `[3 * units]`
    pub(crate) bias_ih: Tensor,
    /// `[3 * units]`, in the Torch form alone.
    pub(crate) bias_hh: Option<Tensor>,
}

impl Gru {
    /// The state after each step, each `[batch, units]`, of a sequence `[step, batch, feature]`.
    pub(crate) fn states(&self, sequence: &Tensor) -> Result<Vec<Tensor>> {
        let (steps, batch, features) = sequence.dims3()?;
        let units = self.weight_hh.dim(1)?;
        let inputs = sequence
            .reshape((steps * batch, features))?
            .matmul(&self.weight_ih.t()?)?
            .broadcast_add(&self.bias_ih)?
            .reshape((steps, batch, 3 * units))?;
        let mut state = Tensor::zeros((batch, units), sequence.dtype(), sequence.device())?;
        let mut states = Vec::with_capacity(steps);
        for step in 0..steps {
            let input = inputs.get(step)?;
            state = match self.form {
                GruForm::Keras => self.keras_step(&input, &state, units)?,
                GruForm::Torch => self.torch_step(&input, &state, units)?,
            };
            states.push(state.clone());
        }
        Ok(states)
    }

    fn keras_step(&self, input: &Tensor, state: &Tensor, units: usize) -> Result<Tensor> {
        let gate_weights = self.weight_hh.narrow(0, 0, 2 * units)?;
        let candidate_weights = self.weight_hh.narrow(0, 2 * units, units)?;
        let gates = (input.narrow(1, 0, 2 * units)? + state.matmul(&gate_weights.t()?)?)?;
        let gates = gates.affine(0.2, 0.5)?.clamp(0.0, 1.0)?;
        let (reset, update) = (gates.narrow(1, 0, units)?, gates.narrow(1, units, units)?);
        let recurrent = (reset * state)?.matmul(&candidate_weights.t()?)?;
        let candidate = (input.narrow(1, 2 * units, units)? + recurrent)?.tanh()?;
        blend(&update, state, &candidate)
    }

    fn torch_step(&self, input: &Tensor, state: &Tensor, units: usize) -> Result<Tensor> {
        let mut recurrent = state.matmul(&self.weight_hh.t()?)?;
        if let Some(bias) = &self.bias_hh {
            recurrent = recurrent.broadcast_add(bias)?;
        }
        let gates = (input.narrow(1, 0, 2 * units)? + recurrent.narrow(1, 0, 2 * units)?)?;
        let gates = sigmoid(&gates)?;
        let (reset, update) = (gates.narrow(1, 0, units)?, gates.narrow(1, units, units)?);
        let recurrent = (reset * recurrent.narrow(1, 2 * units, units)?)?;
        let candidate = (input.narrow(1, 2 * units, units)? + recurrent)?.tanh()?;
        blend(&update, state, &candidate)
    }
}

/// `update * state + (1 - update) * candidate`
fn blend(update: &Tensor, state: &Tensor, candidate: &Tensor) -> Result<Tensor> {
    candidate + (update * (state - candidate)?)?
}
