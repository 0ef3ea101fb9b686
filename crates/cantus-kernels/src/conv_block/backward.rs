//! A block backward: from the gradient after dropout to those of the input and of all parameters.
//!
//! With `e` the activations, `m` and `r` their mean and inverse deviation over the `N` values of a
//! channel, and `g` the gradient after pooling (zero at every value that was not the largest of its
//! window), batch normalisation gives
//!
//! ```text
//! d beta  = sum g
//! d gamma = sum g (e - m) r
//! d e     = gamma r (g - d beta / N - (e - m) r d gamma / N)
//!         = a g + b e + c
//! ```
//!
//! so that one pass over the activations, with three constants a channel, leads to the gradient of
//! the convolution's result.

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::direct::convolve_to_few;
use super::forward::{Convolved, DROPPED, Parameters};
use super::lanes::{Curve, PanelWidth, WithCurve, multiply_add, vectors};
use super::layer::{Layer, zero_margins};
use super::method::Filters;
use super::planes::{Destination, GROUP};
use super::weight_gradient::{GradientLayout, SampleAndGradient};
use crate::buffers::Buffer;
use crate::element::VANISHING;
use crate::path::Path;

/// The batch is divided into at most so many parts, whatever the number of threads: each part sums
/// its samples' gradients in order, and the parts are summed in order.
const PARTS: usize = 8;

/// Gradients of one block.
pub(crate) struct BlockGradients {
    pub(crate) parameters: Gradients,
    pub(crate) input: BlockInput,
}

/// The gradient of a block's input.
pub(crate) enum BlockInput {
    /// `[sample, line, column, channel]`
    Dense(Vec<f32>),
    /// On its way through the block before.
    Pooled(PooledGradient),
}

/// Gradients of one block's parameters.
#[derive(Debug)]
pub(crate) struct Gradients {
    /// `[filter, channel, tap]`
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Vec<f32>,
}

/// Statistics of the activations, of each channel, groups filled up.
#[derive(Clone, Debug)]
pub(crate) struct Statistics {
    pub(crate) mean: Vec<f64>,
    pub(crate) variance: Vec<f64>,
    pub(crate) inverse_deviation: Vec<f64>,
}

/// The filters on the way back.
pub(crate) enum BackwardFilters {
    /// To whole groups of channels.
    Groups(Filters),
    /// To a few channels: `[channel][tap][filter]`.
    Few(Vec<f32>),
}

/// What the backward pass has to go by.
pub(crate) struct Backward<'a> {
    pub(crate) layer: &'a Layer,
    pub(crate) path: Path,
    pub(crate) convolved: &'a Convolved,
    pub(crate) statistics: &'a Statistics,
    pub(crate) parameters: Parameters<'a>,
    pub(crate) filters: &'a BackwardFilters,
}

/// `a g + b e + c`, of each channel.
struct Slopes {
    a: Vec<f32>,
    b: Vec<f32>,
    c: Vec<f32>,
}

/// What the gradient of a block's output goes back through first: dropout, and the sums of batch
/// normalisation.
#[derive(Clone, Copy)]
pub(crate) struct Pooled<'a> {
    pub(crate) layer: &'a Layer,
    pub(crate) path: Path,
    pub(crate) convolved: &'a Convolved,
    pub(crate) statistics: &'a Statistics,
    /// What dropout multiplies kept values by.
    pub(crate) dropout_scale: f32,
}

/// The gradient before dropout, `[sample, line, column, channel]` with groups filled up, and what
/// each sample adds to the gradients of beta and gamma.
pub(crate) struct PooledGradient {
    values: Buffer,
    /// `[sample][beta or gamma][channel]`
    sums: Vec<f64>,
}

impl PooledGradient {
    fn new(layer: &Layer) -> Self {
        Self {
            values: Buffer::take(layer.batch * layer.pooled_sample()),
            sums: vec![0.0; layer.batch * 2 * layer.outputs.padded()],
        }
    }

    /// From the gradient of a block's output, `[sample, line, column, channel]`.
    pub(crate) fn of_batch(pooled: &Pooled, dy: &[f32]) -> Self {
        let layer = pooled.layer;
        let (lines, columns) = layer.pooled();
        let mut gradient = Self::new(layer);
        dy.par_chunks_exact(lines * columns * layer.outputs.channels)
            .zip(gradient.samples(layer))
            .enumerate()
            .for_each(|(sample, (dy, (values, sums)))| pooled.run(sample, dy, values, sums));
        gradient
    }

