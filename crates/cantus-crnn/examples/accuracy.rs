//! How far the network in single precision is from itself in double precision, on each path of this
//! processor's kernels.
//!
//! `cargo run --release -p cantus-crnn --example accuracy -- --frames 94 --batch 4`
//!
//! Weights and clips are the same, dropout is off, and the running statistics are the batch's own.
//! An error is the largest difference of a tensor's elements, divided by the root mean square of
//! the tensor in double precision; of the parameters' gradients, the worst parameter's.
//!
//! Where the two largest values of a pooling window are nearer to each other than rounding reaches,
//! either may win, and the gradient goes another way: no error of the arithmetic, but one that
//! would hide those which are. So pixels of the clips change places until no window of the
//! reference has its two largest values within 10^-4 of the channel's standard deviation. The
//! median difference, which a few windows do not move, stands beside each gradient's largest: where
//! that has grown and the median has not, a path rounds so much that windows went another way.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::collections::BTreeMap;
use std::error::Error;
use std::process::Command;

use candle_core::{DType, Device, Tensor, Var};
use cantus_crnn::{Crnn2dConfig, Mode, Model, cross_entropy};
use cantus_kernels::{PATH_VARIABLE, Path, batch_norm_train, conv2d_same_elu};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The least distance of a window's two largest values, in standard deviations of the channel.
const GAP: f64 = 1e-4;

const TRAINING: Mode = Mode::Training { seed: 0, step: 0 };

fn main() -> Result<()> {
    let (frames, batch) = (setting("--frames", 94)?, setting("--batch", 4)?);
    if std::env::args().any(|argument| argument == "--row") {
        return print_row(frames, batch);
    }
    println!(
        "{frames} frames, batch {batch}: differences / root mean square in double precision\n"
    );
    println!(
        "{:<10}{:>20}{:>20}{:>36}{:>20}",
        "", "training", "evaluation", "gradients of parameters", "of the input"
    );
    println!(
        "{:<10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>16}{:>10}{:>10}",
        "path",
        "blocks",
        "features",
        "blocks",
        "features",
        "largest",
        "median",
        "of",
        "largest",
        "median"
    );
    // A process chooses its path once.
    for path in Path::available() {
        let status = Command::new(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .arg("--row")
            .env(PATH_VARIABLE, path.to_string())
            .status()?;
        if !status.success() {
            return Err(format!("{path} ended with {status}").into());
        }
    }
    Ok(())
}

fn setting(name: &str, default: usize) -> Result<usize> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name).skip(1);
    Ok(arguments.next().map_or(Ok(default), |value| value.parse())?)
}

fn shape() -> Crnn2dConfig {
    Crnn2dConfig {
        block_dropout: 0.0,
        dense_dropout: 0.0,
        // A batch's statistics take the place of the running ones.
        batch_norm_momentum: 0.0,
        ..Crnn2dConfig::default()
    }
}

/// The errors of this process' path.
fn print_row(frames: usize, batch: usize) -> Result<()> {
    let mut single = Model::new(shape(), 0, &Device::Cpu, DType::F32)?;
    let mut double = Model::from_tensors(shape(), cast(single.tensors()?, DType::F64)?)?;
    let clips = Clips::without_near_ties(&double, batch, frames)?.tensor()?;
    double.update_running_statistics(&double.forward(&clips, TRAINING)?.statistics)?;
    single.load_tensors(&cast(double.tensors()?, DType::F32)?)?;
    double.load_tensors(&cast(single.tensors()?, DType::F64)?)?;

    let reference = results(&double, &clips)?;
    let errors: BTreeMap<String, Errors> = results(&single, &clips.to_dtype(DType::F32)?)?
        .into_iter()
        .map(|(name, got)| (name.clone(), Errors::of(&got, &reference[&name])))
        .collect();
    let parameters = || single.parameters().keys().map(|name| (&errors[name], name));
    let (worst, worst_name) =
        parameters().max_by(|a, b| a.0.largest.total_cmp(&b.0.largest)).ok_or("no parameters")?;
    let median = parameters().map(|(errors, _)| errors.median).fold(0.0, f64::max);
    println!(
        "{:<10}{:>10.1e}{:>10.1e}{:>10.1e}{:>10.1e}{:>10.1e}{median:>10.1e}{worst_name:>16}\
         {:>10.1e}{:>10.1e}",
        Path::current().to_string(),
        errors["training blocks"].largest,
        errors["training features"].largest,
        errors["evaluation blocks"].largest,
        errors["evaluation features"].largest,
        worst.largest,
        errors["input"].largest,
        errors["input"].median,
    );
    Ok(())
}

fn cast(tensors: BTreeMap<String, Tensor>, dtype: DType) -> Result<BTreeMap<String, Tensor>> {
    tensors.into_iter().map(|(name, tensor)| Ok((name, tensor.to_dtype(dtype)?))).collect()
}

fn values(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1()?)
}

