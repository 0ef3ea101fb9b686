//! A block forward: convolution, activation, statistics and pooling in one pass; then, when the
//! statistics are known, normalisation and dropout of what pooling has left.

use std::ops::Range;

use pulp::{Simd, WithSimd};
use rayon::prelude::*;

use super::layer::{Layer, fill_line, zero_margins};
use super::method::Filters;
use super::planes::{Destination, GROUP, SLACK};
use crate::buffers::Buffer;
use crate::dropout::Mask;
use crate::path::Path;

/// The bit of a position that says: dropped.
pub(crate) const DROPPED: u8 = 0x80;

/// What the first pass leaves of a batch.
#[derive(Debug)]
pub(crate) struct Convolved {
    /// The input in planes.
    pub(crate) input: Buffer,
    /// The activations in planes, where they are kept.
    pub(crate) activations: Option<Buffer>,
    /// `[sample, line, column, channel]`: the pooled activations.
    pub(crate) pooled: Buffer,
    /// Which pixel of its window each of them was.
    pub(crate) positions: Vec<u8>,
    /// Each channel's sum and sum of squares over the batch.
    pub(crate) sums: Vec<f64>,
}

/// What a convolution needs beside its input.
#[derive(Clone, Copy)]
pub(crate) struct Parameters<'a> {
    pub(crate) filters: &'a Filters,
    /// Filled up to whole groups, as is `gamma`.
    pub(crate) bias: &'a [f32],
    pub(crate) gamma: &'a [f32],
}

impl Layer {
    /// Numbers of a sample's activations.
    pub(crate) fn activation_sample(&self) -> usize {
        self.outputs.count * self.activation_plane()
    }

    /// Numbers of one group's activations of a sample.
    pub(crate) fn activation_plane(&self) -> usize {
        self.lines_plane(self.planes.height)
    }

    /// Numbers of one group's activations in so many lines.
    pub(crate) fn lines_plane(&self, lines: usize) -> usize {
        (lines * self.planes.pitch + SLACK) * GROUP
    }

    /// The first pass, of each sample. Where it is not for training, activations and sums are not
    /// asked for.
    pub(crate) fn convolve_and_pool(
        &self,
        path: Path,
        sources: Vec<Source>,
        parameters: Parameters,
        training: bool,
    ) -> Convolved {
        let keep = training && self.keeps_activations();
        let (input_sample, activation_sample) =
            (self.inputs.sample(&self.planes), self.activation_sample());
        let mut input = Buffer::take(self.batch * input_sample);
        let mut activations = keep.then(|| Buffer::take(self.batch * activation_sample));
        let mut pooled = Buffer::take(self.batch * self.pooled_sample());
        let mut positions = vec![0; pooled.len()];
        let channels = self.outputs.padded();
        let mut sums = vec![0.0; self.batch * 2 * channels];
        let mut kept: Vec<Option<&mut [f32]>> = match &mut activations {
            Some(all) => all.chunks_exact_mut(activation_sample).map(Some).collect(),
            None => (0..self.batch).map(|_| None).collect(),
        };
        sources
            .into_par_iter()
            .zip(input.par_chunks_exact_mut(input_sample))
            .zip(pooled.par_chunks_exact_mut(self.pooled_sample()))
            .zip(positions.par_chunks_exact_mut(self.pooled_sample()))
            .zip(sums.par_chunks_exact_mut(2 * channels))
            .zip(&mut kept)
            .for_each(|(((((source, input), pooled), positions), sums), activations)| {
                path.run(ConvolveSample {
                    layer: self,
                    source,
                    parameters,
                    input,
                    activations: activations.as_deref_mut(),
                    pooled,
                    positions,
                    sums: training.then_some(sums),
                });
            });
        let mut total = vec![0.0; 2 * channels];
        for sums in sums.chunks_exact(2 * channels) {
            for (total, sum) in total.iter_mut().zip(sums) {
                *total += sum;
            }
        }
        Convolved { input, activations, pooled, positions, sums: total }
    }

    /// Activations are kept from the forward pass for the backward pass, unless they are cheaper to
    /// compute again: those of few channels.
    pub(crate) fn keeps_activations(&self) -> bool {
        self.inputs.lanes == GROUP
    }

    /// Activations of some lines of one sample.
    #[inline(always)]
    pub(crate) fn activations_of<S: Simd>(
        &self,
        simd: S,
        input: &[f32],
        parameters: Parameters,
        lines: Range<usize>,
        destination: &mut Destination,
        sums: Option<&mut [f64]>,
    ) {
        let count = lines.len();
        parameters.filters.convolve(simd, input, &self.planes, self.inputs, lines, destination);
        self.activate(simd, parameters.bias, count, destination, sums);
    }
}

