//! Blocks of convolution, activation, batch normalisation, max pooling and dropout, one or several
//! after the other, as one operation.
//!
//! What makes it fast is that nothing of full size is written to memory but the activations, once
//! (or not at all, where they are cheap to compute again): bias, activation, statistics and pooling
//! run on the lines just convolved, while they are in the cache; normalisation and dropout run on
//! what pooling leaves, sample by sample, on its way into the planes of the next block. Backward,
//! one pass over the activations gives the gradient of the convolution, and a second convolution
//! and the products with the input do the rest, a sample at a time.
//!
//! candle hands an operation three tensors at most and takes one back. So the parameters of all
//! blocks travel in one tensor, `[weight, bias, gamma, beta]` block by block, whose gradient candle
//! takes apart again; statistics leave through a cell beside the result; what the backward pass
//! needs stays in the operation. That several blocks are one operation saves what candle does
//! between two: a fresh tensor for each result, and for each gradient another that it is added to.

mod amx;
mod backward;
mod direct;
mod forward;
mod lanes;
mod layer;
mod method;
mod micro_kernels;
mod planes;
mod stack;
mod weight_gradient;
mod weights;
mod winograd;

use candle_core::{DType, Shape, Tensor};

use self::layer::Layer;
use self::method::Method;
use self::planes::{Groups, Planes};
use self::stack::{Block, Stack};
use self::weights::FilterShape;
use crate::activation::Activation;
use crate::batch_norm::BatchNormTraining;
use crate::dropout::{DropoutKey, Mask};
use crate::operand::{check_input, check_operand, odd_filters, shape_error};
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

impl ConvBlockSettings {
    fn chosen_path(&self) -> Path {
        self.path.unwrap_or_else(Path::current)
    }
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

/// One block of several.
#[derive(Clone, Copy, Debug)]
pub struct ConvBlock<'a> {
    /// Its trained tensors.
    pub parameters: ConvBlockParameters<'a>,
    /// What it does after its convolution.
    pub settings: ConvBlockSettings,
    /// In training, the probability of dropout and the name of its mask.
    pub dropped: Option<(f64, DropoutKey)>,
}

/// What several blocks return in training.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConvBlocksTraining {
    /// Of the last block, `[batch, pooled mel, pooled frame, filter]`.
    pub output: Tensor,
    /// Of each block, the activations' mean and biased variance, each `[filter]`. No gradient flows
    /// through them.
    pub statistics: Vec<(Tensor, Tensor)>,
}

/// Convolution (stride 1, zero padding that keeps the size), activation, batch normalisation by the
/// batch's own statistics, max pooling (windows side by side, incomplete ones dropped) and inverted
/// dropout, with gradients to `x` and all parameters.
///
/// Here, unlike in the other operations, the channel comes last: `x` is `[batch, mel, frame,
/// channel]`, the output `[batch, pooled mel, pooled frame, filter]`. The statistics are those of
/// the activations before pooling; no gradient flows through the returned ones. A convolution in
/// one dimension is one with a single mel band.
///
/// f32 runs as one operation; f64, and windows of more than 128 pixels, as one after the other:
/// slower, and the same but for rounding.
///
/// # Errors
/// When a shape does not fit, an axis is empty, a kernel size is even, a window is empty or larger
/// than the planes, `epsilon` is not positive, the probability of dropout is not in `0..1`, or a tensor is not f32
/// or f64 in main memory.
pub fn conv_block_train(
    x: &Tensor,
    parameters: ConvBlockParameters,
    settings: &ConvBlockSettings,
    dropped: Option<(f64, DropoutKey)>,
) -> Result<BatchNormTraining, KernelError> {
    let block = ConvBlock { parameters, settings: *settings, dropped };
    let ConvBlocksTraining { output, statistics } = conv_blocks_train(x, &[block])?;
    let (mean, variance) = statistics.into_iter().next().ok_or_else(left_no_statistics)?;
    Ok(BatchNormTraining { output, mean, variance })
}