    /// The gradient and the sums of each sample.
    fn samples(&mut self, layer: &Layer) -> Vec<(&mut [f32], &mut [f64])> {
        let values = self.values.chunks_exact_mut(layer.pooled_sample());
        values.zip(self.sums.chunks_exact_mut(2 * layer.outputs.padded())).collect()
    }

    /// What beta and gamma get.
    fn totals(&self, layer: &Layer, statistics: &Statistics) -> [Vec<f64>; 2] {
        let padded = layer.outputs.padded();
        let mut total = [vec![0.0; padded], vec![0.0; padded]];
        for sums in self.sums.chunks_exact(2 * padded) {
            for (total, sums) in total.iter_mut().zip(sums.chunks_exact(padded)) {
                for (total, sum) in total.iter_mut().zip(sums) {
                    *total += sum;
                }
            }
        }
        for (sum, inverse) in total[1].iter_mut().zip(&statistics.inverse_deviation) {
            *sum *= inverse;
        }
        total
    }
}

impl Pooled<'_> {
    /// One sample.
    fn run(&self, sample: usize, dy: &[f32], values: &mut [f32], sums: &mut [f64]) {
        let layer = self.layer;
        let of_sample = sample * layer.pooled_sample()..(sample + 1) * layer.pooled_sample();
        self.path.run(PooledGradientSample {
            channels: layer.outputs.channels,
            padded: layer.outputs.padded(),
            columns: layer.pooled().1,
            scale: self.dropout_scale,
            mean: &self.statistics.mean,
            gradient: values,
            dy,
            pooled: &self.convolved.pooled[of_sample.clone()],
            positions: &self.convolved.positions[of_sample],
            sums,
        });
    }
}

/// Where the gradient of one sample's input goes.
enum Target<'a> {
    /// `[line, column, channel]`
    Dense(&'a mut [f32]),
    /// On through the block before: its gradient and its sums.
    Pooled(&'a Pooled<'a>, &'a mut [f32], &'a mut [f64]),
}

