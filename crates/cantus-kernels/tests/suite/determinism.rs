use candle_core::{Tensor, Var};
use cantus_kernels::{DropoutKey, batch_norm_max_pool2d_train, conv2d_same_elu, dropout};

use crate::numbers::random_f32;

/// Output and every gradient of one convolution block, f32, as bits.
fn block_bits() -> Vec<Vec<u32>> {
    let x = Var::from_tensor(&random_f32(&[19, 5, 13, 47], 1)).unwrap();
    let weight = Var::from_tensor(&random_f32(&[7, 5, 3, 3], 2)).unwrap();
    let [bias, gamma, beta] =
        [3, 4, 5].map(|seed| Var::from_tensor(&random_f32(&[7], seed)).unwrap());
    let y = conv2d_same_elu(&x, &weight, &bias).unwrap();
    let y = batch_norm_max_pool2d_train(&y, &gamma, &beta, 1e-3, (4, 2)).unwrap().output;
    let y = dropout(&y, 0.1, DropoutKey { seed: 1, layer: 2, step: 3 }).unwrap();
    let gradients = (&y * &y).unwrap().sum_all().unwrap().backward().unwrap();
    let bits = |t: &Tensor| -> Vec<u32> {
        t.flatten_all().unwrap().to_vec1::<f32>().unwrap().into_iter().map(f32::to_bits).collect()
    };
    let vars = [&x, &weight, &bias, &gamma, &beta];
    std::iter::once(bits(&y)).chain(vars.map(|var| bits(gradients.get(var).unwrap()))).collect()
}

#[test]
fn a_block_gives_the_same_bits_at_any_thread_count() {
    let with_threads = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(block_bits)
    };
    let one = with_threads(1);
    for threads in [2, 3, 7] {
        assert_eq!(with_threads(threads), one, "{threads} threads");
    }
}
