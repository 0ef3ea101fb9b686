//! Learns to tell two recordings apart, second by second, and says how well it does on what it has
//! not heard:
//!
//! `cargo run --release -p cantus-kernels --example tell_apart -- ONE.wav OTHER.wav [EPOCHS]`
//!
//! The first three quarters of each recording are learnt from, the last quarter is for the test. A
//! second is 32 frames of the levels of 32 bands. The network is two blocks of convolution, a gated
//! recurrent unit and a dense layer, trained by Adam.
#![expect(clippy::print_stdout, reason = "an example speaks to its reader")]

use std::error::Error;
use std::f32::consts::TAU;

use cantus_kernels::candle_core::{Device, Tensor, Var};
use cantus_kernels::{
    Activation, AdamMoments, AdamStep, ConvBlock, ConvBlockParameters, ConvBlockSettings,
    CrossEntropySettings, DropoutKey, GruKind, GruParameters, adam_step, conv_blocks_eval,
    conv_blocks_train, cross_entropy, gru,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const BANDS: usize = 32;
const FRAMES: usize = 32;
const BATCH: usize = 16;
const FILTERS: [usize; 2] = [16, 32];
const POOL: (usize, usize) = (4, 2);
const UNITS: usize = 24;
/// Weight of the old running statistics when a batch's are folded in.
const MOMENTUM: f64 = 0.9;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [one, other, rest @ ..] = &arguments[..] else {
        return Err("usage: tell_apart ONE.wav OTHER.wav [EPOCHS]".into());
    };
    let epochs: usize = rest.first().map_or(Ok(20), |number| number.parse())?;

    let (mut training, mut test) = (Vec::new(), Vec::new());
    for (class, path) in [(0, one), (1, other)] {
        let seconds = seconds_of(path).map_err(|error| format!("{path}: {error}"))?;
        let learnt = seconds.len() * 3 / 4;
        if learnt == 0 {
            return Err(format!("{path}: too short, at least two seconds are needed").into());
        }
        println!("{path}: {learnt} s to learn from, {} s for the test", seconds.len() - learnt);
        for (position, levels) in seconds.into_iter().enumerate() {
            let part = if position < learnt { &mut training } else { &mut test };
            part.push(Second { levels, class });
        }
    }

    let mut draws = Draws(1);
    let mut network = Network::new(&mut draws)?;
    for epoch in 1..=epochs {
        draws.shuffle(&mut training);
        let mut loss = 0.0;
        for batch in training.chunks(BATCH) {
            loss += network.learn(batch)? * batch.len() as f64 / training.len() as f64;
        }
        let mut right = 0;
        for batch in test.chunks(BATCH) {
            right += network.count_right(batch)?;
        }
        println!(
            "epoch {epoch}: training loss {loss:.3}, right on {right} of {} s of the test",
            test.len()
        );
    }
    Ok(())
}

/// A second of a recording.
struct Second {
    /// `[band, frame]`
    levels: Vec<f32>,
    /// Which recording.
    class: u32,
}

/// The trained tensors of a convolutional block, and the running mean and variance of what it
/// normalises.
struct Block {
    weight: Var,
    bias: Var,
    gamma: Var,
    beta: Var,
    mean: Tensor,
    variance: Tensor,
}

struct Network {
    blocks: Vec<Block>,
    weight_ih: Var,
    weight_hh: Var,
    bias_ih: Var,
    dense: Var,
    /// Of each parameter, in the order of [`Network::parameters`].
    moments: Vec<AdamMoments>,
    steps: u64,
}

