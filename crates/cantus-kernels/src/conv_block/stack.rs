//! The blocks as one operation of candle's.

use std::sync::{Arc, OnceLock};

use candle_core::{CpuStorage, CustomOp2, Layout, Shape, Tensor};
use rayon::prelude::*;

use super::backward::{
    Backward, BackwardFilters, BlockInput, Gradients, Pooled, PooledGradient, Statistics,
};
use super::forward::{Convolved, NormaliseSample, Parameters, Source};
use super::lanes::PanelWidth;
use super::layer::Layer;
use super::method::Filters;
use super::planes::GROUP;
use super::weights::{Direction, FilterShape};
use super::{ConvBlocksTraining, OPERATION, left_no_statistics};
use crate::KernelError;
use crate::dropout::Mask;
use crate::operand::{elements, result, tensor, with_elements};
use crate::path::Path;

/// One block, everything about it decided but its parameters.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub(super) layer: Layer,
    pub(super) path: Path,
    pub(super) epsilon: f64,
    pub(super) mask: Option<Mask>,
}

/// Blocks of which each takes what the one before it leaves.
pub(super) struct Stack {
    blocks: Vec<Block>,
    /// Of each block, known once the forward pass is over.
    statistics: Arc<OnceLock<Vec<Statistics>>>,
    /// What the forward pass leaves for the backward pass.
    passed: OnceLock<Vec<Passed>>,
}

/// What the forward pass of one block leaves.
struct Passed {
    convolved: Convolved,
    /// The filters as they were packed.
    filters: Filters,
    statistics: Statistics,
    /// `scale * pooled + shift` is what normalisation makes of a pooled activation.
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Stack {
    pub(super) fn new(blocks: Vec<Block>) -> Self {
        Self { blocks, statistics: Arc::default(), passed: OnceLock::new() }
    }

    /// Runs the blocks on `x` as an operation with gradients, and takes out the statistics.
    pub(super) fn train(
        self,
        x: &Tensor,
        packed: &Tensor,
    ) -> Result<ConvBlocksTraining, KernelError> {
        let statistics = Arc::clone(&self.statistics);
        let filters: Vec<usize> =
            self.blocks.iter().map(|block| block.layer.shape.filters).collect();
        let output = x.apply_op2(packed, self)?;
        let statistics = statistics.get().ok_or_else(left_no_statistics)?;
        let channel = |values: &[f64], filters: usize| {
            let values = values.iter().take(filters).map(|&value| value as f32);
            tensor(values.collect::<Vec<f32>>(), filters)
        };
        let statistics = statistics
            .iter()
            .zip(filters)
            .map(|(s, filters)| Ok((channel(&s.mean, filters)?, channel(&s.variance, filters)?)))
            .collect::<Result<_, KernelError>>()?;
        Ok(ConvBlocksTraining { output, statistics })
    }

    /// Runs the blocks on `x` with given statistics, without dropout and without gradients.
    pub(super) fn evaluate(
        &self,
        x: &Tensor,
        packed: &Tensor,
        statistics: &[(&Tensor, &Tensor)],
    ) -> Result<Tensor, KernelError> {
        let statistics = self
            .blocks
            .iter()
            .zip(statistics)
            .map(|(block, (mean, variance))| {
                Statistics::given(&block.layer, mean, variance, block.epsilon)
            })
            .collect::<Result<_, _>>()?;
        let y = with_elements::<f32, _>(OPERATION, x, |x| {
            with_elements::<f32, _>(OPERATION, packed, |packed| {
                let mut passed = self.forward(x, packed, Some(statistics));
                self.output(&mut passed, false)
            })
        })??;
        Ok(tensor(y, self.output_shape())?)
    }

    fn output_shape(&self) -> (usize, usize, usize, usize) {
        self.blocks.last().map_or((0, 0, 0, 0), |Block { layer, .. }| {
            let (lines, columns) = layer.pooled();
            (layer.batch, lines, columns, layer.shape.filters)
        })
    }

    /// All blocks up to the pooling of the last. With statistics given, nothing is kept for a
    /// backward pass.
    fn forward(&self, x: &[f32], packed: &[f32], given: Option<Vec<Statistics>>) -> Vec<Passed> {
        let training = given.is_none();
        let mut given = given.unwrap_or_default().into_iter();
        let mut passed: Vec<Passed> = Vec::with_capacity(self.blocks.len());
        let mut rest = packed;
        for (position, block) in self.blocks.iter().enumerate() {
            let Block { layer, path, epsilon, .. } = block;
            let split = Split::next(&mut rest, layer);
            let filters = split.pack(layer, *path);
            let (bias, gamma) = (layer.filled(split.bias), layer.filled(split.gamma));
            let parameters = Parameters { filters: &filters, bias: &bias, gamma: &gamma };
            let before = position.checked_sub(1).map(|before| &self.blocks[before]);
            // There is a block before where one has passed.
            let sources = match passed.last_mut().zip(before) {
                Some((passed, before)) => passed.normalised(before, training),
                None => x.chunks_exact(layer.input_sample()).map(Source::Dense).collect(),
            };
            let convolved = layer.convolve_and_pool(*path, sources, parameters, training);
            let statistics = given
                .next()
                .unwrap_or_else(|| Statistics::of_batch(layer, &convolved.sums, *epsilon));
            let (scale, shift) = statistics.scale_and_shift(&split);
            passed.push(Passed { convolved, filters, statistics, scale, shift });
            if !training && position > 0 {
                // Nobody asks for what came before.
                passed.swap_remove(0);
            }
        }
        passed
    }

    /// What the last block makes of its pooled activations.
    fn output(&self, passed: &mut [Passed], training: bool) -> Vec<f32> {
        let (Some(block), Some(passed)) = (self.blocks.last(), passed.last_mut()) else {
            return Vec::new();
        };
        let (lines, columns) = block.layer.pooled();
        let line = columns * block.layer.shape.filters;
        let mut y = vec![0.0; block.layer.batch * lines * line];
        let sources = passed.normalised(block, training);
        y.par_chunks_exact_mut(lines * line).zip(sources).for_each(|(y, source)| {
            if let Source::Pooled(source) = source {
                block.path.run(NormaliseInto { source, y, line });
            }
        });
        y
    }

    /// What the gradient of a block's output goes back through first.
    fn pooled(&self, position: usize) -> Option<Pooled<'_>> {
        let Block { layer, path, mask, .. } = self.blocks.get(position)?;
        let Passed { convolved, statistics, .. } = self.passed.get()?.get(position)?;
        let dropout_scale = mask.as_ref().map_or(1.0, |mask| mask.scale);
        Some(Pooled { layer, path: *path, convolved, statistics, dropout_scale })
    }