/// As [`conv_block_train`], several blocks one after the other: faster than one by one, and the
/// same bits.
///
/// # Errors
/// As [`conv_block_train`], and when there is no block.
pub fn conv_blocks_train(
    x: &Tensor,
    blocks: &[ConvBlock],
) -> Result<ConvBlocksTraining, KernelError> {
    if let Some(stack) = stack_of(x, blocks)? {
        return stack.train(&x.contiguous()?, &packed(blocks)?);
    }
    if let [block] = blocks {
        return step_by_step(x, block);
    }
    let mut training = ConvBlocksTraining { output: x.clone(), statistics: Vec::new() };
    for block in blocks {
        let one = conv_blocks_train(&training.output, std::slice::from_ref(block))?;
        training.output = one.output;
        training.statistics.extend(one.statistics);
    }
    Ok(training)
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
    let block = ConvBlock { parameters, settings: *settings, dropped: None };
    conv_blocks_eval(x, &[block], &[(mean, variance)])
}

/// As [`conv_block_eval`], several blocks one after the other, with the mean and the variance of
/// each.
///
/// # Errors
/// As [`conv_block_train`], and when there are not as many statistics as blocks.
pub fn conv_blocks_eval(
    x: &Tensor,
    blocks: &[ConvBlock],
    statistics: &[(&Tensor, &Tensor)],
) -> Result<Tensor, KernelError> {
    if statistics.len() != blocks.len() {
        return Err(KernelError::Parameter {
            operation: OPERATION,
            parameter: "number of statistics",
            expected: "one for each block",
            got: statistics.len() as f64,
        });
    }
    if let Some(stack) = stack_of(x, blocks)? {
        for (block, (mean, variance)) in blocks.iter().zip(statistics) {
            let filters = block.parameters.bias.dims();
            check_operand(OPERATION, x, "mean", mean, filters)?;
            check_operand(OPERATION, x, "variance", variance, filters)?;
        }
        return stack.evaluate(&x.detach().contiguous()?, &packed(blocks)?.detach(), statistics);
    }
    if let ([ConvBlock { parameters, settings, .. }], [(mean, variance)]) = (blocks, statistics) {
        let ConvBlockParameters { gamma, beta, .. } = parameters;
        let y = convolve_and_activate(x, *parameters, settings.activation)?;
        let (epsilon, pool) = (settings.epsilon, settings.pool);
        let y = batch_norm_max_pool2d_eval(&y, gamma, beta, mean, variance, epsilon, pool)?;
        return Ok(y.permute((0, 2, 3, 1))?);
    }
    let mut output = x.clone();
    for (block, statistics) in blocks.iter().zip(statistics) {
        let (block, statistics) = (std::slice::from_ref(block), std::slice::from_ref(statistics));
        output = conv_blocks_eval(&output, block, statistics)?;
    }
    Ok(output)
}

/// A block as one operation after the other.
fn step_by_step(x: &Tensor, block: &ConvBlock) -> Result<ConvBlocksTraining, KernelError> {
    let ConvBlock { parameters, settings, dropped } = block;
    let ConvBlockParameters { gamma, beta, .. } = parameters;
    let x = convolve_and_activate(x, *parameters, settings.activation)?;
    let normalised = batch_norm_max_pool2d_train(&x, gamma, beta, settings.epsilon, settings.pool)?;
    let mut output = normalised.output.permute((0, 2, 3, 1))?;
    if let Some((probability, key)) = *dropped {
        output = dropout(&output, probability, key)?;
    }
    let statistics = vec![(normalised.mean, normalised.variance)];
    Ok(ConvBlocksTraining { output, statistics })
}