impl Network {
    fn new(draws: &mut Draws) -> Result<Self> {
        let vector = |value: f32, length: usize| Tensor::full(value, length, &Device::Cpu);
        let (mut blocks, mut channels, mut rows) = (Vec::new(), 1, BANDS);
        for filters in FILTERS {
            blocks.push(Block {
                weight: draws.weights(&[filters, channels, 3, 3], 9 * channels)?,
                bias: Var::from_tensor(&vector(0.0, filters)?)?,
                gamma: Var::from_tensor(&vector(1.0, filters)?)?,
                beta: Var::from_tensor(&vector(0.0, filters)?)?,
                mean: vector(0.0, filters)?,
                variance: vector(1.0, filters)?,
            });
            (channels, rows) = (filters, rows / POOL.0);
        }
        let features = rows * channels;
        let mut network = Self {
            blocks,
            weight_ih: draws.weights(&[3 * UNITS, features], features)?,
            weight_hh: draws.weights(&[3 * UNITS, UNITS], UNITS)?,
            bias_ih: Var::from_tensor(&vector(0.0, 3 * UNITS)?)?,
            dense: draws.weights(&[UNITS, 2], UNITS)?,
            moments: Vec::new(),
            steps: 0,
        };
        for parameter in network.parameters() {
            network.moments.push(AdamMoments::zeros(&parameter)?);
        }
        Ok(network)
    }

    /// Handles to all that is trained: copies share their storage.
    fn parameters(&self) -> Vec<Var> {
        let blocks = self.blocks.iter().flat_map(|b| [&b.weight, &b.bias, &b.gamma, &b.beta]);
        let rest = [&self.weight_ih, &self.weight_hh, &self.bias_ih, &self.dense];
        blocks.chain(rest).cloned().collect()
    }

    /// The blocks as the kernels want them.
    fn layers<'a>(&'a self) -> Vec<ConvBlock<'a>> {
        let settings = ConvBlockSettings {
            activation: Activation::Elu,
            epsilon: 1e-3,
            pool: POOL,
            path: None, // the fastest of this processor
        };
        let layer = |(layer, block): (u32, &'a Block)| {
            let Block { weight, bias, gamma, beta, .. } = block;
            let parameters = ConvBlockParameters { weight, bias, gamma, beta };
            let key = DropoutKey { seed: 0, layer, step: self.steps };
            ConvBlock { parameters, settings, dropped: Some((0.1, key)) }
        };
        (0..).zip(&self.blocks).map(layer).collect()
    }

    /// What follows the blocks: `[batch, band, frame, filter]` to `[batch, class]`.
    fn logits(&self, x: &Tensor) -> Result<Tensor> {
        let sequence = x.permute((2, 0, 1, 3))?.flatten_from(2)?;
        let parameters = GruParameters {
            weight_ih: &self.weight_ih,
            weight_hh: &self.weight_hh,
            bias_ih: &self.bias_ih,
            bias_hh: None,
        };
        let states = gru(&sequence, parameters, GruKind::ResetBefore)?;
        let last = states.get(states.dim(0)? - 1)?;
        Ok(last.matmul(&self.dense)?)
    }

    /// One step of training; returns the mean loss.
    fn learn(&mut self, batch: &[Second]) -> Result<f64> {
        let training = conv_blocks_train(&tensor(batch)?, &self.layers())?;
        let classes: Vec<u32> = batch.iter().map(|second| second.class).collect();
        let logits = self.logits(&training.output)?;
        let loss = cross_entropy(&logits, &classes, &CrossEntropySettings::default())?;
        let gradients = loss.backward()?;

        self.steps += 1;
        let step = AdamStep::torch(1e-3, (0.9, 0.999), 1e-8, self.steps);
        for (parameter, moments) in self.parameters().iter().zip(&mut self.moments) {
            let gradient = gradients.get(parameter).ok_or("a parameter without a gradient")?;
            adam_step(parameter, gradient, moments, step)?;
        }
        let fold = |old: &Tensor, new: &Tensor| (old * MOMENTUM)? + (new * (1.0 - MOMENTUM))?;
        for (block, (mean, variance)) in self.blocks.iter_mut().zip(&training.statistics) {
            block.mean = fold(&block.mean, mean)?;
            block.variance = fold(&block.variance, variance)?;
        }
        Ok(loss.to_scalar::<f32>()?.into())
    }

    /// Of how many seconds the network names the recording.
    fn count_right(&self, batch: &[Second]) -> Result<usize> {
        let statistics: Vec<_> = self.blocks.iter().map(|b| (&b.mean, &b.variance)).collect();
        let x = conv_blocks_eval(&tensor(batch)?, &self.layers(), &statistics)?;
        let found = self.logits(&x)?.argmax(1)?.to_vec1::<u32>()?;
        Ok(found.iter().zip(batch).filter(|(found, second)| **found == second.class).count())
    }
}

