use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::KernelError;
use crate::element::Element;
use crate::operand::{check_input, element_type_error, elements, result, tensor, with_elements};

const OPERATION: &str = "elu";

/// Elements that one task computes.
const BLOCK: usize = 16 * 1024;

/// The exponential linear unit with alpha 1: `x` where `x > 0`, else `exp(x) - 1`. Any shape.
///
/// # Errors
/// When the elements are neither f32 nor f64, or not in main memory.
pub fn elu(x: &Tensor) -> Result<Tensor, KernelError> {
    check_input(OPERATION, x)?;
    Ok(x.contiguous()?.apply_op1(Elu)?)
}

/// The unit of one number.
#[inline]
pub(crate) fn value<T: Element>(x: T) -> T {
    let below = x.exp_m1_of_negative();
    if x > T::zero() { x } else { below }
}

/// The derivative from the output alone: 1 above zero, else `exp(x) = y + 1`.
#[inline]
pub(crate) fn slope<T: Element>(y: T) -> T {
    if y > T::zero() { T::one() } else { y + T::one() }
}

struct Elu;

impl CustomOp1 for Elu {
    fn name(&self) -> &'static str {
        OPERATION
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        match storage.dtype() {
            DType::F32 => forward::<f32>(storage, layout),
            DType::F64 => forward::<f64>(storage, layout),
            other => Err(element_type_error(OPERATION, other)),
        }
    }

    fn bwd(&self, _: &Tensor, y: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        match y.dtype() {
            DType::F32 => backward::<f32>(y, dy).map(Some),
            DType::F64 => backward::<f64>(y, dy).map(Some),
            other => Err(element_type_error(OPERATION, other)),
        }
    }
}

fn forward<T: Element>(
    storage: &CpuStorage,
    layout: &Layout,
) -> candle_core::Result<(CpuStorage, Shape)> {
    let x = elements::<T>(OPERATION, storage, layout)?;
    let mut y = vec![T::zero(); x.len()];
    y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).for_each(|(y, x)| {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = value(x);
        }
    });
    Ok(result(y, layout.shape().clone()))
}

fn backward<T: Element>(y: &Tensor, dy: &Tensor) -> candle_core::Result<Tensor> {
    let mut dx = vec![T::zero(); y.elem_count()];
    with_elements::<T, _>(OPERATION, y, |y| {
        with_elements::<T, _>(OPERATION, dy, |dy| {
            dx.par_chunks_mut(BLOCK).zip(y.par_chunks(BLOCK).zip(dy.par_chunks(BLOCK))).for_each(
                |(dx, (y, dy))| {
                    for (dx, (&y, &dy)) in dx.iter_mut().zip(y.iter().zip(dy)) {
                        *dx = dy * slope(y);
                    }
                },
            );
        })
    })??;
    tensor(dx, y.shape())
}