impl Backward<'_> {
    /// From the gradient of the block's output to those of its parameters and of its input: the
    /// latter already on its way through the block before, where there is one.
    pub(crate) fn run(&self, gradient: &PooledGradient, before: Option<&Pooled>) -> BlockGradients {
        let layer = self.layer;
        let [dbeta, dgamma] = gradient.totals(layer, self.statistics);
        let slopes = self.slopes(&dbeta, &dgamma);
        let input_sample = layer.input_sample();
        let mut dense = Vec::new();
        let mut pooled = before.map(|before| PooledGradient::new(before.layer));
        let mut targets: Vec<Target> = if let (Some(before), Some(pooled)) = (before, &mut pooled) {
            let samples = pooled.samples(before.layer).into_iter();
            samples.map(|(values, sums)| Target::Pooled(before, values, sums)).collect()
        } else {
            dense = vec![0.0; layer.batch * input_sample];
            dense.chunks_exact_mut(input_sample).map(Target::Dense).collect()
        };
        let samples = layer.batch.div_ceil(PARTS);
        let layout = self.gradient_layout();
        let parts: Vec<(Buffer, Vec<f64>)> = targets
            .par_chunks_mut(samples)
            .enumerate()
            .map(|(part, targets)| {
                let mut weight = Buffer::zeros(layout.len());
                let mut bias = vec![0.0; layer.outputs.padded()];
                let mut dz = Buffer::take(layer.outputs.sample(&layer.planes));
                let mut scratch = None;
                for (number, target) in targets.iter_mut().enumerate() {
                    let sample = part * samples + number;
                    let mut run = |dx: &mut [f32]| {
                        self.path.run(BackwardSample {
                            pass: self,
                            slopes: &slopes,
                            gradient: &gradient.values,
                            sample,
                            dz: &mut dz,
                            dx,
                            weight: &mut weight,
                            bias: &mut bias,
                        });
                    };
                    match target {
                        Target::Pooled(before, values, sums) => {
                            let dx = scratch.get_or_insert_with(|| Buffer::take(input_sample));
                            run(dx);
                            before.run(sample, dx, values, sums);
                        }
                        Target::Dense(dx) => run(dx),
                    }
                }
                (weight, bias)
            })
            .collect();
        drop(targets);
        let input = pooled.map_or(BlockInput::Dense(dense), BlockInput::Pooled);
        let filters = layer.shape.filters;
        let mut bias = vec![0.0; filters];
        for (_, part) in &parts {
            for (sum, part) in bias.iter_mut().zip(part) {
                *sum += part;
            }
        }
        let single = |values: &[f64]| values.iter().map(|&v| v as f32).take(filters).collect();
        let parameters = Gradients {
            weight: self.sum_of_weights(&parts),
            bias: single(&bias),
            gamma: single(&dgamma),
            beta: single(&dbeta),
        };
        BlockGradients { parameters, input }
    }

    fn slopes(&self, dbeta: &[f64], dgamma: &[f64]) -> Slopes {
        let Statistics { mean, inverse_deviation, .. } = self.statistics;
        let values = (self.layer.batch * self.layer.planes.height * self.layer.planes.width) as f64;
        let mut slopes = Slopes { a: Vec::new(), b: Vec::new(), c: Vec::new() };
        for (channel, &gamma) in self.parameters.gamma.iter().enumerate() {
            let (mean, inverse) = (mean[channel], inverse_deviation[channel]);
            let a = f64::from(gamma) * inverse;
            let b = -a * inverse * dgamma[channel] / values;
            slopes.a.push(a as f32);
            slopes.b.push(b as f32);
            slopes.c.push((-a * dbeta[channel] / values - b * mean) as f32);
        }
        slopes
    }

    fn gradient_layout(&self) -> GradientLayout {
        self.layer.method.gradient_layout(self.layer.shape, self.path.run(PanelWidth))
    }

    /// Adds up the parts, and puts them into the order of the weights.
    fn sum_of_weights(&self, parts: &[(Buffer, Vec<f64>)]) -> Vec<f32> {
        let Some((first, others)) = parts.split_first() else { return Vec::new() };
        let mut sum = Buffer::take(first.0.len());
        sum.par_chunks_mut(4096).enumerate().for_each(|(chunk, sum)| {
            let range = chunk * 4096..chunk * 4096 + sum.len();
            sum.copy_from_slice(&first.0[range.clone()]);
            for (part, _) in others {
                for (sum, part) in sum.iter_mut().zip(&part[range.clone()]) {
                    *sum += part;
                }
            }
        });
        self.layer.method.filters_gradient(&sum, self.gradient_layout(), self.layer.shape)
    }
}

struct PooledGradientSample<'a> {
    channels: usize,
    padded: usize,
    columns: usize,
    scale: f32,
    mean: &'a [f64],
    gradient: &'a mut [f32],
    dy: &'a [f32],
    pooled: &'a [f32],
    positions: &'a [u8],
    sums: &'a mut [f64],
}

impl WithSimd for PooledGradientSample<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self { channels, padded, columns, scale, .. } = self;
        let mean: Vec<f32> = self.mean.iter().map(|&mean| mean as f32).collect();
        let (sums, products) = self.sums.split_at_mut(padded);
        let lines = self
            .gradient
            .chunks_exact_mut(columns * padded)
            .zip(self.dy.chunks_exact(columns * channels))
            .zip(self.pooled.chunks_exact(columns * padded))
            .zip(self.positions.chunks_exact(columns * padded));
        for (((gradient, dy), pooled), positions) in lines {
            let pixels = gradient
                .chunks_exact_mut(padded)
                .zip(dy.chunks_exact(channels))
                .zip(pooled.chunks_exact(padded).zip(positions.chunks_exact(padded)));
            for ((gradient, dy), (pooled, positions)) in pixels {
                gradient[channels..].fill(0.0);
                for channel in 0..channels {
                    let kept = positions[channel] & DROPPED == 0;
                    let g = if kept { dy[channel] * scale } else { 0.0 };
                    gradient[channel] = g;
                    sums[channel] += f64::from(g);
                    products[channel] += f64::from(g * (pooled[channel] - mean[channel]));
                }
            }
        }
    }
}

