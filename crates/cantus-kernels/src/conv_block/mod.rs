//! Convolution, activation, batch normalisation, max pooling and dropout as one operation.
//!
//! What makes it fast is that nothing of full size is written to memory but the activations, once
//! (or not at all, where they are cheap to compute again): bias, activation, statistics and pooling
//! run on the lines just convolved, while they are in the cache; normalisation and dropout run on
//! what pooling leaves. Backward, one pass over the activations gives the gradient of the
//! convolution, and a second convolution and the products with the input do the rest, a sample at a
//! time.
//!
//! candle hands an operation three tensors at most and takes one back. So the parameters travel in
//! one tensor, `[weight, bias, gamma, beta]`, whose gradient candle takes apart again; statistics
//! leave through a cell beside the result; what the backward pass needs stays in the operation.

mod backward;
mod convolve;
mod forward;
mod lanes;
mod layer;
mod planes;
mod weight_gradient;
mod weights;

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp2, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

use self::backward::{Backward, BackwardFilters, Gradients, Statistics};
use self::convolve::tile_width;
use self::forward::{Convolved, NormaliseSample, Parameters};
use self::layer::Layer;
use self::planes::{GROUP, Groups, Planes};
use self::weights::{Direction, FilterShape, PackedFilters};
use crate::activation::Activation;
use crate::batch_norm::BatchNormTraining;
use crate::dropout::{DropoutKey, Mask};
use crate::operand::{
    check_input, check_operand, elements, odd_filters, result, shape_error, tensor, with_elements,
};
use crate::path::Path;
use crate::{
    KernelError, batch_norm_max_pool2d_eval, batch_norm_max_pool2d_train, conv2d_same,
    conv2d_same_elu, dropout, relu,
};

const OPERATION: &str = "conv_block";

/// Pixels of a window that a byte can number, less the bit for dropout.
const LARGEST_WINDOW: usize = 128;

/// What a block does after its convolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvBlockSettings {
    /// Applied to the convolution's result.
    pub activation: Activation,
    /// Added to the variance.
    pub epsilon: f64,
    /// Mel bands and frames of a pooling window; `(1, 1)` pools nothing.
    pub pool: (usize, usize),
    /// The instructions to use; by default those of [`Path::current`].
    pub path: Option<Path>,
}

/// The trained tensors of a block.
#[derive(Clone, Copy, Debug)]
pub struct ConvBlockParameters<'a> {
    /// `[filter, channel, kernel mel, kernel frame]`, kernel sizes odd.
    pub weight: &'a Tensor,
    /// `[filter]`
    pub bias: &'a Tensor,
    /// The normalisation's factor, `[filter]`.
    pub gamma: &'a Tensor,
    /// The normalisation's summand, `[filter]`.
    pub beta: &'a Tensor,
}

/// Convolution (stride 1, zero padding that keeps the size), activation, batch normalisation by the
/// batch's own statistics, max pooling (windows side by side, incomplete ones dropped) and inverted
/// dropout, with gradients to `x` and all parameters.
///
/// Here, unlike in the other operations, the channel comes last: `x` is `[batch, mel, frame,
/// channel]`, the output `[batch, pooled mel, pooled frame, filter]`. The statistics are those of
/// the activations before pooling; no gradient flows through the returned ones.
///
/// f32 runs as one operation, f64 as one after the other: slower, and the same but for rounding.
///
/// # Errors
/// When a shape does not fit, a kernel size is even, a window is empty or larger than the planes,
/// `epsilon` is not positive, the probability of dropout is not in `0..1`, or a tensor is not f32
/// or f64 in main memory.
pub fn conv_block_train(
    x: &Tensor,
    parameters: ConvBlockParameters,
    settings: &ConvBlockSettings,
    dropped: Option<(f64, DropoutKey)>,
) -> Result<BatchNormTraining, KernelError> {
    let Some(layer) = layer_of(x, parameters, settings)? else {
        let ConvBlockParameters { gamma, beta, .. } = parameters;
        let x = convolve_and_activate(x, parameters, settings.activation)?;
        let mut normalised =
            batch_norm_max_pool2d_train(&x, gamma, beta, settings.epsilon, settings.pool)?;
        normalised.output = normalised.output.permute((0, 2, 3, 1))?;
        if let Some((probability, key)) = dropped {
            normalised.output = dropout(&normalised.output, probability, key)?;
        }
        return Ok(normalised);
    };
    let mask = dropped.map(|(probability, key)| Mask::new(probability, key)).transpose()?.flatten();
    let statistics = Arc::new(OnceLock::new());
    let operation = TrainBlock {
        layer,
        path: settings.path.unwrap_or_else(Path::current),
        epsilon: settings.epsilon,
        mask,
        statistics: Arc::clone(&statistics),
        forward: OnceLock::new(),
    };
    let output = x.contiguous()?.apply_op2(&packed(parameters)?, operation)?;
    let Some(statistics) = statistics.get() else {
        return Err(candle_core::Error::Msg("a block left no statistics".to_owned()).into());
    };
    let channel = |values: &[f64]| {
        let values: Vec<f32> =
            values.iter().take(layer.shape.filters).map(|&value| value as f32).collect();
        tensor(values, layer.shape.filters)
    };
    Ok(BatchNormTraining {
        output,
        mean: channel(&statistics.mean)?,
        variance: channel(&statistics.variance)?,
    })
}

