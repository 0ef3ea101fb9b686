//! Normalisation of each channel over all other axes.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp3, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::KernelError;
use crate::element::Element;
use crate::operand::{
    check_input, check_operand, element_type_error, elements, result, shape_error, tensor,
    with_elements,
};
use crate::sums::{sum_of, sum_of_pairs};

const OPERATION: &str = "batch_norm";

/// What [`batch_norm_train`] returns.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BatchNormTraining {
    /// The normalised input, of the input's shape.
    pub output: Tensor,
    /// The batch's mean, `[channel]`. No gradient flows through it.
    pub mean: Tensor,
    /// The batch's biased variance (divided by the number of values), `[channel]`. No gradient
    /// flows through it.
    pub variance: Tensor,
}

/// Batch normalisation by the batch's own mean and variance.
///
/// Axis 1 of `x` is the channel: `[batch, channel, mel, frame]` in a convolutional block, `[batch,
/// mel, frame]` where each mel band is a channel of its own. `gamma` and `beta` are `[channel]`.
/// Computes `gamma (x - mean) / sqrt(variance + epsilon) + beta`; the statistics are summed in
/// double precision, and the gradient flows through them.
///
/// # Errors
/// When a shape does not fit, `epsilon` is not a positive number, or a tensor is not f32 or f64 in
/// main memory.
pub fn batch_norm_train(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    epsilon: f64,
) -> Result<BatchNormTraining, KernelError> {
    let x = x.contiguous()?;
    let (normalisation, moments) = Normalisation::by_batch(&x, gamma, beta, epsilon)?;
    let output = x.apply_op3(&gamma.contiguous()?, &beta.contiguous()?, normalisation)?;
    let [mean, variance] = moments;
    Ok(BatchNormTraining { output, mean, variance })
}

/// Batch normalisation by given statistics, such as running averages: they are constants to the
/// gradient.
///
/// Shapes as in [`batch_norm_train`]; `mean` and `variance` are `[channel]`.
///
/// # Errors
/// As [`batch_norm_train`].
pub fn batch_norm_eval(
    x: &Tensor,
    gamma: &Tensor,
    beta: &Tensor,
    mean: &Tensor,
    variance: &Tensor,
    epsilon: f64,
) -> Result<Tensor, KernelError> {
    let normalisation = Normalisation::by_given(x, gamma, beta, [mean, variance], epsilon)?;
    let (gamma, beta) = (gamma.contiguous()?, beta.contiguous()?);
    Ok(x.contiguous()?.apply_op3(&gamma, &beta, normalisation)?)
}

/// `[outer, channel, inner]`: what any shape with the channel on axis 1 comes to.
#[derive(Clone, Copy)]
pub(crate) struct Axes {
    outer: usize,
    pub(crate) channels: usize,
    pub(crate) inner: usize,
}

impl Axes {
    fn of(x: &Tensor, gamma: &Tensor, beta: &Tensor, epsilon: f64) -> Result<Self, KernelError> {
        check_input(OPERATION, x)?;
        let &[outer, channels, ref inner @ ..] = x.dims() else {
            return Err(empty_or_flat(x));
        };
        if x.elem_count() == 0 {
            return Err(empty_or_flat(x));
        }
        check_operand(OPERATION, x, "gamma", gamma, &[channels])?;
        check_operand(OPERATION, x, "beta", beta, &[channels])?;
        if !(epsilon > 0.0 && epsilon.is_finite()) {
            return Err(KernelError::Parameter {
                operation: OPERATION,
                parameter: "epsilon",
                expected: "positive",
                got: epsilon,
            });
        }
        Ok(Self { outer, channels, inner: inner.iter().product() })
    }

