//! One step of Adam (Kingma & Ba 2015) on one parameter, in place.

use std::cell::RefCell;

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, DType, InplaceOp2, Layout, Tensor};
use pulp::{Simd, WithSimd};

use crate::KernelError;
use crate::operand::{
    check_input, check_operand, element_type_error, elements, tensor, with_elements,
};
use crate::path::Path;

const OPERATION: &str = "adam";

/// The square of anything smaller is denormal, or soon will be: `2^-58`.
const SMALLEST_ROOT: f32 = 1.0 / (1u64 << 58) as f32;

/// The numbers of one step: `m = beta1 m + (1 - beta1) g`, `v = beta2 v + (1 - beta2) g^2`,
/// `p -= rate m / (sqrt(v) root_scale + epsilon)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// What the mean is multiplied by, its bias corrected.
    pub rate: f64,
    /// What the root of the mean of squares is multiplied by.
    pub root_scale: f64,
    /// What keeps from dividing by zero.
    pub epsilon: f64,
}

impl AdamStep {
    /// Step number `step`, counted from 1, as Keras takes it: epsilon is added to the root before
    /// its bias is corrected.
    pub fn keras(learning_rate: f64, betas: (f64, f64), epsilon: f64, step: u64) -> Self {
        let (correction1, correction2) = corrections(betas, step);
        let rate = learning_rate * correction2.sqrt() / correction1;
        Self { beta1: betas.0, beta2: betas.1, rate, root_scale: 1.0, epsilon }
    }

    /// Step number `step`, counted from 1, as the paper and PyTorch take it: epsilon is added to
    /// the corrected root.
    pub fn torch(learning_rate: f64, betas: (f64, f64), epsilon: f64, step: u64) -> Self {
        let (correction1, correction2) = corrections(betas, step);
        let (rate, root_scale) = (learning_rate / correction1, 1.0 / correction2.sqrt());
        Self { beta1: betas.0, beta2: betas.1, rate, root_scale, epsilon }
    }
}

impl AdamStep {
    /// Step 0 would divide by zero, and leave no number of any parameter.
    fn check(self) -> Result<(), KernelError> {
        let fail = |parameter, expected, got| {
            Err(KernelError::Parameter { operation: OPERATION, parameter, expected, got })
        };
        for (parameter, beta) in [("beta1", self.beta1), ("beta2", self.beta2)] {
            if !(0.0..1.0).contains(&beta) {
                return fail(parameter, "at least 0 and below 1", beta);
            }
        }
        let finite = "a finite number (steps are counted from 1)";
        for (parameter, got) in [("rate", self.rate), ("root_scale", self.root_scale)] {
            if !got.is_finite() {
                return fail(parameter, finite, got);
            }
        }
        if self.epsilon.is_finite() {
            Ok(())
        } else {
            fail("epsilon", "a finite number", self.epsilon)
        }
    }
}

fn corrections((beta1, beta2): (f64, f64), step: u64) -> (f64, f64) {
    (1.0 - beta1.powf(step as f64), 1.0 - beta2.powf(step as f64))
}

/// The means of one parameter's gradients and of their squares, in its own element type.
#[derive(Clone, Debug)]
pub struct AdamMoments(Moments);

#[derive(Clone, Debug)]
enum Moments {
    F32 { first: Vec<f32>, second: Vec<f32> },
    F64 { first: Vec<f64>, second: Vec<f64> },
}

impl AdamMoments {
    /// Of a parameter that has seen no gradient.
    ///
    /// # Errors
    /// When it is not f32 or f64 in main memory.
    pub fn zeros(parameter: &Tensor) -> Result<Self, KernelError> {
        check_input(OPERATION, parameter)?;
        let length = parameter.elem_count();
        Ok(Self(match parameter.dtype() {
            DType::F64 => Moments::F64 { first: vec![0.0; length], second: vec![0.0; length] },
            _ => Moments::F32 { first: vec![0.0; length], second: vec![0.0; length] },
        }))
    }

    /// Saved ones: the mean of gradients and the mean of their squares.
    ///
    /// # Errors
    /// When shapes or element types differ, or are not f32 or f64 in main memory.
    pub fn from_tensors(first: &Tensor, second: &Tensor) -> Result<Self, KernelError> {
        check_input(OPERATION, first)?;
        check_operand(OPERATION, first, "second moment", second, first.dims())?;
        Ok(Self(match first.dtype() {
            DType::F64 => Moments::F64 {
                first: with_elements::<f64, _>(OPERATION, first, <[f64]>::to_vec)?,
                second: with_elements::<f64, _>(OPERATION, second, <[f64]>::to_vec)?,
            },
            _ => Moments::F32 {
                first: with_elements::<f32, _>(OPERATION, first, <[f32]>::to_vec)?,
                second: with_elements::<f32, _>(OPERATION, second, <[f32]>::to_vec)?,
            },
        }))
    }