/// As [`conv_block_train`], with given statistics, each `[filter]`, and without dropout.
///
/// In f32 no gradient flows: a block that normalises by given statistics is for evaluation.
///
/// # Errors
/// As [`conv_block_train`].
pub fn conv_block_eval(
    x: &Tensor,
    parameters: ConvBlockParameters,
    mean: &Tensor,
    variance: &Tensor,
    settings: &ConvBlockSettings,
) -> Result<Tensor, KernelError> {
    let Some(layer) = layer_of(x, parameters, settings)? else {
        let ConvBlockParameters { gamma, beta, .. } = parameters;
        let x = convolve_and_activate(x, parameters, settings.activation)?;
        let (epsilon, pool) = (settings.epsilon, settings.pool);
        let y = batch_norm_max_pool2d_eval(&x, gamma, beta, mean, variance, epsilon, pool)?;
        return Ok(y.permute((0, 2, 3, 1))?);
    };
    check_operand(OPERATION, x, "mean", mean, &[layer.shape.filters])?;
    check_operand(OPERATION, x, "variance", variance, &[layer.shape.filters])?;
    let statistics = Statistics::given(&layer, mean, variance, settings.epsilon)?;
    let path = settings.path.unwrap_or_else(Path::current);
    let x = x.detach().contiguous()?;
    let (lines, columns) = layer.pooled();
    let y = with_elements::<f32, _>(OPERATION, &x, |x| {
        with_elements::<f32, _>(OPERATION, &packed(parameters)?.detach(), |parameters| {
            let split = Split::of(parameters, &layer);
            let filters = split.pack(&layer, path);
            let (bias, gamma) = (layer.filled(split.bias), layer.filled(split.gamma));
            let parameters = Parameters { filters: &filters, bias: &bias, gamma: &gamma };
            let mut convolved = layer.convolve_and_pool(path, x, parameters, false);
            normalise(&layer, path, &mut convolved, &statistics, &split, None)
        })
    })??;
    Ok(tensor(y, (layer.batch, lines, columns, layer.shape.filters))?)
}

fn convolve_and_activate(
    x: &Tensor,
    ConvBlockParameters { weight, bias, .. }: ConvBlockParameters,
    activation: Activation,
) -> Result<Tensor, KernelError> {
    let x = x.permute((0, 3, 1, 2))?;
    match activation {
        Activation::Identity => conv2d_same(&x, weight, bias),
        Activation::Relu => relu(&conv2d_same(&x, weight, bias)?),
        Activation::Elu => conv2d_same_elu(&x, weight, bias),
    }
}

/// `[weight, bias, gamma, beta]`, flat.
fn packed(parameters: ConvBlockParameters) -> candle_core::Result<Tensor> {
    let ConvBlockParameters { weight, bias, gamma, beta } = parameters;
    Tensor::cat(&[&weight.flatten_all()?, bias, gamma, beta], 0)
}