    /// A channel's values, a slice for each batch item.
    fn channel<'a, T>(
        &self,
        x: &'a [T],
        channel: usize,
    ) -> impl Iterator<Item = &'a [T]> + use<'a, T> {
        self.channel_of(x, self.inner, channel)
    }

    /// The same of a tensor that has `inner` values for each batch item and channel.
    pub(crate) fn channel_of<'a, T>(
        &self,
        x: &'a [T],
        inner: usize,
        channel: usize,
    ) -> impl Iterator<Item = &'a [T]> + use<'a, T> {
        x.chunks_exact(inner).skip(channel).step_by(self.channels)
    }

    /// Values that a channel has in a batch.
    fn count(&self) -> f64 {
        (self.outer * self.inner) as f64
    }

    /// Mean and biased variance of each channel; two passes, so that nothing cancels.
    fn moments<T: Element>(&self, x: &[T]) -> (Vec<f64>, Vec<f64>) {
        (0..self.channels)
            .into_par_iter()
            .map(|channel| {
                let sum: f64 = self.channel(x, channel).map(|x| sum_of(x, |x| x)).sum();
                let mean = sum / self.count();
                let squares: f64 =
                    self.channel(x, channel).map(|x| sum_of(x, |x| (x - mean) * (x - mean))).sum();
                (mean, squares / self.count())
            })
            .unzip()
    }
}

fn empty_or_flat(x: &Tensor) -> KernelError {
    shape_error(OPERATION, "input", "[batch, channel, ...] with no empty axis", x)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// The statistics are the input's own: they change with it.
    Batch,
    /// The statistics are constants.
    Given,
}

/// The statistics to normalise by.
pub(crate) struct Normalisation {
    pub(crate) axes: Axes,
    pub(crate) mean: Vec<f64>,
    pub(crate) inverse_deviation: Vec<f64>,
    origin: Origin,
}

/// What the gradient of a channel's input is computed from.
#[derive(Clone, Copy)]
pub(crate) struct Slopes<T> {
    scale: T,
    mean: T,
    /// How much a change of any value moves all of the channel, by way of the mean and of the
    /// deviation.
    common: T,
    tilt: T,
}

impl<T: Element> Slopes<T> {
    /// The gradient of an input for the gradient of its own output.
    #[inline]
    pub(crate) fn input_gradient(self, x: T, dy: T) -> T {
        self.scale * ((dy - self.common) - (x - self.mean) * self.tilt)
    }
}

impl Normalisation {
    /// By the mean and variance of `x` (contiguous), which are returned too.
    pub(crate) fn by_batch(
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        epsilon: f64,
    ) -> Result<(Self, [Tensor; 2]), KernelError> {
        let axes = Axes::of(x, gamma, beta, epsilon)?;
        let (mean, variance) = match x.dtype() {
            DType::F32 => with_elements::<f32, _>(OPERATION, x, |x| axes.moments(x))?,
            _ => with_elements::<f64, _>(OPERATION, x, |x| axes.moments(x))?,
        };
        let statistic =
            |values: &[f64]| tensor(values.to_vec(), axes.channels)?.to_dtype(x.dtype());
        let moments = [statistic(&mean)?, statistic(&variance)?];
        Ok((Self::new(axes, mean, &variance, epsilon, Origin::Batch), moments))
    }

    /// By a given mean and variance.
    pub(crate) fn by_given(
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        moments: [&Tensor; 2],
        epsilon: f64,
    ) -> Result<Self, KernelError> {
        let axes = Axes::of(x, gamma, beta, epsilon)?;
        let [mean, variance] = moments;
        check_operand(OPERATION, x, "mean", mean, &[axes.channels])?;
        check_operand(OPERATION, x, "variance", variance, &[axes.channels])?;
        let values = |moment: &Tensor| moment.to_dtype(DType::F64)?.to_vec1::<f64>();
        Ok(Self::new(axes, values(mean)?, &values(variance)?, epsilon, Origin::Given))
    }

    fn new(axes: Axes, mean: Vec<f64>, variance: &[f64], epsilon: f64, origin: Origin) -> Self {
        let inverse_deviation = variance.iter().map(|v| 1.0 / (v + epsilon).sqrt()).collect();
        Self { axes, mean, inverse_deviation, origin }
    }

    /// Normalises values of one channel.
    pub(crate) fn apply<T: Element>(
        &self,
        channel: usize,
        gamma: T,
        beta: T,
        x: &[T],
        y: &mut [T],
    ) {
        let mean = T::from_f64(self.mean[channel]);
        let scale = T::from_f64(self.inverse_deviation[channel] * gamma.to_f64());
        for (y, &x) in y.iter_mut().zip(x) {
            *y = (x - mean) * scale + beta;
        }
    }

