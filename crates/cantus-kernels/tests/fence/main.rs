//! Every operation with each of its buffers flush against memory that cannot be touched: a read or
//! write beyond either end kills the process. (valgrind does not know all instructions that the
//! kernels use, and sanitizers do not see through every one of them.)

#![cfg(all(target_os = "linux", target_arch = "x86_64"))]
#![expect(clippy::unwrap_used, reason = "functions shared by tests fail as the tests do")]

mod fence;

use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use candle_core::{DType, Device, Tensor, Var};
use cantus_kernels::{
    Activation, AdamMoments, AdamStep, ConvBlock, ConvBlockParameters, ConvBlockSettings,
    CrossEntropySettings, DropoutKey, GruKind, GruParameters, LstmKind, LstmParameters, Padding,
    Path,
};

use fence::{Fence, Side};

#[global_allocator]
static ALLOCATOR: Fence = Fence;

/// Values of either sign that repeat.
fn numbers(shape: &[usize]) -> Tensor {
    let count: usize = shape.iter().product();
    let values: Vec<f32> = (0..count).map(|i| (i * 7919 % 2003) as f32 / 1001.5 - 1.0).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn var(shape: &[usize]) -> Var {
    Var::from_tensor(&numbers(shape)).unwrap()
}

fn backward(y: &Tensor) {
    drop(y.sqr().unwrap().sum_all().unwrap().backward().unwrap());
}

/// Runs `body` with the buffers flush against either side.
fn on_both_sides(mut body: impl FnMut()) {
    // The side and the scratch are the process'.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    for side in [Side::Before, Side::Behind] {
        cantus_kernels::release_scratch();
        fence::put(side);
        body();
    }
}

#[test]
fn a_read_behind_the_last_byte_kills_the_process() {
    const ASKED: &str = "CANTUS_TEST_FENCE";
    if std::env::var_os(ASKED).is_some() {
        fence::put(Side::Behind);
        let values = std::hint::black_box(vec![1u8; 100]);
        #[expect(unsafe_code, reason = "this is the read that must not be survived")]
        // SAFETY: none: the page there cannot be read.
        let beyond = unsafe { values.as_ptr().add(values.len()).read_volatile() };
        unreachable!("{beyond} was read");
    }
    let name = "a_read_behind_the_last_byte_kills_the_process";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(ASKED, "yes")
        .output()
        .unwrap();
    assert_eq!(child.status.signal(), Some(11), "{child:?}");
}

struct Block {
    batch: usize,
    size: (usize, usize),
    channels: usize,
    filters: usize,
    kernel: (usize, usize),
    pool: (usize, usize),
}

fn run_block(block: &Block, path: Path) {
    let Block { batch, size, channels, filters, kernel, pool } = *block;
    let x = var(&[batch, size.0, size.1, channels]);
    let weight = var(&[filters, channels, kernel.0, kernel.1]);
    let (bias, gamma, beta) = (var(&[filters]), var(&[filters]), var(&[filters]));
    let parameters =
        ConvBlockParameters { weight: &weight, bias: &bias, gamma: &gamma, beta: &beta };
    let settings =
        ConvBlockSettings { activation: Activation::Elu, epsilon: 1e-3, pool, path: Some(path) };
    let dropped = (0.1, DropoutKey { seed: 1, layer: 2, step: 3 });
    let trained =
        cantus_kernels::conv_block_train(&x, parameters, &settings, Some(dropped)).unwrap();
    backward(&trained.output);
    let (mean, variance) = (numbers(&[filters]), numbers(&[filters]).abs().unwrap());
    cantus_kernels::conv_block_eval(&x, parameters, &mean, &variance, &settings).unwrap();
}

#[test]
fn no_path_of_the_block_leaves_its_buffers() {
    // One pixel, one line, one column, sizes around the vectors' and the tiles' widths.
    // And one of several chunks.
    let sizes = [(1, 1), (1, 12), (5, 1), (3, 13), (4, 16), (2, 47), (30, 47)];
    let channels = [(1, 16), (1, 17), (3, 5), (16, 16), (17, 33), (40, 64)];
    for path in Path::available() {
        on_both_sides(|| {
            for (number, &size) in sizes.iter().enumerate() {
                for &(channels, filters) in &channels {
                    let kernel = [(3, 3), (1, 3), (5, 5)][number % 3];
                    let pool = (size.0.min(1 + number % 2), size.1.min(1 + number % 3));
                    let batch = 1 + number % 3;
                    // Nothing longer than what this one asks for.
                    cantus_kernels::release_scratch();
                    run_block(&Block { batch, size, channels, filters, kernel, pool }, path);
                }
            }
        });
    }
}

