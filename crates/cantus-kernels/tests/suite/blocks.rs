//! The block in one operation against the same block as one operation after the other.

use candle_core::{DType, Device, Tensor, Var};
use cantus_kernels::{
    Activation, ConvBlock, ConvBlockParameters, ConvBlockSettings, DropoutKey, Path,
    conv_block_eval, conv_block_train, conv_blocks_eval, conv_blocks_train,
};

use crate::numbers::{random_f32, values};

const KEY: DropoutKey = DropoutKey { seed: 11, layer: 3, step: 5 };

struct Case {
    batch: usize,
    channels: usize,
    filters: usize,
    size: (usize, usize),
    kernel: (usize, usize),
    pool: (usize, usize),
    activation: Activation,
    dropout: f64,
}

fn cases() -> Vec<Case> {
    let elu = Activation::Elu;
    let case = |batch, channels, filters, size, kernel, pool, activation, dropout| Case {
        batch,
        channels,
        filters,
        size,
        kernel,
        pool,
        activation,
        dropout,
    };
    vec![
        case(3, 1, 64, (16, 13), (3, 3), (2, 2), elu, 0.1),
        case(2, 64, 32, (9, 12), (3, 3), (4, 2), elu, 0.1),
        case(5, 20, 40, (5, 7), (3, 3), (2, 3), elu, 0.0),
        case(2, 3, 5, (4, 31), (5, 3), (1, 2), Activation::Relu, 0.3),
        case(1, 48, 17, (1, 40), (1, 3), (1, 4), elu, 0.2),
        case(7, 16, 16, (1, 1), (3, 3), (1, 1), Activation::Identity, 0.0),
        case(9, 33, 48, (3, 2), (3, 5), (3, 2), elu, 0.1),
        case(1, 2, 130, (8, 3), (1, 1), (8, 1), Activation::Relu, 0.0),
        // In tiles: odd and even sizes, more than one band, several chunks of tiles in a line.
        case(3, 17, 33, (13, 15), (3, 3), (3, 1), elu, 0.1),
        case(2, 40, 16, (2, 8), (3, 3), (1, 1), elu, 0.0),
        case(1, 130, 24, (6, 219), (3, 3), (5, 2), elu, 0.2),
        case(1, 16, 70, (47, 9), (3, 3), (1, 3), Activation::Relu, 0.0),
    ]
}

struct Run {
    output: Vec<f64>,
    statistics: [Vec<f64>; 2],
    gradients: Vec<Vec<f64>>,
    evaluated: Vec<f64>,
}

/// Forward, and backward from a fixed gradient, in `dtype`.
fn run(case: &Case, dtype: DType, path: Option<Path>) -> Run {
    let Case { batch, channels, filters, size, kernel, pool, .. } = *case;
    // The same numbers in both types.
    let numbers = |shape: &[usize], seed| random_f32(shape, seed).to_dtype(dtype).unwrap();
    let var = |shape: &[usize], seed| Var::from_tensor(&numbers(shape, seed)).unwrap();
    let x = var(&[batch, size.0, size.1, channels], 1);
    let weight = var(&[filters, channels, kernel.0, kernel.1], 2);
    let bias = var(&[filters], 3);
    // Of both signs: under a negative factor the largest is the smallest.
    let gamma = var(&[filters], 4);
    let beta = var(&[filters], 5);
    let parameters =
        ConvBlockParameters { weight: &weight, bias: &bias, gamma: &gamma, beta: &beta };
    let settings = ConvBlockSettings { activation: case.activation, epsilon: 1e-3, pool, path };
    let trained = conv_block_train(&x, parameters, &settings, Some((case.dropout, KEY))).unwrap();
    let dy = numbers(trained.output.dims(), 6);
    let gradients = (&trained.output * dy).unwrap().sum_all().unwrap().backward().unwrap();
    let gradients = [&x, &weight, &bias, &gamma, &beta]
        .map(|operand| values(gradients.get(operand).unwrap()))
        .to_vec();
    // Errors are measured against all channels: none may be blown up by a variance near zero.
    let variance = (numbers(&[filters], 8).abs().unwrap() + 0.5).unwrap();
    let mean = numbers(&[filters], 7);
    let evaluated = conv_block_eval(&x, parameters, &mean, &variance, &settings).unwrap();
    Run {
        output: values(&trained.output),
        statistics: [values(&trained.mean), values(&trained.variance)],
        gradients,
        evaluated: values(&evaluated),
    }
}

fn root_mean_square(values: &[f64]) -> f64 {
    (values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64).sqrt()
}

