use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp1, DType, Layout, Shape, Tensor};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use rayon::prelude::*;

use crate::KernelError;
use crate::element::Element;
use crate::operand::{check_input, element_type_error, elements, result, tensor, with_elements};

const OPERATION: &str = "dropout";

/// Elements that one task computes.
const BLOCK: usize = 16 * 1024;

/// Names one mask: the same key gives the same mask, on any machine and at any thread count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DropoutKey {
    /// The run's seed.
    pub seed: u64,
    /// Which of the network's dropout layers.
    pub layer: u64,
    /// Which training step, counted from the start of the run.
    pub step: u64,
}

impl DropoutKey {
    /// ChaCha8 whose key is seed and layer and whose stream is the step; word number i belongs to
    /// element i.
    fn generator(self) -> ChaCha8Rng {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&self.layer.to_le_bytes());
        key[16..].copy_from_slice(b"cantus dropout 1");
        let mut generator = ChaCha8Rng::from_seed(key);
        generator.set_stream(self.step);
        generator
    }
}

/// Inverted dropout: each element becomes 0 with `probability`, else it is divided by `1 -
/// probability`. Any shape.
///
/// Element i (in C order) is dropped or not by `key` and i alone. The probability is taken to a
/// multiple of `2^-32`.
///
/// # Errors
/// When `probability` is not in `0..1`, or `x` is not f32 or f64 in main memory.
pub fn dropout(x: &Tensor, probability: f64, key: DropoutKey) -> Result<Tensor, KernelError> {
    check_input(OPERATION, x)?;
    if !(0.0..1.0).contains(&probability) {
        return Err(KernelError::Parameter {
            operation: OPERATION,
            parameter: "probability",
            expected: "at least 0 and below 1",
            got: probability,
        });
    }
    if probability == 0.0 {
        return Ok(x.clone());
    }
    Ok(x.contiguous()?.apply_op1(Dropout { probability, key })?)
}

struct Dropout {
    probability: f64,
    key: DropoutKey,
}

impl Dropout {
    /// What the forward pass does to the input and the backward pass to the gradient.
    fn apply<T: Element>(&self, x: &[T]) -> Vec<T> {
        // A probability within 2^-33 of 1 saturates: one value in 2^32 is kept.
        let threshold = (self.probability * 2f64.powi(32)).round() as u32;
        let scale = T::from_f64(1.0 / (1.0 - self.probability));
        let generator = self.key.generator();
        let mut y = vec![T::zero(); x.len()];
        y.par_chunks_mut(BLOCK).zip(x.par_chunks(BLOCK)).enumerate().for_each(|(block, (y, x))| {
            let mut generator = generator.clone();
            generator.set_word_pos((block * BLOCK) as u128);
            let mut bytes = [0; 1024];
            let words = bytes.len() / size_of::<u32>();
            for (y, x) in y.chunks_mut(words).zip(x.chunks(words)) {
                generator.fill_bytes(&mut bytes);
                let (words, _) = bytes.as_chunks::<4>();
                for ((y, &x), &word) in y.iter_mut().zip(x).zip(words) {
                    let kept = u32::from_le_bytes(word) >= threshold;
                    *y = T::select(kept, x * scale, T::zero());
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
