//! Convolution over time.

use candle_core::Tensor;

use crate::KernelError;
use crate::activation::Activation;
use crate::conv2d::Convolution;
use crate::im2col::Planes;
use crate::operand::{check_input, check_operand, shape_error};

const OPERATION: &str = "conv1d";

/// What [`conv1d`] sees beyond the first and the last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// As many zeros as keep the number of frames, the same number on either side: kernels have an
    /// odd number of taps.
    Same,
    /// Nothing: the kernel stays within the input, and `taps - 1` frames fewer come out.
    Valid,
}

/// Convolution over time (cross-correlation, as everywhere in the field) with stride 1.
///
/// `x` is `[batch, channel, frame]`, `weight` `[filter, channel, tap]`, `bias` `[filter]`; the
/// result is `[batch, filter, frame]`, with as many frames as `padding` leaves.
///
/// It is [`conv2d_same`](crate::conv2d_same) on planes of one line, and what holds there holds
/// here: the backward pass computes all three gradients.
///
/// # Errors
/// When a shape does not fit the others, the number of taps is even for [`Padding::Same`] or larger
/// than that of frames for [`Padding::Valid`], an axis is empty, or a tensor is not f32 or f64 in
/// main memory.
pub fn conv1d(
    x: &Tensor,
    weight: &Tensor,
    bias: &Tensor,
    padding: Padding,
) -> Result<Tensor, KernelError> {
    check_input(OPERATION, x)?;
    let (batch, channels, frames) = match *x.dims() {
        [batch, channels, frames] if x.elem_count() > 0 => (batch, channels, frames),
        [_, _, _] => return Err(shape_error(OPERATION, "input", "no empty axis", x)),
        _ => return Err(shape_error(OPERATION, "input", "[batch, channel, frame]", x)),
    };
    let fits = |taps: usize| match padding {
        Padding::Same => taps % 2 == 1,
        Padding::Valid => (1..=frames).contains(&taps),
    };
    let (filters, taps) = match *weight.dims() {
        [0, _, _] => return Err(shape_error(OPERATION, "weight", "no empty axis", weight)),
        [filters, _, taps] if fits(taps) => (filters, taps),
        _ => {
            let expected = match padding {
                Padding::Same => "[filter, channel, odd]".to_owned(),
                Padding::Valid => format!("[filter, channel, 1 to {frames}]"),
            };
            return Err(shape_error(OPERATION, "weight", expected, weight));
        }
    };
    check_operand(OPERATION, x, "weight", weight, &[filters, channels, taps])?;
    check_operand(OPERATION, x, "bias", bias, &[filters])?;
    let planes = Planes {
        channels,
        height: 1,
        width: frames,
        kernel_height: 1,
        kernel_width: taps,
        padding_height: 0,
        padding_width: if padding == Padding::Same { taps / 2 } else { 0 },
    };
    let activation = Activation::Identity;
    let convolution = Convolution { operation: OPERATION, batch, filters, planes, activation };
    let y = convolution.of(&x.unsqueeze(2)?, &weight.unsqueeze(2)?, bias)?;
    Ok(y.squeeze(2)?)
}