    /// Copies of both, in the shape of `parameter`.
    ///
    /// # Errors
    /// When the parameter has another number of elements.
    pub fn to_tensors(&self, parameter: &Tensor) -> Result<(Tensor, Tensor), KernelError> {
        let shape = parameter.shape();
        Ok(match &self.0 {
            Moments::F32 { first, second } => {
                (tensor(first.clone(), shape)?, tensor(second.clone(), shape)?)
            }
            Moments::F64 { first, second } => {
                (tensor(first.clone(), shape)?, tensor(second.clone(), shape)?)
            }
        })
    }
}

/// Moves `parameter`, such as a [`Var`](candle_core::Var), down `gradient`: its storage is written
/// to, in place.
///
/// # Errors
/// When the gradient has another shape or element type than the parameter or shares its storage,
/// the moments have another number of elements or another element type, the parameter is not
/// contiguous, or any is not f32 or f64 in main memory; when a number of the step is not finite, as
/// in step 0, or a decay not in 0..1. Then nothing has changed.
pub fn adam_step(
    parameter: &Tensor,
    gradient: &Tensor,
    moments: &mut AdamMoments,
    step: AdamStep,
) -> Result<(), KernelError> {
    check_input(OPERATION, parameter)?;
    check_operand(OPERATION, parameter, "gradient", gradient, parameter.dims())?;
    let (length, dtype) = match &moments.0 {
        Moments::F32 { first, .. } => (first.len(), DType::F32),
        Moments::F64 { first, .. } => (first.len(), DType::F64),
    };
    if dtype != parameter.dtype() {
        return Err(KernelError::MixedElementTypes {
            operation: OPERATION,
            operand: "moments",
            expected: parameter.dtype(),
            got: dtype,
        });
    }
    if length != parameter.elem_count() {
        return Err(KernelError::OperandShape {
            operation: OPERATION,
            operand: "moments",
            expected: format!("{} elements", parameter.elem_count()),
            got: length.into(),
        });
    }
    step.check()?;
    let update = Update { moments: RefCell::new(moments), step };
    Ok(parameter.inplace_op2(&gradient.detach().contiguous()?, &update)?)
}

/// candle lends a storage for writing through this trait alone.
struct Update<'a> {
    moments: RefCell<&'a mut AdamMoments>,
    step: AdamStep,
}

impl InplaceOp2 for Update<'_> {
    fn name(&self) -> &'static str {
        OPERATION
    }

    fn cpu_fwd(
        &self,
        parameter: &mut CpuStorage,
        layout: &Layout,
        gradient: &CpuStorage,
        gradient_layout: &Layout,
    ) -> candle_core::Result<()> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            return Err(candle_core::Error::RequiresContiguous { op: OPERATION });
        };
        let dtype = parameter.dtype();
        match (parameter, &mut self.moments.borrow_mut().0) {
            (CpuStorage::F32(values), Moments::F32 { first, second }) => {
                let gradient = elements::<f32>(OPERATION, gradient, gradient_layout)?;
                let (values, step) = (&mut values[start..end], self.step);
                Path::current().run(SinglePrecision { values, gradient, first, second, step });
            }
            (CpuStorage::F64(values), Moments::F64 { first, second }) => {
                let gradient = elements::<f64>(OPERATION, gradient, gradient_layout)?;
                let AdamStep { beta1, beta2, rate, root_scale, epsilon } = self.step;
                let moments = first.iter_mut().zip(second);
                for ((p, &g), (m, v)) in values[start..end].iter_mut().zip(gradient).zip(moments) {
                    *m = beta1 * *m + (1.0 - beta1) * g;
                    *v = beta2 * *v + (1.0 - beta2) * (g * g);
                    *p -= rate * *m / (v.sqrt() * root_scale + epsilon);
                }
            }
            _ => return Err(element_type_error(OPERATION, dtype)),
        }
        Ok(())
    }
}

struct SinglePrecision<'a> {
    values: &'a mut [f32],
    gradient: &'a [f32],
    first: &'a mut [f32],
    second: &'a mut [f32],
    step: AdamStep,
}

impl WithSimd for SinglePrecision<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let AdamStep { beta1, beta2, rate, root_scale, epsilon } = self.step;
        let (rest1, rest2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
        let (beta1, beta2, rate) = (beta1 as f32, beta2 as f32, rate as f32);
        let (root_scale, epsilon) = (root_scale as f32, epsilon as f32);
        let moments = self.first.iter_mut().zip(self.second);
        for ((p, &g), (m, v)) in self.values.iter_mut().zip(self.gradient).zip(moments) {
            // Moments of a parameter that has no gradient any more would fade into denormals and
            // stay there: a hundred times as slow on some processors.
            let for_square = if g.abs() < SMALLEST_ROOT { 0.0 } else { g };
            *v = normal_or_zero(beta2 * *v + rest2 * (for_square * for_square));
            // Without a second moment there is nothing to measure the first by.
            *m = if *v == 0.0 { 0.0 } else { normal_or_zero(beta1 * *m + rest1 * g) };
            *p -= rate * *m / (v.sqrt() * root_scale + epsilon);
        }
    }
}

#[inline(always)]
fn normal_or_zero(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0 } else { x }
}
