use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::KernelError;
use crate::element::Element;
use crate::operand::{element_type_error, elements, result, tensor, with_elements};
use crate::windows::Windows;

const OPERATION: &str = "max_pool2d";

/// The largest value of each `window = (mel, frame)`; windows stand side by side, and what is left
/// at the far edges and fills no window is dropped.
///
/// `x` is `[batch, channel, mel, frame]`. The gradient goes to the first maximum of a window, in
/// reading order, and to it alone; NaN counts as the largest value.
///
/// # Errors
/// When `x` has not four axes, is not f32 or f64 in main memory, or holds not one whole window.
pub fn max_pool2d(x: &Tensor, window: (usize, usize)) -> Result<Tensor, KernelError> {
    let windows = Windows::of(OPERATION, x, window)?;
    Ok(x.contiguous()?.apply_op1(MaxPool { windows, maxima: OnceLock::new() })?)
}

struct MaxPool {
    windows: Windows,
    /// Where in its plane each output's maximum lies; written by the forward pass.
    maxima: OnceLock<Vec<u32>>,
}

impl MaxPool {
    fn forward<T: Element>(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = elements::<T>(OPERATION, storage, layout)?;
        let (batch, channels, _, _) = layout.shape().dims4()?;
        let mut y = vec![T::zero(); batch * channels * self.windows.pooled_plane()];
        let mut maxima = vec![0u32; y.len()];
        y.par_chunks_mut(self.windows.pooled_plane())
            .zip(maxima.par_chunks_mut(self.windows.pooled_plane()))
            .zip(x.par_chunks(self.windows.plane()))
            .for_each(|((y, maxima), x)| self.windows.pool_plane(x, y, maxima));
        // A second forward pass of the same node would find the same maxima.
        let _ = self.maxima.set(maxima);
        let (rows, columns) = self.windows.count();
        Ok(result(y, (batch, channels, rows, columns)))
    }

    fn backward<T: Element>(&self, x: &Tensor, dy: &Tensor) -> candle_core::Result<Tensor> {
        let Some(maxima) = self.maxima.get() else {
            return Err(candle_core::Error::BackwardNotSupported { op: OPERATION });
        };
        let mut dx = vec![T::zero(); x.elem_count()];
        with_elements::<T, _>(OPERATION, dy, |dy| {
            dx.par_chunks_mut(self.windows.plane())
                .zip(dy.par_chunks(self.windows.pooled_plane()))
                .zip(maxima.par_chunks(self.windows.pooled_plane()))
                .for_each(|((dx, dy), maxima)| {
                    for (&dy, &maximum) in dy.iter().zip(maxima) {
                        dx[maximum as usize] = dy;
                    }
                });
        })?;
        tensor(dx, x.shape())
    }
}

impl CustomOp1 for MaxPool {
    fn name(&self) -> &'static str {
        OPERATION
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        match storage.dtype() {
            DType::F32 => self.forward::<f32>(storage, layout),
            DType::F64 => self.forward::<f64>(storage, layout),
            other => Err(element_type_error(OPERATION, other)),
        }
    }

    fn bwd(&self, x: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        match x.dtype() {
            DType::F32 => self.backward::<f32>(x, dy).map(Some),
            DType::F64 => self.backward::<f64>(x, dy).map(Some),
            other => Err(element_type_error(OPERATION, other)),
        }
    }
}