struct BackwardSample<'a> {
    pass: &'a Backward<'a>,
    slopes: &'a Slopes,
    /// Of the whole batch, as is everything in `pass`.
    gradient: &'a [f32],
    sample: usize,
    /// Scratch: the gradient of the convolution's result, in planes.
    dz: &'a mut [f32],
    dx: &'a mut [f32],
    weight: &'a mut [f32],
    bias: &'a mut [f64],
}

impl WithSimd for BackwardSample<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { pass, slopes, gradient, sample, dz, dx, weight, bias } = self;
        let layer = pass.layer;
        let (planes, pitch) = (&layer.planes, layer.planes.pitch);
        let of_sample = |length: usize| sample * length..(sample + 1) * length;
        let input = &pass.convolved.input[of_sample(layer.inputs.sample(planes))];
        let gradient = &gradient[of_sample(layer.pooled_sample())];
        let positions = &pass.convolved.positions[of_sample(layer.pooled_sample())];
        for plane in dz.chunks_exact_mut(planes.length * GROUP) {
            zero_margins(planes, GROUP, plane);
        }
        let mut again = pass
            .convolved
            .activations
            .is_none()
            .then(|| Buffer::take(layer.outputs.count * layer.lines_plane(layer.pool.0)));
        let mut rows = layer.rows().enumerate().peekable();
        let (inputs, filters) = (layer.inputs, layer.outputs);
        let mut done = 0;
        for band in layer.backward_bands() {
            while let Some((row, lines)) = rows.next_if(|(_, lines)| lines.end <= band.end) {
                let (values, plane, offset) = if let Some(values) = &mut again {
                    let plane = layer.lines_plane(layer.pool.0);
                    let mut destination = Destination { values, plane, offset: 0 };
                    let lines = lines.clone();
                    let parameters = pass.parameters;
                    layer.activations_of(simd, input, parameters, lines, &mut destination, None);
                    (&values[..], plane, 0)
                } else {
                    let kept = pass.convolved.activations.as_deref().unwrap_or_default();
                    let values = &kept[of_sample(layer.activation_sample())];
                    (values, layer.activation_plane(), lines.start * pitch * GROUP)
                };
                for group in 0..layer.outputs.count {
                    let start = (group * planes.length + planes.lead + lines.start * pitch) * GROUP;
                    layer.activation.run(ActivationGradient {
                        simd,
                        layer,
                        slopes,
                        values: &values[group * plane + offset..],
                        place: (row, group),
                        gradient,
                        positions,
                        lines: lines.len(),
                        dz: &mut dz[start..],
                        bias: &mut bias[group * GROUP..(group + 1) * GROUP],
                    });
                }
            }
            let is_last = band.end == planes.height;
            let pair = SampleAndGradient { source: input, inputs, dz, filters, planes };
            layer.method.add_weight_gradient(
                simd,
                pair,
                band.clone(),
                pass.gradient_layout(),
                weight,
            );
            // Lines further down are reached into, which the next band computes. Of tiles there are
            // two lines: an even number.
            let reach = planes.reach().next_multiple_of(2);
            let ready = if is_last { band.end } else { band.end.saturating_sub(reach).max(done) };
            let lines = done..ready;
            done = ready;
            if lines.is_empty() {
                continue;
            }
            let of_line = planes.width * layer.shape.channels;
            let dx = &mut dx[lines.start * of_line..lines.end * of_line];
            match pass.filters {
                BackwardFilters::Few(filters) => {
                    let channels = layer.shape.channels;
                    let filters = (&filters[..], channels);
                    convolve_to_few(simd, dz, planes, layer.outputs, filters, lines, dx);
                }
                BackwardFilters::Groups(filters) => {
                    let plane = layer.lines_plane(lines.len());
                    let mut grouped = Buffer::take(layer.inputs.count * plane);
                    let mut destination = Destination { values: &mut grouped, plane, offset: 0 };
                    filters.convolve(simd, dz, planes, layer.outputs, lines, &mut destination);
                    layer.collect_channels(&grouped, plane, dx);
                }
            }
        }
    }
}

