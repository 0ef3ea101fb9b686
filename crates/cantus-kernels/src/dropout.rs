use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};
use rayon::prelude::*;

use crate::KernelError;
use crate::element::Element;
use crate::operand::{check_input, element_type_error, elements, result, tensor, with_elements};
use crate::philox::{BLOCK, Philox};

const OPERATION: &str = "dropout";

/// Elements that one task computes.
const TASK: usize = 256 * BLOCK;

/// Names one mask: the same key gives the same mask, on any machine and at any thread count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropoutKey {
    /// The run's seed.
    pub seed: u64,
    /// Which of the network's dropout layers.
    pub layer: u32,
    /// Which training step, counted from the start of the run.
    pub step: u64,
}

/// Which elements are dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mask {
    /// What kept elements are multiplied by.
    pub(crate) scale: f32,
    probability: f64,
    threshold: u32,
    generator: Philox,
}

impl Mask {
    /// None where nothing is dropped.
    pub(crate) fn new(probability: f64, key: DropoutKey) -> Result<Option<Self>, KernelError> {
        if !(0.0..1.0).contains(&probability) {
            return Err(KernelError::Parameter {
                operation: OPERATION,
                parameter: "probability",
                expected: "at least 0 and below 1",
                got: probability,
            });
        }
        let halves = |word: u64| [word as u32, (word >> 32) as u32];
        let [step_low, step_high] = halves(key.step);
        Ok((probability > 0.0).then(|| Self {
            scale: (1.0 / (1.0 - probability)) as f32,
            probability,
            // A probability within 2^-33 of 1 saturates: one value in 2^32 is kept.
            threshold: (probability * 2f64.powi(32)).round() as u32,
            generator: Philox { key: halves(key.seed), stream: [key.layer, step_low, step_high] },
        }))
    }

    /// The random words of the elements from number `first` on.
    #[inline(always)]
    pub(crate) fn words(&self, first: usize, words: &mut [u32]) {
        self.generator.fill(first, words);
    }

    /// Whether the element with this word stays.
    #[inline(always)]
    pub(crate) fn keeps(&self, word: u32) -> bool {
        word >= self.threshold
    }
}

/// Inverted dropout: each element becomes 0 with `probability`, else it is divided by `1 -
/// probability`. Any shape.
///
/// Element i (in C order) is dropped or not by `key` and i alone: by word i of the generator Philox
/// 4x32-10 with the seed as its key, layer and step in its counter. The probability is taken to a
/// multiple of `2^-32`.
///
/// # Errors
/// When `probability` is not in `0..1`, or `x` is not f32 or f64 in main memory.
pub fn dropout(x: &Tensor, probability: f64, key: DropoutKey) -> Result<Tensor, KernelError> {
    check_input(OPERATION, x)?;
    match Mask::new(probability, key)? {
        Some(mask) => Ok(x.contiguous()?.apply_op1(Dropout { mask })?),
        None => Ok(x.clone()),
    }
}

struct Dropout {
    mask: Mask,
}

impl Dropout {
    /// What the forward pass does to the input and the backward pass to the gradient.
    fn apply<T: Element>(&self, x: &[T]) -> Vec<T> {
        let scale = T::from_f64(1.0 / (1.0 - self.mask.probability));
        let mut y = vec![T::zero(); x.len()];
        y.par_chunks_mut(TASK).zip(x.par_chunks(TASK)).enumerate().for_each(|(task, (y, x))| {
            let blocks = y.chunks_mut(BLOCK).zip(x.chunks(BLOCK));
            for (block, (y, x)) in blocks.enumerate() {
                let mut words = [0; BLOCK];
                self.mask.words(task * TASK + block * BLOCK, &mut words);
                for ((y, &x), &word) in y.iter_mut().zip(x).zip(&words) {
                    *y = T::select(self.mask.keeps(word), x * scale, T::zero());
                }
            }
        });
        y
    }

    fn backward<T: Element>(&self, dy: &Tensor) -> candle_core::Result<Tensor> {
        let dx = with_elements::<T, _>(OPERATION, dy, |dy| self.apply(dy))?;
        tensor(dx, dy.shape())
    }
}

impl CustomOp1 for Dropout {
    fn name(&self) -> &'static str {
        OPERATION
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let shape = layout.shape().clone();
        match storage.dtype() {
            DType::F32 => {
                Ok(result(self.apply::<f32>(elements(OPERATION, storage, layout)?), shape))
            }
            DType::F64 => {
                Ok(result(self.apply::<f64>(elements(OPERATION, storage, layout)?), shape))
            }
            other => Err(element_type_error(OPERATION, other)),
        }
    }

    fn bwd(&self, _: &Tensor, _: &Tensor, dy: &Tensor) -> candle_core::Result<Option<Tensor>> {
        match dy.dtype() {
            DType::F32 => self.backward::<f32>(dy).map(Some),
            DType::F64 => self.backward::<f64>(dy).map(Some),
            other => Err(element_type_error(OPERATION, other)),
        }
    }
}
