//! Cross-entropy of the softmax, with its gradient.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor};

use crate::KernelError;
use crate::operand::{check_input, element_type_error, elements, shape_error};

const OPERATION: &str = "cross_entropy";

/// How [`cross_entropy`] weighs and clips. By default it does neither.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CrossEntropySettings<'a> {
    /// One for each class: what its items' losses are multiplied by.
    pub class_weights: Option<&'a [f64]>,
    /// Probabilities of the true class are clipped to between this and 1 minus this, gradient
    /// included: an item beyond pulls at nothing. 0 clips nothing; Keras has 1e-7.
    pub probability_floor: f64,
}

/// Mean cross-entropy of the softmax of `logits`, `[batch, class]`, to the classes `targets`: a
/// scalar tensor, with a gradient to the logits.
///
/// The sum of the items' losses is divided by their number, as in Keras, not by the sum of their
/// weights, as in PyTorch. Computed in f64 whatever the logits are.
///
/// # Errors
/// When the logits are empty, the number of targets is not the batch size, a target is no class, the weights are not as
/// many as the classes or not finite and at least 0, the floor is not in `0..0.5`, or the logits
/// are not f32 or f64 in main memory.
pub fn cross_entropy(
    logits: &Tensor,
    targets: &[u32],
    settings: &CrossEntropySettings,
) -> Result<Tensor, KernelError> {
    check_input(OPERATION, logits)?;
    let (batch, classes) =
        logits.dims2().map_err(|_| shape_error(OPERATION, "logits", "[batch, class]", logits))?;
    let fail = |problem: String| Err(KernelError::Targets { operation: OPERATION, problem });
    if batch == 0 || classes == 0 {
        return Err(shape_error(OPERATION, "logits", "[batch, class], neither empty", logits));
    }
    if targets.len() != batch {
        return fail(format!("{} targets for a batch of {batch}", targets.len()));
    }
    if let Some(target) = targets.iter().find(|&&target| target as usize >= classes) {
        return fail(format!("target {target} is none of {classes} classes"));
    }
    if let Some(weights) = settings.class_weights {
        if weights.len() != classes {
            return fail(format!("{} class weights for {classes} classes", weights.len()));
        }
        if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0))
        {
            return fail(format!("class weight {weight} is not a finite number of at least 0"));
        }
    }
    let floor = settings.probability_floor;
    if !(0.0..0.5).contains(&floor) {
        return Err(KernelError::Parameter {
            operation: OPERATION,
            parameter: "probability_floor",
            expected: "at least 0 and below 0.5",
            got: floor,
        });
    }
    let items = targets
        .iter()
        .map(|&target| {
            let class = target as usize;
            (class, settings.class_weights.map_or(1.0, |weights| weights[class]) / batch as f64)
        })
        .collect();
    Ok(logits.contiguous()?.apply_op1(CrossEntropy { items, classes, floor })?)
}

struct CrossEntropy {
    /// The true class and the weight in the mean, of each item.
    items: Vec<(usize, f64)>,
    classes: usize,
    floor: f64,
}

impl CrossEntropy {
    /// The loss and its gradient with respect to the logits.
    fn loss_and_gradient(&self, logits: &[f64]) -> (f64, Vec<f64>) {
        // Over the logarithm of the softmax, so that a clipped item is told from a rounded one.
        let (lowest, highest) = (self.floor.ln(), (-self.floor).ln_1p());
        let (mut loss, mut gradient) = (0.0, Vec::with_capacity(logits.len()));
        for (logits, &(class, weight)) in logits.chunks_exact(self.classes).zip(&self.items) {
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let normaliser = logits.iter().map(|v| (v - largest).exp()).sum::<f64>().ln() + largest;
            let log_probability = logits[class] - normaliser;
            // Neither comparison holds for NaN, which must stay NaN rather than be clipped.
            let clipped =
                self.floor > 0.0 && (log_probability < lowest || log_probability > highest);
            let kept =
                if clipped { log_probability.clamp(lowest, highest) } else { log_probability };
            loss -= weight * kept;
            gradient.extend(logits.iter().enumerate().map(|(i, v)| {
                let hit = if i == class { 1.0 } else { 0.0 };
                if clipped { 0.0 } else { weight * ((v - normaliser).exp() - hit) }
            }));
        }
        (loss, gradient)
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        OPERATION
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let loss = |logits: &[f64]| self.loss_and_gradient(logits).0;
        let storage = match storage {
            CpuStorage::F32(_) => {
                let logits = elements::<f32>(OPERATION, storage, layout)?;
                let logits: Vec<f64> = logits.iter().map(|&v| f64::from(v)).collect();
                CpuStorage::F32(vec![loss(&logits) as f32])
            }
            CpuStorage::F64(_) => {
                CpuStorage::F64(vec![loss(elements::<f64>(OPERATION, storage, layout)?)])
            }
            other => return Err(element_type_error(OPERATION, other.dtype())),
        };
        Ok((storage, Shape::from(())))
    }

    fn bwd(
        &self,
        logits: &Tensor,
        _loss: &Tensor,
        dloss: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        let values = logits.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let scale = dloss.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        let (_, gradient) = self.loss_and_gradient(&values);
        let gradient: Vec<f64> = gradient.into_iter().map(|g| g * scale).collect();
        let gradient = Tensor::from_vec(gradient, logits.shape(), &Device::Cpu)?;
        Ok(Some(gradient.to_dtype(logits.dtype())?))
    }
}