    /// For one channel, given the gradients of its gamma and beta.
    pub(crate) fn slopes<T: Element>(
        &self,
        channel: usize,
        gamma: T,
        dgamma: f64,
        dbeta: f64,
    ) -> Slopes<T> {
        let inverse_deviation = self.inverse_deviation[channel];
        let share = match self.origin {
            Origin::Batch => 1.0 / self.axes.count(),
            Origin::Given => 0.0,
        };
        Slopes {
            scale: T::from_f64(inverse_deviation * gamma.to_f64()),
            mean: T::from_f64(self.mean[channel]),
            common: T::from_f64(dbeta * share),
            tilt: T::from_f64(inverse_deviation * dgamma * share),
        }
    }

    fn forward<T: Element>(
        &self,
        x: (&CpuStorage, &Layout),
        gamma: (&CpuStorage, &Layout),
        beta: (&CpuStorage, &Layout),
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let shape = x.1.shape().clone();
        let x = elements::<T>(OPERATION, x.0, x.1)?;
        let gamma = elements::<T>(OPERATION, gamma.0, gamma.1)?;
        let beta = elements::<T>(OPERATION, beta.0, beta.1)?;
        let mut y = vec![T::zero(); x.len()];
        let inner = self.axes.inner;
        y.par_chunks_mut(inner).zip(x.par_chunks(inner)).enumerate().for_each(|(row, (y, x))| {
            let channel = row % self.axes.channels;
            self.apply(channel, gamma[channel], beta[channel], x, y);
        });
        Ok(result(y, shape))
    }

    /// The gradients of gamma (sum of `dy` times the normalised input) and beta (sum of `dy`).
    fn parameter_gradients<T: Element>(&self, x: &[T], dy: &[T]) -> (Vec<f64>, Vec<f64>) {
        (0..self.axes.channels)
            .into_par_iter()
            .map(|channel| {
                let mean = self.mean[channel];
                let pairs = self.axes.channel(x, channel).zip(self.axes.channel(dy, channel));
                let (mut products, mut sum) = (0.0, 0.0);
                for (x, dy) in pairs {
                    products += sum_of_pairs(x, dy, |x, dy| (x - mean) * dy);
                    sum += sum_of(dy, |dy| dy);
                }
                (products * self.inverse_deviation[channel], sum)
            })
            .unzip()
    }

    fn input_gradient<T: Element>(
        &self,
        x: &[T],
        gamma: &[T],
        dy: &[T],
        dgamma: &[f64],
        dbeta: &[f64],
    ) -> Vec<T> {
        let mut dx = vec![T::zero(); x.len()];
        let inner = self.axes.inner;
        dx.par_chunks_mut(inner)
            .zip(x.par_chunks(inner).zip(dy.par_chunks(inner)))
            .enumerate()
            .for_each(|(row, (dx, (x, dy)))| {
                let channel = row % self.axes.channels;
                let slopes = self.slopes(channel, gamma[channel], dgamma[channel], dbeta[channel]);
                for (dx, (&x, &dy)) in dx.iter_mut().zip(x.iter().zip(dy)) {
                    *dx = slopes.input_gradient(x, dy);
                }
            });
        dx
    }

    fn backward<T: Element>(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        dy: &Tensor,
    ) -> candle_core::Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dgamma, dbeta) = with_elements::<T, _>(OPERATION, x, |x| {
            with_elements::<T, _>(OPERATION, gamma, |gamma| {
                with_elements::<T, _>(OPERATION, dy, |dy| {
                    let (dgamma, dbeta) = self.parameter_gradients(x, dy);
                    (self.input_gradient(x, gamma, dy, &dgamma, &dbeta), dgamma, dbeta)
                })
            })
        })???;
        let (dgamma, dbeta) = (parameter_gradient::<T>(&dgamma)?, parameter_gradient::<T>(&dbeta)?);
        Ok((Some(tensor(dx, x.shape())?), Some(dgamma), Some(dbeta)))
    }
}

/// A gradient that was summed in double precision, as a tensor of the operands' type.
pub(crate) fn parameter_gradient<T: Element>(gradient: &[f64]) -> candle_core::Result<Tensor> {
    let gradient: Vec<T> = gradient.iter().map(|&g| T::from_f64(g)).collect();
    let channels = gradient.len();
    tensor(gradient, channels)
}

impl CustomOp3 for Normalisation {
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
            DType::F32 => self.backward::<f32>(x, gamma, dy),
            DType::F64 => self.backward::<f64>(x, gamma, dy),
            other => Err(element_type_error(OPERATION, other)),
        }
    }
}