/// The sizes of the block, or none where it must run as one operation after the other.
fn layer_of(
    x: &Tensor,
    parameters: ConvBlockParameters,
    settings: &ConvBlockSettings,
) -> Result<Option<Layer>, KernelError> {
    check_input(OPERATION, x)?;
    let ConvBlockParameters { weight, bias, gamma, beta } = parameters;
    let (batch, height, width, channels) = x
        .dims4()
        .map_err(|_| shape_error(OPERATION, "input", "[batch, mel, frame, channel]", x))?;
    let (filters, _, mel, frame) = odd_filters(OPERATION, weight)?;
    check_operand(OPERATION, x, "weight", weight, &[filters, channels, mel, frame])?;
    for (name, operand) in [("bias", bias), ("gamma", gamma), ("beta", beta)] {
        check_operand(OPERATION, x, name, operand, &[filters])?;
    }
    if x.elem_count() == 0 || filters == 0 {
        return Err(shape_error(OPERATION, "input and weight", "no empty axis", x));
    }
    if !(settings.epsilon > 0.0 && settings.epsilon.is_finite()) {
        return Err(KernelError::Parameter {
            operation: OPERATION,
            parameter: "epsilon",
            expected: "a positive number",
            got: settings.epsilon,
        });
    }
    let pool = settings.pool;
    if pool.0 == 0 || pool.1 == 0 || pool.0 > height || pool.1 > width {
        let expected = format!("[batch, mel >= {}, frame >= {}, channel]", pool.0, pool.1);
        return Err(shape_error(OPERATION, "input", expected, x));
    }
    if x.dtype() != DType::F32 || pool.0 * pool.1 > LARGEST_WINDOW {
        return Ok(None);
    }
    Ok(Some(Layer {
        batch,
        planes: Planes::new(height, width, (mel, frame)),
        shape: FilterShape { filters, channels, taps: mel * frame },
        inputs: Groups::of_input(channels),
        outputs: Groups::of_output(filters),
        pool,
        activation: settings.activation,
    }))
}

/// The parts of the packed parameters.
#[derive(Clone, Copy)]
struct Split<'a> {
    weight: &'a [f32],
    bias: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
}

impl<'a> Split<'a> {
    fn of(parameters: &'a [f32], layer: &Layer) -> Self {
        let (weight, rest) = parameters.split_at(layer.shape.len());
        let (bias, rest) = rest.split_at(layer.shape.filters);
        let (gamma, beta) = rest.split_at(layer.shape.filters);
        Self { weight, bias, gamma, beta }
    }

    fn pack(&self, layer: &Layer, path: Path) -> PackedFilters {
        let tile = path.run(TileWidth);
        PackedFilters::new(self.weight, layer.shape, Direction::Forward, tile)
    }

    fn pack_backward(&self, layer: &Layer, path: Path) -> BackwardFilters {
        let FilterShape { filters, channels, taps } = layer.shape;
        if layer.inputs.lanes == GROUP {
            let tile = path.run(TileWidth);
            let packed = PackedFilters::new(self.weight, layer.shape, Direction::Backward, tile);
            return BackwardFilters::Groups(packed);
        }
        let padded = layer.outputs.padded();
        let mut packed = vec![0.0; channels * taps * padded];
        for (row, packed) in packed.chunks_exact_mut(padded).enumerate() {
            let (channel, tap) = (row / taps, row % taps);
            for (filter, packed) in packed.iter_mut().enumerate().take(filters) {
                *packed = self.weight[(filter * channels + channel) * taps + (taps - 1 - tap)];
            }
        }
        BackwardFilters::Few(packed)
    }
}

impl Layer {
    /// Values of the filters, and zeros up to whole groups.
    fn filled(&self, values: &[f32]) -> Vec<f32> {
        let mut filled = values.to_vec();
        filled.resize(self.outputs.padded(), 0.0);
        filled
    }
}

struct TileWidth;

impl pulp::WithSimd for TileWidth {
    type Output = usize;

    fn with_simd<S: pulp::Simd>(self, _: S) -> usize {
        tile_width::<S>()
    }
}

impl Statistics {
    fn of_batch(layer: &Layer, sums: &[f64], epsilon: f64) -> Self {
        let values = (layer.batch * layer.planes.height * layer.planes.width) as f64;
        let (sums, squares) = sums.split_at(layer.outputs.padded());
        let mean: Vec<f64> = sums.iter().map(|sum| sum / values).collect();
        let variance = squares
            .iter()
            .zip(&mean)
            // A difference of rounded sums may fall below zero; NaN stays.
            .map(|(square, mean)| {
                let variance = square / values - mean * mean;
                if variance < 0.0 { 0.0 } else { variance }
            })
            .collect();
        Self::new(mean, variance, epsilon)
    }

    fn given(
        layer: &Layer,
        mean: &Tensor,
        variance: &Tensor,
        epsilon: f64,
    ) -> candle_core::Result<Self> {
        let values = |tensor: &Tensor| {
            with_elements::<f32, _>(OPERATION, &tensor.detach(), |values| {
                let mut values: Vec<f64> = values.iter().map(|&v| f64::from(v)).collect();
                values.resize(layer.outputs.padded(), 0.0);
                values
            })
        };
        Ok(Self::new(values(mean)?, values(variance)?, epsilon))
    }

