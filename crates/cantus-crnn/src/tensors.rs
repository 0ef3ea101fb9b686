//! Names, shapes and purposes of a model's tensors: PyTorch's names and layouts.

use std::collections::BTreeMap;

use candle_core::{DType, Tensor};

use crate::{Crnn2dConfig, CrnnError, GruForm};

/// Height and width of every convolution kernel.
pub(crate) const KERNEL: usize = 3;

/// What a tensor is for, so how it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// A kernel, drawn uniformly by its fans.
    Kernel { fan_in: usize, fan_out: usize },
    /// A recurrent kernel, drawn orthogonal.
    Recurrent,
    /// Starts at zero.
    Bias,
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

/// Every tensor of a model, by name.
pub(crate) fn wanted(config: &Crnn2dConfig) -> BTreeMap<String, Wanted> {
    let mut all = BTreeMap::new();
    let mut put = |layer: &str, part: &str, shape: &[usize], role| {
        all.insert(format!("{layer}.{part}"), Wanted { shape: shape.to_vec(), role });
    };
    let norms = std::iter::once(&config.n_mels).chain(&config.filters);
    for (layer, &channels) in norms.enumerate() {
        let layer = format!("norm{layer}");
        put(&layer, "weight", &[channels], Role::Gain);
        put(&layer, "bias", &[channels], Role::Bias);
        put(&layer, "running_mean", &[channels], Role::RunningMean);
        put(&layer, "running_var", &[channels], Role::RunningVariance);
    }
    let mut channels = 1;
    for (block, &filters) in (1..).zip(&config.filters) {
        let (layer, area) = (format!("conv{block}"), KERNEL * KERNEL);
        let role = Role::Kernel { fan_in: area * channels, fan_out: area * filters };
        put(&layer, "weight", &[filters, channels, KERNEL, KERNEL], role);
        put(&layer, "bias", &[filters], Role::Bias);
        channels = filters;
    }
    let mut features = config.mel_rows() * channels;
    for (layer, &units) in (1..).zip(&config.gru_units) {
        let layer = format!("gru{layer}");
        let role = Role::Kernel { fan_in: features, fan_out: 3 * units };
        put(&layer, "weight_ih", &[3 * units, features], role);
        put(&layer, "weight_hh", &[3 * units, units], Role::Recurrent);
        put(&layer, "bias_ih", &[3 * units], Role::Bias);
        if config.gru_form == GruForm::Torch {
            put(&layer, "bias_hh", &[3 * units], Role::Bias);
        }
        features = units;
    }
    let role = Role::Kernel { fan_in: features, fan_out: config.classes };
    put("dense", "weight", &[config.classes, features], role);
    put("dense", "bias", &[config.classes], Role::Bias);
    all
}

/// Checks that `tensors` are those that the configuration asks for, neither more nor fewer, with
/// finite values.
pub(crate) fn check(
    config: &Crnn2dConfig,
    tensors: &BTreeMap<String, Tensor>,
) -> Result<(), CrnnError> {
    let wanted = wanted(config);
    if let Some(name) = tensors.keys().find(|name| !wanted.contains_key(*name)) {
        return Err(CrnnError::UnknownTensor { name: name.clone() });
    }
    for (name, wanted) in &wanted {
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
