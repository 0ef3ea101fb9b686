//! Nonlinearities, one number at a time.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::KernelError;
use crate::element::Element;
use crate::operand::{check_input, element_type_error, elements, result, tensor, with_elements};

/// Elements that one task computes.
const BLOCK: usize = 16 * 1024;

/// A nonlinearity after a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Activation {
    /// None: `x`.
    Identity,
    /// The rectified linear unit: the larger of `x` and 0.
    Relu,
    /// The exponential linear unit with alpha 1: `x` where `x > 0`, else `exp(x) - 1`.
    Elu,
}

impl Activation {
    /// The value at one number; NaN stays NaN.
    #[inline(always)]
    pub(crate) fn value<T: Element>(self, x: T) -> T {
        match self {
            Self::Identity => x,
            Self::Relu => T::select(x < T::zero(), T::zero(), x),
            Self::Elu => {
                let below = x.exp_m1_of_negative();
                if x > T::zero() { x } else { below }
            }
        }
    }

    /// The derivative, from the value alone.
    #[inline(always)]
    pub(crate) fn slope<T: Element>(self, value: T) -> T {
        match self {
            Self::Identity => T::one(),
            Self::Relu => T::select(value > T::zero(), T::one(), T::zero()),
            // Below zero `exp(x)`, which is the value and 1.
            Self::Elu => {
                if value > T::zero() {
                    T::one()
                } else {
                    value + T::one()
                }
            }
        }
    }

    fn apply(self, x: &Tensor) -> Result<Tensor, KernelError> {
        check_input(self.name(), x)?;
        Ok(x.contiguous()?.apply_op1(self)?)
    }

    fn forward<T: Element>(
        self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = elements::<T>(self.name(), storage, layout)?;
        let mut y = vec![T::zero(); x.len()];
        y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(y, x)| {
            for (y, &x) in y.iter_mut().zip(x) {
                *y = self.value(x);
            }
        });
        Ok(result(y, layout.shape().clone()))
    }

    fn backward<T: Element>(self, y: &Tensor, dy: &Tensor) -> candle_core::Result<Tensor> {
        let mut dx = vec![T::zero(); y.elem_count()];
        with_elements::<T, _>(self.name(), y, |y| {
            with_elements::<T, _>(self.name(), dy, |dy| {
                dx.par_chunks_mut(BLOCK)
                    .zip(y.par_chunks(BLOCK).zip(dy.par_chunks(BLOCK)))
                    .for_each(|(dx, (y, dy))| {
                        for (dx, (&y, &dy)) in dx.iter_mut().zip(y.iter().zip(dy)) {
                            *dx = dy * self.slope(y);
                        }
                    });
            })
        })??;
        tensor(dx, y.shape())
    }
}

/// [`Activation::Elu`] of each element. Any shape.
///
/// # Errors
/// When the elements are neither f32 nor f64, or not in main memory.
pub fn elu(x: &Tensor) -> Result<Tensor, KernelError> {
    Activation::Elu.apply(x)
}

/// [`Activation::Relu`] of each element; the gradient at 0 is 0. Any shape.
///
/// # Errors
/// When the elements are neither f32 nor f64, or not in main memory.
pub fn relu(x: &Tensor) -> Result<Tensor, KernelError> {
    Activation::Relu.apply(x)
}

impl CustomOp1 for Activation {
    fn name(&self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Relu => "relu",
            Self::Elu => "elu",
        }
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        match storage.dtype() {
            DType::F32 => self.forward::<f32>(storage, layout),
            DType::F64 => self.forward::<f64>(storage, layout),
            other => Err(element_type_error(self.name(), other)),
        }
    }

    fn bwd(&self, _: &Tensor, y: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        match y.dtype() {
            DType::F32 => self.backward::<f32>(y, dy).map(Some),
            DType::F64 => self.backward::<f64>(y, dy).map(Some),
            other => Err(element_type_error(self.name(), other)),
        }
    }
}