    fn new(mean: Vec<f64>, variance: Vec<f64>, epsilon: f64) -> Self {
        let inverse_deviation =
            variance.iter().map(|variance| 1.0 / (variance + epsilon).sqrt()).collect();
        Self { mean, variance, inverse_deviation }
    }
}

/// The second pass over the batch.
fn normalise(
    layer: &Layer,
    path: Path,
    convolved: &mut Convolved,
    statistics: &Statistics,
    parameters: &Split,
    mask: Option<&Mask>,
) -> Vec<f32> {
    let (mut scale, mut shift) = (Vec::new(), Vec::new());
    for (channel, (&gamma, &beta)) in parameters.gamma.iter().zip(parameters.beta).enumerate() {
        let factor = f64::from(gamma) * statistics.inverse_deviation[channel];
        scale.push(factor as f32);
        shift.push((f64::from(beta) - factor * statistics.mean[channel]) as f32);
    }
    let (lines, columns) = layer.pooled();
    let sample = lines * columns * layer.shape.filters;
    let mut y = vec![0.0; layer.batch * sample];
    y.par_chunks_exact_mut(sample)
        .zip(convolved.pooled.par_chunks_exact(layer.pooled_sample()))
        .zip(convolved.positions.par_chunks_exact_mut(layer.pooled_sample()))
        .enumerate()
        .for_each(|(index, ((y, pooled), positions))| {
            path.run(NormaliseSample {
                layer,
                pooled,
                scale: &scale,
                shift: &shift,
                mask,
                positions,
                y,
                first: index * sample,
            });
        });
    y
}

struct TrainBlock {
    layer: Layer,
    path: Path,
    epsilon: f64,
    mask: Option<Mask>,
    statistics: Arc<OnceLock<Statistics>>,
    /// What the forward pass leaves, and the filters as it packed them.
    forward: OnceLock<(Convolved, PackedFilters)>,
}

impl TrainBlock {
    fn forward(&self, x: &[f32], parameters: &[f32]) -> Vec<f32> {
        let layer = &self.layer;
        let split = Split::of(parameters, layer);
        let filters = split.pack(layer, self.path);
        let (bias, gamma) = (layer.filled(split.bias), layer.filled(split.gamma));
        let parameters = Parameters { filters: &filters, bias: &bias, gamma: &gamma };
        let mut convolved = layer.convolve_and_pool(self.path, x, parameters, true);
        let statistics = Statistics::of_batch(layer, &convolved.sums, self.epsilon);
        let y =
            normalise(layer, self.path, &mut convolved, &statistics, &split, self.mask.as_ref());
        // A second forward pass of the same node would find the same.
        let _ = self.statistics.set(statistics);
        let _ = self.forward.set((convolved, filters));
        y
    }

    fn backward(&self, parameters: &[f32], dy: &[f32]) -> Option<Gradients> {
        let layer = &self.layer;
        let (convolved, filters) = self.forward.get()?;
        let split = Split::of(parameters, layer);
        let backward_filters = split.pack_backward(layer, self.path);
        let (bias, gamma) = (layer.filled(split.bias), layer.filled(split.gamma));
        let pass = Backward {
            layer,
            path: self.path,
            convolved,
            statistics: self.statistics.get()?,
            parameters: Parameters { filters, bias: &bias, gamma: &gamma },
            filters: &backward_filters,
            dropout_scale: self.mask.as_ref().map_or(1.0, |mask| mask.scale),
        };
        Some(pass.run(dy))
    }
}

impl CustomOp2 for TrainBlock {
    fn name(&self) -> &'static str {
        OPERATION
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        parameters: &CpuStorage,
        parameters_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = elements::<f32>(OPERATION, x, x_layout)?;
        let parameters = elements::<f32>(OPERATION, parameters, parameters_layout)?;
        let (lines, columns) = self.layer.pooled();
        let shape = (self.layer.batch, lines, columns, self.layer.shape.filters);
        Ok(result(self.forward(x, parameters), shape))
    }

    fn bwd(
        &self,
        x: &Tensor,
        parameters: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let gradients = with_elements::<f32, _>(OPERATION, parameters, |parameters| {
            with_elements::<f32, _>(OPERATION, dy, |dy| self.backward(parameters, dy))
        })??;
        let Some(Gradients { input, mut weight, bias, gamma, beta }) = gradients else {
            return Err(candle_core::Error::BackwardNotSupported { op: OPERATION });
        };
        for gradient in [bias, gamma, beta] {
            weight.extend(gradient);
        }
        let length = weight.len();
        Ok((Some(tensor(input, x.shape())?), Some(tensor(weight, length)?)))
    }
}
