//! A made-up corpus that can be learnt in a second, and a network small enough to do so.

use std::collections::BTreeMap;
use std::sync::Arc;

use candle_core::{D, DType, Device, Result, Tensor, Var};
use cantus_cache::ClipRule;
use cantus_train::{
    ClipSet, ClipSource, Control, Event, Network, Output, SourceError, TrainConfig, Trainer,
    TrainingData,
};

pub(crate) const N_MELS: usize = 16;
pub(crate) const CLASSES: usize = 3;
const FRAMES_A_SONG: usize = 70;

/// Repeatable noise between -1 and 1.
fn noise(seed: u64) -> f32 {
    let mut state = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    for shift in [30, 27, 31] {
        state = (state ^ (state >> shift)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    }
    (state >> 40) as f32 / (1_u64 << 23) as f32 - 1.0
}

/// Songs in memory. Song `i` is of class `i % CLASSES`, which is loud in a third of the bands.
pub(crate) struct ToySource {
    pub(crate) songs: usize,
    /// A song and a frame of it that is NaN.
    pub(crate) spoilt: Option<(usize, usize)>,
}

impl ClipSource for ToySource {
    fn n_mels(&self) -> usize {
        N_MELS
    }

    fn n_frames(&self, song: usize) -> Option<usize> {
        (song < self.songs).then_some(FRAMES_A_SONG)
    }

    fn read_clip(
        &self,
        song: usize,
        first_frame: usize,
        n_frames: usize,
        out: &mut [f32],
    ) -> std::result::Result<(), SourceError> {
        for (band, row) in out.chunks_exact_mut(n_frames).enumerate() {
            let loud = if band * CLASSES / N_MELS == song % CLASSES { 10.0 } else { 0.0 };
            for (value, frame) in row.iter_mut().zip(first_frame..) {
                let seed = (song * 1_000_003 + band * 1009 + frame) as u64;
                *value = loud - 40.0 + 12.0 * noise(seed);
            }
        }
        if let Some((_, frame)) = self.spoilt.filter(|&(spoilt, _)| spoilt == song)
            && (first_frame..first_frame + n_frames).contains(&frame)
        {
            out[frame - first_frame] = f32::NAN;
        }
        Ok(())
    }
}

/// `train` songs to learn from, three more to validate on, clips of 16 frames: 4 a song.
pub(crate) fn toy_data(train: usize) -> TrainingData {
    toy_data_of(ToySource { songs: train + CLASSES, spoilt: None })
}

pub(crate) fn toy_data_of(source: ToySource) -> TrainingData {
    let train = source.songs - CLASSES;
    let cut = |songs: std::ops::Range<usize>| {
        let songs: Vec<_> = songs.map(|song| (song, song % CLASSES)).collect();
        ClipSet::cut(&source, &songs, 16, ClipRule::AllWhole).unwrap()
    };
    TrainingData {
        labels: (0..CLASSES).map(|class| format!("artist {class}")).collect(),
        training: cut(0..train),
        validation: cut(train..source.songs),
        identity: "toy".to_owned(),
        source: Arc::new(source),
    }
}

/// Mean over frames, centring by a running mean, dropout, two dense layers.
#[derive(Debug)]
pub(crate) struct Tiny {
    parameters: BTreeMap<String, Var>,
    running_mean: Tensor,
}

impl Tiny {
    pub(crate) fn new() -> Self {
        let hidden = 8;
        let shapes = [
            ("dense1.bias", vec![hidden]),
            ("dense1.weight", vec![N_MELS, hidden]),
            ("dense2.bias", vec![CLASSES]),
            ("dense2.weight", vec![hidden, CLASSES]),
        ];
        let mut draws = 0..;
        let parameter = |(name, shape): (&str, Vec<usize>)| {
            let n = shape.iter().product();
            let values: Vec<_> = draws.by_ref().take(n).map(|i| 0.3 * noise(i)).collect();
            (name.to_owned(), Var::from_vec(values, shape, &Device::Cpu).unwrap())
        };
        Self {
            parameters: shapes.into_iter().map(parameter).collect(),
            running_mean: Tensor::zeros(N_MELS, DType::F32, &Device::Cpu).unwrap(),
        }
    }

    fn forward(&self, clips: &Tensor, mask: Option<(u64, u64)>) -> Result<(Output, Tensor)> {
        let x = clips.mean(D::Minus1)?;
        let batch_mean = x.mean_keepdim(0)?.flatten_all()?.detach();
        let centre = if mask.is_some() { &batch_mean } else { &self.running_mean };
        let x = (x.broadcast_sub(centre)? * 0.2)?;
        let mut hidden = x
            .matmul(&self.parameters["dense1.weight"])?
            .broadcast_add(&self.parameters["dense1.bias"])?
            .tanh()?;
        if let Some((seed, step)) = mask {
            let n = hidden.elem_count() as u64;
            let keep = |i| if noise(seed ^ (step * 65_537 + i)) > -0.8 { 1.1_f32 } else { 0.0 };
            let keep: Vec<_> = (0..n).map(keep).collect();
            hidden = (&hidden * Tensor::from_vec(keep, hidden.shape(), &Device::Cpu)?)?;
        }
        let logits = hidden
            .matmul(&self.parameters["dense2.weight"])?
            .broadcast_add(&self.parameters["dense2.bias"])?;
        Ok((Output { logits, embedding: hidden }, batch_mean))
    }
}

impl Network for Tiny {
    type Statistics = Tensor;
    type Error = candle_core::Error;

    fn n_mels(&self) -> usize {
        N_MELS
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    fn configuration(&self) -> serde_json::Value {
        serde_json::json!({ "name": "tiny" })
    }

    fn parameters(&self) -> &BTreeMap<String, Var> {
        &self.parameters
    }

    fn tensors(&self) -> Result<BTreeMap<String, Tensor>> {
        let mut tensors = BTreeMap::from([("running_mean".to_owned(), self.running_mean.clone())]);
        for (name, parameter) in &self.parameters {
            tensors.insert(name.clone(), parameter.as_tensor().copy()?.detach());
        }
        Ok(tensors)
    }

    fn load_tensors(&mut self, tensors: &BTreeMap<String, Tensor>) -> Result<()> {
        self.running_mean = tensors["running_mean"].clone();
        self.parameters.iter().try_for_each(|(name, parameter)| parameter.set(&tensors[name]))
    }

    fn evaluate(&self, clips: &Tensor) -> Result<Output> {
        Ok(self.forward(clips, None)?.0)
    }

    fn train(&self, clips: &Tensor, seed: u64, step: u64) -> Result<(Output, Tensor)> {
        self.forward(clips, Some((seed, step)))
    }

    fn fold(&mut self, statistics: &Tensor) -> Result<()> {
        self.running_mean = ((&self.running_mean * 0.9)? + (statistics * 0.1)?)?;
        Ok(())
    }
}

/// Settings under which the toy is learnt within a few epochs.
pub(crate) fn toy_config() -> TrainConfig {
    TrainConfig { epochs: 5, batch_size: 7, learning_rate: 0.02, seed: 3, ..TrainConfig::default() }
}

/// Everything that must agree to the last bit between two trainings.
#[derive(Debug, PartialEq)]
pub(crate) struct Ending {
    checkpoint: Vec<u8>,
    history: String,
}

pub(crate) fn ending<N: Network>(trainer: &Trainer<N>) -> Ending {
    Ending {
        // Weights, running statistics, optimiser state, best weights and counters.
        checkpoint: trainer.checkpoint().unwrap(),
        history: serde_json::to_string(trainer.history()).unwrap(),
    }
}

/// An event handler that only goes on.
pub(crate) fn go_on(_: Event<'_>) -> Control {
    Control::Continue
}
