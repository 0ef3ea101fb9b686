//! The network's layers one by one, forward and backward, on each path of this processor; the
//! throughput is in clips.
//!
//! `cargo bench -p cantus-kernels`; a name narrows it, as in `cargo bench -p cantus-kernels -- gru`.

#![expect(clippy::expect_used, reason = "a bench whose operation fails has nothing to time")]

use candle_core::{Device, Tensor, Var};
use cantus_kernels::{
    Activation, ConvBlockParameters, ConvBlockSettings, DropoutKey, GruKind, GruParameters,
    LstmKind, LstmParameters, Path, conv_block_eval, conv_block_train, gru, lstm,
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const BATCH: usize = 16;

struct Block {
    name: &'static str,
    channels: usize,
    filters: usize,
    /// Mel bands and frames.
    size: (usize, usize),
    pool: (usize, usize),
}

/// The blocks of the paper's network on clips of 3 s.
const BLOCKS: [Block; 4] = [
    Block { name: "1 to 64", channels: 1, filters: 64, size: (128, 94), pool: (2, 2) },
    Block { name: "64 to 128", channels: 64, filters: 128, size: (64, 47), pool: (4, 2) },
    Block { name: "128 to 128", channels: 128, filters: 128, size: (16, 23), pool: (4, 2) },
    Block { name: "128 to 128, small", channels: 128, filters: 128, size: (4, 11), pool: (4, 2) },
];

fn var(shape: &[usize]) -> Var {
    Var::randn(0f32, 0.1, shape, &Device::Cpu).expect("random numbers")
}

fn blocks(criterion: &mut Criterion) {
    for Block { name, channels, filters, size, pool } in BLOCKS {
        let mut group = criterion.benchmark_group(format!("block {name}"));
        let x = var(&[BATCH, size.0, size.1, channels]);
        let weight = var(&[filters, channels, 3, 3]);
        let (bias, gamma, beta) = (var(&[filters]), var(&[filters]), var(&[filters]));
        let parameters =
            ConvBlockParameters { weight: &weight, bias: &bias, gamma: &gamma, beta: &beta };
        group.throughput(Throughput::Elements(BATCH as u64));
        let ones = Tensor::ones(filters, candle_core::DType::F32, &Device::Cpu).expect("ones");
        for path in Path::available() {
            let settings = ConvBlockSettings {
                activation: Activation::Elu,
                epsilon: 1e-3,
                pool,
                path: Some(path),
            };
            let key = DropoutKey { seed: 0, layer: 1, step: 0 };
            group.bench_function(BenchmarkId::new("train", path), |bencher| {
                bencher.iter(|| {
                    let trained = conv_block_train(&x, parameters, &settings, Some((0.1, key)))
                        .expect("a block");
                    trained.output.sum_all().and_then(|sum| sum.backward()).expect("gradients")
                });
            });
            // What denormal numbers would slow down.
            group.bench_function(BenchmarkId::new("train, vanishing gradients", path), |bencher| {
                bencher.iter(|| {
                    let trained = conv_block_train(&x, parameters, &settings, Some((0.1, key)))
                        .expect("a block");
                    let vanishing = trained.output.affine(1e-38, 0.0).expect("a product");
                    vanishing.sum_all().and_then(|sum| sum.backward()).expect("gradients")
                });
            });
            group.bench_function(BenchmarkId::new("evaluate", path), |bencher| {
                bencher.iter(|| {
                    conv_block_eval(&x, parameters, &ones, &ones, &settings).expect("a block")
                });
            });
        }
        group.finish();
    }
}

fn recurrent(criterion: &mut Criterion) {
    const UNITS: usize = 32;
    let mut group = criterion.benchmark_group("recurrent, 28 steps");
    group.throughput(Throughput::Elements(BATCH as u64));
    let x = var(&[28, BATCH, 128]);
    let of = |gates: usize| (var(&[gates * UNITS, 128]), var(&[gates * UNITS, UNITS]));
    let ((weight_ih, weight_hh), bias_ih) = (of(3), var(&[3 * UNITS]));
    group.bench_function("gru", |bencher| {
        let parameters = GruParameters {
            weight_ih: &weight_ih,
            weight_hh: &weight_hh,
            bias_ih: &bias_ih,
            bias_hh: None,
        };
        bencher.iter(|| {
            let states = gru(&x, parameters, GruKind::ResetBefore).expect("states");
            states.sum_all().and_then(|sum| sum.backward()).expect("gradients")
        });
    });
    let ((weight_ih, weight_hh), bias) = (of(4), var(&[4 * UNITS]));
    group.bench_function("lstm", |bencher| {
        let parameters =
            LstmParameters { weight_ih: &weight_ih, weight_hh: &weight_hh, bias: &bias };
        bencher.iter(|| {
            let states = lstm(&x, parameters, LstmKind::HardSigmoid).expect("states");
            states.sum_all().and_then(|sum| sum.backward()).expect("gradients")
        });
    });
    group.finish();
}

criterion_group!(benches, blocks, recurrent);
criterion_main!(benches);
