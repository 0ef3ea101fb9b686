use candle_core::{CpuStorage, CustomOp1, DType, Device, Layout, Shape, Tensor};

use crate::CrnnError;

/// Keras clips probabilities to between this and 1 minus this before it takes their logarithm.
pub const PROBABILITY_FLOOR: f64 = 1e-7;

/// Mean categorical cross-entropy of `logits`, `[batch, class]`, as Keras 2 computes it: a scalar
/// tensor.
///
/// The softmax is part of it. Probabilities are clipped at [`PROBABILITY_FLOOR`] and 1 minus that,
/// gradient included: an item whose true class has a smaller probability costs `-ln 1e-7` and pulls
/// at nothing. (Written over the logarithm of the softmax, so that a clipped item is told from a
/// rounded one.)
///
/// Class weights, one for each class, multiply their items' losses; the sum is divided by the
/// number of items, as in Keras, not by the sum of their weights, as in PyTorch.
///
/// # Errors
/// When the number of targets is not the batch size, a target is no class, the weights are not as
/// many as the classes or not finite and at least 0, or the logits are not f32 or f64 on the CPU.
pub fn cross_entropy(
    logits: &Tensor,
    targets: &[u32],
    class_weights: Option<&[f64]>,
) -> Result<Tensor, CrnnError> {
    let fail = |problem: String| Err(CrnnError::Targets { problem });
    let (batch, classes) = logits.dims2()?;
    if targets.len() != batch || batch == 0 {
        return fail(format!("{} targets for a batch of {batch}", targets.len()));
    }
    if let Some(target) = targets.iter().find(|&&target| target as usize >= classes) {
        return fail(format!("target {target} is none of {classes} classes"));
    }
    if let Some(weights) = class_weights {
        if weights.len() != classes {
            return fail(format!("{} class weights for {classes} classes", weights.len()));
        }
        if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0))
        {
            return fail(format!("class weight {weight} is not a finite number of at least 0"));
        }
    }
    if !matches!(logits.device(), Device::Cpu) {
        return fail("the logits are not on the CPU".to_owned());
    }
    let items = targets
        .iter()
        .map(|&target| {
            let class = target as usize;
            (class, class_weights.map_or(1.0, |weights| weights[class]) / batch as f64)
        })
        .collect();
    Ok(logits.contiguous()?.apply_op1(CrossEntropy { items, classes })?)
}

struct CrossEntropy {
    /// The true class and the weight in the mean, of each item.
    items: Vec<(usize, f64)>,
    classes: usize,
}

impl CrossEntropy {
    /// The loss and its gradient with respect to the logits.
    fn loss_and_gradient(&self, logits: &[f64]) -> (f64, Vec<f64>) {
        let (lowest, highest) = (PROBABILITY_FLOOR.ln(), (-PROBABILITY_FLOOR).ln_1p());
        let (mut loss, mut gradient) = (0.0, Vec::with_capacity(logits.len()));
        for (logits, &(class, weight)) in logits.chunks_exact(self.classes).zip(&self.items) {
            let largest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let normaliser = logits.iter().map(|v| (v - largest).exp()).sum::<f64>().ln() + largest;
            let log_probability = logits[class] - normaliser;
            // Neither comparison holds for NaN, which must stay NaN rather than be clipped.
            let clipped = log_probability < lowest || log_probability > highest;
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
        "cross_entropy"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let Some((start, end)) = layout.contiguous_offsets() else {
            return Err(candle_core::Error::RequiresContiguous { op: self.name() });
        };
        let loss = |logits: &[f64]| self.loss_and_gradient(logits).0;
        let storage = match storage {
            CpuStorage::F32(v) => {
                let logits: Vec<f64> = v[start..end].iter().map(|&v| f64::from(v)).collect();
                CpuStorage::F32(vec![loss(&logits) as f32])
            }
            CpuStorage::F64(v) => CpuStorage::F64(vec![loss(&v[start..end])]),
            _ => return Err(candle_core::Error::msg("cross_entropy: expected f32 or f64 logits")),
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