#[test]
fn on_every_path_a_block_equals_its_operations_in_double_precision() {
    let expected: Vec<Run> = cases().iter().map(|case| run(case, DType::F64, None)).collect();
    for path in Path::available().into_iter().filter(|&path| path != Path::AmxBf16) {
        let (mut of_features, mut of_gradients) = (0f64, 0f64);
        for (number, (case, expected)) in cases().iter().zip(&expected).enumerate() {
            let got = run(case, DType::F32, Some(path));
            // The differences, against the root mean square of `scale`: the largest must stay
            // within the tolerance. Three products of 16-bit halves leave out up to a part in 2^16
            // of each product, 4e-6 of a sum on average; of thousands of sums the unluckiest may
            // then exceed the tolerance, but all together must not.
            let close = |what: &str, got: &[f64], expected: &[f64], scale: &[f64], tolerance| {
                assert_eq!(got.len(), expected.len());
                let differences: Vec<f64> = got.iter().zip(expected).map(|(g, e)| g - e).collect();
                let largest = differences.iter().fold(0f64, |a, d| a.max(d.abs()));
                let largest = largest / root_mean_square(scale);
                let all = root_mean_square(&differences) / root_mean_square(scale);
                let for_largest = if path == Path::Amx { 2.0 * tolerance } else { tolerance };
                assert!(
                    all < tolerance && largest < for_largest,
                    "case {number}, {path}, {what}: {all:e}, the largest {largest:e}"
                );
                largest
            };
            for (what, got, expected) in [
                ("output", &got.output, &expected.output),
                ("mean", &got.statistics[0], &expected.statistics[0]),
                ("variance", &got.statistics[1], &expected.statistics[1]),
                ("evaluation", &got.evaluated, &expected.evaluated),
            ] {
                of_features = of_features.max(close(what, got, expected, expected, 2e-5));
            }
            let names = ["input", "weight", "bias", "gamma", "beta"];
            for (i, name) in names.into_iter().enumerate() {
                let wanted = &expected.gradients[i];
                // What a convolution's bias adds, the normalisation takes off again: its gradient
                // is a small difference of sums such as beta's.
                let scale = if name == "bias" { &expected.gradients[4] } else { wanted };
                let error = close(name, &got.gradients[i], wanted, scale, 5e-5);
                of_gradients = of_gradients.max(error);
            }
        }
        println!("{path}: features within {of_features:.1e}, gradients within {of_gradients:.1e}");
    }
}

#[test]
fn half_the_bits_of_each_number_give_three_digits() {
    let Some(path) = Path::named("amx-bf16") else {
        println!("skipped: this processor has no AMX");
        return;
    };
    let case = &cases()[1];
    let (expected, got) = (run(case, DType::F64, None), run(case, DType::F32, Some(path)));
    let differences: Vec<f64> =
        got.evaluated.iter().zip(&expected.evaluated).map(|(g, e)| g - e).collect();
    let error = root_mean_square(&differences) / root_mean_square(&expected.evaluated);
    assert!(error < 1e-2, "{error:e}");
    // It is what it says it is, and not the path of full accuracy.
    assert!(error > 1e-4, "{error:e}");
}

#[test]
fn every_path_is_tried_or_said_to_be_missing() {
    for name in ["portable", "neon", "avx2", "avx512", "amx", "amx-bf16"] {
        match Path::named(name) {
            Some(path) => assert_eq!(path.to_string(), name),
            None => println!("skipped: this processor has no {name}"),
        }
    }
    assert!(Path::available().contains(&Path::Portable));
    assert_ne!(Path::current(), Path::AmxBf16);
    assert_eq!(Path::named("avx"), None);
}

/// Three blocks, of few channels and of groups, as one operation or as three.
fn run_three(dtype: DType, path: Option<Path>, as_one: bool) -> (Vec<Vec<f64>>, Vec<f64>) {
    let numbers = |shape: &[usize], seed| random_f32(shape, seed).to_dtype(dtype).unwrap();
    let var = |shape: &[usize], seed| Var::from_tensor(&numbers(shape, seed)).unwrap();
    let x = var(&[3, 12, 21, 2], 1);
    let operands: Vec<[Var; 4]> = [(2, 24), (24, 7), (7, 33)]
        .iter()
        .zip((2..).step_by(4))
        .map(|(&(channels, filters), seed)| {
            let weight = var(&[filters, channels, 3, 3], seed);
            [
                weight,
                var(&[filters], seed + 1),
                var(&[filters], seed + 2),
                var(&[filters], seed + 3),
            ]
        })
        .collect();
    let blocks: Vec<ConvBlock> = operands
        .iter()
        .zip([(2, 2), (3, 1), (1, 4)])
        .zip(1..)
        .map(|(([weight, bias, gamma, beta], pool), layer)| ConvBlock {
            parameters: ConvBlockParameters { weight, bias, gamma, beta },
            settings: ConvBlockSettings { activation: Activation::Elu, epsilon: 1e-3, pool, path },
            dropped: Some((0.2, DropoutKey { layer, ..KEY })),
        })
        .collect();
    let mut output = x.as_tensor().clone();
    let mut seen = Vec::new();
    for blocks in blocks.chunks(if as_one { blocks.len() } else { 1 }) {
        let trained = conv_blocks_train(&output, blocks).unwrap();
        output = trained.output;
        for (mean, variance) in &trained.statistics {
            seen.extend([values(mean), values(variance)]);
        }
    }
    let statistics: Vec<(Tensor, Tensor)> = [24, 7, 33]
        .iter()
        .map(|&filters| (numbers(&[filters], 40), numbers(&[filters], 41).abs().unwrap()))
        .collect();
    let statistics: Vec<(&Tensor, &Tensor)> = statistics.iter().map(|(m, v)| (m, v)).collect();
    let mut evaluated = x.as_tensor().clone();
    let step = if as_one { blocks.len() } else { 1 };
    for (blocks, statistics) in blocks.chunks(step).zip(statistics.chunks(step)) {
        evaluated = conv_blocks_eval(&evaluated, blocks, statistics).unwrap();
    }
    let dy = numbers(output.dims(), 50);
    let gradients = (&output * dy).unwrap().sum_all().unwrap().backward().unwrap();
    seen.push(values(&output));
    for operand in operands.iter().flatten().chain([&x]) {
        seen.push(values(gradients.get(operand).unwrap()));
    }
    (seen, values(&evaluated))
}

