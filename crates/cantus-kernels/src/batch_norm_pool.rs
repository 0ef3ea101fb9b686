//! Batch normalisation and max pooling in one: the normalised planes are never stored.

use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::KernelError;
use crate::batch_norm::{BatchNormTraining, Normalisation, parameter_gradient};
use crate::element::Element;
use crate::operand::{element_type_error, elements, result, tensor, with_elements};
use crate::windows::Windows;

const OPERATION: &str = "batch_norm_max_pool2d";

/// [`batch_norm_train`](crate::batch_norm_train) followed by [`max_pool2d`](crate::max_pool2d): the
/// same output, with one tensor of the input's size less to store, and two less backward.
///
/// # Errors
/// As the two.
pub fn batch_norm_max_pool2d_train(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    epsilon: f64,
    window: (usize, usize),
) -> Result<BatchNormTraining, KernelError> {
    let windows = Windows::of(OPERATION, x, window)?;
    let x = x.contiguous()?;
    let (normalisation, [mean, variance]) = Normalisation::by_batch(&x, gamma, beta, epsilon)?;
    let operation = NormalisedPool { normalisation, windows, maxima: OnceLock::new() };
    let output = x.apply_op3(&gamma.contiguous()?, &beta.contiguous()?, operation)?;
    Ok(BatchNormTraining { output, mean, variance })
}

/// [`batch_norm_eval`](crate::batch_norm_eval) followed by [`max_pool2d`](crate::max_pool2d).
///
/// # Errors
/// As the two.
pub fn batch_norm_max_pool2d_eval(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    epsilon: f64,
    window: (usize, usize),
) -> Result<Tensor, KernelError> {
    let windows = Windows::of(OPERATION, x, window)?;
    let normalisation = Normalisation::by_given(x, gamma, beta, [mean, variance], epsilon)?;
    let operation = NormalisedPool { normalisation, windows, maxima: OnceLock::new() };
    let (gamma, beta) = (gamma.contiguous()?, beta.contiguous()?);
    Ok(x.contiguous()?.apply_op3(&gamma, &beta, operation)?)
}

struct NormalisedPool {
    normalisation: Normalisation,
    windows: Windows,
    /// Where in its plane each output's maximum lies; written by the forward pass.
    maxima: OnceLock<Vec<u32>>,
}

impl NormalisedPool {
    fn forward<T: Element>(
        &self,
        x: (&CpuStorage, &Layout),
        gamma: (&CpuStorage, &Layout),
        beta: (&CpuStorage, &Layout),
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (batch, channels, _, _) = x.1.shape().dims4()?;
        let x = elements::<T>(OPERATION, x.0, x.1)?;
        let gamma = elements::<T>(OPERATION, gamma.0, gamma.1)?;
        let beta = elements::<T>(OPERATION, beta.0, beta.1)?;
        let (plane, pooled) = (self.windows.plane(), self.windows.pooled_plane());
        let mut y = vec![T::zero(); batch * channels * pooled];
        let mut maxima = vec![0u32; y.len()];
        y.par_chunks_mut(pooled)
            .zip(maxima.par_chunks_mut(pooled))
            .zip(x.par_chunks(plane))
            .enumerate()
            .for_each(|(row, ((y, maxima), x))| {
                let channel = row % channels;
                T::with_scratch(plane, |normalised| {
                    self.normalisation.apply(channel, gamma[channel], beta[channel], x, normalised);
                    self.windows.pool_plane(normalised, y, maxima);
                });
            });
        // A second forward pass of the same node would find the same maxima.
        let _ = self.maxima.set(maxima);
        let (rows, columns) = self.windows.count();
        Ok(result(y, (batch, channels, rows, columns)))
    }