impl Layer {
    /// From planes without a lead to `[line, column, channel]`.
    #[inline(always)]
    fn collect_channels(&self, grouped: &[f32], plane: usize, dx: &mut [f32]) {
        let (width, pitch) = (self.planes.width, self.planes.pitch);
        let channels = self.shape.channels;
        for (line, dx) in dx.chunks_exact_mut(width * channels).enumerate() {
            for group in 0..self.inputs.count {
                let start = group * plane + line * pitch * GROUP;
                let from = grouped[start..start + width * GROUP].as_chunks::<GROUP>().0;
                let first = group * GROUP;
                let here = GROUP.min(channels - first);
                for (dx, from) in dx.chunks_exact_mut(channels).zip(from) {
                    if here == GROUP {
                        dx[first..first + GROUP].copy_from_slice(from);
                    } else {
                        dx[first..first + here].copy_from_slice(&from[..here]);
                    }
                }
            }
        }
    }
}

/// The gradient of the convolution's result in one row of windows of one group.
struct ActivationGradient<'a, S> {
    simd: S,
    layer: &'a Layer,
    slopes: &'a Slopes,
    /// The activations, from the first of the row on.
    values: &'a [f32],
    /// Which row of windows, and which group.
    place: (usize, usize),
    gradient: &'a [f32],
    positions: &'a [u8],
    lines: usize,
    /// As `values`; margins are left out.
    dz: &'a mut [f32],
    bias: &'a mut [f64],
}

impl<S: Simd> WithCurve for ActivationGradient<'_, S> {
    #[inline(always)]
    fn with<C: Curve>(self, curve: C) {
        let Self { simd, layer, slopes, place: (row, group), .. } = self;
        let (rows, columns) = layer.pooled();
        let (channels, window) = (layer.outputs.padded(), layer.pool.1);
        let zeros = [0f32; GROUP];
        let vanishing = simd.splat_f32s(VANISHING);
        for vector in 0..vectors::<S>() {
            let first = group * GROUP + vector * S::F32_LANES;
            let [a, b, c] = [&slopes.a, &slopes.b, &slopes.c]
                .map(|slope| S::as_simd_f32s(&slope[first..first + S::F32_LANES]).0[0]);
            for line in 0..self.lines {
                let start = line * layer.planes.pitch * GROUP;
                let range = start..start + layer.planes.width * GROUP;
                let values = S::as_simd_f32s(&self.values[range.clone()]).0;
                let dz = S::as_mut_simd_f32s(&mut self.dz[range]).0;
                let mut sum = simd.splat_f32s(0.0);
                for column in 0..layer.planes.width.div_ceil(window) {
                    let mut positions = [0u32; GROUP];
                    let mut g = &zeros[..S::F32_LANES];
                    if row < rows && column < columns {
                        let start = (row * columns + column) * channels + first;
                        g = &self.gradient[start..start + S::F32_LANES];
                        let here = &self.positions[start..start + S::F32_LANES];
                        for (to, &from) in positions.iter_mut().zip(here) {
                            *to = u32::from(from & !DROPPED);
                        }
                    }
                    let (g, position) = (S::as_simd_f32s(g).0[0], S::as_simd_u32s(&positions).0[0]);
                    let of_column = column * window..layer.planes.width.min((column + 1) * window);
                    for (place, pixel) in of_column.enumerate() {
                        let at = pixel * vectors::<S>() + vector;
                        let index = simd.splat_u32s((line * window + place) as u32);
                        let largest = simd.equal_u32s(position, index);
                        let g = simd.select_f32s(largest, g, simd.splat_f32s(0.0));
                        let de = multiply_add(simd, a, g, multiply_add(simd, b, values[at], c));
                        let d = simd.mul_f32s(de, curve.slope(simd, values[at]));
                        let vanishes = simd.less_than_f32s(simd.abs_f32s(d), vanishing);
                        dz[at] = simd.select_f32s(vanishes, simd.splat_f32s(0.0), d);
                        sum = simd.add_f32s(sum, dz[at]);
                    }
                }
                let mut sums = [0f32; GROUP];
                S::as_mut_simd_f32s(&mut sums).0[0] = sum;
                let bias = &mut self.bias[vector * S::F32_LANES..];
                for (bias, sum) in bias.iter_mut().zip(&sums[..S::F32_LANES]) {
                    *bias += f64::from(*sum);
                }
            }
        }
    }
}