#[test]
fn no_path_of_several_blocks_leaves_its_buffers() {
    for path in Path::available() {
        on_both_sides(|| {
            let x = var(&[3, 12, 21, 2]);
            let tensors: Vec<[Var; 4]> = [(2, 24), (24, 7), (7, 33)]
                .iter()
                .map(|&(channels, filters)| {
                    let channel = || var(&[filters]);
                    [var(&[filters, channels, 3, 3]), channel(), channel(), channel()]
                })
                .collect();
            let blocks: Vec<ConvBlock> = tensors
                .iter()
                .zip([(2, 2), (3, 1), (1, 4)])
                .map(|([weight, bias, gamma, beta], pool)| ConvBlock {
                    parameters: ConvBlockParameters { weight, bias, gamma, beta },
                    settings: ConvBlockSettings {
                        activation: Activation::Elu,
                        epsilon: 1e-3,
                        pool,
                        path: Some(path),
                    },
                    dropped: Some((0.1, DropoutKey { seed: 1, layer: 2, step: 3 })),
                })
                .collect();
            backward(&cantus_kernels::conv_blocks_train(&x, &blocks).unwrap().output);
            let statistics: Vec<Tensor> =
                tensors.iter().map(|[_, bias, ..]| bias.abs().unwrap()).collect();
            let statistics: Vec<(&Tensor, &Tensor)> =
                statistics.iter().map(|values| (values, values)).collect();
            cantus_kernels::conv_blocks_eval(&x, &blocks, &statistics).unwrap();
        });
    }
}

#[test]
fn no_other_operation_leaves_its_buffers() {
    on_both_sides(|| {
        for dtype in [DType::F32, DType::F64] {
            let of = |shape: &[usize]| {
                Var::from_tensor(&numbers(shape).to_dtype(dtype).unwrap()).unwrap()
            };
            for (height, width, channels, filters) in [(1, 1, 1, 1), (5, 7, 3, 5), (4, 17, 16, 33)]
            {
                let x = of(&[2, channels, height, width]);
                let (weight, bias) = (of(&[filters, channels, 3, 3]), of(&[filters]));
                let y = cantus_kernels::conv2d_same(&x, &weight, &bias).unwrap();
                backward(&y);
                backward(&cantus_kernels::conv2d_same_elu(&x, &weight, &bias).unwrap());
                let (gamma, beta) = (of(&[filters]), of(&[filters]));
                let y = y.detach();
                let normalised =
                    cantus_kernels::batch_norm_train(&y, &gamma, &beta, 1e-3).unwrap().output;
                backward(&normalised);
                let pool = (height.min(2), width.min(3));
                backward(&cantus_kernels::max_pool2d(&normalised, pool).unwrap());
                let pooled =
                    cantus_kernels::batch_norm_max_pool2d_train(&y, &gamma, &beta, 1e-3, pool);
                backward(&pooled.unwrap().output);
                let (mean, variance) = (of(&[filters]), of(&[filters]).abs().unwrap());
                cantus_kernels::batch_norm_eval(&y, &gamma, &beta, &mean, &variance, 1e-3).unwrap();
                cantus_kernels::batch_norm_max_pool2d_eval(
                    &y, &gamma, &beta, &mean, &variance, 1e-3, pool,
                )
                .unwrap();
                backward(&cantus_kernels::elu(&of(&[height, width, channels])).unwrap());
                backward(&cantus_kernels::relu(&of(&[height, width, channels])).unwrap());
            }
            for (frames, taps) in [(1, 1), (7, 7), (47, 3), (65, 5)] {
                let x = of(&[2, 3, frames]);
                let (weight, bias) = (of(&[5, 3, taps]), of(&[5]));
                for padding in [Padding::Same, Padding::Valid] {
                    backward(&cantus_kernels::conv1d(&x, &weight, &bias, padding).unwrap());
                }
            }
            let key = DropoutKey { seed: 1, layer: 2, step: 3 };
            for length in [1, 63, 64, 65, 1000] {
                let x = of(&[length]);
                backward(&cantus_kernels::dropout(&x, 0.5, key).unwrap());
                let mut moments = AdamMoments::zeros(&x).unwrap();
                let step = AdamStep::keras(1e-3, (0.9, 0.999), 1e-8, 1);
                cantus_kernels::adam_step(&x, &of(&[length]), &mut moments, step).unwrap();
            }
            for (steps, batch, features, units) in [(1, 1, 1, 1), (3, 2, 5, 7), (4, 3, 17, 32)] {
                let x = of(&[steps, batch, features]);
                let (gates, long) = (3 * units, 4 * units);
                let parameters = GruParameters {
                    weight_ih: &of(&[gates, features]),
                    weight_hh: &of(&[gates, units]),
                    bias_ih: &of(&[gates]),
                    bias_hh: None,
                };
                let states = cantus_kernels::gru(&x, parameters, GruKind::ResetBefore).unwrap();
                backward(&states);
                let recurrent_bias = of(&[gates]);
                let parameters = GruParameters { bias_hh: Some(&recurrent_bias), ..parameters };
                let states = cantus_kernels::gru(&x, parameters, GruKind::ResetAfter).unwrap();
                backward(&states);
                let parameters = LstmParameters {
                    weight_ih: &of(&[long, features]),
                    weight_hh: &of(&[long, units]),
                    bias: &of(&[long]),
                };
                for kind in [LstmKind::Logistic, LstmKind::HardSigmoid] {
                    backward(&cantus_kernels::lstm(&x, parameters, kind).unwrap());
                }
            }
            let settings = CrossEntropySettings::default();
            let logits = of(&[2, 3]);
            backward(&cantus_kernels::cross_entropy(&logits, &[0, 2], &settings).unwrap());
        }
    });
}