    /// As those of the normalisation alone; values that are no maximum have a gradient of zero.
    fn parameter_gradients<T: Element>(
        &self,
        x: &[T],
        dy: &[T],
        maxima: &[u32],
    ) -> (Vec<f64>, Vec<f64>) {
        let Normalisation { axes, mean, inverse_deviation, .. } = &self.normalisation;
        let (plane, pooled) = (self.windows.plane(), self.windows.pooled_plane());
        (0..axes.channels)
            .into_par_iter()
            .map(|channel| {
                let planes = axes.channel_of(x, plane, channel);
                let gradients = axes.channel_of(dy, pooled, channel);
                let maxima = axes.channel_of(maxima, pooled, channel);
                let (mut products, mut sum) = (0.0, 0.0);
                for ((x, dy), maxima) in planes.zip(gradients).zip(maxima) {
                    for (dy, &maximum) in dy.iter().zip(maxima) {
                        let dy = dy.to_f64();
                        products += (x[maximum as usize].to_f64() - mean[channel]) * dy;
                        sum += dy;
                    }
                }
                (products * inverse_deviation[channel], sum)
            })
            .unzip()
    }

    fn backward<T: Element>(
        &self,
        x: &[T],
        gamma: &[T],
        dy: &[T],
        maxima: &[u32],
    ) -> (Vec<T>, Vec<f64>, Vec<f64>) {
        let (dgamma, dbeta) = self.parameter_gradients(x, dy, maxima);
        let (plane, pooled) = (self.windows.plane(), self.windows.pooled_plane());
        let mut dx = vec![T::zero(); x.len()];
        dx.par_chunks_mut(plane)
            .zip(x.par_chunks(plane))
            .zip(dy.par_chunks(pooled).zip(maxima.par_chunks(pooled)))
            .enumerate()
            .for_each(|(row, ((dx, x), (dy, maxima)))| {
                let channel = row % self.normalisation.axes.channels;
                let (dgamma, dbeta) = (dgamma[channel], dbeta[channel]);
                let slopes = self.normalisation.slopes(channel, gamma[channel], dgamma, dbeta);
                for (dx, &x) in dx.iter_mut().zip(x) {
                    *dx = slopes.input_gradient(x, T::zero());
                }
                for (&dy, &maximum) in dy.iter().zip(maxima) {
                    let maximum = maximum as usize;
                    dx[maximum] = slopes.input_gradient(x[maximum], dy);
                }
            });
        (dx, dgamma, dbeta)
    }

    fn backward_tensors<T: Element>(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let Some(maxima) = self.maxima.get() else {
            return Err(candle_core::Error::BackwardNotSupported { op: OPERATION });
        };
        let (dx, dgamma, dbeta) = with_elements::<T, _>(OPERATION, x, |x| {
            with_elements::<T, _>(OPERATION, gamma, |gamma| {
                with_elements::<T, _>(OPERATION, dy, |dy| self.backward(x, gamma, dy, maxima))
            })
        })???;
        let (dgamma, dbeta) = (parameter_gradient::<T>(&dgamma)?, parameter_gradient::<T>(&dbeta)?);
        Ok((Some(tensor(dx, x.shape())?), Some(dgamma), Some(dbeta)))
    }
}

impl CustomOp3 for NormalisedPool {
    fn name(&self) -> &'static str {
        OPERATION
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        gamma: &CpuStorage,
        gamma_layout: &Layout,
        beta: &CpuStorage,
        beta_layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let (x, gamma, beta) = ((x, x_layout), (gamma, gamma_layout), (beta, beta_layout));
        match x.0.dtype() {
            DType::F32 => self.forward::<f32>(x, gamma, beta),
            DType::F64 => self.forward::<f64>(x, gamma, beta),
            other => Err(element_type_error(OPERATION, other)),
        }
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        _beta: &Tensor,
        _y: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        match x.dtype() {
            DType::F32 => self.backward_tensors::<f32>(x, gamma, dy),
            DType::F64 => self.backward_tensors::<f64>(x, gamma, dy),
            other => Err(element_type_error(OPERATION, other)),
        }
    }
}
