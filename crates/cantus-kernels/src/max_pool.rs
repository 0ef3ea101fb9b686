use std::sync::OnceLock;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::KernelError;
use crate::element::Element;
use crate::operand::{check_input, element_type_error, elements, result, tensor, with_elements};

const OPERATION: &str = "max_pool2d";

/// The largest value of each `window = (mel, frame)`; windows stand side by side, and what is left at the far edges and
/// fills no window is dropped.
///
/// `x` is `[batch, channel, mel, frame]`. The gradient goes to the first maximum of a window, in reading order, and to
/// it alone; NaN counts as the largest value.
///
/// # Errors
/// When `x` has not four axes, is not f32 or f64 in main memory, or holds not one whole window.
pub fn max_pool2d(x: &Tensor, window: (usize, usize)) -> Result<Tensor, KernelError> {
    check_input(OPERATION, x)?;
    for (parameter, size) in [("window's mel size", window.0), ("window's frame size", window.1)] {
        if size == 0 {
            let expected = "at least 1";
            return Err(KernelError::Parameter {
                operation: OPERATION,
                parameter,
                expected,
                got: 0.0,
            });
        }
    }
    let fits = |&(_, _, height, width): &(usize, usize, usize, usize)| {
        height >= window.0 && width >= window.1 && u32::try_from(height * width).is_ok()
    };
    let Some((batch, channels, height, width)) = x.dims4().ok().filter(fits) else {
        return Err(KernelError::OperandShape {
            operation: OPERATION,
            operand: "input",
            expected: format!("[batch, channel, mel >= {}, frame >= {}]", window.0, window.1),
            got: x.shape().clone(),
        });
    };
    let pool = MaxPool { planes: batch * channels, height, width, window, maxima: OnceLock::new() };
    let y = x.contiguous()?.apply_op1(pool)?;
    Ok(y.reshape((batch, channels, height / window.0, width / window.1))?)
}

struct MaxPool {
    planes: usize,
    height: usize,
    width: usize,
    window: (usize, usize),
    /// Where in its plane each output's maximum lies; written by the forward pass.
    maxima: OnceLock<Vec<u32>>,
}

impl MaxPool {
    fn output_plane(&self) -> usize {
        (self.height / self.window.0) * (self.width / self.window.1)
    }

    fn forward<T: Element>(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let x = elements::<T>(OPERATION, storage, layout)?;
        let mut y = vec![T::zero(); self.planes * self.output_plane()];
        let mut maxima = vec![0u32; y.len()];
        y.par_chunks_mut(self.output_plane())
            .zip(maxima.par_chunks_mut(self.output_plane()))
            .zip(x.par_chunks(self.height * self.width))
            .for_each(|((y, maxima), x)| self.pool_plane(x, y, maxima));
        // A second forward pass of the same node would find the same maxima.
        let _ = self.maxima.set(maxima);
        Ok(result(y, (self.planes, self.output_plane())))
    }

    fn pool_plane<T: Element>(&self, x: &[T], y: &mut [T], maxima: &mut [u32]) {
        let (mel, frame) = self.window;
        let columns = self.width / frame;
        let rows = y.chunks_exact_mut(columns).zip(maxima.chunks_exact_mut(columns));
        for (row, (largest, positions)) in rows.enumerate() {
            let start = row * mel * self.width;
            let windows = x[start..start + self.width].chunks_exact(frame);
            for (column, (window, largest)) in windows.zip(largest.iter_mut()).enumerate() {
                *largest = window[0];
                positions[column] = (start + column * frame) as u32;
            }
            for line in 0..mel {
                let start = start + line * self.width;
                let windows = x[start..start + self.width].chunks_exact(frame);
                let best = largest.iter_mut().zip(positions.iter_mut());
                for (column, (window, (largest, position))) in windows.zip(best).enumerate() {
                    for (offset, &value) in window.iter().enumerate() {
                        // Selections rather than branches: which value is the largest cannot be predicted.
                        let better = exceeds(value, *largest);
                        *largest = if better { value } else { *largest };
                        let here = (start + column * frame + offset) as u32;
                        *position = if better { here } else { *position };
                    }
                }
            }
        }
    }

    fn backward<T: Element>(&self, x: &Tensor, dy: &Tensor) -> candle_core::Result<Tensor> {
        let Some(maxima) = self.maxima.get() else {
            return Err(candle_core::Error::BackwardNotSupported { op: OPERATION });
        };
        let mut dx = vec![T::zero(); x.elem_count()];
        with_elements::<T, _>(OPERATION, dy, |dy| {
            dx.par_chunks_mut(self.height * self.width)
                .zip(dy.par_chunks(self.output_plane()))
                .zip(maxima.par_chunks(self.output_plane()))
                .for_each(|((dx, dy), maxima)| {
                    for (&dy, &maximum) in dy.iter().zip(maxima) {
                        dx[maximum as usize] = dy;
                    }
                });
        })?;
        tensor(dx, x.shape())
    }
}

/// Whether `value` takes the place of `largest`: NaN exceeds every number, and nothing exceeds NaN.
#[expect(clippy::eq_op, reason = "only NaN differs from itself")]
#[inline]
fn exceeds<T: Element>(value: T, largest: T) -> bool {
    (value > largest) | ((value != value) & (largest == largest))
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