/// `[batch, band, frame, channel]`
fn tensor(batch: &[Second]) -> Result<Tensor> {
    let values: Vec<f32> = batch.iter().flat_map(|second| &second.levels).copied().collect();
    Ok(Tensor::from_vec(values, (batch.len(), BANDS, FRAMES, 1), &Device::Cpu)?)
}

/// The levels of each whole second of a WAV file's mono mix.
fn seconds_of(path: &str) -> Result<Vec<Vec<f32>>> {
    let mut wav = hound::WavReader::open(path)?;
    let spec = wav.spec();
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => wav.samples::<f32>().collect::<hound::Result<_>>()?,
        hound::SampleFormat::Int => {
            let full_scale = (1_u32 << (spec.bits_per_sample - 1)) as f32;
            let samples = wav.samples::<i32>().map(|sample| Ok(sample? as f32 / full_scale));
            samples.collect::<hound::Result<_>>()?
        }
    };
    let channels = usize::from(spec.channels);
    let mono: Vec<f32> =
        samples.chunks_exact(channels).map(|c| c.iter().sum::<f32>() / channels as f32).collect();

    let window = spec.sample_rate as usize / FRAMES;
    let waves =
        (0..BANDS).map(|band| Wave::new(band, spec.sample_rate, window)).collect::<Vec<_>>();
    let second = |samples: &[f32]| {
        let levels = waves.iter().flat_map(|wave| {
            samples.chunks_exact(window).take(FRAMES).map(|frame| wave.level(frame))
        });
        levels.collect()
    };
    Ok(mono.chunks_exact(window * FRAMES).map(second).collect())
}

/// A band's frequency under a Hann window, as cosines and sines.
struct Wave(Vec<(f32, f32)>);

impl Wave {
    /// From 80 Hz to two fifths of the sample rate, in equal ratios.
    fn new(band: usize, sample_rate: u32, window: usize) -> Self {
        let (lowest, highest) = (80.0, 0.4 * sample_rate as f32);
        let frequency = lowest * (highest / lowest).powf(band as f32 / (BANDS - 1) as f32);
        let wave = (0..window).map(|position| {
            let turns = position as f32 / window as f32;
            let hann = (0.5 - 0.5 * (TAU * turns).cos()) * 2.0 / window as f32;
            let (sine, cosine) = (TAU * frequency * position as f32 / sample_rate as f32).sin_cos();
            (hann * cosine, hann * sine)
        });
        Self(wave.collect())
    }

    /// In units of 20 dB around -40 dB.
    fn level(&self, frame: &[f32]) -> f32 {
        let (mut real, mut imaginary) = (0.0, 0.0);
        for (sample, (cosine, sine)) in frame.iter().zip(&self.0) {
            real += sample * cosine;
            imaginary += sample * sine;
        }
        (10.0 * (real * real + imaginary * imaginary).max(1e-8).log10() + 40.0) / 20.0
    }
}

/// Random numbers of a linear congruence: enough for first weights and an order.
struct Draws(u64);

impl Draws {
    /// In 0..1.
    fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 40) as f32 / (1_u64 << 24) as f32
    }

    /// Of variance 1 / `inputs`.
    fn weights(&mut self, shape: &[usize], inputs: usize) -> Result<Var> {
        let bound = (3.0 / inputs as f32).sqrt();
        let length = shape.iter().product();
        let values = (0..length).map(|_| bound * (2.0 * self.uniform() - 1.0)).collect();
        Ok(Var::from_vec(values, shape, &Device::Cpu)?)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, (self.uniform() * (last + 1) as f32) as usize);
        }
    }
}