    /// Gradients of the input and of the packed parameters.
    fn backward(&self, packed: &[f32], dy: &[f32]) -> Option<(Vec<f32>, Vec<f32>)> {
        let passed = self.passed.get()?;
        let mut splits = Vec::with_capacity(self.blocks.len());
        let mut rest = packed;
        for block in &self.blocks {
            splits.push(Split::next(&mut rest, &block.layer));
        }
        let mut pooled = PooledGradient::of_batch(&self.pooled(self.blocks.len() - 1)?, dy);
        let mut dx = Vec::new();
        let mut of_blocks = Vec::with_capacity(self.blocks.len());
        for (position, (block, passed)) in self.blocks.iter().zip(passed).enumerate().rev() {
            let split = &splits[position];
            let filters = split.pack_backward(&block.layer, block.path);
            let (bias, gamma) = (block.layer.filled(split.bias), block.layer.filled(split.gamma));
            let pass = Backward {
                layer: &block.layer,
                path: block.path,
                convolved: &passed.convolved,
                statistics: &passed.statistics,
                parameters: Parameters { filters: &passed.filters, bias: &bias, gamma: &gamma },
                filters: &filters,
            };
            let before = match position.checked_sub(1) {
                Some(before) => Some(self.pooled(before)?),
                None => None,
            };
            let gradients = pass.run(&pooled, before.as_ref());
            of_blocks.push(gradients.parameters);
            match gradients.input {
                BlockInput::Dense(input) => dx = input,
                BlockInput::Pooled(before) => pooled = before,
            }
        }
        let mut dpacked = Vec::with_capacity(packed.len());
        for Gradients { weight, bias, gamma, beta } in of_blocks.into_iter().rev() {
            for part in [weight, bias, gamma, beta] {
                dpacked.extend(part);
            }
        }
        Some((dx, dpacked))
    }
}

