//! Names, shapes and purposes of a model's tensors: PyTorch's names and layouts.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use crate::{CrnnError, GruForm};

/// What a tensor is for, so how it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A kernel, drawn uniformly by its fans.
    Kernel { fan_in: usize, fan_out: usize },
    /// The recurrent kernel of a GRU, drawn orthogonal.
    GruRecurrent,
    /// The recurrent kernel of an LSTM, drawn orthogonal.
    LstmRecurrent,
    /// Starts at zero.
    Bias,
    /// Starts at zero but for the forget gate's, which start at one.
    LstmBias,
    /// Starts at one.
    Gain,
    /// A running mean: not trained, starts at zero.
    RunningMean,
    /// A running variance: not trained, starts at one.
    RunningVariance,
}

impl Role {
    pub(crate) fn is_trained(self) -> bool {
        !matches!(self, Role::RunningMean | Role::RunningVariance)
    }
}

/// A tensor that a configuration asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) shape: Vec<usize>,
    pub(crate) role: Role,
}

/// The tensors of a model by name, added layer by layer.
#[derive(Default)]
pub(crate) struct WantedTensors(pub(crate) BTreeMap<String, Wanted>);

impl WantedTensors {
    fn put(&mut self, layer: &str, part: &str, shape: &[usize], role: Role) {
        self.0.insert(format!("{layer}.{part}"), Wanted { shape: shape.to_vec(), role });
    }

    /// A batch normalisation.
    pub(crate) fn norm(&mut self, layer: &str, channels: usize) {
        self.put(layer, "weight", &[channels], Role::Gain);
        self.put(layer, "bias", &[channels], Role::Bias);
        self.put(layer, "running_mean", &[channels], Role::RunningMean);
        self.put(layer, "running_var", &[channels], Role::RunningVariance);
    }

    /// A convolution, whose kernel may have any number of axes.
    pub(crate) fn conv(&mut self, layer: &str, filters: usize, channels: usize, kernel: &[usize]) {
        let taps: usize = kernel.iter().product();
        let role = Role::Kernel { fan_in: taps * channels, fan_out: taps * filters };
        self.put(layer, "weight", &[&[filters, channels], kernel].concat(), role);
        self.put(layer, "bias", &[filters], Role::Bias);
    }

    /// The layers `gru1`..., the first of which sees `features` numbers a step.
    pub(crate) fn gru_layers(&mut self, units: &[usize], mut features: usize, form: GruForm) {
        for (layer, &units) in (1..).zip(units) {
            let layer = format!("gru{layer}");
            self.recurrent_kernels(&layer, 3, units, features, Role::GruRecurrent);
            self.put(&layer, "bias_ih", &[3 * units], Role::Bias);
            if form == GruForm::Torch {
                self.put(&layer, "bias_hh", &[3 * units], Role::Bias);
            }
            features = units;
        }
    }

    /// The layers `lstm1`..., the first of which sees `features` numbers a step.
    pub(crate) fn lstm_layers(&mut self, units: &[usize], mut features: usize) {
        for (layer, &units) in (1..).zip(units) {
            let layer = format!("lstm{layer}");
            self.recurrent_kernels(&layer, 4, units, features, Role::LstmRecurrent);
            self.put(&layer, "bias", &[4 * units], Role::LstmBias);
            features = units;
        }
    }

    fn recurrent_kernels(
        &mut self,
        layer: &str,
        gates: usize,
        units: usize,
        features: usize,
        recurrent: Role,
    ) {
        let role = Role::Kernel { fan_in: features, fan_out: gates * units };
        self.put(layer, "weight_ih", &[gates * units, features], role);
        self.put(layer, "weight_hh", &[gates * units, units], recurrent);
    }

    /// A dense layer.
    pub(crate) fn dense(&mut self, layer: &str, features: usize, classes: usize) {
        let role = Role::Kernel { fan_in: features, fan_out: classes };
        self.put(layer, "weight", &[classes, features], role);
        self.put(layer, "bias", &[classes], Role::Bias);
    }
}

/// Checks that `tensors` are those that the configuration asks for, neither more nor fewer, with
/// finite values.
pub(crate) fn check(
    wanted: &BTreeMap<String, Wanted>,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<(), CrnnError> {
    if let Some(name) = tensors.keys().find(|name| !wanted.contains_key(*name)) {
        return Err(CrnnError::UnknownTensor { name: name.clone() });
    }
    for (name, wanted) in wanted {
        let tensor =
            tensors.get(name).ok_or_else(|| CrnnError::MissingTensor { name: name.clone() })?;
        if tensor.dims() != wanted.shape {
            return Err(CrnnError::TensorShape {
                name: name.clone(),
                expected: wanted.shape.clone(),
                got: tensor.dims().to_vec(),
            });
        }
        if !matches!(tensor.dtype(), DType::F32 | DType::F64) {
            return Err(CrnnError::ElementType {
                name: name.clone(),
                expected: "f32 or f64",
                got: format!("{:?}", tensor.dtype()),
            });
        }
        let values = tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        if values.iter().any(|value| !value.is_finite()) {
            return Err(CrnnError::NotFinite { name: name.clone() });
        }
        if wanted.role == Role::RunningVariance && values.iter().any(|&value| value < 0.0) {
            return Err(CrnnError::NegativeVariance { name: name.clone() });
        }
    }
    Ok(())
}