/// Where a sample of a block's input comes from.
pub(crate) enum Source<'a> {
    /// `[line, column, channel]`
    Dense(&'a [f32]),
    /// From what the block before it has pooled.
    Pooled(NormaliseSample<'a>),
}

struct ConvolveSample<'a> {
    layer: &'a Layer,
    source: Source<'a>,
    parameters: Parameters<'a>,
    input: &'a mut [f32],
    activations: Option<&'a mut [f32]>,
    pooled: &'a mut [f32],
    positions: &'a mut [u8],
    sums: Option<&'a mut [f64]>,
}

impl WithSimd for ConvolveSample<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { layer, source, parameters, input, activations, pooled, positions, mut sums } =
            self;
        let planes = &layer.planes;
        for plane in input.chunks_exact_mut(planes.length * layer.inputs.lanes) {
            zero_margins(planes, layer.inputs.lanes, plane);
        }
        match source {
            Source::Dense(x) => {
                let lines = x.chunks_exact(planes.width * layer.shape.channels);
                for (line, from) in lines.enumerate() {
                    fill_line(line, from, layer.inputs, planes, input);
                }
            }
            Source::Pooled(sample) => {
                sample.run(|line, from| fill_line(line, from, layer.inputs, planes, input));
            }
        }
        let (_, columns) = layer.pooled();
        let row = columns * layer.outputs.padded();
        let mut own;
        let (values, plane, kept) = if let Some(values) = activations {
            (values, layer.activation_plane(), true)
        } else {
            let plane = layer.lines_plane(layer.band_lines());
            own = Buffer::take(layer.outputs.count * plane);
            (&mut own[..], plane, false)
        };
        let mut pooled = pooled.chunks_exact_mut(row).zip(positions.chunks_exact_mut(row));
        let mut destination = Destination { values, plane, offset: 0 };
        let line = planes.pitch * GROUP;
        for band in layer.bands() {
            if kept {
                destination.offset = band.start * line;
            }
            let windows = band.len() / layer.pool.0;
            let sums = sums.as_deref_mut();
            layer.activations_of(simd, input, parameters, band, &mut destination, sums);
            for (window, (pooled, positions)) in pooled.by_ref().take(windows).enumerate() {
                let offset = destination.offset + window * layer.pool.0 * line;
                let activations = (&destination, offset);
                layer.pool_row(simd, parameters.gamma, activations, pooled, positions);
            }
        }
    }
}

/// The second pass over one sample: `scale * pooled + shift`, then dropout.
pub(crate) struct NormaliseSample<'a> {
    pub(crate) channels: usize,
    /// Channels with those that fill the last group.
    pub(crate) padded: usize,
    /// Of the pooled activations.
    pub(crate) columns: usize,
    pub(crate) pooled: &'a [f32],
    /// Of each channel.
    pub(crate) scale: &'a [f32],
    pub(crate) shift: &'a [f32],
    pub(crate) mask: Option<Mask>,
    pub(crate) positions: &'a mut [u8],
    /// Number of the sample's first element in the batch.
    pub(crate) first: usize,
}

impl NormaliseSample<'_> {
    /// Hands each line, `[column, channel]`, to `put`.
    #[inline(always)]
    pub(crate) fn run(self, mut put: impl FnMut(usize, &[f32])) {
        let Self { channels, padded, columns, mask, .. } = self;
        let mut line = vec![0.0; columns * channels];
        let mut words = vec![0; columns * channels];
        let lines = self
            .pooled
            .chunks_exact(columns * padded)
            .zip(self.positions.chunks_exact_mut(columns * padded));
        for (number, (pooled, positions)) in lines.enumerate() {
            for (y, pooled) in line.chunks_exact_mut(channels).zip(pooled.chunks_exact(padded)) {
                let constants = self.scale.iter().zip(self.shift);
                for ((y, &pooled), (&scale, &shift)) in y.iter_mut().zip(pooled).zip(constants) {
                    *y = scale * pooled + shift;
                }
            }
            if let Some(mask) = mask {
                mask.words(self.first + number * columns * channels, &mut words);
                let pixels =
                    line.chunks_exact_mut(channels).zip(positions.chunks_exact_mut(padded));
                for ((y, positions), words) in pixels.zip(words.chunks_exact(channels)) {
                    for ((y, position), &word) in y.iter_mut().zip(positions).zip(words) {
                        let kept = mask.keeps(word);
                        *y = if kept { *y * mask.scale } else { 0.0 };
                        *position |= if kept { 0 } else { DROPPED };
                    }
                }
            }
            put(number, &line);
        }
    }
}