impl Passed {
    /// Each sample of the pooled activations, on its way through normalisation and dropout.
    fn normalised(&mut self, block: &Block, training: bool) -> Vec<Source<'_>> {
        let layer = &block.layer;
        let (lines, columns) = layer.pooled();
        let sample = lines * columns * layer.shape.filters;
        let (scale, shift) = (&self.scale[..], &self.shift[..]);
        let Convolved { pooled, positions, .. } = &mut self.convolved;
        pooled
            .chunks_exact(layer.pooled_sample())
            .zip(positions.chunks_exact_mut(layer.pooled_sample()))
            .enumerate()
            .map(|(index, (pooled, positions))| {
                Source::Pooled(NormaliseSample {
                    channels: layer.shape.filters,
                    padded: layer.outputs.padded(),
                    columns,
                    pooled,
                    scale,
                    shift,
                    mask: block.mask.filter(|_| training),
                    positions,
                    first: index * sample,
                })
            })
            .collect()
    }
}

/// The output of one sample of the last block, `[line, column, channel]`.
struct NormaliseInto<'a> {
    source: NormaliseSample<'a>,
    y: &'a mut [f32],
    /// Numbers of a line.
    line: usize,
}

impl pulp::WithSimd for NormaliseInto<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: pulp::Simd>(self, _: S) {
        let Self { source, y, line } = self;
        source.run(|number, values| {
            y[number * line..(number + 1) * line].copy_from_slice(values);
        });
    }
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
    /// Takes a block's parameters off the front of all.
    fn next(packed: &mut &'a [f32], layer: &Layer) -> Self {
        let mut take = |length: usize| {
            let (part, rest) = packed.split_at(length);
            *packed = rest;
            part
        };
        let filters = layer.shape.filters;
        Self {
            weight: take(layer.shape.len()),
            bias: take(filters),
            gamma: take(filters),
            beta: take(filters),
        }
    }

    fn pack(&self, layer: &Layer, path: Path) -> Filters {
        let panel = path.run(PanelWidth);
        Filters::new(layer.method, self.weight, layer.shape, Direction::Forward, panel)
    }

    fn pack_backward(&self, layer: &Layer, path: Path) -> BackwardFilters {
        let FilterShape { filters, channels, taps } = layer.shape;
        if layer.inputs.lanes == GROUP {
            let (panel, direction) = (path.run(PanelWidth), Direction::Backward);
            let packed = Filters::new(layer.method, self.weight, layer.shape, direction, panel);
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

    /// `scale * x + shift` normalises `x`, of each channel.
    fn scale_and_shift(&self, parameters: &Split) -> (Vec<f32>, Vec<f32>) {
        let channels = parameters.gamma.iter().zip(parameters.beta);
        channels
            .zip(self.inverse_deviation.iter().zip(&self.mean))
            .map(|((&gamma, &beta), (inverse, mean))| {
                let factor = f64::from(gamma) * inverse;
                (factor as f32, (f64::from(beta) - factor * mean) as f32)
            })
            .unzip()
    }

    fn new(mean: Vec<f64>, variance: Vec<f64>, epsilon: f64) -> Self {
        let inverse_deviation =
            variance.iter().map(|variance| 1.0 / (variance + epsilon).sqrt()).collect();
        Self { mean, variance, inverse_deviation }
    }
}

impl CustomOp2 for Stack {
    fn name(&self) -> &'static str {
        OPERATION
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        packed: &CpuStorage,
        packed_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = elements::<f32>(OPERATION, x, x_layout)?;
        let packed = elements::<f32>(OPERATION, packed, packed_layout)?;
        let mut passed = self.forward(x, packed, None);
        let y = self.output(&mut passed, true);
        // A second forward pass of the same node would find the same.
        let statistics = passed.iter().map(|passed| passed.statistics.clone()).collect();
        let _ = self.statistics.set(statistics);
        let _ = self.passed.set(passed);
        Ok(result(y, self.output_shape()))
    }

    fn bwd(
        &self,
        x: &Tensor,
        packed: &Tensor,
        _: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>)> {
        let gradients = with_elements::<f32, _>(OPERATION, packed, |packed| {
            with_elements::<f32, _>(OPERATION, dy, |dy| self.backward(packed, dy))
        })??;
        let Some((dx, dpacked)) = gradients else {
            return Err(candle_core::Error::BackwardNotSupported { op: OPERATION });
        };
        let length = dpacked.len();
        Ok((Some(tensor(dx, x.shape())?), Some(tensor(dpacked, length)?)))
    }
}
