//! From candle's tensors to slices and back.

use candle_core::{CpuStorage, DType, Device, Layout, Shape, Storage, Tensor};

use crate::KernelError;
use crate::element::Element;

/// Refuses tensors that are not f32 or f64, or not in main memory.
pub(crate) fn check_input(operation: &'static str, x: &Tensor) -> Result<(), KernelError> {
    if !matches!(x.dtype(), DType::F32 | DType::F64) {
        return Err(KernelError::ElementType { operation, got: x.dtype() });
    }
    check_device(operation, x)
}

/// Refuses an operand beside the input that has another shape, element type or device than it must
/// have.
pub(crate) fn check_operand(
    operation: &'static str,
    x: &Tensor,
    operand: &'static str,
    tensor: &Tensor,
    expected: &[usize],
) -> Result<(), KernelError> {
    if tensor.dims() != expected {
        return Err(shape_error(operation, operand, format!("{expected:?}"), tensor));
    }
    if tensor.dtype() != x.dtype() {
        let (expected, got) = (x.dtype(), tensor.dtype());
        return Err(KernelError::MixedElementTypes { operation, operand, expected, got });
    }
    check_device(operation, tensor)
}

/// What is wrong with an operand's shape.
pub(crate) fn shape_error(
    operation: &'static str,
    operand: &'static str,
    expected: impl Into<String>,
    got: &Tensor,
) -> KernelError {
    let got = got.shape().clone();
    KernelError::OperandShape { operation, operand, expected: expected.into(), got }
}

/// The sizes of a bank of filters, `[filter, channel, kernel mel, kernel frame]`, of odd kernels.
pub(crate) fn odd_filters(
    operation: &'static str,
    weight: &Tensor,
) -> Result<(usize, usize, usize, usize), KernelError> {
    let odd = |&(_, _, mel, frame): &(usize, usize, usize, usize)| mel % 2 == 1 && frame % 2 == 1;
    let sizes = weight.dims4().ok().filter(odd);
    sizes.ok_or_else(|| shape_error(operation, "weight", "[filter, channel, odd, odd]", weight))
}

fn check_device(operation: &'static str, tensor: &Tensor) -> Result<(), KernelError> {
    if matches!(tensor.device(), Device::Cpu) {
        Ok(())
    } else {
        Err(KernelError::Device { operation })
    }
}

/// The elements of a contiguous operand, as candle hands it to an operation.
pub(crate) fn elements<'a, T: Element>(
    operation: &'static str,
    storage: &'a CpuStorage,
    layout: &Layout,
) -> candle_core::Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((start, end)) => Ok(&storage.as_slice::<T>()?[start..end]),
        None => Err(candle_core::Error::RequiresContiguous { op: operation }),
    }
}

/// Lends `body` the elements of a tensor, made contiguous where they are not.
pub(crate) fn with_elements<T: Element, R>(
    operation: &'static str,
    tensor: &Tensor,
    body: impl FnOnce(&[T]) -> R,
) -> candle_core::Result<R> {
    let tensor = tensor.contiguous()?;
    let (storage, layout) = tensor.storage_and_layout();
    match &*storage {
        Storage::Cpu(storage) => Ok(body(elements(operation, storage, layout)?)),
        _ => Err(KernelError::Device { operation }.into()),
    }
}

/// A new tensor on the CPU; takes the elements without copying them.
pub(crate) fn tensor<T: Element>(
    elements: Vec<T>,
    shape: impl Into<Shape>,
) -> candle_core::Result<Tensor> {
    Tensor::from_vec(elements, shape.into(), &Device::Cpu)
}

/// What an operation returns to candle.
pub(crate) fn result<T: Element>(elements: Vec<T>, shape: impl Into<Shape>) -> (CpuStorage, Shape) {
    (T::to_cpu_storage_owned(elements), shape.into())
}

/// The error of an operation that met an element type it does not know.
pub(crate) fn element_type_error(operation: &'static str, got: DType) -> candle_core::Error {
    KernelError::ElementType { operation, got }.into()
}