/// Outputs in either mode, and the gradients of the clips and of each parameter, by name.
fn results(model: &Model, clips: &Tensor) -> Result<BTreeMap<String, Vec<f64>>> {
    let mut results = BTreeMap::new();
    for (name, mode) in [("training", TRAINING), ("evaluation", Mode::Evaluation)] {
        let (forward, trace) = model.forward_traced(clips, mode)?;
        let last_block = &trace[&format!("block{}", shape().pools.len())];
        results.insert(format!("{name} blocks"), values(last_block)?);
        results.insert(format!("{name} features"), values(&forward.embedding)?);
    }
    let clips = Var::from_tensor(clips)?;
    let targets: Vec<u32> = (0..clips.dim(0)? as u32).map(|item| item % 20).collect();
    let logits = model.forward(&clips, TRAINING)?.logits;
    let gradients = cross_entropy(&logits, &targets, None)?.backward()?;
    let parameters = model.parameters().iter().map(|(name, var)| (name.as_str(), var));
    for (name, var) in parameters.chain([("input", &clips)]) {
        let gradient = gradients.get(var).ok_or_else(|| format!("no gradient of {name}"))?;
        results.insert(name.to_owned(), values(gradient)?);
    }
    Ok(results)
}

/// Differences from a reference, divided by its root mean square.
struct Errors {
    largest: f64,
    median: f64,
}

impl Errors {
    fn of(got: &[f64], reference: &[f64]) -> Self {
        let squares: f64 = reference.iter().map(|value| value * value).sum();
        let scale = (squares / reference.len() as f64).sqrt();
        let mut errors: Vec<f64> =
            got.iter().zip(reference).map(|(got, value)| (got - value).abs() / scale).collect();
        errors.sort_by(f64::total_cmp);
        Self { largest: errors[errors.len() - 1], median: errors[errors.len() / 2] }
    }
}

/// Random clips, `[batch, mel, frame]`, in decibel.
struct Clips {
    shape: [usize; 3],
    /// Each is a number of single precision.
    values: Vec<f64>,
    state: u64,
}

impl Clips {
    /// Draws clips, and moves pixels where two values of a pooling window are too near.
    fn without_near_ties(model: &Model, batch: usize, frames: usize) -> Result<Self> {
        const ROUNDS: usize = 100;
        let shape = [batch, model.config().n_mels(), frames];
        let mut clips = Self { shape, values: Vec::new(), state: 1 };
        clips.values = (0..shape.iter().product()).map(|_| clips.draw()).collect();
        for _ in 0..ROUNDS {
            let pixels = near_ties(model, &clips.tensor()?)?;
            if pixels.is_empty() {
                return Ok(clips);
            }
            for [item, mel, frame] in pixels {
                // Another frame of the band: so the statistics of the band stay as they are, and
                // with them all other windows.
                let other = (frame + 1 + (clips.uniform() * 4.0) as usize) % frames;
                let band = (item * shape[1] + mel) * frames;
                clips.values.swap(band + frame, band + other);
            }
        }
        Err(format!("near ties are left after {ROUNDS} rounds: take fewer clips").into())
    }

    fn tensor(&self) -> Result<Tensor> {
        Ok(Tensor::from_slice(&self.values, &self.shape, &Device::Cpu)?)
    }

    /// Nearly normal, of mean -40 and standard deviation 15.
    fn draw(&mut self) -> f64 {
        let sum: f64 = (0..12).map(|_| self.uniform()).sum();
        f64::from((15.0 * (sum - 6.0) - 40.0) as f32)
    }

    /// In 0..1.
    fn uniform(&mut self) -> f64 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.state >> 11) as f64 / 2f64.powi(53)
    }
}

/// A pixel, `[item, mel, frame]`, under each pooling window whose two largest values are nearly
/// the same.
fn near_ties(model: &Model, clips: &Tensor) -> Result<Vec<[usize; 3]>> {
    let (parameters, config) = (model.parameters(), shape());
    let normalise = |norm: usize, x: &Tensor| {
        let [gamma, beta] =
            ["weight", "bias"].map(|part| &parameters[&format!("norm{norm}.{part}")]);
        batch_norm_train(x, gamma, beta, config.batch_norm_epsilon)
    };
    let (_, trace) = model.forward_traced(clips, TRAINING)?;
    let mut input = normalise(0, clips)?.output.unsqueeze(1)?;
    // Pixels of a clip under one of the block's input.
    let mut scale = (1, 1);
    let mut pixels = Vec::new();
    for (block, &pool) in (1..).zip(&config.pools) {
        let [weight, bias] =
            ["weight", "bias"].map(|part| &parameters[&format!("conv{block}.{part}")]);
        let activations = conv2d_same_elu(&input, weight, bias)?;
        let normalised = normalise(block, &activations)?.output;
        for [item, mel, frame] in near_ties_of(&normalised, pool)? {
            pixels.push([item, mel * scale.0, frame * scale.1]);
        }
        scale = (scale.0 * pool.0, scale.1 * pool.1);
        input = trace[&format!("block{block}")].detach();
    }
    Ok(pixels)
}

/// As [`near_ties`], of normalised activations `[item, channel, mel, frame]`: a window's middle.
fn near_ties_of(x: &Tensor, pool: (usize, usize)) -> Result<Vec<[usize; 3]>> {
    let (_, channels, height, width) = x.dims4()?;
    let x = values(x)?;
    let mut found = Vec::new();
    for (plane, x) in x.chunks_exact(height * width).enumerate() {
        for mel in (0..=height - pool.0).step_by(pool.0) {
            for frame in (0..=width - pool.1).step_by(pool.1) {
                let (mut largest, mut second) = (f64::NEG_INFINITY, f64::NEG_INFINITY);
                for line in mel..mel + pool.0 {
                    for &value in &x[line * width + frame..line * width + frame + pool.1] {
                        second = second.max(value.min(largest));
                        largest = largest.max(value);
                    }
                }
                if largest - second < GAP {
                    found.push([plane / channels, mel + pool.0 / 2, frame + pool.1 / 2]);
                }
            }
        }
    }
    Ok(found)
}