#[test]
fn several_blocks_as_one_operation_give_the_bits_of_one_after_the_other() {
    for path in Path::available() {
        let (as_one, one_by_one) =
            (run_three(DType::F32, Some(path), true), run_three(DType::F32, Some(path), false));
        assert!(as_one == one_by_one, "{path}");
    }
    assert!(run_three(DType::F64, None, true) == run_three(DType::F64, None, false));
}

#[test]
fn as_many_statistics_as_blocks_are_wanted() {
    let x = random_f32(&[1, 4, 4, 2], 1);
    assert!(conv_blocks_eval(&x, &[], &[(&x, &x)]).is_err());
    assert!(conv_blocks_train(&x, &[]).is_err());
}

#[test]
fn a_block_gives_the_same_bits_at_any_number_of_threads() {
    for path in Path::available() {
        // Convolved as defined, in tiles of one chunk, in tiles of several.
        for number in [6, 8, 10] {
            let case = &cases()[number];
            let of_threads = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let run = pool.install(|| run(case, DType::F32, Some(path)));
                (run.output, run.statistics, run.gradients, run.evaluated)
            };
            let single = of_threads(1);
            assert!(single == of_threads(2) && single == of_threads(7), "{path}, case {number}");
        }
    }
}

#[test]
fn nan_in_the_input_reaches_the_output_and_the_gradients() {
    let mut x = vec![0.5f32; 2 * 16 * 8 * 8];
    x[37] = f32::NAN;
    let x = Var::from_tensor(&Tensor::from_vec(x, (2, 8, 8, 16), &Device::Cpu).unwrap()).unwrap();
    let ones = |shape: &[usize]| Tensor::ones(shape, DType::F32, &Device::Cpu).unwrap();
    let (weight, channel) = (ones(&[16, 16, 3, 3]), ones(&[16]));
    let parameters =
        ConvBlockParameters { weight: &weight, bias: &channel, gamma: &channel, beta: &channel };
    for path in Path::available() {
        let settings = ConvBlockSettings {
            activation: Activation::Elu,
            epsilon: 1e-3,
            pool: (2, 2),
            path: Some(path),
        };
        let trained = conv_block_train(&x, parameters, &settings, None).unwrap();
        assert!(values(&trained.output).iter().all(|y| y.is_nan()), "{path}");
        let evaluated = conv_block_eval(&x, parameters, &channel, &channel, &settings).unwrap();
        assert!(values(&evaluated).iter().any(|y| y.is_nan()), "{path}");
        let gradients = trained.output.sum_all().unwrap().backward().unwrap();
        assert!(values(gradients.get(&x).unwrap()).iter().any(|dx| dx.is_nan()), "{path}");
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let x = random_f32(&[1, 4, 4, 2], 1);
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu).unwrap();
    let (weight, channel) = (zeros(&[3, 2, 3, 3]), zeros(&[3]));
    let settings =
        ConvBlockSettings { activation: Activation::Elu, epsilon: 1e-3, pool: (2, 2), path: None };
    let good =
        ConvBlockParameters { weight: &weight, bias: &channel, gamma: &channel, beta: &channel };
    let message = |parameters, settings: &ConvBlockSettings, dropped| {
        conv_block_train(&x, parameters, settings, dropped).unwrap_err().to_string()
    };
    let (even, short) = (zeros(&[3, 2, 2, 3]), zeros(&[2]));
    for (got, expected) in [
        (
            message(ConvBlockParameters { weight: &even, ..good }, &settings, None),
            "conv_block: expected weight of shape [filter, channel, odd, odd], got [3, 2, 2, 3]",
        ),
        (
            message(ConvBlockParameters { gamma: &short, ..good }, &settings, None),
            "conv_block: expected gamma of shape [3], got [2]",
        ),
        (
            message(good, &ConvBlockSettings { pool: (5, 1), ..settings }, None),
            "conv_block: expected input of shape [batch, mel >= 5, frame >= 1, channel], \
             got [1, 4, 4, 2]",
        ),
        (
            message(good, &ConvBlockSettings { epsilon: 0.0, ..settings }, None),
            "conv_block: epsilon is 0, expected a positive number",
        ),
        (
            message(good, &settings, Some((1.0, KEY))),
            "dropout: probability is 1, expected at least 0 and below 1",
        ),
    ] {
        assert_eq!(got, expected);
    }
}