fn left_no_statistics() -> KernelError {
    candle_core::Error::Msg("a block left no statistics".to_owned()).into()
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

/// `[weight, bias, gamma, beta]` of each block, flat.
fn packed(blocks: &[ConvBlock]) -> candle_core::Result<Tensor> {
    let mut parts = Vec::with_capacity(4 * blocks.len());
    for ConvBlock { parameters: ConvBlockParameters { weight, bias, gamma, beta }, .. } in blocks {
        parts.push(weight.flatten_all()?);
        parts.extend([bias, gamma, beta].map(|part| (*part).clone()));
    }
    Tensor::cat(&parts, 0)
}

/// The sizes of the blocks, or none where they must run as one operation after the other.
fn stack_of(x: &Tensor, blocks: &[ConvBlock]) -> Result<Option<Stack>, KernelError> {
    check_input(OPERATION, x)?;
    let (batch, mut height, mut width, mut channels) = x
        .dims4()
        .map_err(|_| shape_error(OPERATION, "input", "[batch, mel, frame, channel]", x))?;
    if blocks.is_empty() {
        return Err(KernelError::Parameter {
            operation: OPERATION,
            parameter: "number of blocks",
            expected: "1 or more",
            got: 0.0,
        });
    }
    if x.elem_count() == 0 {
        let expected = "[batch, mel, frame, channel], none empty";
        return Err(shape_error(OPERATION, "input", expected, x));
    }
    let mut fused = x.dtype() == DType::F32;
    let mut stack = Vec::with_capacity(blocks.len());
    for ConvBlock { parameters, settings, dropped } in blocks {
        let size = (batch, height, width, channels);
        let layer = layer_of(x, size, parameters, settings)?;
        let mask = match *dropped {
            Some((probability, key)) => Mask::new(probability, key)?,
            None => None,
        };
        fused &= settings.pool.0 * settings.pool.1 <= LARGEST_WINDOW;
        (height, width) = layer.pooled();
        channels = layer.shape.filters;
        let path = settings.chosen_path();
        stack.push(Block { layer, path, epsilon: settings.epsilon, mask });
    }
    Ok(fused.then(|| Stack::new(stack)))
}

fn layer_of(
    x: &Tensor,
    (batch, height, width, channels): (usize, usize, usize, usize),
    parameters: &ConvBlockParameters,
    settings: &ConvBlockSettings,
) -> Result<Layer, KernelError> {
    let ConvBlockParameters { weight, bias, gamma, beta } = parameters;
    let (filters, _, mel, frame) = odd_filters(OPERATION, weight)?;
    check_operand(OPERATION, x, "weight", weight, &[filters, channels, mel, frame])?;
    for (name, operand) in [("bias", bias), ("gamma", gamma), ("beta", beta)] {
        check_operand(OPERATION, x, name, operand, &[filters])?;
    }
    if filters == 0 {
        let expected = "[filter, channel, odd, odd], none empty";
        return Err(shape_error(OPERATION, "weight", expected, weight));
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
    if pool.0 == 0 || pool.1 == 0 {
        return Err(KernelError::Parameter {
            operation: OPERATION,
            parameter: "pool",
            expected: "a window of at least 1 by 1",
            got: 0.0,
        });
    }
    if pool.0 > height || pool.1 > width {
        let expected = format!("[batch, mel >= {}, frame >= {}, channel]", pool.0, pool.1);
        // Of a later block that is not the input of the operation.
        let got = Shape::from((batch, height, width, channels));
        return Err(KernelError::OperandShape {
            operation: OPERATION,
            operand: "input",
            expected,
            got,
        });
    }
    let planes = Planes::new(height, width, (mel, frame));
    let inputs = Groups::of_input(channels);
    Ok(Layer {
        batch,
        planes,
        shape: FilterShape { filters, channels, taps: mel * frame },
        inputs,
        outputs: Groups::of_output(filters),
        pool,
        activation: settings.activation,
        method: Method::fastest(settings.chosen_path(), &planes, inputs),
    })
}
