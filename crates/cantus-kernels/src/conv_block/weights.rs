//! Filters in the order in which the convolution reads them.

use std::ops::Range;

use rayon::prelude::*;

use super::planes::Groups;
use crate::buffers::Buffer;

/// Which way a convolution goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From channels to filters.
    Forward,
    /// From the filters' gradients back to the channels': the kernel turned by half a circle.
    Backward,
}

/// Sizes of a bank of filters, `[filter, channel, tap]` in C order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FilterShape {
    pub(crate) filters: usize,
    pub(crate) channels: usize,
    pub(crate) taps: usize,
}

impl FilterShape {
    pub(crate) fn len(&self) -> usize {
        self.filters * self.channels * self.taps
    }

    /// The grouping of what is read and of what is written.
    pub(crate) fn groups(&self, direction: Direction) -> (Groups, Groups) {
        match direction {
            Direction::Forward => {
                (Groups::of_input(self.channels), Groups::of_output(self.filters))
            }
            Direction::Backward => {
                (Groups::of_output(self.filters), Groups::of_output(self.channels))
            }
        }
    }

    /// Where the weight between two channels lies, seen in a direction.
    pub(crate) fn position(
        &self,
        direction: Direction,
        output: usize,
        input: usize,
        tap: usize,
    ) -> usize {
        match direction {
            Direction::Forward => (output * self.channels + input) * self.taps + tap,
            Direction::Backward => {
                (input * self.channels + output) * self.taps + (self.taps - 1 - tap)
            }
        }
    }

    /// How far it is from there to the weight of the next output.
    fn next_output(&self, direction: Direction) -> usize {
        match direction {
            Direction::Forward => self.channels * self.taps,
            Direction::Backward => self.taps,
        }
    }
}

/// A bank of filters packed for [`direct::convolve`](super::direct::convolve):
/// `[panel of outputs][group of inputs][tap][input in the group][output in the panel]`, channels
/// that do not exist as zeros.
#[derive(Debug)]
pub(crate) struct PackedFilters {
    values: Buffer,
    panel: usize,
    /// Numbers that one output channel takes.
    per_output: usize,
    outputs: usize,
}

impl PackedFilters {
    /// Packs `weight` into panels of at most `panel` outputs.
    pub(crate) fn new(
        weight: &[f32],
        shape: FilterShape,
        direction: Direction,
        panel: usize,
    ) -> Self {
        let (inputs, outputs) = shape.groups(direction);
        let next_output = shape.next_output(direction);
        let per_output = inputs.padded() * shape.taps;
        let mut packed = Self {
            values: Buffer::zeros(per_output * outputs.padded()),
            panel,
            per_output,
            outputs: outputs.padded(),
        };
        packed.values.par_chunks_mut(per_output * panel).enumerate().for_each(|(index, values)| {
            let first = index * panel;
            let width = values.len() / per_output;
            let mut values = values.chunks_exact_mut(width);
            for group in 0..inputs.count {
                for tap in 0..shape.taps {
                    for lane in 0..inputs.lanes {
                        let (input, Some(values)) = (group * inputs.lanes + lane, values.next())
                        else {
                            return;
                        };
                        if input < inputs.channels && first < outputs.channels {
                            let start = shape.position(direction, first, input, tap);
                            let weights = weight[start..].iter().step_by(next_output);
                            let here = outputs.channels - first;
                            for (value, &weight) in values.iter_mut().zip(weights).take(here) {
                                *value = weight;
                            }
                        }
                    }
                }
            }
        });
        packed
    }

    /// The outputs of each panel, and their weights.
    pub(crate) fn panels(&self) -> impl Iterator<Item = (Range<usize>, &[f32])> {
        self.values.chunks(self.per_output * self.panel).enumerate().map(|(index, values)| {
            let first = index * self.panel;
            (first..(first + self.panel).min(self.outputs), values)
        })
    }
}
